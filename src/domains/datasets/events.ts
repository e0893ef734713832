/** Facts that datasets announce. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const versionCommitted = defineEvent(
  'datasets.version.committed',
  z.object({
    dataset: z.string(),
    version: z.number(),
    id: z.string(),
    rows: z.number(),
    bytes: z.number(),
    /** Paths of files that the version before had not. */
    added: z.array(z.string()),
    state: z.string(),
  }),
)
export const versionJudged = defineEvent(
  'datasets.version.judged',
  z.object({ dataset: z.string(), version: z.number(), passed: z.boolean(), quarantined: z.number() }),
)
