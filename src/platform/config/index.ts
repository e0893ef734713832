/** Settings of the server: one schema, parsed once; and the data directory. The only reader of the environment. */
export { openDataDirectory, type DataDirectory } from './data-directory.ts'
export { childEnvironment, environmentKeys, readSettings, type Settings } from './settings.ts'
