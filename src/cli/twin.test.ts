/** The typed twin: the same JSON as the YAML, faults with their place, and the compiler's help. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { headrace, packageRoot } from '#testing/server.ts'

const folder = () => mkdtemp(path.join(tmpdir(), 'headrace-twin-'))

test('a twin evaluates to what the YAML says, wherever the file lies', async () => {
  const yamlDirectory = path.join(packageRoot, 'examples', 'retail-demand')
  const value = parse(await readFile(path.join(yamlDirectory, 'headrace.yaml'), 'utf8'), { version: '1.2' })
  const directory = await folder()
  await writeFile(
    path.join(directory, 'headrace.config.ts'),
    `import { defineConfig } from 'headrace'\nconsole.log('talk')\nexport default defineConfig(${JSON.stringify(value)} as never)\n`,
  )
  const [twin, yaml] = await Promise.all([
    headrace(['check', directory, '--print']),
    headrace(['check', yamlDirectory, '--print']),
  ])
  assert.equal(twin.code, 0, twin.stderr)
  assert.deepEqual(JSON.parse(twin.stdout), JSON.parse(yaml.stdout))
})

const refusals: [string, string, RegExp][] = [
  [
    'a problem is named by its path',
    `export default { version: 1, project: 'a', models: { m: { sgnature: 1 } } }`,
    /headrace\.config\.ts at models\.m\.s/,
  ],
  ['a file without a default export', `export const config = {}`, /no default export/],
  ['code that throws', `throw new Error('no such region')`, /no such region/],
  ['text that is no TypeScript', `export default {`, /could not be evaluated/],
]
for (const [what, text, message] of refusals) {
  test(`refused with exit 2: ${what}`, async () => {
    const directory = await folder()
    await writeFile(path.join(directory, 'headrace.config.ts'), text)
    const { code, stdout, stderr } = await headrace(['check', directory])
    assert.equal(code, 2)
    assert.match(stdout + stderr, message)
  })
}

test('two definitions in one folder are refused', async () => {
  const directory = await folder()
  await writeFile(path.join(directory, 'headrace.config.ts'), 'export default { version: 1, project: "a" }')
  await writeFile(path.join(directory, 'headrace.yaml'), 'version: 1\nproject: a\n')
  const { code, stderr } = await headrace(['check', directory])
  assert.equal(code, 2)
  assert.match(stderr, /has both headrace\.yaml and headrace\.config\.ts/)
})

test('a gate on a metric that does not exist is a compile error with what was meant', async () => {
  const directory = path.join(packageRoot, 'node_modules', '.cache', `headrace-twin-${process.pid}`)
  await mkdir(directory, { recursive: true })
  try {
    const config = (
      metric: string,
    ) => `import { defineConfig, model } from '${packageRoot}/clients/typescript/index.ts'
export default defineConfig({ version: 1, project: 'a', features: {}, models: { m: model({ signature: { in: 'f', out: {} }, gates: [{ name: 'g', metric: '${metric}', max: 1 }] }) } })\n`
    await writeFile(path.join(directory, 'good.ts'), config('wape'))
    await writeFile(path.join(directory, 'bad.ts'), config('wap'))
    const tsconfig = {
      extends: path.join(packageRoot, 'tsconfig.json'),
      compilerOptions: { paths: { '#*': [path.join(packageRoot, 'src', '*')] } },
      include: ['*.ts'],
    }
    await writeFile(path.join(directory, 'tsconfig.json'), JSON.stringify(tsconfig))
    const tsc = path.join(packageRoot, 'node_modules', '.bin', 'tsc')
    const { stdout } = await promisify(execFile)(tsc, ['-p', directory]).catch((e: { stdout: string }) => e)
    const faults = stdout.split('\n').filter((line) => line.includes('error TS'))
    assert.equal(faults.length, 1, stdout)
    assert.match(stdout, /bad\.ts/)
    assert.match(stdout, /Did you mean '"wape"'/)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
