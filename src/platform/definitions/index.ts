/** headrace.yaml: parsed with positions, checked by the blocks that domains register, kept as applied. Knows no domain. */
export { type Condition, conditionText, evaluateCondition, parseCondition, type Series } from './condition.ts'
export {
  type Applied,
  type Change,
  definitionApplied,
  type Definitions,
  definitionsEndpoints,
  openDefinitions,
} from './definitions.ts'
export { editsBetween, nearest } from './nearest.ts'
export { definitionsMigrations } from './store.ts'
export {
  type Block,
  checkText,
  defineBlock,
  jsonSchemaOf,
  type Objection,
  type Problem,
  type Whole,
} from './document.ts'
export {
  duration,
  durationMs,
  parseReference,
  percent,
  type Reference,
  reference,
} from './words.ts'
