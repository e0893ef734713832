/** One value under one key: AES-256-GCM with a random nonce, bound to its project and name; and the keyed digest. Pure. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { Fault } from '#base/errors.ts'
import type { Key } from './keys.ts'

export interface Place {
  readonly project: string
  readonly name: string
}
const nonceBytes = 12
const tagBytes = 16
const boundTo = ({ project, name }: Place) => Buffer.from(`headrace-secret\0${project}\0${name}`)

/** nonce, tag and ciphertext as base64. */
export function seal(key: Key, place: Place, value: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce)
  cipher.setAAD(boundTo(place))
  const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
}

/** @throws Fault internal `secrets.damaged` where the bytes, the place or the key are not those of `seal` */
export function unseal(key: Key, place: Place, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64')
  try {
    const cipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
    cipher.setAAD(boundTo(place))
    cipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
    return Buffer.concat([cipher.update(bytes.subarray(nonceBytes + tagBytes)), cipher.final()]).toString(
      'utf8',
    )
  } catch {
    throw new Fault('internal', 'secrets.damaged', `the stored secret \`${place.name}\` cannot be opened`, {
      remedy: `set it again: headrace admin secret set ${place.name}`,
    })
  }
}

/** Stands for the value in cache keys; without the key it says nothing about it. */
export const digestOfSecret = (key: Key, { project, name }: Place, value: string): string =>
  createHmac('sha256', createHmac('sha256', key.bytes).update('digest').digest())
    .update(`${project}\0${name}\0${value}`)
    .digest('hex')
