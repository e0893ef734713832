/** The main thread's side: a question is a flat Float32Array of rows, an answer one number a row. Hot path. */
import type { Worker } from 'node:worker_threads'
import { Fault } from '#base/errors.ts'
import { startThread } from '#base/thread.ts'

export interface Onnx {
  /** Makes a model ready; the number of features that it takes. @throws Fault invalid `onnx.unreadable` */
  load(file: string): Promise<{ features: number }>
  /** One prediction a row; `rows` holds `count × features` numbers. */
  predict(file: string, rows: Float32Array, count: number): Promise<Float32Array>
  close(): Promise<void>
}

interface Waiting {
  resolve(answer: Answer): void
  reject(reason: unknown): void
}
interface Answer {
  id: number
  features?: number
  values?: Float32Array
  why?: string
}

export function openOnnx(): Onnx {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let next = 1
  const lost = (why: string) => {
    worker = undefined
    for (const one of waiting.values())
      one.reject(new Fault('unavailable', 'onnx.lost', `the model thread ended: ${why}`))
    waiting.clear()
  }
  const started = () => {
    if (worker !== undefined) return worker
    const made = startThread(new URL('./session.worker.ts', import.meta.url))
    made.on('message', (answer: Answer) => {
      const one = waiting.get(answer.id)
      waiting.delete(answer.id)
      if (waiting.size === 0) made.unref()
      if (answer.why === undefined) one?.resolve(answer)
      else one?.reject(new Fault('invalid', 'onnx.failed', answer.why.slice(0, 500)))
    })
    made.on('error', (error) => lost(error.message))
    worker = made
    return made
  }
  const ask = (message: object, transfer: ArrayBuffer[] = []): Promise<Answer> => {
    const id = next++
    const thread = started()
    thread.ref()
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      thread.postMessage({ id, ...message }, transfer)
    })
  }
  return {
    load: async (file) => ({ features: (await ask({ load: file })).features ?? 0 }),
    predict: async (file, rows, count) =>
      (await ask({ predict: file, rows, count })).values ?? new Float32Array(),
    async close() {
      await worker?.terminate()
      worker = undefined
    },
  }
}
