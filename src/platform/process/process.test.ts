/** Programs run to their end, their time, or their cancellation, and leave no orphan. */
import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isFault } from '#base/errors.ts'
import { openProcesses, splitWords } from './index.ts'

const env = { PATH: '/usr/local/bin:/usr/bin:/bin' }
const cwd = tmpdir()
const alive = (pid: number) => {
  try {
    return !/^Z/.test(
      execFileSync('ps', ['-o', 'stat=', '-p', String(pid)])
        .toString()
        .trim(),
    )
  } catch {
    return false
  }
}

test('a command line is words; quotes group and nothing is expanded', () => {
  assert.deepEqual(splitWords(`python "my file.py" --x '$HOME;ls' ""`), [
    'python',
    'my file.py',
    '--x',
    '$HOME;ls',
    '',
  ])
  assert.throws(
    () => splitWords('echo "x'),
    (t) => isFault(t, 'process.quote_open'),
  )
})

test('a program tells its lines and its exit code', async () => {
  const processes = openProcesses()
  const lines: string[] = []
  const finished = await processes.run({
    argv: ['sh', '-c', 'echo one; echo two >&2; printf three; exit 7'],
    cwd,
    env,
    onLine: (l) => lines.push(l),
  })
  assert.deepEqual(finished, { exitCode: 7, signal: null, timedOut: false })
  assert.deepEqual(lines.sort(), ['one', 'three', 'two'])
  await processes.close()
})

test('a program that is not there is said so by name', async () => {
  const processes = openProcesses()
  await assert.rejects(processes.run({ argv: ['no-such-program'], cwd, env }), (t) =>
    isFault(t, 'process.not_found'),
  )
  await processes.close()
})

test('the environment of the server does not leak into a child', async () => {
  const processes = openProcesses()
  const lines: string[] = []
  await processes.run({
    argv: ['env'],
    cwd,
    env: { ...env, ONLY: 'this' },
    onLine: (l) => lines.push(l.split('=')[0] ?? ''),
  })
  assert.deepEqual(
    lines.filter((l) => !['PATH', 'ONLY', 'PWD', '_', 'SHLVL'].includes(l)),
    [],
  )
  await processes.close()
})

test('time over kills the whole tree', async () => {
  const processes = openProcesses()
  const pids: number[] = []
  const finished = await processes.run({
    argv: ['sh', '-c', 'sleep 60 & echo $!; wait'],
    cwd,
    env,
    timeoutMs: 200,
    onLine: (l) => pids.push(Number(l)),
  })
  assert.equal(finished.timedOut, true)
  await pause(50)
  assert.equal(alive(pids[0] ?? 0), false)
  await processes.close()
})

test('cancellation ends it with the reason given', async () => {
  const processes = openProcesses()
  const controller = new AbortController()
  const running = processes.run({
    argv: ['sleep', '60'],
    cwd,
    env,
    signal: controller.signal,
    onStarted: () => controller.abort(new Error('enough')),
  })
  await assert.rejects(running, /enough/)
  await processes.close()
})

test('when the server is killed no child of it lives on', async () => {
  const script = `
    import { openProcesses } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
    openProcesses().run({ argv: ['sleep', '60'], cwd: '/', env: { PATH: '/usr/bin:/bin' }, onStarted: (pid) => process.send(pid) })`
  const server = fork('-', {
    execArgv: ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script],
    silent: true,
  })
  const pid = await new Promise<number>((resolve) => server.once('message', (m) => resolve(Number(m))))
  assert.equal(alive(pid), true)
  server.kill('SIGKILL')
  for (let i = 0; i < 100 && alive(pid); i++) await pause(20)
  assert.equal(alive(pid), false)
})
