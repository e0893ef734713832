/** The one live stream: committed facts of a project as server-sent events. Bounded; a slow reader is cut and resumes. */
import { Readable } from 'node:stream'
import type { Events, StoredEvent } from '#platform/events/index.ts'

const heartbeatMs = 15_000
const waitingMax = 10_000
const backlogMax = 1_000

export interface StreamOptions {
  readonly events: Events
  readonly project: string
  /** Where the reader was; from now on where left out. */
  readonly afterSeq: number | undefined
  readonly stopping: AbortSignal
}

export function eventStream({ events, project, afterSeq, stopping }: StreamOptions): Readable {
  const stream = new Readable({ read() {} })
  let last = afterSeq ?? 0
  let isLive = false
  let waiting: StoredEvent[] = []
  const send = (event: StoredEvent) => {
    if (event.seq <= last || event.project !== project) return
    last = event.seq
    stream.push(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    // The reader is too slow: cut it; it comes back with Last-Event-ID and loses nothing.
    if (stream.readableLength > waitingMax * 100) stream.destroy()
  }
  const off = events.onCommitted((event) => {
    if (isLive) send(event)
    else if (waiting.length < waitingMax) waiting.push(event)
  })
  const heartbeat = setInterval(() => stream.push(': alive\n\n'), heartbeatMs)
  heartbeat.unref()
  const end = () => stream.push(null)
  stopping.addEventListener('abort', end, { once: true })
  stream.once('close', () => {
    off()
    clearInterval(heartbeat)
    stopping.removeEventListener('abort', end)
  })
  stream.push('retry: 1000\n\n')
  void (async () => {
    if (afterSeq !== undefined) {
      for (;;) {
        const missed = await events.list({ project, afterSeq: last, limit: backlogMax })
        missed.forEach(send)
        if (missed.length < backlogMax) break
      }
    }
    isLive = true
    waiting.forEach(send)
    waiting = []
  })().catch(() => stream.destroy())
  return stream
}
