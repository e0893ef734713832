/** What waits for the reader: reviews with their evidence, and the two answers. */
import { useState } from 'react'
import { call, to } from '../../api/client.ts'
import type { Review } from '../../api/shapes.ts'
import type { Loaded } from '../../api/useApi.ts'
import { Await, Card, Failure, State } from '../../ui/parts.tsx'

function Question({ review, onAnswer }: { review: Review; onAnswer: () => void }) {
  const [isOpen, setOpen] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const answer = (verdict: 'approve' | 'reject') => {
    setBusy(true)
    call('POST', `/api/v1/reviews/${review.id}/${verdict}`, { comment: 'answered on Home' }).then(
      onAnswer,
      (thrown: Error) => {
        setError(thrown)
        setBusy(false)
      },
    )
  }
  const gates = review.evidence?.gates ?? []
  return (
    <div className="body">
      <b>{review.question}</b>
      <p className="muted">
        It passes {gates.filter((g) => g.passed).length} of {gates.length} gates.{' '}
        {review.evidence?.pipelineRun !== undefined && (
          <a href={to(`/pipeline-runs/${review.evidence.pipelineRun}`)}>{review.evidence.pipelineRun}</a>
        )}
      </p>
      {isOpen && (
        <table className="wrap">
          <tbody>
            {gates.map((g) => (
              <tr key={g.name}>
                <td>
                  <State state={g.passed ? 'pass' : 'fail'} />
                </td>
                <td className="wide">
                  <b>{g.name}</b> {g.sentence}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {error !== undefined && <Failure error={error} />}
      <div className="row" style={{ marginTop: 12 }}>
        <button type="button" className="primary" disabled={isBusy} onClick={() => answer('approve')}>
          Approve
        </button>
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          Show why
        </button>
        <span className="grow" />
        <button type="button" className="danger" disabled={isBusy} onClick={() => answer('reject')}>
          Reject
        </button>
      </div>
    </div>
  )
}

export function Waits({ reviews }: { reviews: Loaded<{ reviews: Review[] }> }) {
  return (
    <Card title="Waits for you" aside={<span className="tag">{reviews.data?.reviews.length ?? 0}</span>}>
      <Await
        of={reviews}
        empty={(r) =>
          r.reviews.length === 0
            ? 'Nothing waits for you. Approvals appear here when a model passes its gates.'
            : undefined
        }
      >
        {({ reviews: open }) => open.map((r) => <Question key={r.id} review={r} onAnswer={reviews.reload} />)}
      </Await>
    </Card>
  )
}
