/** What pipelines listen to: new versions, closed windows, decided reviews. */
import type { Events } from '#platform/events/index.ts'
import { versionCommitted } from '../datasets/events.ts'
import type { Pipelines } from './operations.ts'

export function pipelinesSubscriptions(pipelines: Pipelines, events: Events): void {
  events.subscribe({ name: 'pipelines.new-version', types: [versionCommitted], handle: pipelines.onVersion })
  events.subscribe({
    name: 'pipelines.metric',
    types: ['monitoring.window.closed'],
    handle: pipelines.onWindow,
  })
  events.subscribe({
    name: 'pipelines.review',
    types: ['reviews.review.decided'],
    handle: (event) =>
      pipelines.decided(`review:${(event.payload as { review: string }).review}`, event.project),
  })
}
