/**
 * Environments for steps: keyed by Python's minor version and the requirements' text, built once under concurrent demand
 * (by uv where it is there, else venv and pip), locked with hashes. Thread counts are part of the lock.
 */
import { constants } from 'node:fs'
import { access, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { digestOf, type Sha256, sha256 } from '#base/digest.ts'
import { Fault, isFault } from '#base/errors.ts'
import type { Processes } from '#platform/process/index.ts'

export interface EnvironmentRequest {
  /** `3.11`; any Python from 3.10 where left out. */
  readonly python?: string
  /** The text of requirements.txt; empty for the bare interpreter. */
  readonly requirements: string
  readonly threads?: number
}
export interface Environment {
  /** The interpreter. */
  readonly python: string
  /** SHA-256 of `lockText`. */
  readonly lock: Sha256
  readonly lockText: string
  /** Variables that a child gets on top of its own. */
  readonly env: Readonly<Record<string, string>>
}
export interface Environments {
  /** @throws Fault unavailable `environments.*` with what to install */
  ensure(request: EnvironmentRequest, onProgress?: (line: string) => void): Promise<Environment>
  /** The environment that a lock names, where this machine has built it. */
  byLock(lock: Sha256): Promise<Environment | undefined>
}
export interface EnvironmentsOptions {
  readonly directory: string
  readonly processes: Processes
  /** PATH, HOME, proxies, certificates: what installers need of the server's environment. */
  readonly baseEnv: Readonly<Record<string, string>>
}

interface Built {
  readonly python: string
  readonly version: string
  readonly packages: string
}
const buildTimeoutMs = 20 * 60_000
const lockStaleMs = 60_000
const minorOldest = 10

export function openEnvironments(options: EnvironmentsOptions): Environments {
  const building = new Map<string, Promise<Built>>()
  const interpreters = new Map<string, Promise<{ program: string; version: string }>>()
  const interpreter = (wanted: string) => {
    const known = interpreters.get(wanted)
    if (known !== undefined) return known
    const finding = findPython(options, wanted)
    interpreters.set(wanted, finding)
    finding.catch(() => interpreters.delete(wanted))
    return finding
  }
  const remember = async (environment: Environment): Promise<Environment> => {
    const file = path.join(options.directory, 'locks', `${environment.lock}.json`)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, JSON.stringify(environment))
    return environment
  }
  return {
    async ensure(request, onProgress = () => undefined) {
      const { program, version } = await interpreter(request.python ?? '')
      const requirements = request.requirements.trim()
      if (requirements === '')
        return remember(environmentOf({ python: program, version, packages: '' }, request, options))
      const minor = version.split('.').slice(0, 2).join('.')
      const key = digestOf({ minor, requirements, platform: process.platform, arch: process.arch }).slice(
        0,
        24,
      )
      let work = building.get(key)
      if (work === undefined) {
        work = build(options, { key, program, version, requirements, onProgress })
        building.set(key, work)
        work.catch(() => building.delete(key))
      }
      return remember(environmentOf(await work, request, options))
    },
    async byLock(lock) {
      if (!/^[0-9a-f]{64}$/.test(lock)) return undefined
      const text = await readFile(path.join(options.directory, 'locks', `${lock}.json`), 'utf8').catch(
        () => undefined,
      )
      return text === undefined ? undefined : asItStands(options.directory, JSON.parse(text))
    },
  }
}

function environmentOf(
  built: Built,
  { threads }: EnvironmentRequest,
  { baseEnv }: EnvironmentsOptions,
): Environment {
  const lockText = `# python ${built.version} on ${process.platform} ${process.arch}; threads ${threads ?? 'all'}\n${built.packages}`
  const bin = path.dirname(built.python)
  const limit = (name: string): Record<string, string> =>
    threads === undefined ? {} : { [name]: String(threads) }
  return {
    python: built.python,
    lock: sha256(lockText),
    lockText,
    env: {
      PATH: `${bin}:${baseEnv.PATH ?? '/usr/bin:/bin'}`,
      ...(built.packages === '' ? {} : { VIRTUAL_ENV: path.dirname(bin) }),
      PYTHONHASHSEED: '0',
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
      ...limit('OMP_NUM_THREADS'),
      ...limit('OPENBLAS_NUM_THREADS'),
      ...limit('MKL_NUM_THREADS'),
      ...limit('NUMEXPR_NUM_THREADS'),
    },
  }
}

async function findPython(
  options: EnvironmentsOptions,
  wanted: string,
): Promise<{ program: string; version: string }> {
  const candidates = wanted === '' ? ['python3', 'python'] : [`python${wanted}`, 'python3', 'python']
  for (const candidate of candidates) {
    const probe = 'import sys; print(sys.executable); print("%d.%d.%d" % sys.version_info[:3])'
    const lines = await output(options, [candidate, '-c', probe]).catch((e) => {
      if (isFault(e, 'process.not_found')) return undefined
      throw e
    })
    const [program = '', version = ''] = lines ?? []
    const [major, minor] = version.split('.').map(Number)
    if (major !== 3 || (minor ?? 0) < minorOldest) continue
    if (wanted === '' || version === wanted || version.startsWith(`${wanted}.`)) return { program, version }
  }
  const what = wanted === '' ? `Python 3.${minorOldest} or later` : `Python ${wanted}`
  throw new Fault('unavailable', 'environments.python_missing', `${what} was not found`, {
    remedy: `install it (Debian: apt install python3 python3-venv; macOS: brew install python) and retry`,
  })
}

interface Build {
  readonly key: string
  readonly program: string
  readonly version: string
  readonly requirements: string
  readonly onProgress: (line: string) => void
}

async function build(options: EnvironmentsOptions, wanted: Build): Promise<Built> {
  const home = path.join(options.directory, wanted.key)
  const marker = path.join(home, 'complete.json')
  const complete = await readBuilt(home, marker)
  if (complete !== undefined) return complete
  await mkdir(options.directory, { recursive: true })
  return withLock(`${home}.lock`, async () => {
    const meanwhile = await readBuilt(home, marker)
    if (meanwhile !== undefined) return meanwhile
    await rm(home, { recursive: true, force: true })
    const started = Date.now()
    wanted.onProgress(`preparing environment ${wanted.key} on Python ${wanted.version}`)
    const packages = await install(options, home, wanted)
    const built: Built = { python: path.join(home, 'bin', 'python'), version: wanted.version, packages }
    await writeFile(`${marker}.new`, JSON.stringify(built))
    await rename(`${marker}.new`, marker)
    wanted.onProgress(`environment ready after ${((Date.now() - started) / 1000).toFixed(1)} s`)
    return built
  })
}

/**
 * The environment as it stands here now: the folder may have been moved since it was built. One whose interpreter is gone,
 * as after an upgrade of the system's Python, counts as not built.
 */
async function readBuilt(home: string, marker: string): Promise<Built | undefined> {
  const text = await readFile(marker, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const python = path.join(home, 'bin', 'python')
  return (await mayRun(python)) ? { ...JSON.parse(text), python } : undefined
}
const mayRun = (program: string): Promise<boolean> =>
  access(program, constants.X_OK).then(
    () => true,
    () => false,
  )

/** An environment that was written down, with the places that it has now; undefined where it is gone. */
async function asItStands(directory: string, known: Environment): Promise<Environment | undefined> {
  const key = /\/([0-9a-f]{24})\/bin\/python$/.exec(known.python)?.[1]
  if (key === undefined) return (await mayRun(known.python)) ? known : undefined
  const [before, now] = [path.dirname(known.python), path.join(directory, key, 'bin')]
  if (!(await mayRun(path.join(now, 'python')))) return undefined
  const env = { ...known.env, PATH: (known.env.PATH ?? '').replace(before, now) }
  return { ...known, python: path.join(now, 'python'), env }
}

/** Installs into `home`; the lock: `name==version --hash=sha256:…` lines, sorted. */
async function install(options: EnvironmentsOptions, home: string, wanted: Build): Promise<string> {
  const requirements = `${home}.requirements.txt`
  await writeFile(requirements, `${wanted.requirements}\n`)
  const uv = await output(options, ['uv', '--version']).catch(() => undefined)
  if (uv !== undefined) {
    const lock = `${home}.lock.txt`
    await step(options, ['uv', 'venv', '--quiet', '--python', wanted.program, home], wanted)
    const python = path.join(home, 'bin', 'python')
    await step(
      options,
      [
        'uv',
        'pip',
        'compile',
        '--quiet',
        '--no-header',
        '--no-annotate',
        '--generate-hashes',
        '--python',
        python,
        requirements,
        '-o',
        lock,
      ],
      wanted,
    )
    await step(options, ['uv', 'pip', 'sync', '--python', python, '--require-hashes', lock], wanted)
    return readFile(lock, 'utf8')
  }
  await step(options, [wanted.program, '-m', 'venv', home], wanted)
  const report = `${home}.report.json`
  const pip = [
    path.join(home, 'bin', 'python'),
    '-m',
    'pip',
    '--disable-pip-version-check',
    '--no-input',
    'install',
    '--progress-bar',
    'off',
  ]
  await step(options, [...pip, '--report', report, '-r', requirements], wanted)
  return lockOf(JSON.parse(await readFile(report, 'utf8')))
}

interface PipReport {
  install: {
    metadata: { name: string; version: string }
    download_info: { archive_info?: { hashes?: { sha256?: string } } }
  }[]
}
const lockOf = (report: PipReport) =>
  report.install
    .map(({ metadata: { name, version }, download_info }) => {
      const hash = download_info.archive_info?.hashes?.sha256
      return `${name.toLowerCase()}==${version}${hash === undefined ? '' : ` --hash=sha256:${hash}`}\n`
    })
    .sort()
    .join('')

async function step(options: EnvironmentsOptions, argv: string[], { onProgress }: Build): Promise<void> {
  const last: string[] = []
  const onLine = (line: string) => {
    last.push(line)
    if (last.length > 15) last.shift()
    if (
      /^(Collecting|Downloading|Installing|Successfully|Resolved|Prepared|Installed| \+ )/.test(line.trim())
    )
      onProgress(line.trim().slice(0, 200))
  }
  const finished = await options.processes.run({
    argv,
    cwd: options.directory,
    env: options.baseEnv,
    onLine,
    timeoutMs: buildTimeoutMs,
  })
  if (finished.exitCode === 0) return
  const said = last.join('\n')
  if (/No module named venv|ensurepip is not available/.test(said)) {
    throw new Fault(
      'unavailable',
      'environments.venv_missing',
      'this Python cannot make environments: its venv module is missing',
      {
        remedy: 'Debian and Ubuntu: apt install python3-venv; then retry',
      },
    )
  }
  const isNetwork =
    /Temporary failure|Connection|Network|resolve host|No matching distribution|timed out/i.test(said)
  throw new Fault(
    'unavailable',
    'environments.build_failed',
    `the environment could not be built: ${last.at(-1) ?? 'no output'}`,
    {
      remedy: isNetwork
        ? 'check the network or the package index (PIP_INDEX_URL, proxies), then retry'
        : 'read the log of the step, correct the requirements, then retry',
      details: { output: said.slice(-4_000) },
    },
  )
}

async function output(options: EnvironmentsOptions, argv: string[]): Promise<string[] | undefined> {
  const lines: string[] = []
  const finished = await options.processes.run({
    argv,
    cwd: '/',
    env: options.baseEnv,
    onLine: (l) => lines.push(l),
    timeoutMs: 30_000,
  })
  return finished.exitCode === 0 ? lines : undefined
}

/** One builder over all processes: a folder is the lock, renewed while work goes on, taken over when it is stale. */
async function withLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      await mkdir(lock)
      break
    } catch {
      const { mtimeMs } = await stat(lock).catch(() => ({ mtimeMs: Date.now() }))
      if (Date.now() - mtimeMs > lockStaleMs) await rm(lock, { recursive: true, force: true })
      else await pause(200)
    }
  }
  const renew = setInterval(
    () => void writeFile(path.join(lock, 'alive'), '').catch(() => undefined),
    lockStaleMs / 4,
  )
  renew.unref()
  try {
    return await work()
  } finally {
    clearInterval(renew)
    await rm(lock, { recursive: true, force: true })
  }
}
