/** Programs as children: no shell, own process group, whole trees killed. Read next: runner.ts, spawner.child.ts. */
export { openProcesses, type Finished, type Processes, type RunProcess, type TextFilter } from './runner.ts'
export { splitWords } from './words.ts'
