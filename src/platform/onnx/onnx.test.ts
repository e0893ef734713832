/** Models in a thread: each question gets its own answer, however they are batched. */
import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { isFault } from '#base/errors.ts'
import { openOnnx } from './index.ts'

// An ONNX file by hand, after onnx.proto: y = the sum of each row of x.
const varint = (n: number): number[] => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...varint(n >>> 7)])
const number = (field: number, n: number) => [...varint(field << 3), ...varint(n)]
const bytes = (field: number, content: readonly number[] | string) => {
  const body = typeof content === 'string' ? [...Buffer.from(content)] : content
  return [...varint((field << 3) | 2), ...varint(body.length), ...body]
}
const tensor = (name: string, width: number) => {
  const shape = [...bytes(1, bytes(2, 'rows')), ...bytes(1, number(1, width))]
  return [...bytes(1, name), ...bytes(2, bytes(1, [...number(1, 1), ...bytes(2, shape)]))]
}
const attribute = (name: string, value: number[], type: number) => [
  ...bytes(1, name),
  ...value,
  ...number(20, type),
]
const node = [
  ...bytes(1, 'x'),
  ...bytes(2, 'y'),
  ...bytes(4, 'ReduceSum'),
  ...bytes(5, attribute('axes', number(8, 1), 7)),
  ...bytes(5, attribute('keepdims', number(3, 1), 2)),
]
const graph = [
  ...bytes(1, node),
  ...bytes(2, 'sum'),
  ...bytes(11, tensor('x', 3)),
  ...bytes(12, tensor('y', 1)),
]
const model = Uint8Array.from([...number(1, 7), ...bytes(7, graph), ...bytes(8, number(2, 11))])

const onnx = openOnnx()
let file = ''
before(async () => {
  file = path.join(await mkdtemp(path.join(tmpdir(), 'headrace-onnx-')), 'sum.onnx')
  await writeFile(file, model)
})
after(() => onnx.close())

test('a thousand questions at once: each gets the answer to its own rows, in its own number', async () => {
  assert.deepEqual(await onnx.load(file), { features: 3 })
  const asked = Array.from({ length: 1_000 }, (_, i) => {
    const count = 1 + (i % 4)
    return { count, rows: Float32Array.from({ length: count * 3 }, (_, j) => i + (j % 3)) }
  })
  const answers = await Promise.all(asked.map(({ rows, count }) => onnx.predict(file, rows, count)))
  for (const [i, answer] of answers.entries())
    assert.deepEqual(
      [...answer],
      Array.from({ length: asked[i]?.count ?? 0 }, () => 3 * i + 3),
    )
})

test('one bad question is refused alone, and its neighbours in the batch are answered', async () => {
  const good = () => onnx.predict(file, Float32Array.of(1, 2, 3), 1)
  const results = await Promise.allSettled([
    good(),
    good(),
    onnx.predict(file, Float32Array.of(1, 2), 1),
    good(),
  ])
  assert.deepEqual(
    results.map((r) => (r.status === 'fulfilled' ? [...r.value] : (r.reason as { code: string }).code)),
    [[6], [6], 'onnx.failed', [6]],
  )
})

test('what waits is bounded: beyond it a caller is told to come back, and those who wait are answered', async () => {
  const large = new Float32Array(3 * 40_000)
  const first = onnx.predict(file, large, 40_000)
  const second = onnx.predict(file, large, 40_000)
  await assert.rejects(onnx.predict(file, large, 40_000), (thrown) => isFault(thrown, 'onnx.queue_full'))
  assert.equal((await first).length + (await second).length, 80_000)
  assert.equal((await onnx.predict(file, Float32Array.of(1, 2, 3), 1))[0], 6)
})

test('a file that is no model is refused, and the thread goes on', async () => {
  const bad = `${file}.bad`
  await writeFile(bad, 'not a model')
  await assert.rejects(onnx.load(bad), (thrown) => isFault(thrown, 'onnx.failed'))
  assert.deepEqual([...(await onnx.predict(file, Float32Array.of(1, 1, 1), 1))], [3])
})
