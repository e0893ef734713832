/** Reads what nobody should see: piped in, or typed without an echo. */

/** Return, and what Ctrl-C and Ctrl-D send. */
const ends = ['\r', '\n', '\u0003', '\u0004']

/** One trailing line break is not part of the value. */
export async function readHidden(question: string): Promise<string> {
  return process.stdin.isTTY ? typed(question) : (await piped()).replace(/\r?\n$/, '')
}

async function piped(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

function typed(question: string): Promise<string> {
  const { stdin, stderr } = process
  stderr.write(question)
  stdin.setRawMode(true).setEncoding('utf8').resume()
  return new Promise((resolve) => {
    let value = ''
    const hear = (text: string) => {
      const ended = [...text].findIndex((c) => ends.includes(c))
      for (const c of ended < 0 ? text : text.slice(0, ended))
        value = c === '\u007f' ? value.slice(0, -1) : value + c
      if (ended < 0) return
      stdin.setRawMode(false).pause().off('data', hear)
      stderr.write('\n')
      if (text[ended] === '\u0003') process.exit(130)
      resolve(value)
    }
    stdin.on('data', hear)
  })
}
