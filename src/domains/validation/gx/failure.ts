/** What stops one expectation and not its suite: reported in its `exception_info`, under the name that GX gives it. */
export class GxError extends Error {
  readonly type: string

  constructor(type: string, message: string) {
    super(message)
    this.type = type
  }
}
