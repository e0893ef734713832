/** A secret from stdin to a step, by the CLI; nothing on the disk, in a reply or in a backup knows it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { headrace, packageRoot, type RunningServer, startServer } from '../../src/testing/server.ts'

const canary = 'canary-9Lp3-secret'
let server: RunningServer
let home: string
before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'headrace-secrets-'))
  server = await startServer(path.join(home, 'data'))
  await mkdir(path.join(home, 'project'))
  await writeFile(
    path.join(home, 'project', 'headrace.yaml'),
    'version: 1\nproject: shop\npipelines:\n  p:\n    steps:\n      use: { run: "sh use.sh", env: { KEY: "secret:KEY" } }\n',
  )
  await writeFile(path.join(home, 'project', 'use.sh'), 'echo "the key is $KEY"\n')
})
after(() => server.kill())

const run = (...args: string[]) =>
  headrace(args, { cwd: path.join(home, 'project'), env: { HEADRACE_SERVER: server.url } })
const piped = (text: string, ...args: string[]) =>
  new Promise<{ code: number | null; out: string }>((resolve) => {
    const child = spawn(process.execPath, [path.join(packageRoot, 'src', 'main.ts'), ...args], {
      cwd: path.join(home, 'project'),
      env: { ...process.env, HEADRACE_SERVER: server.url },
    })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (c: Buffer) => (out += c))
    child.on('close', (code) => resolve({ code, out }))
    child.stdin.end(text)
  })
const textOf = async (folder: string): Promise<string> => {
  const names = await readdir(folder, { recursive: true })
  const files = names.map((n) => path.join(folder, n))
  const texts = await Promise.all(
    files.map(async (f) => ((await stat(f)).isFile() ? readFile(f, 'latin1') : '')),
  )
  return texts.join('\n')
}

test('check and apply name a secret that is not there; set from stdin, the step runs and the log hides it', async () => {
  const refused = await run('check')
  assert.equal(refused.code, 2, refused.stderr)
  assert.match(refused.stdout, /there is no secret `KEY`[\s\S]*headrace admin secret set KEY/)
  assert.equal((await run('apply')).code, 2)
  assert.equal((await run('admin', 'secret', 'set', 'KEY', canary)).code, 2, 'a value is never an argument')
  const set = await piped(`${canary}\n`, 'admin', 'secret', 'set', 'KEY')
  assert.equal(set.code, 0, set.out)
  assert.ok(!set.out.includes(canary))
  assert.equal((await run('check')).code, 0)
  assert.equal((await run('apply')).code, 0)
  assert.equal((await run('run', 'p', '--watch')).code, 0)
  assert.match((await run('logs', 'r-1/use')).stdout, /the key is \*\*\*/)
  assert.match((await run('admin', 'secret', 'ls')).stdout, /^KEY /)
})

test('data directory and backup hold no trace of it, and the backup holds no key', async () => {
  assert.equal((await run('admin', 'secret', 'rotate')).code, 0)
  assert.equal((await run('admin', 'backup', path.join(home, 'backup'))).code, 0)
  for (const folder of ['data', 'backup'])
    assert.ok(!(await textOf(path.join(home, folder))).includes('canary-9Lp3'), folder)
  const key = (await readFile(path.join(home, 'data', 'secret.key'), 'utf8')).trim()
  assert.ok(!(await textOf(path.join(home, 'backup'))).includes(key))
  assert.equal((await run('run', 'p', '--watch', '--no-cache')).code, 0)
  assert.equal((await run('admin', 'secret', 'rm', 'KEY')).code, 0)
  assert.equal((await run('admin', 'secret', 'rm', 'KEY')).code, 5)
})

test('without a server, check says that secrets were not checked', async () => {
  const alone = await headrace(['check', '--server', 'http://127.0.0.1:9'], {
    cwd: path.join(home, 'project'),
  })
  assert.equal(alone.code, 0)
  assert.match(alone.stderr, /secrets are not checked/)
})
