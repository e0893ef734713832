/** Bytes come back whole or not at all. */
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { canonicalJson, sha256 } from '#base/digest.ts'
import { isFault } from '#base/errors.ts'
import { checkoutTree, openFileBlobs, putTree, readTree } from './index.ts'

const folder = () => mkdtemp(path.join(tmpdir(), 'headrace-blobs-'))
const opened = async () => openFileBlobs({ directory: await folder(), freeBytesMin: 0 })
const big = Buffer.alloc(3 * 1024 * 1024 + 17, 'abcdefg')
async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const gather = async (stream: AsyncIterable<unknown>) => {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

test('a blob is named by its SHA-256 and comes back byte for byte, however it was cut', async () => {
  const blobs = await opened()
  const ref = await blobs.put(pieces(big, 100_003))
  assert.deepEqual(ref, { digest: sha256(big), size: big.length })
  assert.ok((await blobs.bytes(ref.digest)).equals(big))
  assert.deepEqual(await blobs.put(big), ref)
})

test('a range is exactly those bytes, also across the limits of chunks', async () => {
  const blobs = await opened()
  const { digest } = await blobs.put(big)
  for (const [start, end] of [
    [0, 0],
    [1_048_570, 1_048_590],
    [big.length - 5, big.length + 100],
  ] as const)
    assert.ok((await gather(await blobs.open(digest, { start, end }))).equals(big.subarray(start, end + 1)))
})

test('changed bytes on the disk never leave; what lies in whole chunks before them may', async () => {
  const blobs = await opened()
  const { digest } = await blobs.put(big)
  const file = await blobs.localPath(digest)
  await chmod(file, 0o644)
  const handle = await open(file, 'r+')
  await handle.write(Buffer.from('X'), 0, 1, 2 * 1024 * 1024 + 5)
  await handle.close()
  await assert.rejects(blobs.bytes(digest), (t) => isFault(t, 'blobs.corrupt'))
  assert.equal((await gather(await blobs.open(digest, { start: 0, end: 10 }))).length, 11)
})

test('bytes that are not the expected ones are refused and leave nothing', async () => {
  const blobs = await opened()
  await assert.rejects(blobs.put('abc', { expected: sha256('abd') }), (t) =>
    isFault(t, 'blobs.digest_differs'),
  )
  assert.equal(await blobs.has(sha256('abc')), false)
})

test('below the watermark of free space nothing is taken in', async () => {
  const blobs = await openFileBlobs({ directory: await folder(), freeBytesMin: Number.MAX_SAFE_INTEGER })
  await assert.rejects(blobs.put('abc'), (t) => isFault(t, 'blobs.disk_full'))
})

test('an upload ends when the disk fills under it, and leaves nothing', async () => {
  const directory = await folder()
  let looks = 0
  const freeBytes = async () => (looks++ === 0 ? 1_000_000 : 0)
  const blobs = await openFileBlobs({ directory, freeBytesMin: 1_000, freeBytes })
  const part = Buffer.alloc(8 * 1024 * 1024, 'x')
  async function* endless() {
    for (let i = 0; i < 100; i++) yield part
  }
  await assert.rejects(blobs.put(endless()), (t) => isFault(t, 'blobs.disk_full'))
  assert.equal(looks, 2)
  assert.deepEqual(await readdir(path.join(directory, 'incoming')), [])
})

test('another upload of the same bytes heals a blob that rotted on the disk', async () => {
  const blobs = await opened()
  const { digest } = await blobs.put(big)
  const file = await blobs.localPath(digest)
  await chmod(file, 0o644)
  await writeFile(file, Buffer.alloc(big.length, 'z'))
  await assert.rejects(blobs.bytes(digest), (t) => isFault(t, 'blobs.corrupt'))
  await writeFile(`${file}.chunks`, '{"size"')
  await blobs.put(big)
  assert.ok((await blobs.bytes(digest)).equals(big))
})

test('what an upload left when the power went is swept at the next start', async () => {
  const directory = await folder()
  await openFileBlobs({ directory, freeBytesMin: 0 })
  await writeFile(path.join(directory, 'incoming', 'half'), 'ha')
  await openFileBlobs({ directory, freeBytesMin: 0 })
  assert.deepEqual(await readdir(path.join(directory, 'incoming')), [])
})

test('uploads and collections of the same bytes at once never leave half a blob', async () => {
  const blobs = await opened()
  const { digest } = await blobs.put('contested')
  for (let round = 0; round < 50; round++) {
    const uploads = [blobs.put('contested'), blobs.put('contested')]
    await Promise.all([...uploads, blobs.collect(() => false, -60_000), blobs.collect(() => false, -60_000)])
    if (await blobs.has(digest)) assert.equal(String(await blobs.bytes(digest)), 'contested')
  }
})

test('collection removes what is old and unused, and an upload of the same bytes saves it', async () => {
  const blobs = await opened()
  const kept = await blobs.put('used')
  const gone = await blobs.put('unused')
  const renewed = await blobs.put('renewed')
  const old = new Date(Date.now() - 3_600_000)
  for (const ref of [kept, gone, renewed]) await utimes(await blobs.localPath(ref.digest), old, old)
  await blobs.put('renewed')
  assert.deepEqual(await blobs.collect((d) => d === kept.digest, 60_000), { removed: 1, bytes: 6 })
  assert.deepEqual(
    [await blobs.has(kept.digest), await blobs.has(gone.digest), await blobs.has(renewed.digest)],
    [true, false, true],
  )
})

test('a tree has one digest for the same files, and is laid out again with its executable bits', async () => {
  const blobs = await opened()
  const from = await folder()
  await mkdir(path.join(from, 'src'))
  await writeFile(path.join(from, 'src', 'a.py'), 'print(1)\n')
  await writeFile(path.join(from, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
  const tree = await putTree(blobs, from)
  assert.equal((await putTree(blobs, from)).digest, tree.digest)
  const to = path.join(await folder(), 'out')
  await checkoutTree(blobs, tree.digest, to)
  assert.equal(await readFile(path.join(to, 'src', 'a.py'), 'utf8'), 'print(1)\n')
  assert.equal(tree.files.find((f) => f.path === 'run.sh')?.mode, 0o755)
})

test('links, and manifests that would write outside, are refused', async () => {
  const blobs = await opened()
  const from = await folder()
  await symlink('/etc/passwd', path.join(from, 'secret'))
  await assert.rejects(putTree(blobs, from), (t) => isFault(t, 'blobs.link_refused'))
  const evil = await blobs.put(canonicalJson([{ path: '../x', digest: 'a'.repeat(64), size: 1 }]))
  await assert.rejects(readTree(blobs, evil.digest), (t) => isFault(t, 'blobs.path_refused'))
})
