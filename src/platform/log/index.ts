/** The server's log file. */
export { type Log, type LogOptions, openLog } from './log.ts'
