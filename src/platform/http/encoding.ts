/**
 * Compressed bodies as their bytes (RFC 9110 §8.4: gzip, deflate, br), bounded by what their route takes: a few kilobytes
 * can hold gigabytes. What is not what it says to be is the sender's fault, never ours.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { Fault } from '#base/errors.ts'

const decoders = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
} as const

/** The body as it was before it was compressed. @throws Fault unsupported `http.encoding_unknown` */
export function decoded(headers: IncomingHttpHeaders, body: Readable, bytesMax: number): Readable {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === '') return body
  if (!Object.hasOwn(decoders, encoding))
    throw new Fault(
      'unsupported',
      'http.encoding_unknown',
      `content-encoding ${encoding} is not understood`,
      {
        remedy: `send one of: ${Object.keys(decoders).join(', ')}, or the body as it is`,
      },
    )
  const decoder = decoders[encoding as keyof typeof decoders]()
  // What Fastify holds against content-length, which counts the bytes on the wire.
  const out = Object.assign(new PassThrough(), { receivedEncodedLength: 0 })
  let size = 0
  body.on('data', (chunk: Buffer) => {
    out.receivedEncodedLength += chunk.length
  })
  decoder.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= bytesMax) return
    body.unpipe(decoder)
    decoder.destroy()
    out.destroy(new Fault('too_large', 'http.body_too_large', 'the body is larger than this address takes'))
  })
  decoder.on('error', (error: Error) =>
    out.destroy(new Fault('invalid', 'http.encoding', `the body is not ${encoding}: ${error.message}`)),
  )
  body.on('error', (error: Error) => out.destroy(error))
  body.pipe(decoder).pipe(out)
  return out
}
