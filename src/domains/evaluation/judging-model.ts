/** Nouns of judging language models: scorers by version, and evaluation sets with their records. */
export type Json = Readonly<Record<string, unknown>>

/** A judge as its client wrote it; it is kept and given back, never run in the server. */
export interface Scorer {
  readonly id: string
  readonly experiment: string
  readonly name: string
  readonly version: number
  readonly body: string
  readonly createdAt: number
}
/** Types of the fields that records had so far: `{ inputs: { question: 'string' }, … }`. */
export interface SetFields {
  readonly inputs: Record<string, string>
  readonly outputs: Record<string, string> | string
  readonly expectations: Record<string, string>
  readonly version: '1.0'
}
export interface EvaluationSet {
  readonly id: string
  readonly name: string
  /** Changes with every change of the set. */
  readonly digest: string
  readonly fields: SetFields | undefined
  readonly records: number
  readonly tags: Readonly<Record<string, string>>
  readonly experiments: readonly string[]
  readonly createdAt: number
  readonly updatedAt: number
  readonly createdBy: string | undefined
  readonly updatedBy: string | undefined
}
export interface SetRecord {
  readonly id: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly inputs: Json
  readonly outputs?: unknown
  readonly expectations?: Json | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly source?: Json | undefined
  readonly createdBy?: string | undefined
  readonly updatedBy?: string | undefined
}
/** A record as somebody brings it: the same inputs are the same record. */
export interface BroughtRecord {
  readonly inputs: Json
  readonly outputs?: unknown
  readonly expectations?: Json | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly source?: Json | undefined
}
export interface SetClause {
  readonly entity: 'attribute' | 'tag'
  readonly key: string
  readonly comparator: string
  readonly value: string | number | readonly string[] | undefined
}
export interface SetSearch {
  readonly experiments: readonly string[]
  readonly clauses: readonly SetClause[]
  readonly orders: readonly { readonly key: string; readonly ascending: boolean }[]
  readonly limit: number
  readonly offset: number
}
/** The tag by which MLflow's clients name the person. */
export const userTag = 'mlflow.user'
