/** Settings: flag over environment over default. Unknown HEADRACE_ variables are refused with what was meant. */
import { z } from 'zod'
import { Fault } from '#base/errors.ts'

const list = z.string().transform((s) =>
  s
    .split(',')
    .map((p) => p.trim())
    .filter((p) => p !== ''),
)

export const SettingsSchema = z.object({
  port: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(4400)
    .describe('Port to listen at; 0 picks a free one'),
  host: z.string().default('127.0.0.1').describe('Address to bind; other than loopback demands tokens'),
  dataDir: z.string().default('.headrace').describe('Folder of database, blobs, logs and environments'),
  databaseUrl: z.string().optional().describe('postgres://… instead of the SQLite file'),
  durability: z.enum(['fsync', 'process']).default('fsync').describe('Whether a commit survives a power cut'),
  allowedHosts: list.default([]).describe('Names that the server answers to besides loopback, with commas'),
  corsOrigins: list.default([]).describe('Origins that may call from a browser, with commas'),
  basePath: z
    .string()
    .regex(/^(\/[\w.~-]+)*\/?$/, 'a path such as /headrace')
    .transform((p) => p.replace(/\/$/, ''))
    .default('')
    .describe('Prefix of every address behind a proxy'),
  publicUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Address that users reach the server at'),
  trustedProxies: list
    .default([])
    .describe('Addresses or ranges of proxies whose forwarded headers count, with commas'),
  blobs: z
    .string()
    .refine(
      (where) => !/^s3:/i.test(where),
      'blobs in S3 are not built yet: leave it out, the data directory holds them',
    )
    .refine((where) => where === 'file', 'the one value is `file`')
    .optional()
    .describe('Where bytes are kept; `file` is the data directory'),
  tlsKey: z.string().optional().describe('File of the TLS key'),
  tlsCert: z.string().optional().describe('File of the TLS certificate'),
  insecureHttp: z
    .stringbool()
    .or(z.boolean())
    .default(false)
    .describe('Serve plain HTTP on another address than loopback'),
  secretKey: z
    .string()
    .optional()
    .describe('Key of the secrets instead of the file: 32 bytes as hex; older ones after a comma'),
  environments: z
    .string()
    .optional()
    .describe('Folder of Python environments, shared by several data directories'),
  diskFreeMin: z.coerce
    .number()
    .int()
    .min(0)
    .default(268_435_456)
    .describe('Bytes that must stay free; ingest stops below'),
  logLevel: z.enum(['silent', 'error', 'info']).default('info').describe('What is written to the log file'),
})
export type Settings = z.output<typeof SettingsSchema>

const nameOf = (key: string) =>
  key === 'databaseUrl'
    ? 'DATABASE_URL'
    : `HEADRACE_${key.replaceAll(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`
export const environmentKeys: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(SettingsSchema.shape).map((key) => [nameOf(key), key]),
)
// What clients and steps read; a server may find them in its environment too.
const clientKeys = new Set([
  'HEADRACE_SERVER',
  'HEADRACE_PROJECT',
  'HEADRACE_TOKEN',
  'HEADRACE_STEP',
  'HEADRACE_RUN_ID',
])

/** @throws Fault invalid `config.unknown_key` | `config.invalid` */
export function readSettings(
  flags: Readonly<Record<string, unknown>> = {},
  environment: NodeJS.ProcessEnv = process.env,
): Settings {
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(environment)) {
    const key = environmentKeys[name]
    if (key !== undefined && value !== '') given[key] = value
    else if (name.startsWith('HEADRACE_') && key === undefined && !clientKeys.has(name))
      throw unknownKey(name)
  }
  for (const [key, value] of Object.entries(flags)) if (value !== undefined) given[key] = value
  const parsed = SettingsSchema.safeParse(given)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Fault('invalid', 'config.invalid', `setting ${nameOf(String(issue?.path[0]))}: ${issue?.message}`)
}

function unknownKey(name: string): Fault {
  const near = Object.keys(environmentKeys).find((known) => known.startsWith(name.slice(0, 12)))
  return new Fault('invalid', 'config.unknown_key', `${name} is not a setting of this version`, {
    remedy:
      near === undefined ? `known are: ${Object.keys(environmentKeys).join(', ')}` : `did you mean ${near}?`,
  })
}

const passedOn = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'ALL_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'LD_LIBRARY_PATH',
  'PYENV_ROOT',
  'XDG_CACHE_HOME',
]

/** What children get of our environment: paths, language, proxies, certificates, installers; never our secrets. */
export function childEnvironment(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept = Object.entries(environment).filter(
    ([name]) => passedOn.includes(name) || /^(PIP|UV)_/.test(name),
  )
  return Object.fromEntries(kept.filter((pair): pair is [string, string] => pair[1] !== undefined))
}
