/** Facts: at once the outbox that subscribers follow and the audit log, sealed into a hash chain. Read next: events.ts. */
export type { AuditVerdict } from './chain.ts'
export { defineEvent, type EventType } from './event.ts'
export { type Events, type Fact, openEvents, type StoredEvent, type Subscription } from './events.ts'
export { eventsMigrations } from './migrations.ts'
