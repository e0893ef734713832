/**
 * A suite against a table. Aggregates and row counts of all expectations share one scan; only expectations that look at
 * neighbours or groups, and those that failed and must show examples, ask again.
 */
import type { Columnar } from '#platform/columnar/index.ts'
import { nearest } from '#platform/definitions/index.ts'
import { asText } from './aggregates.ts'
import { expectationName, expectations } from './catalogue.ts'
import { conditionSql } from './condition.ts'
import { GxError } from './failure.ts'
import type { AggregatePlan, Answer, MapPlan, Plan, Scope, Verdict } from './plan.ts'
import { type Found, mapResult, mapSuccess, type ResultFormat, readFormat } from './result.ts'
import { type ExpectationConfig, type ExpectationSuite, filled } from './suite.ts'
import { type Column, shown, shownSql, type Table } from './table.ts'

export interface CheckOptions {
  readonly now: Date
  /** Where an expectation names none. */
  readonly resultFormat?: unknown
  /** Whether the suite's own SQL may run. */
  readonly allowSql?: boolean
  readonly signal?: AbortSignal
}
export interface ValidationResult {
  readonly success: boolean
  readonly suite_name: string
  readonly suite_parameters: Readonly<Record<string, unknown>>
  readonly results: readonly Record<string, unknown>[]
  readonly statistics: Readonly<Record<string, number | null>>
  readonly meta: Readonly<Record<string, unknown>>
  readonly id: null
}
/** One expectation on its way: what is planned, then what was found. */
interface Task {
  readonly config: ExpectationConfig
  readonly format: ResultFormat
  readonly mostly: number
  readonly condition: string
  plan: Plan | undefined
  found?: Found
  verdict?: Verdict
  error?: GxError
}
const rowsMax = 1_000_000
const all = 'true'

export async function checkSuite(
  columnar: Columnar,
  table: Table,
  suite: ExpectationSuite,
  options: CheckOptions,
): Promise<ValidationResult> {
  const run = new Run(columnar, table, options)
  const tasks: Task[] = []
  for (const config of suite.expectations) tasks.push(await run.planned(config, suite.parameters))
  await run.scan(tasks)
  for (const task of tasks) await run.finish(task)
  const results = tasks.map(resultOf)
  const good = results.filter((r) => r.success === true).length
  return {
    success: good === results.length,
    suite_name: suite.name,
    suite_parameters: suite.parameters,
    results,
    statistics: {
      evaluated_expectations: results.length,
      successful_expectations: good,
      unsuccessful_expectations: results.length - good,
      success_percent: results.length === 0 ? null : (good / results.length) * 100,
    },
    meta: {
      great_expectations_version: '1.24.1',
      batch_spec: {},
      batch_markers: { ge_load_time: options.now.toISOString().replace(/[-:]/g, '').replace('Z', '000Z') },
      active_batch_definition: null,
    },
    id: null,
  }
}

class Run {
  readonly #columnar: Columnar
  readonly #table: Table
  readonly #options: CheckOptions

  constructor(columnar: Columnar, table: Table, options: CheckOptions) {
    this.#columnar = columnar
    this.#table = table
    this.#options = options
  }

  async planned(config: ExpectationConfig, parameters: Readonly<Record<string, unknown>>): Promise<Task> {
    const task: Task = {
      config,
      format: readFormat(config.kwargs.result_format, this.#options.resultFormat),
      mostly: Number(config.kwargs.mostly ?? 1),
      condition: all,
      plan: undefined,
    }
    try {
      const kwargs = filled(config.kwargs, parameters, this.#options.now) as Record<string, unknown>
      const mostly = Number(kwargs.mostly ?? 1)
      if (Number.isNaN(mostly)) throw new GxError('ValueError', "'mostly' must be an integer or float")
      if (mostly < 0 || mostly > 1) throw new GxError('ValueError', "'mostly' must be between 0 and 1")
      const condition = conditionSql(this.#table, kwargs.row_condition, kwargs.condition_parser) ?? all
      return {
        ...task,
        mostly,
        condition,
        plan: await this.#plan(config.type, kwargs, condition, task.format),
      }
    } catch (error) {
      return { ...task, error: failureOf(error) }
    }
  }

  #plan(type: string, kwargs: Record<string, unknown>, condition: string, format: ResultFormat) {
    const name = expectationName(type)
    const definition = expectations[name]
    if (definition === undefined) {
      const near = nearest(name, Object.keys(expectations))
      const hint = near === undefined ? '' : `; did you mean ${near}`
      throw new GxError('ExpectationNotFoundError', `${type} not found: no expectation has this name${hint}`)
    }
    const parsed = definition.kwargs.safeParse(kwargs)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      const at = issue?.path.join('.') ?? ''
      throw new GxError(
        'InvalidExpectationConfigurationError',
        `${name}: \`${at}\` ${issue?.message ?? 'is wrong'}`,
      )
    }
    return definition.plan(parsed.data, this.#scope(condition, format))
  }

  #scope(condition: string, format: ResultFormat): Scope {
    const ask = (sql: string) => this.#query(`${this.#kept(condition)} ${withRest(sql)}`)
    return {
      table: this.#table,
      ask,
      texts: async (sql) =>
        (await ask(`select distinct ${sql} as v from kept where ${sql} is not null`)).map((row) =>
          String(row.v),
        ),
      rowsTotal: async () => Number((await ask('select count(*) as n from kept'))[0]?.n ?? 0),
      limit: format.partialMax,
      runSql:
        this.#options.allowSql === true
          ? (query) => this.#query(query.replaceAll('{batch}', `(select * from ${this.#table.source})`))
          : undefined,
    }
  }

  /** One scan for all that can share it; where that fails, each by itself, so that one odd column spoils only its own. */
  async scan(tasks: readonly Task[]): Promise<void> {
    const open = tasks.filter(
      (t) => t.error === undefined && (t.plan?.plan === 'aggregate' || isPlainMap(t.plan)),
    )
    if (open.length === 0) return
    try {
      await this.#scanTogether(open)
    } catch (error) {
      if (open.length === 1 && open[0] !== undefined) open[0].error = failureOf(error)
      else for (const task of open) await this.scan([task])
    }
  }

  async #scanTogether(tasks: readonly Task[]): Promise<void> {
    const wanted = new Map<string, string>()
    const alias = (sql: string): string => {
      const known = wanted.get(sql) ?? `a${wanted.size}`
      wanted.set(sql, known)
      return known
    }
    const readers = tasks.map((task) => this.#reader(task, alias))
    const list = [...wanted].map(([sql, name]) => `${sql} as ${name}`).join(', ')
    const [row = {}] = await this.#query(`${this.#rows()} select ${list} from t`)
    for (const read of readers) read(row)
  }

  #reader(task: Task, alias: (sql: string) => string): (row: Answer) => void {
    const filter = (more: readonly string[]) => {
      const parts = [task.condition, ...more].filter((part) => part !== all)
      return parts.length === 0 ? '' : ` filter (where ${parts.map((p) => `(${p})`).join(' and ')})`
    }
    if (task.plan?.plan === 'aggregate') {
      const plan: AggregatePlan = task.plan
      const names = plan.aggregates.map((aggregate) => alias(asText(aggregate, filter([]))))
      return (row) => {
        judge(task, () => plan.judge(names.map((name) => row[name])))
      }
    }
    const plan = task.plan as MapPlan
    const elements = alias(`count(*)${filter([])}`)
    const considered = alias(`count(*)${filter([plan.considered])}`)
    const unexpected = alias(`count(*)${filter([plan.considered, plan.unexpected])}`)
    return (row) => {
      const counts = { elements: Number(row[elements]), considered: Number(row[considered]) }
      task.found = { ...counts, unexpected: Number(row[unexpected]), rows: [] }
    }
  }

  /** What the common scan could not say: questions of their own, and examples of what failed. */
  async finish(task: Task): Promise<void> {
    const { plan } = task
    if (task.error !== undefined || plan === undefined) return
    try {
      if (plan.plan === 'verdict') task.verdict = plan.verdict
      else if (plan.plan === 'query') {
        const rows = await this.#query(`${this.#kept(task.condition)} ${withRest(plan.sql)}`)
        task.verdict = plan.judge(rows)
      } else if (plan.plan === 'map') await this.#finishMap(task, plan)
    } catch (error) {
      task.error = failureOf(error)
    }
  }

  async #finishMap(task: Task, plan: MapPlan): Promise<void> {
    const found = task.found ?? (await this.#countOver(task, plan))
    const rows =
      found.unexpected === 0 || task.format.level === 'BOOLEAN_ONLY' ? [] : await this.#examples(task, plan)
    task.found = { ...found, rows }
    task.verdict = {
      success: mapSuccess(found, task.mostly),
      result: mapResult(plan, task.found, task.format),
    }
  }

  async #countOver(task: Task, plan: MapPlan): Promise<Found> {
    const filter = task.condition === all ? '' : ` filter (where ${task.condition})`
    const [total] = await this.#query(`${this.#rows()} select count(*)${filter} as n from t`)
    const [row] = await this.#query(
      `${this.#kept(task.condition, plan.considered)}, flagged as (${plan.over}) select count(*) as considered, count(*) filter (where ${plan.unexpected}) as unexpected from flagged`,
    )
    const counts = { considered: Number(row?.considered), unexpected: Number(row?.unexpected) }
    return { elements: Number(total?.n), ...counts, rows: [] }
  }

  async #examples(task: Task, plan: MapPlan): Promise<Found['rows']> {
    const { format } = task
    const ids = (format.indexNames ?? []).map((name) => ({ name, column: this.#idColumn(name) }))
    const values = plan.columns.map((c, i) => `${shownSql(c)} as v${i}`)
    const keys = ids.map(({ column }, i) => `${column === undefined ? 'n' : shownSql(column)} as k${i}`)
    const whole = format.withRows ? this.#table.columns.map((c, i) => `${shownSql(c)} as r${i}`) : []
    const limit = format.level === 'COMPLETE' ? rowsMax : format.partialMax
    const rows = await this.#query(
      `${this.#kept(task.condition, plan.considered)}, flagged as (${plan.over ?? 'select * from kept'}) select n, ${[...values, ...keys, ...whole].join(', ')} from flagged where ${plan.unexpected} order by n limit ${limit}`,
    )
    return rows.map((row) => {
      const own = plan.columns.map((c, i) => shown(c, row[`v${i}`]))
      const named = () => ({
        ...Object.fromEntries(plan.columns.map((c, i) => [c.name, own[i]])),
        ...Object.fromEntries(
          ids.map(({ name, column }, i) => [
            name,
            column === undefined ? row[`k${i}`] : shown(column, row[`k${i}`]),
          ]),
        ),
      })
      const index = format.indexNames === undefined ? row.n : named()
      const cells = this.#table.columns.map((c, i) => [c.name, shown(c, row[`r${i}`])])
      return { index, values: own, ...(format.withRows ? { row: Object.fromEntries(cells) } : {}) }
    })
  }

  /** GX's test definitions name rows by a column `pk_index` that their data sets have not. */
  #idColumn(name: string): Column | undefined {
    if (this.#table.isTestData && name === 'pk_index' && !this.#table.columns.some((c) => c.name === name))
      return undefined
    return this.#table.column(name)
  }

  #rows(): string {
    const columns = this.#table.columns.map((c) => `${c.from} as ${c.sql}`)
    return `with t as (select ${columns.join(', ') || '1 as none'} from ${this.#table.source})`
  }

  #kept(condition: string, considered = all): string {
    const where = [condition, considered].filter((part) => part !== all).map((part) => `(${part})`)
    const clause = where.length === 0 ? '' : ` where ${where.join(' and ')}`
    return `${this.#rows()}, numbered as (select *, row_number() over () - 1 as n from t), kept as (select * from numbered${clause})`
  }

  #query(sql: string): Promise<Answer[]> {
    const { signal } = this.#options
    return this.#columnar.query<Answer>(sql, {
      files: this.#table.files,
      plainCsv: true,
      rowsMax,
      ...(signal === undefined ? {} : { signal }),
    })
  }
}

/** A question may bring relations of its own: `with v as (…) select …` after those that are there. */
const withRest = (sql: string): string => sql.replace(/^\s*with\s/i, ', ')
const isPlainMap = (plan: Plan | undefined): plan is MapPlan =>
  plan?.plan === 'map' && plan.over === undefined

function judge(task: Task, work: () => Verdict): void {
  try {
    task.verdict = work()
  } catch (error) {
    task.error = failureOf(error)
  }
}

function failureOf(error: unknown): GxError {
  if (error instanceof GxError) return error
  const { name, message } = error as Error
  if (name === 'AbortError') throw error
  return new GxError('MetricResolutionError', message)
}

const noException = { raised_exception: false, exception_traceback: null, exception_message: null }

function resultOf({ config, format, verdict, error }: Task): Record<string, unknown> {
  const message = error === undefined ? '' : error.message
  const trace = message.startsWith(`${error?.type}:`) ? message : `${error?.type}: ${message}`
  return {
    success: error === undefined && verdict?.success === true,
    expectation_config: {
      type: expectationName(config.type),
      ...(config.isOld ? { expectation_type: config.type } : {}),
      kwargs: config.kwargs,
      meta: config.meta,
      ...(config.id === undefined ? {} : { id: config.id }),
      severity: config.severity,
    },
    result: error !== undefined || format.level === 'BOOLEAN_ONLY' ? {} : (verdict?.result ?? {}),
    meta: {},
    exception_info:
      error === undefined
        ? noException
        : { raised_exception: true, exception_traceback: trace, exception_message: message },
  }
}
