/** The log file: what is written, what is put aside, what a disk that refuses does. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { openLog } from './index.ts'

const folder = () => mkdtemp(path.join(tmpdir(), 'headrace-log-'))

test('each line is JSON with its time and level, in order, and all are there after close', async () => {
  const log = openLog({ directory: await folder(), level: 'info', now: () => 0 })
  for (let i = 0; i < 1_000; i++) log.write({ route: 'datasets.list', status: i === 7 ? 500 : 200, i })
  await log.close()
  const lines = (await readFile(log.file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    lines.map((l) => l.i),
    Array.from({ length: 1_000 }, (_, i) => i),
  )
  assert.deepEqual(lines[7], {
    at: '1970-01-01T00:00:00.000Z',
    level: 'error',
    route: 'datasets.list',
    status: 500,
    i: 7,
  })
})

test('at level error only failures of the server are kept, at silent nothing is made', async () => {
  const directory = await folder()
  const log = openLog({ directory, level: 'error' })
  for (const status of [200, 404, 500, 503]) log.write({ status })
  await log.close()
  assert.equal((await readFile(log.file, 'utf8')).trimEnd().split('\n').length, 2)
  const silent = openLog({ directory: path.join(directory, 'none'), level: 'silent' })
  silent.write({ status: 500 })
  await silent.close()
  assert.deepEqual(await readdir(directory), ['server.log'])
})

test('a file that is full is put aside, and only the newest are kept', async () => {
  const directory = await folder()
  const log = openLog({ directory, level: 'info', fileBytesMax: 400, filesMax: 2 })
  for (let i = 0; i < 40; i++) {
    log.write({ i })
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await log.close()
  assert.deepEqual((await readdir(directory)).sort(), ['server.log', 'server.log.1', 'server.log.2'])
  const last = (await readFile(log.file, 'utf8')).trimEnd().split('\n').at(-1)
  assert.equal(JSON.parse(last ?? '').i, 39)
})

test('where the file cannot be written the lines are counted, and nothing is thrown', async () => {
  const directory = await folder()
  await writeFile(path.join(directory, 'a-file'), '')
  const log = openLog({ directory: path.join(directory, 'a-file'), level: 'info' })
  log.write({ status: 200 })
  await log.close()
  assert.equal(log.dropped, 1)
})
