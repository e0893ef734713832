/** What monitoring listens to: versions of label datasets that are accepted, at once or by their verdict. */
import { systemCaller } from '#base/caller.ts'
import type { Events } from '#platform/events/index.ts'
import { versionCommitted, versionJudged } from '../datasets/events.ts'
import type { Monitoring } from './operations.ts'

export function monitoringSubscriptions(monitoring: Monitoring, events: Events): void {
  events.subscribe({
    name: 'monitoring.labels',
    types: [versionCommitted, versionJudged],
    async handle(event) {
      const { dataset, version, ...rest } = event.payload as {
        dataset: string
        version: number
        state?: string
        passed?: boolean
      }
      if (rest.state !== 'accepted' && rest.passed !== true) return
      const caller = { ...systemCaller(event.project, 'monitoring'), requestId: `event-${event.seq}` }
      await monitoring.onLabels({ dataset, version }, caller)
    },
  })
}
