/** Facts that features announce. */
import { z } from 'zod'
import { defineEvent } from '#platform/events/event.ts'

export const viewMaterialised = defineEvent(
  'features.view.materialised',
  z.object({
    view: z.string(),
    dataset: z.string(),
    version: z.number(),
    rows: z.number(),
    at: z.string(),
    online: z.number(),
  }),
)
