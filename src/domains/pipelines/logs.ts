/** Logs of step attempts: plain files, appended in order, read by range. Secrets are masked before they get here. */
import { createWriteStream } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import path from 'node:path'

export interface StepLog {
  write(line: string): void
  close(): Promise<void>
}
export interface StepLogs {
  open(relative: string): StepLog
  /** Text from byte `from`, and where to go on. */
  read(relative: string, from: number): Promise<{ text: string; next: number }>
  tail(relative: string, lines: number): Promise<string[]>
}

const readBytesMax = 1024 * 1024

export const stepLogPath = (step: { project: string; run: number; name: string; attempt: number }) =>
  `${step.project}/r-${step.run}/${step.name}-${step.attempt}.log`

export function openStepLogs(options: { directory: string; mask?: (text: string) => string }): StepLogs {
  const mask = options.mask ?? ((text) => text)
  const read = async (relative: string, from: number) => {
    const file = await open(path.join(options.directory, relative)).catch(() => undefined)
    if (file === undefined) return { text: '', next: from }
    try {
      const buffer = Buffer.alloc(readBytesMax)
      const { bytesRead } = await file.read(buffer, 0, readBytesMax, from)
      return { text: buffer.toString('utf8', 0, bytesRead), next: from + bytesRead }
    } finally {
      await file.close()
    }
  }
  return {
    open(relative) {
      // The file begins with its first line: a step that says nothing has none.
      let stream: Promise<NodeJS.WritableStream & { end(done: () => void): unknown }> | undefined
      const file = path.join(options.directory, relative)
      let writing: Promise<unknown> = Promise.resolve()
      return {
        write(line) {
          stream ??= mkdir(path.dirname(file), { recursive: true }).then(() =>
            createWriteStream(file, { flags: 'a' }),
          )
          const text = `${new Date().toISOString()} ${mask(line)}\n`
          writing = writing.then(async () => void (await stream)?.write(text))
        },
        async close() {
          await writing
          const opened = await stream
          if (opened !== undefined) await new Promise<void>((resolve) => opened.end(resolve))
        },
      }
    },
    read,
    async tail(relative, lines) {
      const found = await stat(path.join(options.directory, relative)).catch(() => undefined)
      if (found === undefined) return []
      const { text } = await read(relative, Math.max(0, found.size - 64 * 1024))
      return text.trimEnd().split('\n').slice(-lines)
    },
  }
}
