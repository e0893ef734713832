/** A model's tree as ONNX: converted in its own environment, compared with the original on real rows, timed. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Fault } from '#base/errors.ts'
import { newId } from '#base/ids.ts'
import { type Blobs, checkoutTree } from '#platform/blobs/index.ts'
import type { Environments } from '#platform/environments/index.ts'
import type { Onnx } from '#platform/onnx/index.ts'
import type { Processes } from '#platform/process/index.ts'

export interface ConvertDeps {
  readonly blobs: Blobs
  readonly environments: Environments
  readonly processes: Processes
  readonly onnx: Onnx
  readonly workDirectory: string
  /** python/convert_model.py */
  readonly converter: string
  readonly baseEnv: Readonly<Record<string, string>>
}
export interface Prepared {
  readonly onnx: string
  readonly features: readonly string[]
  readonly target: string
  /** The class of the original. */
  readonly kind: string
  /** Largest |original − ONNX| over the sample. */
  readonly parityMaxAbs: number
  readonly sampleRows: number
  /** 95th percentile of single-row predictions by ONNX. */
  readonly latencyP95Ms: number
}
interface Report {
  readonly features: string[]
  readonly target: string
  readonly model: string
  readonly predictions: number[]
}
const convertTimeoutMs = 10 * 60_000
const timingsMax = 200

export async function convert(
  deps: ConvertDeps,
  command: { tree: string; environmentLock: string; sample: readonly (readonly number[])[] },
): Promise<Prepared> {
  const environment = await deps.environments.byLock(command.environmentLock)
  if (environment === undefined) {
    throw new Fault(
      'precondition_failed',
      'registry.environment_missing',
      'the environment that trained this model is not on this machine',
      {
        remedy: 'run the training step again, which builds it',
      },
    )
  }
  const work = path.join(deps.workDirectory, `convert-${newId()}`)
  try {
    await mkdir(work, { recursive: true })
    await checkoutTree(deps.blobs, command.tree, path.join(work, 'model'))
    await writeFile(path.join(work, 'sample.json'), JSON.stringify(command.sample))
    const last: string[] = []
    const finished = await deps.processes.run({
      argv: [
        environment.python,
        deps.converter,
        path.join(work, 'model'),
        path.join(work, 'sample.json'),
        path.join(work, 'out'),
      ],
      cwd: work,
      env: { ...deps.baseEnv, ...environment.env },
      timeoutMs: convertTimeoutMs,
      onLine: (line) => {
        last.push(line)
        if (last.length > 20) last.shift()
      },
    })
    if (finished.exitCode !== 0) throw notConverted(last)
    const report: Report = JSON.parse(await readFile(path.join(work, 'out', 'report.json'), 'utf8'))
    const { digest } = await deps.blobs.putFile(path.join(work, 'out', 'model.onnx'))
    const file = await deps.blobs.localPath(digest)
    return {
      onnx: digest,
      features: report.features,
      target: report.target,
      kind: report.model,
      sampleRows: command.sample.length,
      parityMaxAbs: await parity(deps.onnx, file, command.sample, report.predictions),
      latencyP95Ms: await latencyP95(deps.onnx, file, command.sample),
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function parity(
  onnx: Onnx,
  file: string,
  sample: readonly (readonly number[])[],
  original: readonly number[],
): Promise<number> {
  const ours = await onnx.predict(file, Float32Array.from(sample.flat()), sample.length)
  return original.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (ours[i] ?? Number.NaN))), 0)
}

async function latencyP95(onnx: Onnx, file: string, sample: readonly (readonly number[])[]): Promise<number> {
  const times: number[] = []
  for (const row of sample.slice(0, timingsMax)) {
    const started = performance.now()
    await onnx.predict(file, Float32Array.from(row), 1)
    times.push(performance.now() - started)
  }
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length * 0.95)] ?? 0
}

const notConverted = (lines: readonly string[]) =>
  new Fault(
    'invalid',
    'registry.not_converted',
    `the model could not be turned into ONNX: ${lines.filter((l) => l.trim() !== '').at(-1) ?? 'no output'}`,
    {
      remedy:
        'pin skl2onnx 1.20 with onnx before 1.19 and protobuf before 7, or use a kind of model that skl2onnx knows',
      details: { lines },
    },
  )
