/** The rolling error by night, its threshold, and marks where a retrain was fired and where one took over. */
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import type { HouseEvent, MonitorWindow } from '../../api/shapes.ts'
import { useApi } from '../../api/useApi.ts'
import { Await, number } from '../../ui/parts.tsx'
import type { Alarm } from './alarm.ts'

interface Mark {
  readonly at: number
  readonly label: string
  readonly colour: string
}
const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

function marksOf(events: readonly HouseEvent[]): Mark[] {
  return events.flatMap((e): Mark[] => {
    const at = e.happenedAt / 1000 - 86_400
    if (e.type === 'pipelines.run.queued' && e.payload.trigger === 'metric')
      return [{ at, label: 'retrain', colour: token('--bad') }]
    if (e.type === 'serving.rollout.promoted' && e.payload.from !== null)
      return [{ at, label: `v${e.payload.version}`, colour: token('--champion') }]
    if (e.type === 'serving.rollout.rolled_back')
      return [{ at, label: `v${e.payload.version} back`, colour: token('--warn') }]
    return []
  })
}

function drawMarks(u: uPlot, marks: readonly Mark[], threshold: number | undefined): void {
  const { ctx, bbox } = u
  ctx.save()
  ctx.font = `${11 * devicePixelRatio}px sans-serif`
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio])
  const line = (x0: number, y0: number, x1: number, y1: number, colour: string) => {
    ctx.strokeStyle = colour
    ctx.beginPath()
    ctx.moveTo(x0, y0)
    ctx.lineTo(x1, y1)
    ctx.stroke()
  }
  if (threshold !== undefined) {
    const y = u.valToPos(threshold, 'y', true)
    line(bbox.left, y, bbox.left + bbox.width, y, token('--bad'))
  }
  for (const [i, mark] of marks.entries()) {
    const x = u.valToPos(mark.at, 'x', true)
    line(x, bbox.top, x, bbox.top + bbox.height, mark.colour)
    ctx.fillStyle = mark.colour
    ctx.fillText(mark.label, x + 4 * devicePixelRatio, bbox.top + (12 + (i % 3) * 13) * devicePixelRatio)
  }
  ctx.restore()
}

interface PlotProps {
  readonly windows: readonly MonitorWindow[]
  readonly events: readonly HouseEvent[]
  readonly alarm: Alarm | undefined
}

function Plot({ windows, events, alarm }: PlotProps) {
  const metric = alarm?.metric ?? 'wape'
  const above = alarm?.above
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const target = box.current
    if (target === null) return undefined
    const x = windows.map((w) => Date.parse(`${w.day}T00:00:00Z`) / 1000)
    const y = windows.map((w) => w.metrics[metric] ?? null)
    const marks = marksOf(events)
    const axis = {
      stroke: token('--muted'),
      grid: { stroke: token('--line') },
      ticks: { stroke: token('--line') },
    }
    const chart = new uPlot(
      {
        width: target.clientWidth,
        height: 260,
        tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC'),
        scales: {
          y: {
            range: (_, low, high) => [
              Math.min(low, above ?? low) * 0.9,
              Math.max(high, above ?? high) * 1.05,
            ],
          },
        },
        series: [{}, { label: metric, stroke: token('--water'), width: 2, value: (_, v) => number(v) }],
        axes: [axis, axis],
        hooks: { draw: [(u) => drawMarks(u, marks, above)] },
      },
      [x, y],
      target,
    )
    const resize = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height: 260 }))
    resize.observe(target)
    return () => {
      resize.disconnect()
      chart.destroy()
    }
  }, [windows, events, metric, above])
  return <div ref={box} className="body" />
}

interface Props {
  readonly monitor: string
  readonly alarm: Alarm | undefined
  readonly events: readonly HouseEvent[]
}

export function ErrorChart({ monitor, alarm, events }: Props) {
  const windows = useApi<{ windows: MonitorWindow[] }>(`/api/v1/monitors/${monitor}/windows`)
  return (
    <Await
      of={windows}
      empty={(w) =>
        w.windows.length === 0
          ? 'No window has closed yet: labels come one night after predictions.'
          : undefined
      }
    >
      {({ windows: all }) => (
        <>
          <Plot windows={all} events={events} alarm={alarm} />
          <details className="body">
            <summary>As a table</summary>
            <div className="scroll" style={{ maxHeight: 240 }}>
              <table>
                <thead>
                  <tr>
                    <th>Night</th>
                    <th className="num">wape</th>
                    <th className="num">{alarm?.metric}</th>
                    <th className="num">bias</th>
                  </tr>
                </thead>
                <tbody>
                  {all.toReversed().map((w) => (
                    <tr key={w.day}>
                      <td>{w.day}</td>
                      <td className="num">{number(w.metrics.wape)}</td>
                      <td className="num">{number(w.metrics[alarm?.metric ?? ''])}</td>
                      <td className="num">{number(w.metrics.bias)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </details>
        </>
      )}
    </Await>
  )
}
