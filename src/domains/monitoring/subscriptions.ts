/** What monitoring listens to: new versions of label datasets. */
import { systemCaller } from '#base/caller.ts'
import type { Events } from '#platform/events/index.ts'
import { versionCommitted } from '../datasets/events.ts'
import type { Monitoring } from './operations.ts'

export function monitoringSubscriptions(monitoring: Monitoring, events: Events): void {
  events.subscribe({
    name: 'monitoring.labels',
    types: [versionCommitted],
    async handle(event) {
      const { dataset, version, state } = event.payload as { dataset: string; version: number; state: string }
      if (state === 'accepted')
        await monitoring.onLabels(
          { dataset, version },
          { ...systemCaller(event.project, 'monitoring'), requestId: `event-${event.seq}` },
        )
    },
  })
}
