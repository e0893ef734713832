/** `headrace` for TypeScript: the typed twin of headrace.yaml. Types only at compile time; at run time it is four functions. */
export {
  type Config,
  defineConfig,
  type Model,
  model,
  type Pipeline,
  pipeline,
  type Step,
  step,
} from './config.ts'
