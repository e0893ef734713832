/**
 * The typed twin of headrace.yaml: a `headrace.config.ts` that evaluates to the same JSON. The types are the inputs of
 * the very schemas that check the file, so that a wrong word is found by the compiler before `headrace check` sees it.
 */
import type { z } from 'zod'
import type { accessBlock } from '../../src/domains/access/model.ts'
import type { DatasetDefinition, SourceDefinition } from '../../src/domains/datasets/model.ts'
import type { FeatureView } from '../../src/domains/features/model.ts'
import type { MonitorDefinition } from '../../src/domains/monitoring/model.ts'
import type { PipelineDefinition, StepDefinition } from '../../src/domains/pipelines/model.ts'
import type { ModelDefinition } from '../../src/domains/registry/model.ts'
import type { EndpointDefinition } from '../../src/domains/serving/model.ts'
import type { Check } from '../../src/domains/validation/model.ts'

type Named<T> = Readonly<Record<string, T>>
export type Step = z.input<typeof StepDefinition>
export type Pipeline = z.input<typeof PipelineDefinition>
export type Model = z.input<typeof ModelDefinition>
type Dataset = Omit<z.input<typeof DatasetDefinition>, 'checks'> & { checks?: z.input<typeof Check>[] }

/** One whole file, block by block. */
export interface Config {
  readonly version: 1
  readonly project: string | { name: string; owner?: string; timezone?: string }
  readonly sources?: Named<z.input<typeof SourceDefinition>>
  readonly datasets?: Named<Dataset>
  readonly features?: Named<z.input<typeof FeatureView>>
  readonly pipelines?: Named<Pipeline>
  readonly models?: Named<Model>
  readonly endpoints?: Named<z.input<typeof EndpointDefinition>>
  readonly monitors?: Named<z.input<typeof MonitorDefinition>>
  readonly access?: z.output<(typeof accessBlock)['schema']>
}

export const step = <const S extends Step>(definition: S): S => definition
export const pipeline = <const P extends Pipeline>(definition: P): P => definition
export const model = <const M extends Model>(definition: M): M => definition
/** What a `headrace.config.ts` exports by default. */
export const defineConfig = <const C extends Config>(config: C): C => config
