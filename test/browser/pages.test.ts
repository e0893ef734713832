/** The page in a real Chromium: every section opens, says what to do where it is empty, and logs no error. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { access, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { type Browser, chromium } from 'playwright-core'
import { type RunningServer, headrace, packageRoot, startServer } from '../../src/testing/server.ts'

async function findChromium(): Promise<string | undefined> {
  const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  for (const place of places)
    if (
      await access(place).then(
        () => true,
        () => false,
      )
    )
      return place
  return undefined
}
async function install(): Promise<void> {
  if (process.getuid?.() !== 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await promisify(execFile)('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], {
    env,
  }).catch(() => undefined)
}
if ((await findChromium()) === undefined) await install()
const executablePath = await findChromium()
const skip =
  executablePath === undefined && process.env.CI !== 'true'
    ? 'Chromium is not installed, and could not be'
    : false

let server: RunningServer
let browser: Browser
before(async () => {
  if (skip !== false) return
  server = await startServer(path.join(await mkdtemp(path.join(tmpdir(), 'headrace-browser-')), 'data'))
  const example = path.join(packageRoot, 'examples', 'retail-demand')
  await headrace(['apply', example, '--server', server.url, '--project', 'retail-demand'])
  browser = await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ['--no-sandbox'],
  })
})
after(async () => {
  await browser?.close()
  await server?.kill()
})

for (const [address, sentence] of [
  ['', /Nothing waits for you/],
  ['/datasets', /no version yet/],
  ['/pipeline-runs', /No pipeline has run yet/],
  ['/models', /frozen-ridge/],
  ['/endpoints', /nothing yet/],
] as const)
  test(`the page /app${address} opens, in light and dark, without an error`, { skip }, async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ colorScheme })
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
      await page.goto(`${server.url}/p/retail-demand/app${address}`)
      await page.getByText(sentence).first().waitFor({ timeout: 10_000 })
      assert.match(await page.title(), /retail-demand/)
      assert.deepEqual(errors, [])
      await page.close()
    }
  })

test('a link changes the page without loading it again, and Back works', { skip }, async () => {
  const page = await browser.newPage()
  await page.goto(`${server.url}/p/retail-demand/app`)
  await page.getByRole('link', { name: 'Models' }).click()
  await page.getByText('frozen-ridge').waitFor()
  assert.ok(page.url().endsWith('/app/models'))
  await page.goBack()
  await page.getByText('Nothing waits for you').waitFor()
  await page.close()
})

test('behind a path prefix, whoever is not known signs in, and out again', { skip }, async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'headrace-sign-in-'))
  const file = path.join(directory, 'password')
  await writeFile(file, 'a long phrase of words')
  const data = path.join(directory, 'data')
  await headrace([
    ...['admin', 'user', 'add', 'ana', '--role', 'owner', '--from-file', file, '--data-dir', data],
  ])
  const flags = ['--host', '0.0.0.0', '--insecure-http', '--base-path', '/models']
  const far = await startServer(data, {}, flags)
  t.after(() => far.kill())
  const page = await browser.newPage()
  await page.goto(`${far.url.replace('0.0.0.0', '127.0.0.1')}/models/app`)
  await page.getByLabel('User').fill('ana')
  await page.getByLabel('Password').fill('something else')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').getByText('user or password is wrong').waitFor()
  await page.getByLabel('Password').fill('a long phrase of words')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('Nothing waits for you').waitFor()
  await page.getByRole('link', { name: 'Models' }).click()
  await page.reload()
  assert.match(page.url(), /\/models\/app\/models$/)
  await page.getByRole('button', { name: 'Sign out ana' }).click()
  await page.getByLabel('User').waitFor()
  await page.close()
})
