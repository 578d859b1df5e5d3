/** Tracers of tests' own. */
import * as Tracer from "effect/Tracer"

/** A tracer that tells of each span when it begins and when it ends. */
export const tracerOf = (told: {
  readonly begun?: (span: Tracer.Span) => void
  readonly ended?: (span: Tracer.Span) => void
}): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (endTime, exit) => {
        end(endTime, exit)
        told.ended?.(span)
      }
      told.begun?.(span)
      return span
    }
  })
