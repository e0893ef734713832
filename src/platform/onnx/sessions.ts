/**
 * The main thread's side: a question is a flat Float32Array of rows, an answer one number a row. Questions that come while
 * a model is busy wait and go together as one batch when it is free: no timer, so that a lone question never waits.
 * Hot path.
 */
import type { Worker } from 'node:worker_threads'
import { Fault } from '#base/errors.ts'
import { startThread } from '#base/thread.ts'

export interface Onnx {
  /** Makes a model ready; the number of features that it takes. @throws Fault invalid `onnx.unreadable` */
  load(file: string): Promise<{ features: number }>
  /** One prediction a row; `rows` holds `count × features` numbers. @throws Fault rate_limited `onnx.queue_full` */
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
interface Question {
  readonly rows: Float32Array
  readonly count: number
  resolve(values: Float32Array): void
  reject(reason: unknown): void
}
/** What waits for one model. */
interface Lane {
  isBusy: boolean
  waiting: Question[]
  waitingRows: number
}

/** Rows of one batch: more would keep a lone question behind it waiting for long. */
const batchRowsMax = 2_048
/** Rows that wait for one model; beyond it a caller is told to come back. */
const waitingRowsMax = 50_000

export function openOnnx(): Onnx {
  const thread = new ModelThread()
  const lanes = new Map<string, Lane>()
  const laneOf = (file: string): Lane => {
    const known = lanes.get(file)
    if (known !== undefined) return known
    const lane: Lane = { isBusy: false, waiting: [], waitingRows: 0 }
    lanes.set(file, lane)
    return lane
  }
  const send = async (file: string, lane: Lane): Promise<void> => {
    lane.isBusy = true
    while (lane.waiting.length > 0) await answerBatch(thread, file, nextBatch(lane))
    lane.isBusy = false
    lanes.delete(file)
  }
  return {
    load: async (file) => ({ features: (await thread.ask({ load: file })).features ?? 0 }),
    predict(file, rows, count) {
      const lane = laneOf(file)
      if (lane.waitingRows + count > waitingRowsMax) return Promise.reject(queueFull(lane.waitingRows))
      const answered = new Promise<Float32Array>((resolve, reject) => {
        lane.waiting.push({ rows, count, resolve, reject })
        lane.waitingRows += count
      })
      if (!lane.isBusy) void send(file, lane)
      return answered
    },
    close: () => thread.close(),
  }
}

/** The questions that have waited longest, at least one of them whatever its size. */
function nextBatch(lane: Lane): Question[] {
  let rows = 0
  let taken = 0
  for (const question of lane.waiting) {
    if (taken > 0 && rows + question.count > batchRowsMax) break
    rows += question.count
    taken++
  }
  lane.waitingRows -= rows
  return lane.waiting.splice(0, taken)
}

async function answerBatch(thread: ModelThread, file: string, batch: readonly Question[]): Promise<void> {
  const [only] = batch
  if (only === undefined) return
  if (batch.length === 1) {
    await thread.predict(file, only.rows, only.count).then(only.resolve, only.reject)
    return
  }
  const rows = new Float32Array(batch.reduce((sum, q) => sum + q.rows.length, 0))
  let at = 0
  for (const question of batch) {
    rows.set(question.rows, at)
    at += question.rows.length
  }
  const count = batch.reduce((sum, q) => sum + q.count, 0)
  try {
    const values = await thread.predict(file, rows, count)
    let from = 0
    for (const question of batch) {
      question.resolve(values.slice(from, from + question.count))
      from += question.count
    }
  } catch {
    // One bad question must not spoil its neighbours': each is asked alone.
    for (const question of batch) await answerBatch(thread, file, [question])
  }
}

const queueFull = (rows: number) =>
  new Fault('rate_limited', 'onnx.queue_full', `${rows} rows wait for this model already`, {
    remedy: 'send less, or come back in a second',
  })

/** The thread that holds the sessions; it starts with the first model and again after it was lost. */
class ModelThread {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #next = 1

  async predict(file: string, rows: Float32Array, count: number): Promise<Float32Array> {
    return (await this.ask({ predict: file, rows, count })).values ?? new Float32Array()
  }

  ask(message: object): Promise<Answer> {
    const id = this.#next++
    const worker = this.#started()
    worker.ref()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, ...message })
    })
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
    this.#lost('it was closed')
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const made = startThread(new URL('./session.worker.ts', import.meta.url))
    made.on('message', (answer: Answer) => {
      const one = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (this.#waiting.size === 0) made.unref()
      if (answer.why === undefined) one?.resolve(answer)
      else one?.reject(new Fault('invalid', 'onnx.failed', answer.why.slice(0, 500)))
    })
    made.on('error', (error) => this.#lost(error.message))
    this.#worker = made
    return made
  }

  #lost(why: string): void {
    this.#worker = undefined
    for (const one of this.#waiting.values())
      one.reject(new Fault('unavailable', 'onnx.lost', `the model thread ended: ${why}`))
    this.#waiting.clear()
  }
}
