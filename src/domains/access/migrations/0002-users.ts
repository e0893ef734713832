/** Users with their groups, roles and sessions; and whose a token is. */
import type { Migration } from '#platform/db/index.ts'

export const accessUsers: Migration = {
  id: 'access/0002-users',
  up: (db) => [
    db.schema
      .createTable('access_users')
      .addColumn('user_name', 'text', (c) => c.primaryKey())
      .addColumn('password', 'text')
      .addColumn('created_at', 'bigint', (c) => c.notNull()),
    db.schema
      .createTable('access_members')
      .addColumn('group_name', 'text', (c) => c.notNull())
      .addColumn('user_name', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('access_members_key', ['user_name', 'group_name']),
    db.schema
      .createTable('access_held_roles')
      .addColumn('subject', 'text', (c) => c.notNull())
      .addColumn('project', 'text', (c) => c.notNull())
      .addColumn('resource', 'text', (c) => c.notNull())
      .addColumn('role', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('created_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('access_held_roles_key', ['subject', 'project', 'resource', 'role']),
    db.schema
      .createTable('access_sessions')
      .addColumn('digest', 'text', (c) => c.primaryKey())
      .addColumn('user_name', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'bigint', (c) => c.notNull()),
    db.schema.alterTable('access_tokens').addColumn('owner', 'text'),
  ],
}
