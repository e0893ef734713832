/** What a durable write costs on this disk: the median of 50 fsyncs of 4 KiB. */
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

export async function fsyncMs(): Promise<number> {
  const file = path.join(tmpdir(), `headrace-fsync-${process.pid}`)
  const handle = await open(file, 'w')
  const times: number[] = []
  for (let i = 0; i < 50; i++) {
    await handle.write(Buffer.alloc(4096, i))
    const started = performance.now()
    await handle.sync()
    times.push(performance.now() - started)
  }
  await handle.close()
  await rm(file, { force: true })
  return median(times)
}
