/** Sessions of ONNX Runtime on the CPU, one thread each so that answers repeat bit for bit. Least recently used ones go. */
import { parentPort } from 'node:worker_threads'
import type { InferenceSession } from 'onnxruntime-node'

const sessionsMax = 32
const port = parentPort
if (port === null) throw new Error('sessions run in a worker thread')

type Message = { id: number } & ({ load: string } | { predict: string; rows: Float32Array; count: number })
interface Loaded {
  readonly session: InferenceSession
  readonly features: number
}
const sessions = new Map<string, Promise<Loaded>>()

port.on('message', async (message: Message) => {
  try {
    if ('load' in message)
      port.postMessage({ id: message.id, features: (await loaded(message.load)).features })
    else
      port.postMessage({
        id: message.id,
        values: await predict(message.predict, message.rows, message.count),
      })
  } catch (error) {
    port.postMessage({ id: message.id, why: (error as Error).message })
  }
})

function loaded(file: string): Promise<Loaded> {
  const known = sessions.get(file)
  if (known !== undefined) {
    sessions.delete(file)
    sessions.set(file, known)
    return known
  }
  const loading = load(file)
  sessions.set(file, loading)
  loading.catch(() => sessions.delete(file))
  const oldest = sessions.keys().next().value
  if (sessions.size > sessionsMax && oldest !== undefined) {
    const gone = sessions.get(oldest)
    sessions.delete(oldest)
    void gone?.then(({ session }) => session.release()).catch(() => undefined)
  }
  return loading
}

async function load(file: string): Promise<Loaded> {
  const { InferenceSession } = await import('onnxruntime-node')
  const session = await InferenceSession.create(file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const input = session.inputMetadata[0]
  const shape = input !== undefined && 'shape' in input ? (input.shape as (number | string)[]) : []
  return { session, features: Number(shape[1] ?? 0) }
}

async function predict(file: string, rows: Float32Array, count: number): Promise<Float32Array> {
  const { Tensor } = await import('onnxruntime-node')
  const { session } = await loaded(file)
  const tensor = new Tensor('float32', rows, [count, count === 0 ? 0 : rows.length / count])
  const result = await session.run({ [session.inputNames[0] ?? 'input']: tensor })
  const output = result[session.outputNames[0] ?? '']?.data
  if (output instanceof Float32Array) return output
  return Float32Array.from(output as ArrayLike<number>)
}
