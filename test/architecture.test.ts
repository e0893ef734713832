/** The import map of ARCHITECTURE.md, enforced. Each objection says what to do instead. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { test } from 'node:test'

const uses: Record<string, string[]> = {
  base: [],
  stats: ['base'],
  platform: ['base'],
  domains: ['base', 'stats', 'platform'],
  doors: ['base', 'stats', 'platform', 'domains'],
  cli: ['base', 'platform'],
}
const domainUses: Record<string, string[]> = {
  validation: ['datasets'],
  features: ['datasets'],
  experiments: ['datasets'],
  pipelines: ['experiments', 'datasets'],
  registry: ['experiments'],
  evaluation: ['registry', 'datasets', 'features', 'gateway'],
  serving: ['registry', 'features'],
  monitoring: ['datasets', 'serving', 'registry', 'experiments', 'notifications'],
  reviews: ['access', 'notifications'],
}
/** What the inner files of a domain may not touch. */
const innerBans: [RegExp, RegExp, string][] = [
  [/\/rules\.ts$/, /kysely|#platform\//, 'rules decide on values; give them the values'],
  [/\/model\.ts$/, /kysely|#platform\/(?!definitions)/, 'nouns know no I/O'],
  [/\/(operations|endpoints|subscriptions)\.ts$/, /^kysely$/, 'SQL lives in store.ts'],
]

const isProduct = (file: string) => !/\.test\.ts$|^src\/testing\//.test(file)
const files = () =>
  globSync('src/**/*.ts')
    .map((f) => f.replaceAll('\\', '/'))
    .filter(isProduct)

const roomOf = (file: string) => {
  const [floor = '', room = '', ...rest] = file.replace(/^src\//, '').split('/')
  return { floor, room: rest.length > 0 ? `${floor}/${room}` : floor, inner: rest.join('/'), name: room }
}
const specifier =
  /^(?:import|export)\b[^'"`]*?\bfrom\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gm
const specifiersOf = (file: string) =>
  [...readFileSync(file, 'utf8').matchAll(specifier)].map((m) => m[1] ?? m[2] ?? m[3] ?? '')
const importsOf = (file: string) =>
  specifiersOf(file)
    .filter((s) => s.startsWith('.') || s.startsWith('#'))
    .map((s) => (s.startsWith('#') ? `src/${s.slice(1)}` : posix.join(posix.dirname(file), s)))

/** `app` is the composition root (src/app.ts and src/app/): like the files at the top it sees all. */
const seesAll = (floor: string) => floor.endsWith('.ts') || floor === 'app'

function objection(from: string, to: string): string | undefined {
  const a = roomOf(from)
  const b = roomOf(to)
  if (a.room === b.room || seesAll(a.floor)) return undefined
  if (a.floor === 'doors' && b.floor === 'doors')
    return `${a.room} and ${b.room} are neighbours; meet in app.ts`
  if (a.floor !== b.floor && !uses[a.floor]?.includes(b.floor)) return `${a.floor} may not use ${b.floor}`
  if (b.floor === 'platform' && !/^(index|event)\.ts$/.test(b.inner)) return `enter ${b.room} by its index.ts`
  if (b.floor !== 'domains' || b.inner === 'events.ts') return undefined
  if (b.inner !== 'index.ts') return `enter ${b.room} by its index.ts`
  if (a.floor === 'domains' && !domainUses[a.name]?.includes(b.name))
    return `${a.room} may not use ${b.room}; declare a port`
  return undefined
}

test('every import follows the map in ARCHITECTURE.md', () => {
  const wrong = files()
    .flatMap((from) => importsOf(from).map((to) => [from, to, objection(from, to)] as const))
    .filter(([, , why]) => why !== undefined)
    .map(([from, to, why]) => `${from} → ${to}: ${why}`)
  assert.deepEqual(wrong, [])
})

test('the inner files of a domain keep to their part', () => {
  const wrong = files().flatMap((file) =>
    innerBans
      .filter(([where]) => file.startsWith('src/domains/') && where.test(file))
      .flatMap(([, banned, why]) =>
        specifiersOf(file)
          .filter((s) => banned.test(s))
          .map((s) => `${file} imports ${s}: ${why}`),
      ),
  )
  assert.deepEqual(wrong, [])
})

test('the map of domains has no cycle', () => {
  const visit = (name: string, path: string[]): void => {
    assert.ok(!path.includes(name), `domains form a cycle: ${[...path, name].join(' → ')}`)
    for (const next of domainUses[name] ?? []) visit(next, [...path, name])
  }
  for (const name of Object.keys(domainUses)) visit(name, [])
})
