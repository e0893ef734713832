/** Environments are built once, and what is missing is said with the command that installs it. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openProcesses } from '#platform/process/index.ts'
import { openEnvironments } from './index.ts'

const folder = () => mkdtemp(path.join(tmpdir(), 'headrace-environments-'))
const baseEnv = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: process.env.HOME ?? '/tmp' }

test('without requirements the interpreter itself is the environment, and threads are part of its lock', async () => {
  const processes = openProcesses()
  const environments = openEnvironments({ directory: await folder(), processes, baseEnv })
  const one = await environments.ensure({ requirements: '', threads: 1 })
  const two = await environments.ensure({ requirements: '', threads: 2 })
  assert.equal(one.env.OMP_NUM_THREADS, '1')
  assert.notEqual(one.lock, two.lock)
  assert.equal(one.python, two.python)
  await processes.close()
})

test('a local package is installed once for many that ask at once', async () => {
  const processes = openProcesses()
  const directory = await folder()
  const wheelhouse = path.join(directory, 'thing')
  await mkdir(wheelhouse)
  await writeFile(path.join(wheelhouse, 'thing.py'), 'answer = 42\n')
  await writeFile(
    path.join(wheelhouse, 'pyproject.toml'),
    '[project]\nname = "thing"\nversion = "1.0"\n[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n',
  )
  await writeFile(
    path.join(wheelhouse, 'back.py'),
    `import zipfile, os
def build_wheel(d, config_settings=None, metadata_directory=None):
    name = "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(d, name), "w") as z:
        z.write("thing.py", "thing.py")
        z.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n")
        z.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        z.writestr("thing-1.0.dist-info/RECORD", "thing.py,,\\n")
    return name
`,
  )
  const environments = openEnvironments({ directory: path.join(directory, 'all'), processes, baseEnv })
  const progress: string[] = []
  const request = { requirements: `thing @ file://${wheelhouse}` }
  const all = await Promise.all([1, 2, 3].map(() => environments.ensure(request, (l) => progress.push(l))))
  assert.equal(progress.filter((l) => l.startsWith('preparing')).length, 1)
  assert.match(all[0]?.lockText ?? '', /thing==1\.0|thing @/)
  const lines: string[] = []
  await processes.run({
    argv: [all[0]?.python ?? '', '-c', 'import thing; print(thing.answer)'],
    cwd: '/',
    env: baseEnv,
    onLine: (l) => lines.push(l),
  })
  assert.deepEqual(lines, ['42'])

  // The data directory is moved, or restored elsewhere: what was built goes along, by request and by lock.
  await rename(path.join(directory, 'all'), path.join(directory, 'moved'))
  const moved = openEnvironments({ directory: path.join(directory, 'moved'), processes, baseEnv })
  const again = await moved.ensure(request, (l) => progress.push(l))
  assert.ok(again.python.startsWith(path.join(directory, 'moved')), again.python)
  assert.deepEqual(await moved.byLock(again.lock), again)
  assert.equal(progress.filter((l) => l.startsWith('preparing')).length, 1)
  // An interpreter that went with an upgrade of the system: the environment is built again.
  await rm(again.python)
  assert.equal(await moved.byLock(again.lock), undefined)
  const restarted = openEnvironments({ directory: path.join(directory, 'moved'), processes, baseEnv })
  assert.equal((await restarted.ensure(request, (l) => progress.push(l))).lock, again.lock)
  assert.equal(progress.filter((l) => l.startsWith('preparing')).length, 2)
  await processes.close()
})

test('a Python that is not there is named, with what installs it', async () => {
  const processes = openProcesses()
  const environments = openEnvironments({
    directory: await folder(),
    processes,
    baseEnv: { PATH: '/nonexistent' },
  })
  await assert.rejects(
    environments.ensure({ requirements: '' }),
    (t) => isFault(t, 'environments.python_missing') && /apt install/.test(t.remedy ?? ''),
  )
  await processes.close()
})
