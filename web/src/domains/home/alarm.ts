/** The bound whose crossing retrains, as the project's definition says it. */
export interface Definition {
  readonly whole: {
    readonly pipelines?: Readonly<
      Record<string, { readonly triggers?: readonly { readonly metric?: string; readonly above?: number }[] }>
    >
  }
}
export interface Alarm {
  readonly metric: string
  readonly above: number
}

/** The first trigger on a metric of this monitor; undefined where nothing watches it. */
export function alarmOf(definition: Definition | undefined, monitor: string | undefined): Alarm | undefined {
  const triggers = Object.values(definition?.whole.pipelines ?? {}).flatMap((p) => p.triggers ?? [])
  for (const { metric, above } of triggers) {
    const [of, name] = metric?.split('/') ?? []
    if (of === monitor && name !== undefined && above !== undefined) return { metric: name, above }
  }
  return undefined
}
