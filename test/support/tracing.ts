/** A tracer that keeps the spans that have ended, in their order. */
import type * as Tracer from "effect/Tracer"
import { tracerOf } from "./effect/v4/tracer.ts"

export interface Seen {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly attributes: ReadonlyMap<string, unknown>
}

export const tracing = () => {
  const spans: Array<Seen> = []
  return { spans, tracer: tracerOf({ ended: ({ name, kind, attributes }) => spans.push({ name, kind, attributes }) }) }
}
