/** `npm run golden`: rewrites what is generated and committed. Look at the difference before you commit it. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { packageRoot, startServer } from '../src/testing/server.ts'

const server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-golden-')), 'data'))
const document: unknown = await (await fetch(`${server.url}/openapi.json`)).json()
await writeFile(path.join(packageRoot, 'docs', 'openapi.json'), `${JSON.stringify(document, undefined, 1)}\n`)
await server.stop()
