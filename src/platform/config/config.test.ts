/** Settings and the data directory refuse what would go wrong later. */
import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { childEnvironment, openDataDirectory, readSettings } from './index.ts'

test('a flag wins over the environment, which wins over the default', () => {
  assert.equal(readSettings({}, {}).port, 4400)
  assert.equal(readSettings({}, { HEADRACE_PORT: '5000' }).port, 5000)
  assert.equal(readSettings({ port: 6000 }, { HEADRACE_PORT: '5000' }).port, 6000)
})

test('a misspelt or impossible setting is refused by name', () => {
  assert.throws(
    () => readSettings({}, { HEADRACE_PROT: '1' }),
    (t) => isFault(t, 'config.unknown_key'),
  )
  assert.throws(
    () => readSettings({}, { HEADRACE_PORT: 'x' }),
    (t) => isFault(t, 'config.invalid') && /HEADRACE_PORT/.test(t.message),
  )
})

test('a place for blobs that is not built is refused, not ignored', () => {
  assert.throws(
    () => readSettings({}, { HEADRACE_BLOBS: 's3://bucket/prefix' }),
    (t) => isFault(t, 'config.invalid') && /S3 are not built yet/.test(t.message),
  )
})

test('children get paths and proxies, never our secrets', () => {
  assert.deepEqual(
    childEnvironment({ PATH: '/bin', DATABASE_URL: 'x', AWS_SECRET_ACCESS_KEY: 'y', PIP_INDEX_URL: 'z' }),
    { PATH: '/bin', PIP_INDEX_URL: 'z' },
  )
})

const folder = () => mkdtemp(path.join(tmpdir(), 'headrace-data-'))

test('a lock whose holder is dead is taken over, one whose holder lives is not', async () => {
  const directory = await folder()
  await writeFile(path.join(directory, 'server.lock'), JSON.stringify({ pid: 999_999_999, started: '1' }))
  await (await openDataDirectory(directory)).release()
  await writeFile(
    path.join(directory, 'server.lock'),
    JSON.stringify({ pid: process.ppid, started: await started(process.ppid) }),
  )
  await assert.rejects(openDataDirectory(directory), (t) => isFault(t, 'data.locked'))
})
async function started(pid: number) {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

test('a data directory of a newer format is refused and left unlocked', async () => {
  const directory = await folder()
  await writeFile(path.join(directory, 'format.json'), '{"format": 99}')
  await assert.rejects(openDataDirectory(directory), (t) => isFault(t, 'data.newer_format'))
  await writeFile(path.join(directory, 'format.json'), '{"format": 1}')
  await (await openDataDirectory(directory)).release()
})

test('a directory whose format cannot be read is refused with what to do, and its lock is given back', async () => {
  for (const text of ['', '{}', 'format 1', '{"format":"1"}']) {
    const directory = await folder()
    await writeFile(path.join(directory, 'format.json'), text)
    await assert.rejects(openDataDirectory(directory), (t) => isFault(t, 'data.format_unreadable'))
    await assert.rejects(openDataDirectory(directory), (t) => isFault(t, 'data.format_unreadable'))
  }
})
