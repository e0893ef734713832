/** Runs keep what was logged, and say what they refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openRooms } from '../../testing/rooms.ts'
import { experimentsMigrations, openExperiments } from './index.ts'

async function opened() {
  const rooms = await openRooms({ migrations: experimentsMigrations })
  return { ...rooms, experiments: openExperiments(rooms) }
}

test('a run gives back its parameters, tags and the latest of each metric', async () => {
  await using house = await opened()
  const { id } = await house.experiments.startRun(
    { experiment: 'demand', name: 'first', tags: [{ key: 'team', value: 'a' }] },
    house.caller,
  )
  const metrics = [
    { key: 'wape', value: 0.3, step: 2, timestamp: 1 },
    { key: 'wape', value: 0.5, step: 1, timestamp: 9 },
    { key: 'loss', value: 'NaN' as const, step: 0 },
  ]
  await house.experiments.logBatch({ run: id, metrics, params: [{ key: 'depth', value: '4' }] }, house.caller)
  await house.experiments.endRun({ run: id, status: 'finished' }, house.caller)
  const run = await house.experiments.getRun({ run: id }, house.caller)
  assert.deepEqual(
    [run.status, run.params, run.metrics, run.tags],
    ['finished', { depth: '4' }, { wape: 0.3, loss: 'NaN' }, { team: 'a' }],
  )
})

test('ten thousand metrics go in one call', async () => {
  await using house = await opened()
  const { id } = await house.experiments.startRun({ experiment: 'demand' }, house.caller)
  await house.experiments.logBatch(
    { run: id, metrics: Array.from({ length: 10_000 }, (_, step) => ({ key: 'loss', value: step, step })) },
    house.caller,
  )
  assert.equal(
    (await house.experiments.metricHistory({ run: id, key: 'loss' }, house.caller)).points.length,
    10_000,
  )
})

test('a parameter may be repeated, not changed; a batch that tries leaves nothing', async () => {
  await using house = await opened()
  const { id } = await house.experiments.startRun({ experiment: 'demand' }, house.caller)
  const params = [{ key: 'depth', value: '4' }]
  await house.experiments.logBatch({ run: id, params }, house.caller)
  await house.experiments.logBatch({ run: id, params }, house.caller)
  const changed = {
    run: id,
    params: [{ key: 'depth', value: '5' }],
    metrics: [{ key: 'x', value: 1, step: 0 }],
  }
  await assert.rejects(house.experiments.logBatch(changed, house.caller), (t) =>
    isFault(t, 'experiments.param_changed'),
  )
  assert.deepEqual((await house.experiments.getRun({ run: id }, house.caller)).metrics, {})
})

test('a run of another project is not there', async () => {
  await using house = await opened()
  const { id } = await house.experiments.startRun({ experiment: 'demand' }, house.caller)
  const stranger = { ...house.caller, project: 'other' }
  await assert.rejects(house.experiments.getRun({ run: id }, stranger), (t) =>
    isFault(t, 'experiments.run_not_found'),
  )
  await assert.rejects(house.experiments.endRun({ run: id, status: 'failed' }, stranger), (t) =>
    isFault(t, 'experiments.run_not_found'),
  )
})
