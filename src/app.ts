/** The composition root: opens platform, domains and doors, and wires the ports. The one file that knows all. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { type Caller, systemCaller } from '#base/caller.ts'
import { asFault, Fault } from '#base/errors.ts'
import { openFileBlobs } from '#platform/blobs/index.ts'
import { openColumnar } from '#platform/columnar/index.ts'
import {
  childEnvironment,
  type DataDirectory,
  openDataDirectory,
  type Settings,
} from '#platform/config/index.ts'
import { openDb, type SqliteThreads } from '#platform/db/index.ts'
import {
  type Block,
  definitionsEndpoints,
  definitionsMigrations,
  jsonSchemaOf,
  openDefinitions,
} from '#platform/definitions/index.ts'
import { openEnvironments } from '#platform/environments/index.ts'
import { eventsMigrations, openEvents } from '#platform/events/index.ts'
import { jobsEndpoints, jobsMigrations, openJobs, openSchedules } from '#platform/jobs/index.ts'
import { endpoint, type Http, openApiOf, openHttp, type Route, trustOf } from '#platform/http/index.ts'
import { openLog } from '#platform/log/index.ts'
import { openOnnx } from '#platform/onnx/index.ts'
import { openProcesses } from '#platform/process/index.ts'
import {
  openKeys,
  openSecrets,
  type Secrets,
  secretsEndpoints,
  secretsMigrations,
} from '#platform/secrets/index.ts'
import { backup, keepBeforeUpgrade } from './app/backup.ts'
import { stepKinds } from './app/steps.ts'
import { webRoutes } from './app/web.ts'
import {
  accessBlock,
  accessEndpoints,
  accessMigrations,
  openAccess,
  sessionRoutes,
  usersEndpoints,
} from './domains/access/index.ts'
import {
  datasetsBlock,
  datasetJobs,
  datasetsEndpoints,
  datasetsMigrations,
  openDatasets,
  sourcesBlock,
} from './domains/datasets/index.ts'
import {
  evaluationEndpoints,
  evaluationMigrations,
  openEvaluation,
  openEvaluationSets,
  openScorers,
} from './domains/evaluation/index.ts'
import {
  experimentsEndpoints,
  experimentsMigrations,
  openExperiments,
  openExperimentFiles,
  openLoggedModels,
} from './domains/experiments/index.ts'
import {
  featuresBlock,
  featuresEndpoints,
  featuresMigrations,
  openFeatures,
} from './domains/features/index.ts'
import {
  lineageEndpoints,
  lineageMigrations,
  openLineage,
  openReproductions,
} from './domains/lineage/index.ts'
import {
  type Monitoring,
  monitoringEndpoints,
  monitoringMigrations,
  monitoringSubscriptions,
  monitorsBlock,
  openMonitoring,
} from './domains/monitoring/index.ts'
import {
  openPipelines,
  openStepReproduction,
  pipelinesBlock,
  pipelinesEndpoints,
  pipelineJobs,
  pipelinesMigrations,
  pipelinesSubscriptions,
  runStepKind,
  secretObjections,
  sweepSecrets,
} from './domains/pipelines/index.ts'
import {
  convert,
  modelsBlock,
  openCatalogue,
  openRegistry,
  registryEndpoints,
  registryMigrations,
} from './domains/registry/index.ts'
import { openReviews, reviewsEndpoints, reviewsMigrations } from './domains/reviews/index.ts'
import { endpointsBlock, openServing, servingEndpoints, servingMigrations } from './domains/serving/index.ts'
import {
  checksObjections,
  openValidation,
  validationEndpoints,
  validationMigrations,
} from './domains/validation/index.ts'
import { openTraces, tracesMigrations } from './domains/traces/index.ts'
import { apiRoutes } from './doors/api/index.ts'
import { hookRoutes } from './doors/hooks/index.ts'
import { canonicalAddress, mlflowRoutes } from './doors/mlflow/index.ts'
import { oipRoutes } from './doors/oip/index.ts'
import { scoringRoutes } from './doors/scoring/index.ts'
import { tfServingRoutes } from './doors/tfserving/index.ts'

export const packageRoot = path.resolve(import.meta.dirname, '..')
export const version: string = JSON.parse(
  readFileSync(path.join(packageRoot, 'package.json'), 'utf8'),
).version

export const blocks: Block<unknown>[] = [
  sourcesBlock,
  // Checks are rows of datasets' block and words of validation, which may not be imported there.
  {
    ...datasetsBlock,
    objections: (block: never, whole) => [
      ...(datasetsBlock.objections?.(block, whole) ?? []),
      ...checksObjections(whole),
    ],
  },
  featuresBlock,
  pipelinesBlock,
  modelsBlock,
  endpointsBlock,
  monitorsBlock,
  accessBlock,
] as Block<unknown>[]

export const migrations = [
  ...eventsMigrations,
  ...jobsMigrations,
  ...definitionsMigrations,
  ...secretsMigrations,
  ...accessMigrations,
  ...datasetsMigrations,
  ...validationMigrations,
  ...featuresMigrations,
  ...experimentsMigrations,
  ...pipelinesMigrations,
  ...registryMigrations,
  ...evaluationMigrations,
  ...reviewsMigrations,
  ...servingMigrations,
  ...monitoringMigrations,
  ...lineageMigrations,
  ...tracesMigrations,
]

export interface App {
  readonly http: Http
  readonly url: string
  readonly dataDirectory: string
  readonly isNew: boolean
  /** Makes the first user of a server that others can reach, once. */
  readonly setupToken?: string
  /** Reads the certificate again. */
  reload(): Promise<void>
  close(): Promise<void>
}

/** Opens everything and listens. @throws Fault where the settings, the data directory or the port do not allow it */
export async function openApp(settings: Settings, threads?: SqliteThreads): Promise<App> {
  const isLoopback = /^(127(\.\d{1,3}){3}|localhost|::1)$/.test(settings.host)
  if (!isLoopback && !settings.insecureHttp && settings.tlsCert === undefined) {
    throw new Fault(
      'invalid',
      'config.tls_needed',
      `${settings.host} is reachable by others, and there is no TLS`,
      { remedy: 'give --tls-key and --tls-cert, or say --insecure-http where a proxy does TLS' },
    )
  }
  const data = await openDataDirectory(settings.dataDir)
  try {
    return await openRooms(settings, { data, threads }, isLoopback)
  } catch (error) {
    await data.release()
    throw error
  }
}

interface Ground {
  readonly data: DataDirectory
  readonly threads: SqliteThreads | undefined
}

async function openRooms(settings: Settings, { data, threads }: Ground, isLoopback: boolean): Promise<App> {
  const at = (...names: string[]) => path.join(data.path, ...names)
  const workDirectory = at('work')
  const database = settings.databaseUrl ?? `sqlite:${at('headrace.db')}`
  const db = await openDb({
    url: database,
    migrations,
    durability: settings.durability,
    threads,
    beforeUpgrade: (db) => keepBeforeUpgrade(db, at('backups')),
  })
  const log = openLog({ directory: at('logs'), level: settings.logLevel })
  const events = openEvents({ db })
  const blobs = await openFileBlobs({ directory: at('blobs'), freeBytesMin: settings.diskFreeMin })
  const columnar = openColumnar({ directories: [at('blobs'), workDirectory], temporary: at('tmp') })
  const processes = openProcesses()
  const onnx = openOnnx()
  const baseEnv = childEnvironment()
  const environments = openEnvironments({
    directory: settings.environments ?? at('environments'),
    processes,
    baseEnv,
  })
  const access = openAccess({ db, events, definitions: () => definitions, trustLoopback: isLoopback })
  const keys = openKeys({ file: at('secret.key'), given: settings.secretKey })
  const secrets = openSecrets({ db, events, keys })
  const definitions = openDefinitions({
    db,
    events,
    blocks,
    ensureProject: access.ensureProject,
    outside: async (whole, project) => secretObjections(whole, await secrets.names(project)),
  })
  const { clockOf, rolesOf } = access
  const trouble = (part: string) => (thrown: unknown) =>
    log.write({ part, status: 500, error: asFault(thrown).message })
  const jobs = openJobs({ db, events, onError: trouble('jobs') })
  const schedules = openSchedules({ db, jobs, clockOf, onError: trouble('schedules') })
  const common = {
    db,
    events,
    blobs,
    columnar,
    definitions,
    clockOf,
    workDirectory,
    processes,
    environments,
    onnx,
    baseEnv,
  }
  const datasets = openDatasets(common)
  const validation = openValidation({ ...common, datasets })
  const features = openFeatures({ ...common, datasets })
  const experiments = openExperiments(common)
  const converter = path.join(packageRoot, 'python', 'convert_model.py')
  const experimentFiles = openExperimentFiles(common)
  const loggedModels = openLoggedModels({ db, events, experiments })
  const judged = {
    db,
    events,
    checkExperiment: (id: string, caller: Caller) => experiments.getExperiment({ id }, caller),
  }
  const traces = openTraces(judged)
  const scorers = openScorers(judged)
  const evaluationSets = openEvaluationSets(judged)
  const registry = openRegistry({
    ...common,
    converter,
    sampleRows: features.sampleRows,
    verdictOf: async (id, caller) => (await evaluation.get({ evaluation: id }, caller)).subjects,
  })
  const evaluation = openEvaluation({ ...common, registry, features })
  const reviews = openReviews({ db, events, clockOf, rolesOf })
  const monitoring: Monitoring = openMonitoring({ ...common, datasets, registry, serving: () => serving })
  const serving = openServing({ ...common, registry, features, qualityOf: monitoring.qualityOf })
  const catalogue = openCatalogue({
    ...common,
    runOrigin: async (run, caller) => ({
      uri: (await experiments.runDetails({ run }, caller)).artifactUri,
      runId: run,
    }),
    loggedOrigin: async (id, caller) => {
      const model = await loggedModels.get({ id }, caller)
      return { uri: model.artifactUri, runId: model.sourceRun ?? '' }
    },
  })
  let url: string | undefined
  const runDeps = {
    ...common,
    datasets,
    experiments,
    trainingSet: features.trainingSet,
    secrets,
    mintToken: access.mintToken,
    serverUrl: () => (settings.tlsCert === undefined ? url : (settings.publicUrl ?? url)),
    pythonClient: path.join(packageRoot, 'clients', 'python'),
  }
  const run = runStepKind(runDeps)
  const kinds = [
    run,
    ...stepKinds({ definitions, datasets, validation, features, evaluation, registry, reviews, serving }),
  ]
  const pipelines = openPipelines({
    ...common,
    kinds,
    logsDirectory: at('logs'),
    metricSeries: monitoring.series,
  })
  const lineage = openLineage({
    resolvePrediction: serving.resolvePrediction,
    modelVersion: registry.getConverted,
    datasetVersion: datasets.versionOf,
  })
  const reproductions = openReproductions({
    ...common,
    modelOrigin: registry.getConverted,
    rerun: openStepReproduction(runDeps),
    convert: (command) => convert({ ...common, converter }, command),
    sampleRows: features.sampleRows,
    predict: async (digest, rows) =>
      onnx.predict(await blobs.localPath(digest), Float32Array.from(rows.flat()), rows.length),
    metricsOf: async (id, caller) => (await experiments.getRun({ run: id }, caller)).metrics,
  })
  monitoringSubscriptions(monitoring, events)
  events.subscribe({
    name: 'serving.window',
    types: ['monitoring.window.closed'],
    handle: (event) => {
      const { endpoint: name, window } = event.payload as { endpoint: string; window: { to: number } }
      return serving.onWindowClosed(
        { endpoint: name, toMs: window.to },
        systemCaller(event.project, 'rollouts'),
      )
    },
  })
  pipelinesSubscriptions(pipelines, events)
  const clockwork = { definitions, events, jobs, schedules }
  pipelineJobs({ ...clockwork, pipelines })
  datasetJobs({ ...clockwork, datasets })
  // In a replay the clock is put forward: what is due then is in the queue before the fact counts as heard.
  events.subscribe({
    name: 'jobs.clock',
    types: ['access.project.clock_set'],
    handle: () => schedules.look(),
  })

  const stopping = new AbortController()
  let isReady = false
  const routes: Route[] = [
    ...accessEndpoints(access),
    ...usersEndpoints(access),
    ...sessionRoutes(access, {
      cookiePath: settings.basePath || '/',
      isSecure: settings.tlsCert !== undefined || settings.publicUrl?.startsWith('https:') === true,
    }),
    ...definitionsEndpoints(definitions),
    ...secretsEndpoints(secrets),
    ...datasetsEndpoints(datasets, blobs),
    ...validationEndpoints(validation),
    ...featuresEndpoints(features),
    ...experimentsEndpoints(experiments),
    ...pipelinesEndpoints(pipelines),
    ...jobsEndpoints(jobs, schedules),
    ...registryEndpoints(registry),
    ...evaluationEndpoints(evaluation),
    ...reviewsEndpoints(reviews),
    ...servingEndpoints(serving, async (command, caller, isForced) => {
      const found = await registry.getVersion(command, caller)
      if (found.state === 'gated' || isForced) return
      throw new Fault(
        'precondition_failed',
        'registry.not_gated',
        `${command.model}@${command.version} is ${found.state}`,
        { remedy: 'let its gates pass first' },
      )
    }),
    ...monitoringEndpoints(monitoring),
    ...lineageEndpoints(lineage, reproductions),
    ...scoringRoutes(serving),
    ...tfServingRoutes(serving),
    ...oipRoutes(serving, version),
    ...mlflowRoutes({
      experiments,
      files: experimentFiles,
      loggedModels,
      catalogue,
      traces,
      scorers,
      evaluationSets,
    }),
    ...hookRoutes({ pipelines, whoIs: access.whoIs, secretOf: secretOf(secrets) }),
    ...webRoutes(path.join(packageRoot, 'web', 'dist'), settings.basePath),
    endpoint({
      id: 'settled',
      method: 'GET',
      path: '/api/v1/settled',
      summary: 'Answers when nothing of the project is under way any more',
      permission: 'pipeline:read',
      input: z.strictObject({}),
      output: z.object({ settled: z.boolean() }),
      async run(_command, caller) {
        for (let quiet = 0; quiet < 2 && !stopping.signal.aborted; quiet++) {
          await events.settled()
          await jobs.settled(caller.project)
          await pipelines.settled(caller.project)
        }
        return { settled: true }
      },
    }),
  ]
  const all: Route[] = [
    ...routes,
    ...apiRoutes({
      events,
      blobs,
      version,
      isReady: () => isReady,
      schema: () => jsonSchemaOf(blocks),
      openApi: () => openApiOf(all, version),
      metrics: async () => processMetrics(),
      backup: (to) => backup({ db, blobs, blobsDirectory: at('blobs') }, to),
      stopping: stopping.signal,
    }),
  ]
  const http = await openHttp({
    routes: all,
    canonicalAddress,
    authenticate: access.authenticate,
    allowedHosts: hostsOf(settings),
    corsOrigins: originsOf(settings),
    isTrusted: trustOf(settings.trustedProxies),
    basePath: settings.basePath,
    onRequest: log.write,
    ...(await tlsOf(settings)),
  })
  const reload = async () => {
    const { tls } = await tlsOf(settings)
    if (tls !== undefined) http.reloadTls(tls)
  }
  const close = async () => {
    isReady = false
    stopping.abort()
    await http.close()
    await schedules.stop()
    await Promise.all([jobs.stop(), pipelines.stop(), reproductions.stop()])
    await events.stop()
    await serving.stop()
    await Promise.all([processes.close(), columnar.close(), onnx.close()])
    await db.close()
    await log.close()
    await data.release()
  }
  try {
    url = await http.listen(settings.host, settings.port)
  } catch (error) {
    await close()
    throw error
  }
  await serving.start()
  events.start()
  await sweepSecrets(workDirectory)
  await pipelines.start()
  jobs.start()
  schedules.start()
  isReady = true
  const setupToken = isLoopback ? undefined : await access.users.offerSetup()
  const about = { http, url, dataDirectory: data.path, isNew: data.isNew, reload, close }
  return setupToken === undefined ? about : { ...about, setupToken }
}

/** Opened once for each value, so that calls from outside cannot fill the audit log. */
function secretOf(secrets: Secrets): (project: string, name: string) => Promise<string> {
  const known = new Map<string, string>()
  return async (project, name) => {
    const digest = await secrets.digest(project, name)
    const opened =
      known.get(digest) ??
      (await secrets.reveal({ names: [name], by: 'webhooks' }, systemCaller(project, 'webhooks'))).get(name)
    known.set(digest, opened ?? '')
    return opened ?? ''
  }
}

/** Names that we answer to besides loopback's. */
function hostsOf({ allowedHosts, host, publicUrl }: Settings): string[] {
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).hostname]
  return [...allowedHosts, host, ...own].map((name) => name.toLowerCase())
}
/** Our page may have another origin than this server thinks, where a proxy stands before it. */
const originsOf = ({ corsOrigins, publicUrl }: Settings): string[] =>
  publicUrl === undefined ? corsOrigins : [...corsOrigins, new URL(publicUrl).origin]

async function tlsOf({ tlsKey, tlsCert }: Settings): Promise<{ tls?: { key: string; cert: string } }> {
  if (tlsKey === undefined || tlsCert === undefined) return {}
  return { tls: { key: await readFile(tlsKey, 'utf8'), cert: await readFile(tlsCert, 'utf8') } }
}

function processMetrics(): string {
  const { rss, heapUsed } = process.memoryUsage()
  const lines = [
    ['process_resident_memory_bytes', 'Resident memory', rss],
    ['nodejs_heap_size_used_bytes', 'Heap in use', heapUsed],
    [
      'process_start_time_seconds',
      'When the server started',
      Math.floor(Date.now() / 1000 - process.uptime()),
    ],
  ] as const
  return `${lines.map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}`).join('\n')}\n`
}
