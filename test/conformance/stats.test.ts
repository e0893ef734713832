/** Drift and fairness of files, by the commands, against Evidently and Fairlearn on the same random files. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { statsPeer } from '../../src/testing/data-peers.ts'
import { headrace } from '../../src/testing/server.ts'

const run = promisify(execFile)
const directory = await mkdtemp(path.join(tmpdir(), 'headrace-stats-'))
after(() => rm(directory, { recursive: true }))
const near = (a: number | null, b: number | null, what: string) =>
  assert.ok(
    (a === null && b === null) ||
      (a !== null && b !== null && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b))),
    `${what}: ${a} is not ${b}`,
  )

const driftPeer = `
import sys, json, warnings, logging, math
warnings.filterwarnings('ignore'); logging.disable(logging.WARNING)
import numpy as np, pandas as pd
import evidently.legacy.calculations.stattests
from evidently.legacy.core import ColumnType
from evidently.core.datasets import infer_column_type
from evidently.legacy.calculations.stattests.registry import get_stattest
where, n, m, seed, methods = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5].split(',')
rng = np.random.default_rng(seed)
def frame(k, s):
    return pd.DataFrame({'norm': rng.normal(s, 1, k), 'exp': rng.exponential(1 + s, k), 'ints': rng.integers(0, 60, k) + int(30 * s), 'few': rng.integers(0, 4, k),
      'bin': rng.integers(0, 2, k), 'cat': rng.choice(list('abcde') if s else list('abcd'), k), 'flag': rng.random(k) < .4 + s / 5, 'const': np.ones(k),
      'ties': np.round(rng.normal(s, 1, k), 1), 'nul': np.where(rng.random(k) < .1, np.nan, rng.normal(0, 1, k))})
r, c = frame(n, 0.), frame(m, .1)
r.to_parquet(where + '/r.parquet'); c.to_csv(where + '/c.csv', index=False)
kinds = {'num': ColumnType.Numerical, 'cat': ColumnType.Categorical}
out = {}
for method in methods:
    for name in r:
        kind = kinds[infer_column_type(c[name]).value]
        a, b = r[name].dropna(), c[name].dropna()
        try:
            t = get_stattest(a, b, kind, None if method == 'default' else method)
        except ValueError:
            continue
        score = t(a, b, kind, None)
        value = float(score.drift_score)
        out.setdefault(method, {})[name] = [t.name, None if math.isnan(value) else value, bool(score.drifted), float(score.actual_threshold)]
print(json.dumps(out))
`
const all =
  'default,ks,wasserstein,psi,jensenshannon,kl_div,hellinger,ed,t_test,mannw,cramer_von_mises,chisquare,z'
const few = 'default,ks,psi,mannw'
type Drift = {
  method: string
  statistic: number | null
  p_value: number | null
  threshold: number
  drifted: boolean
}

for (const [n, m, methods] of [
  [500, 400, all],
  [2_000, 1_500, few],
  [900, 12_000, few],
] as const)
  test(`drift of ${m} rows from ${n} is Evidently’s, by default and by each method`, {
    timeout: 300_000,
  }, async () => {
    const { stdout } = await run(await statsPeer(), [
      '-c',
      driftPeer,
      directory,
      String(n),
      String(m),
      String(n),
      methods,
    ])
    const wanted = JSON.parse(stdout) as Record<
      string,
      Record<string, [string, number | null, boolean, number]>
    >
    for (const [method, columns] of Object.entries(wanted)) {
      const named = method === 'default' ? [] : ['--method', method]
      const files = [
        '--reference',
        path.join(directory, 'r.parquet'),
        '--current',
        path.join(directory, 'c.csv'),
      ]
      const said = await headrace(['stats', 'drift', ...files, ...named, '--json'])
      assert.equal(said.code, 0, said.stderr)
      const found = JSON.parse(said.stdout).columns as Record<string, Drift>
      for (const [name, [by, score, drifted, threshold]] of Object.entries(columns)) {
        const column = found[name] as Drift
        assert.deepEqual(
          [column.method, column.drifted, column.threshold],
          [by, drifted, threshold],
          `${method} ${name}`,
        )
        near(column.p_value ?? column.statistic, score, `${method} ${name}`)
      }
    }
  })

const fairPeer = `
import sys, json, math, warnings
warnings.filterwarnings('ignore')
import numpy as np, pandas as pd
from sklearn.metrics import accuracy_score, precision_score, recall_score
from fairlearn import metrics as f
rng = np.random.default_rng(int(sys.argv[2])); n = 300
d = pd.DataFrame({'y': rng.integers(0, 2, n), 'p': rng.integers(0, 2, n), 'g': rng.choice(list('abc'), n), 'h': rng.choice(['u', 'v'], n), 'c': rng.choice(['k', 'l'], n)})
d.to_csv(sys.argv[1], index=False)
m = {k: getattr(f, k) for k in ['selection_rate', 'true_positive_rate', 'false_positive_rate', 'true_negative_rate', 'false_negative_rate', 'count']} | {'accuracy': accuracy_score, 'precision': precision_score, 'recall': recall_score}
def plain(frame):
    if isinstance(frame, pd.Series): return {k: None if math.isnan(v) else float(v) for k, v in frame.items()}
    return {c: {','.join(k) if isinstance(k, tuple) else k: None if math.isnan(v) else float(v) for k, v in frame[c].items()} for c in frame}
def report(sensitive, control):
    x = f.MetricFrame(metrics=m, y_true=d.y, y_pred=d.p, sensitive_features=d[sensitive], control_features=d[control] if control else None)
    out = {'by_group': plain(x.by_group), 'overall': plain(x.overall), 'difference': plain(x.difference()), 'ratio': plain(x.ratio())}
    for a in ['demographic_parity', 'equalized_odds', 'equal_opportunity']:
        for b in ['difference', 'ratio']: out[f'{a}_{b}'] = float(getattr(f, f'{a}_{b}')(d.y, d.p, sensitive_features=d[sensitive]))
    return out
print(json.dumps([report(['g'], None), report(['g', 'h'], None), report(['g'], ['c'])]))
`
test('fairness is Fairlearn’s: one feature, two crossed, and under a control', {
  timeout: 300_000,
}, async () => {
  const data = path.join(directory, 'fair.csv')
  const wanted = JSON.parse((await run(await statsPeer(), ['-c', fairPeer, data, '3'])).stdout) as unknown[]
  const words = [['g'], ['g,h'], ['g', '--control', 'c']]
  for (const [i, [sensitive = '', ...more]] of words.entries()) {
    const said = await headrace([
      'stats',
      'fairness',
      '--data',
      data,
      '--y-true',
      'y',
      '--y-pred',
      'p',
      '--sensitive',
      sensitive,
      ...more,
      '--json',
    ])
    assert.equal(said.code, 0, said.stderr)
    alike(JSON.parse(said.stdout), wanted[i], sensitive)
  }
})

function alike(found: unknown, wanted: unknown, what: string): void {
  if (typeof wanted === 'object' && wanted !== null)
    for (const [key, value] of Object.entries(wanted))
      alike((found as Record<string, unknown>)[key], value, `${what}.${key}`)
  else near(found as number | null, wanted as number | null, what)
}

test('what cannot be compared is refused in words, with the code of misuse', async () => {
  const file = async (name: string, text: string) => {
    await writeFile(path.join(directory, name), text)
    return path.join(directory, name)
  }
  const good = await file('good.csv', 'x,g,y,p\n1.5,a,1,0\n2.5,b,0,1\n')
  const empty = await file('empty.csv', '')
  const holes = await file('holes.csv', 'x,g,y,p\n,,1,0\n,b,0,yes\n')
  const drift = (a: string, b: string, ...more: string[]) =>
    headrace(['stats', 'drift', '--reference', a, '--current', b, ...more, '--json'])
  const fair = (data: string, group: string) =>
    headrace([
      'stats',
      'fairness',
      '--data',
      data,
      '--y-true',
      'y',
      '--y-pred',
      'p',
      '--sensitive',
      group,
      '--json',
    ])
  const refused: [ReturnType<typeof headrace>, RegExp][] = [
    [drift(good, empty), /is empty/],
    [drift(good, path.join(directory, 'none.csv')), /there is no file/],
    [drift(good, good, '--method', 'magic'), /there is no method `magic`/],
    [drift(good, holes), /"x"|column/],
    [fair(good, 'nope'), /no column "nope"/],
    [fair(holes, 'g'), /contains missing values/],
    [fair(holes, 'y'), /labels and predictions are 0 and 1/],
    [headrace(['stats', 'drift', '--json']), /--reference is missing/],
  ]
  for (const [running, says] of refused) {
    const said = await running
    assert.equal(said.code, 2, said.stderr)
    assert.match(said.stderr, says)
  }
})
