/**
 * Takes secrets out of a stream of text, also where one is split over several writes or encoded. What could still become
 * a secret is held back, never more than the longest one. Pure.
 */
export interface Masker {
  /** Text that is safe to show now. */
  push(text: string): string
  /** What was held back, at the end of the stream. */
  end(): string
}

export const mask = '***'
/** Shorter ones cannot be told from ordinary text. */
export const secretCharsMin = 4
const encodedCharsMin = 6
/** Columns at which encoders break lines: MIME and PEM. */
const wraps = [76, 64]
/** Characters at the end of base64 that say less than six bits of the text, by the number of `=`. */
const looseAtEnd = [0, 2, 3]

export function maskerOf(secrets: readonly string[]): Masker {
  return new StreamMasker(patternsOf(secrets))
}

/** Every spelling of every secret, and of every line of one that has several. */
export function patternsOf(secrets: readonly string[]): string[] {
  const whole = secrets.flatMap((secret) => [secret, secret.trim()])
  const lines = secrets.flatMap((secret) => secret.split(/\r?\n/).map((line) => line.trim()))
  const raw = [...new Set([...whole, ...lines])].filter((text) => text.length >= secretCharsMin)
  const all = raw.flatMap((text) => [text, ...encodings(text).filter((e) => e.length >= encodedCharsMin)])
  return [...new Set(all)].sort((a, b) => b.length - a.length)
}

function encodings(text: string): string[] {
  const bytes = Buffer.from(text)
  const url = encodeURIComponent(text)
  const json = JSON.stringify(text).slice(1, -1)
  const base64 = [0, 1, 2].flatMap((shift) => {
    // Within a longer text the secret begins at any of three places of a group; its ends mix with neighbours.
    const padded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    const from = shift === 0 ? 0 : shift + 1
    const to = padded.length - (looseAtEnd[padded.split('=').length - 1] ?? 0)
    const inner = padded.slice(from, to)
    const alone = shift === 0 ? padded.replaceAll('=', '') : inner
    return [inner, alone, ...[inner, alone].map((e) => e.replaceAll('+', '-').replaceAll('/', '_'))]
  })
  const wrapped = wraps.flatMap((width) => {
    const whole = bytes.toString('base64')
    if (whole.length <= width) return []
    return Array.from({ length: Math.ceil(whole.length / width) }, (_, i) =>
      whole.slice(i * width, (i + 1) * width),
    )
  })
  const hex = bytes.toString('hex')
  return [url, url.replaceAll('%20', '+'), json, ...base64, ...wrapped, hex, hex.toUpperCase()]
}

type Span = [from: number, to: number]

class StreamMasker implements Masker {
  readonly #patterns: readonly string[]
  readonly #firsts: ReadonlySet<string>
  readonly #charsMax: number
  #held = ''
  /** How much of the beginning of what is held is part of a secret that was shown as a mask already. */
  #covered = 0
  /** Secrets that touch show as one mask, wherever the stream is cut. */
  #endsMasked = false

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
    this.#firsts = new Set(patterns.map((p) => p[0] ?? ''))
    this.#charsMax = patterns[0]?.length ?? 0
  }

  push(text: string): string {
    this.#held += text
    return this.#emit(this.#holdFrom())
  }

  end(): string {
    return this.#emit(this.#held.length)
  }

  #emit(until: number): string {
    let shown = ''
    let at = 0
    for (const [from, to] of this.#spans()) {
      if (from >= until) break
      if (at < from) this.#endsMasked = false
      shown += this.#held.slice(at, from) + (this.#endsMasked ? '' : mask)
      this.#endsMasked = true
      at = to
    }
    if (at < until) {
      shown += this.#held.slice(at, until)
      this.#endsMasked = false
    }
    this.#covered = Math.max(0, at - until)
    this.#held = this.#held.slice(until)
    return shown
  }

  /** Where secrets stand in what is held, overlapping ones as one. */
  #spans(): Span[] {
    const found: Span[] = this.#covered > 0 ? [[0, this.#covered]] : []
    for (const pattern of this.#patterns) {
      for (let at = this.#held.indexOf(pattern); at >= 0; at = this.#held.indexOf(pattern, at + 1))
        found.push([at, at + pattern.length])
    }
    const merged: Span[] = []
    for (const [from, to] of found.sort((a, b) => a[0] - b[0])) {
      const last = merged.at(-1)
      if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
      else merged.push([from, to])
    }
    return merged
  }

  /** The first place from which the end of the text could be the beginning of a secret. */
  #holdFrom(): number {
    const text = this.#held
    for (let at = Math.max(0, text.length - this.#charsMax + 1); at < text.length; at++) {
      if (!this.#firsts.has(text[at] as string)) continue
      const rest = text.slice(at)
      if (this.#patterns.some((p) => p.length > rest.length && p.startsWith(rest))) return at
    }
    return text.length
  }
}
