/** `headrace reproduce MODEL@v`: asks the server to rebuild a model version, waits, and says whether it is the same. */
import { setTimeout as pause } from 'node:timers/promises'
import { CliError } from './client.ts'
import type { Context } from './index.ts'
import { versionRef } from './runs.ts'

interface Output {
  readonly name: string
  readonly kind: string
  readonly same: boolean
  readonly firstDifference?: number
  readonly rows?: number
  readonly maxAbs?: number
}
const pollMs = 400

export async function reproduce(context: Context): Promise<number> {
  const text = context.args[0]
  if (text === undefined) throw new CliError(2, 'MODEL@v is missing', 'headrace reproduce demand@2')
  const { name, version } = versionRef(text)
  const client = await context.client()
  const path = `/api/v1/models/${encodeURIComponent(name)}/versions/${version}/reproductions`
  let report = await client.call('POST', path, {})
  for (let told = ''; report.state === 'running'; await pause(pollMs)) {
    if (report.sentence !== told) context.say(report.sentence)
    told = report.sentence
    report = await client.call('GET', `/api/v1/reproductions/${report.id}`)
  }
  if (report.state !== 'done') {
    context.print(report, [`${name}@${version} was not rebuilt: ${report.sentence}`])
    return 1
  }
  context.print(report, [
    `${report.verdict}: ${report.sentence}`,
    `  step ${report.step}, environment ${report.environment.same ? 'the same' : 'ANOTHER'}: ${report.environment.after.slice(0, 12)}`,
    ...report.outputs.map(lineOf),
    ...report.metrics.map(
      (m: { name: string; same: boolean; before: unknown; after: unknown }) =>
        `  ${m.same ? 'same  ' : 'DIFFER'} ${m.name} ${m.before}${m.same ? '' : ` → ${m.after}`}`,
    ),
  ])
  return report.verdict === 'different' ? 1 : 0
}

function lineOf({ name, kind, same, firstDifference, rows, maxAbs }: Output): string {
  const mark = same ? 'same  ' : kind === 'pickle' ? 'other ' : 'DIFFER'
  if (kind === 'predictions') return `  ${mark} ${rows} predictions${same ? '' : `, by up to ${maxAbs}`}`
  const where = firstDifference === undefined ? '' : `, from byte ${firstDifference}`
  const pickle = kind === 'pickle' && !same ? ' (a pickle: compared by its predictions)' : ''
  return `  ${mark} ${name}${where}${pickle}`
}
