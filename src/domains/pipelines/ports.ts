/** What pipelines ask of others: step kinds that app.ts passes, and the context they get. */
import type { Caller } from '#base/caller.ts'
import type { Sha256 } from '#base/digest.ts'
import type { Cause, Outputs, StepDefinition, StepKindName } from './model.ts'

export interface CodeOrigin {
  readonly tree: Sha256
  readonly commit?: string
  readonly dirty: boolean
}
export type ParamValue = string | number | boolean

export interface StepContext {
  readonly caller: Caller
  /** `r-81` */
  readonly pipelineRun: string
  readonly pipeline: string
  readonly step: string
  readonly attempt: number
  readonly definition: StepDefinition
  readonly environment:
    | { readonly python?: string; readonly requirements?: string; readonly threads?: number }
    | undefined
  readonly params: Readonly<Record<string, ParamValue>>
  readonly trigger: Cause
  /** Outputs of a step of this run that has ended well. */
  outputsOf(step: string): Outputs | undefined
  readonly code: CodeOrigin
  readonly signal: AbortSignal
  /** A line of the step's log. */
  log(line: string): void
  /** What the page shows while it runs. */
  progress(text: string): void
}

export type StepResult =
  | {
      readonly state: 'succeeded' | 'refused'
      readonly outputs: Outputs
      readonly summary: string
      readonly runId?: string
    }
  | { readonly state: 'waiting'; readonly on: string; readonly summary: string; readonly outputs?: Outputs }

export interface StepKind {
  readonly kind: StepKindName
  /** Everything that the result depends on, in named parts; `never` where the step acts on the world. */
  keyParts(step: StepContext): Promise<Readonly<Record<string, unknown>> | 'never'>
  /** @throws Fault; its code is the reason that `retry.on` knows */
  run(step: StepContext): Promise<StepResult>
}
