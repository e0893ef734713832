/** The CLI's way to a server: fetch, problem details to errors, exit codes. Loads nothing heavy. */

export class CliError extends Error {
  readonly exitCode: number
  readonly fix: string | undefined
  constructor(exitCode: number, message: string, fix?: string) {
    super(message)
    this.exitCode = exitCode
    this.fix = fix
  }
}

export interface Client {
  readonly server: string
  readonly project: string
  // biome-ignore lint/suspicious/noExplicitAny: replies are printed, not computed with
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<any>
  bytes(path: string): Promise<Response>
  upload(path: string, bytes: Uint8Array): Promise<void>
}

const exitCodes: Record<number, number> = { 400: 2, 401: 4, 403: 4, 404: 5, 409: 6, 412: 3, 503: 7 }

export function openClient(options: {
  server: string
  project: string
  token?: string | undefined
  timeoutMs?: number
}): Client {
  const send = async (
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<Response> => {
    const signal = AbortSignal.timeout(options.timeoutMs ?? 600_000)
    const auth = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }
    let reply: Response
    try {
      reply = await fetch(`${options.server}/p/${options.project}${path}`, {
        method,
        signal,
        headers: { ...auth, ...headers },
        ...(body === undefined ? {} : { body: body as string }),
      })
    } catch (error) {
      if ((error as Error).name === 'TimeoutError')
        throw new CliError(8, `${options.server} did not answer in time`)
      throw new CliError(
        7,
        `${options.server} does not answer`,
        'start it: headrace server, or give --server URL',
      )
    }
    if (reply.ok) return reply
    const problem = (await reply.json().catch(() => ({}))) as {
      detail?: string
      remedy?: string
      code?: string
    }
    throw new CliError(
      exitCodes[reply.status] ?? 1,
      `${problem.detail ?? reply.statusText} (${problem.code ?? reply.status})`,
      problem.remedy,
    )
  }
  return {
    server: options.server,
    project: options.project,
    async call(method, path, body, headers = {}) {
      const json = body === undefined ? undefined : JSON.stringify(body)
      const reply = await send(
        method,
        path,
        json,
        json === undefined ? headers : { 'content-type': 'application/json', ...headers },
      )
      return reply.json()
    },
    bytes: (path) => send('GET', path),
    async upload(path, bytes) {
      await send('PUT', path, bytes, { 'content-type': 'application/octet-stream' })
    },
  }
}
