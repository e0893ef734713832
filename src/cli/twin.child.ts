/** Evaluates one twin: `headrace` is this program's own client, wherever the file lies. Prints the JSON of the default export. */
import { writeSync } from 'node:fs'
import { registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const client = pathToFileURL(
  path.resolve(import.meta.dirname, '..', '..', 'clients', 'typescript', 'index.ts'),
).href
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'headrace'
      ? { url: client, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
})

const file = process.argv[2] ?? ''
// What user code prints goes to the error stream: stdout carries the JSON alone.
console.log = console.error
try {
  const { default: config } = (await import(pathToFileURL(file).href)) as { default?: unknown }
  if (typeof config !== 'object' || config === null)
    throw new Error('it has no default export; end it with `export default defineConfig({ … })`')
  const text = Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`)
  for (let at = 0; at < text.length; ) at += writeSync(1, text, at)
  process.exit(0)
} catch (error) {
  process.stderr.write(`${(error as Error).stack ?? String(error)}\n`)
  process.exit(1)
}
