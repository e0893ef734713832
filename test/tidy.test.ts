/** Tidiness that lint cannot see: words, sizes, links. The sentence of a failure says what to do. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const sources = () =>
  globSync('{src,scripts,bench,test}/**/*.{ts,mjs}').filter((f) => !f.endsWith('tidy.test.ts'))

test('no file is left with a note to finish it later', () => {
  const wrong = sources().filter((f) => /\b(TODO|FIXME|XXX)\b/.test(readFileSync(f, 'utf8')))
  assert.deepEqual(wrong, [], 'finish it, or write an issue')
})

test('no folder is a dumping ground', () => {
  const banned = /(^|\/)(utils?|helpers?|common|misc|types|constants|manager)(\.ts|\/)/
  assert.deepEqual(
    sources().filter((f) => banned.test(f)),
    [],
    'name the file by its noun',
  )
})

test('no committed source is larger than 200 kB', () => {
  const wrong = globSync(
    '{src,scripts,bench,test,docs,examples,clients,python}/**/*.{ts,mjs,md,json,py,yaml}',
  ).filter((f) => statSync(f).size > 200_000 && f !== 'docs/openapi.json')
  assert.deepEqual(wrong, [])
})

test('every domain has a README of its words, invariants, tables and events', () => {
  const wrong = globSync('src/domains/*/index.ts')
    .map((f) => path.join(path.dirname(f), 'README.md'))
    .filter((f) => !existsSync(f))
  assert.deepEqual(wrong, [], 'write one page')
})

test('every relative link of the documents resolves', () => {
  const pages = [...globSync('*.md'), ...globSync('docs/**/*.md')]
  const wrong = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map((m) => m[1] ?? '')
      .filter((link) => !existsSync(path.join(path.dirname(page), link)))
      .map((link) => `${page} → ${link}`),
  )
  assert.deepEqual(wrong, [])
})
