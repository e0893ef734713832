/**
 * State machines as tables: state → action → next state. Rules files declare one and compare no status strings
 * elsewhere. Pure; stores move state by compare-and-set on the `from` state.
 */
import { Fault } from './errors.ts'

export type Transitions<S extends string, A extends string> = Readonly<
  Record<S, Readonly<Partial<Record<A, S>>>>
>

export interface Machine<S extends string, A extends string> {
  readonly name: string
  readonly transitions: Transitions<S, A>
  /** The state after `action`; a Fault `conflict` where the table has no such arrow. */
  next(from: S, action: A): S
  allows(from: S, action: A): boolean
  /** True where no action leads on. */
  isFinal(state: S): boolean
  /** The table as a Mermaid state diagram, for README pages. */
  diagram(): string
}

export function machine<S extends string, A extends string>(
  name: string,
  transitions: Transitions<S, A>,
): Machine<S, A> {
  const arrows = (state: S) => Object.entries(transitions[state]) as [A, S][]
  return {
    name,
    transitions,
    allows: (from, action) => transitions[from]?.[action] !== undefined,
    isFinal: (state) => arrows(state).length === 0,
    next(from, action) {
      const to = transitions[from]?.[action]
      if (to !== undefined) return to
      throw new Fault(
        'conflict',
        `${name.replaceAll(' ', '_')}.wrong_state`,
        `cannot ${action} a ${name} that is ${from}`,
        {
          details: { state: from, action },
        },
      )
    },
    diagram() {
      const lines = (Object.keys(transitions) as S[]).flatMap((from) =>
        arrows(from).map(([action, to]) => `  ${from} --> ${to}: ${action}`),
      )
      return ['stateDiagram-v2', ...lines].join('\n')
    },
  }
}
