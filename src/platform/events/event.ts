/** What a kind of fact is: a leaf that every domain may import. Read next: index.ts, where facts are kept. */
import type { z } from 'zod'

export interface EventType<P> {
  /** `datasets.version.committed`: domain, noun, past participle. */
  readonly type: string
  readonly payload: z.ZodType<P>
}

export const defineEvent = <P>(type: string, payload: z.ZodType<P>): EventType<P> => ({ type, payload })
