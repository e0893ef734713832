/** Secrets are sealed at rest, and no spelling of one gets out of a masked stream. */
import assert from 'node:assert/strict'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openRooms } from '../../testing/rooms.ts'
import { maskerOf, openKeys, openSecrets, secretsMigrations } from './index.ts'
import { seal, unseal } from './seal.ts'

const canary = 'canary-7Qz+/ä-secret'

async function opened(given?: string) {
  const rooms = await openRooms({ migrations: secretsMigrations })
  const file = path.join(rooms.directory, 'secret.key')
  const keys = openKeys({ file, given })
  return { ...rooms, file, keys, secrets: openSecrets({ ...rooms, keys }) }
}
const revealed = async (room: Awaited<ReturnType<typeof opened>>, name: string) =>
  (await room.secrets.reveal({ names: [name], by: 'r-1/train' }, room.caller)).get(name)

test('a secret comes back for a step, and neither database, events nor list know its value', async () => {
  await using room = await opened()
  await room.secrets.set({ name: 'API_KEY', value: canary }, room.caller)
  assert.equal(await revealed(room, 'API_KEY'), canary)
  assert.equal((await stat(room.file)).mode & 0o777, 0o600)
  const said = JSON.stringify([
    await room.secrets.list({}, room.caller),
    await room.events.list({ project: room.caller.project, limit: 10 }),
  ])
  assert.match(said, /secrets\.secret\.used/)
  const copy = path.join(room.directory, 'copy.db')
  await room.db.backup(copy)
  for (const bytes of [said, await readFile(copy, 'latin1')]) {
    assert.ok(!bytes.includes('canary-7Qz'))
    assert.ok(!bytes.includes(Buffer.from(canary).toString('base64').slice(0, 20)))
  }
})

test('a sealed value opens only at its own place, under its own key, unchanged, and never looks the same twice', () => {
  const key = { id: 'a', bytes: Buffer.alloc(32, 1) }
  const place = { project: 'alpha', name: 'K' }
  const sealed = seal(key, place, canary)
  assert.notEqual(sealed, seal(key, place, canary))
  assert.equal(unseal(key, place, sealed), canary)
  const bent = Buffer.from(sealed, 'base64')
  bent[bent.length - 1]! ^= 1
  for (const [k, p, s] of [
    [key, { ...place, project: 'beta' }, sealed],
    [key, { ...place, name: 'L' }, sealed],
    [{ id: 'b', bytes: Buffer.alloc(32, 2) }, place, sealed],
    [key, place, bent.toString('base64')],
    [key, place, 'AAAA'],
  ] as const)
    assert.throws(
      () => unseal(k, p, s),
      (t) => isFault(t, 'secrets.damaged') && !t.message.includes('canary'),
    )
})

test('rotation seals everything under a new key and forgets the old one', async () => {
  await using room = await opened()
  await room.secrets.set({ name: 'A', value: canary }, room.caller)
  await room.secrets.set({ name: 'B', value: 'another one' }, { ...room.caller, project: 'beta' })
  const [before, digest] = [await readFile(room.file, 'utf8'), await room.secrets.digest('test', 'A')]
  assert.deepEqual(await room.secrets.rotate({}, room.caller), { secrets: 2 })
  const after = await readFile(room.file, 'utf8')
  assert.equal(after.trim().length, 64)
  assert.notEqual(after, before)
  assert.equal(await revealed(room, 'A'), canary)
  assert.equal(await room.secrets.digest('test', 'A'), digest, 'cached steps stay cached')
  // A crash between the file and the unit leaves both keys, and everything opens.
  await room.keys.begin()
  assert.equal(await revealed(room, 'A'), canary)
  await writeFile(room.file, before)
  const lost = openSecrets({ ...room, keys: openKeys({ file: room.file, given: undefined }) })
  await assert.rejects(lost.reveal({ names: ['A'], by: 'x' }, room.caller), (t) =>
    isFault(t, 'secrets.key_missing'),
  )
})

test('the key may come from the environment; a new one goes before the old one', async () => {
  const [old, next] = ['11'.repeat(32), '22'.repeat(32)]
  await using room = await opened(old)
  await room.secrets.set({ name: 'A', value: canary }, room.caller)
  await assert.rejects(stat(room.file))
  const moved = openSecrets({ ...room, keys: openKeys({ file: room.file, given: `${next},${old}` }) })
  assert.deepEqual(await moved.rotate({}, room.caller), { secrets: 1 })
  const alone = openSecrets({ ...room, keys: openKeys({ file: room.file, given: next }) })
  assert.equal((await alone.reveal({ names: ['A'], by: 'x' }, room.caller)).get('A'), canary)
})

test('a key file that others may read, a lost key and a short or unknown secret are refused', async () => {
  await using room = await opened()
  const set = (value: string) => room.secrets.set({ name: 'A', value }, room.caller)
  await assert.rejects(set('abc'), (t) => isFault(t, 'secrets.too_short') && !t.message.includes('abc'))
  await assert.rejects(revealed(room, 'A'), (t) => isFault(t, 'secrets.not_found'))
  await assert.rejects(room.secrets.remove({ name: 'A' }, room.caller), (t) =>
    isFault(t, 'secrets.not_found'),
  )
  await set(canary)
  await chmod(room.file, 0o644)
  const open = openSecrets({ ...room, keys: openKeys({ file: room.file, given: undefined }) })
  await assert.rejects(open.set({ name: 'B', value: canary }, room.caller), (t) =>
    isFault(t, 'secrets.key_open'),
  )
  const none = openKeys({ file: `${room.file}.none`, given: undefined })
  const lost = openSecrets({ ...room, keys: none })
  await assert.rejects(lost.set({ name: 'B', value: canary }, room.caller), (t) =>
    isFault(t, 'secrets.key_missing'),
  )
})

const shown = (secrets: string[], parts: string[]) => {
  const masker = maskerOf(secrets)
  return parts.map((p) => masker.push(p)).join('') + masker.end()
}

test('a secret is masked wherever the stream is cut, byte by byte too', () => {
  const text = `token=${canary}; again ${canary}${canary}!\n`
  const expected = 'token=***; again ***!\n'
  for (let at = 0; at <= text.length; at++)
    assert.equal(shown([canary], [text.slice(0, at), text.slice(at)]), expected)
  assert.equal(shown([canary], [...text]), expected)
})

test('text that only begins like a secret is not lost, and nothing waits that need not', () => {
  assert.equal(shown(['hunter22'], ['hunt', 'ing\nhunter2']), 'hunting\nhunter2')
  assert.equal(maskerOf(['hunter22']).push('a line without it\n'), 'a line without it\n')
  assert.equal(shown([], ['abc']), 'abc')
})

test('encodings of a secret are masked: base64 at any place, URL, JSON, hex', () => {
  const base64 = (before: string, after = '') => Buffer.from(`${before}${canary}${after}`).toString('base64')
  const long = `${'k'.repeat(50)}${'z9'.repeat(60)}`
  for (const text of [
    base64(''),
    base64('u:'),
    base64('us:'),
    base64('use:'),
    base64('user:', ' and more'),
  ]) {
    const safe = shown([canary], [`Authorization: Basic ${text}`])
    const left = safe.replace('Authorization: Basic ', '').replace('***', '')
    assert.match(safe, /\*\*\*/)
    assert.ok(left.length <= 24, `${safe} leaves ${left}`)
    assert.ok(!Buffer.from(left, 'base64').toString('latin1').includes('secr'))
  }
  for (const text of [
    encodeURIComponent(canary),
    Buffer.from(canary).toString('hex'),
    base64('').replaceAll('+', '-'),
  ])
    assert.ok(!/[a-zA-Z0-9]{8}/.test(shown([canary], [text])), text)
  assert.equal(shown(['pass"word\\'], [JSON.stringify('pass"word\\')]), '"***"')
  const wrapped = Buffer.from(long)
    .toString('base64')
    .replaceAll(/(.{76})/g, '$1\n')
  assert.ok(!/[a-zA-Z0-9]{8}/.test(shown([long], [wrapped])))
})

test('a secret of several lines is masked line by line', () => {
  const pem = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n'
  assert.equal(shown([pem], ['key hkiG9w0BAQEFAASC here\n']), 'key *** here\n')
  assert.ok(!shown([pem], [...`>> ${pem} <<`]).includes('MIIE'))
  assert.equal(shown([pem], [pem.replaceAll('\n', '\r\n')]).includes('hkiG'), false)
})

test('overlapping secrets leave nothing between them, and a stream of one letter holds back no more than a secret', () => {
  assert.equal(shown(['abcdef', 'defghi'], ['xabcdefghix']), 'x***x')
  const masker = maskerOf(['aaaaaa'])
  let out = ''
  for (let i = 0; i < 1_000; i++) out += masker.push('aaa')
  out += masker.end()
  assert.equal(out, '***')
})

test('random texts cut at random places never show a secret', () => {
  let seed = 20_261_124
  const random = (n: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed % n
  }
  const letters = 'ab'
  const word = (length: number) => Array.from({ length }, () => letters[random(2)]).join('')
  for (let round = 0; round < 500; round++) {
    const secrets = [word(4 + random(3)), word(4 + random(4))]
    const text = word(60)
    const parts: string[] = []
    for (let at = 0; at < text.length; ) {
      const length = 1 + random(7)
      parts.push(text.slice(at, at + length))
      at += length
    }
    const out = shown(secrets, parts)
    assert.ok(!secrets.some((s) => out.includes(s)), `${secrets} in ${text}: ${out}`)
    assert.equal(out, shown(secrets, [text]), 'however it is cut')
  }
})
