/** Tracers of tests' own. */
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"

/** A tracer that tells of each span when it begins and when it ends. */
export const tracerOf = (told: {
  readonly begun?: (span: Tracer.Span) => void
  readonly ended?: (span: Tracer.Span) => void
}): Tracer.Tracer =>
  Tracer.make({
    context: (run) => run(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const span = {
        _tag: "Span" as const,
        name,
        spanId: randomBytes(8).toString("hex"),
        traceId: Option.match(parent, {
          onNone: () => randomBytes(16).toString("hex"),
          onSome: ({ traceId }) => traceId
        }),
        parent,
        context,
        links,
        kind,
        sampled: true,
        status: { _tag: "Started", startTime } as Tracer.SpanStatus,
        attributes,
        attribute: (key: string, value: unknown) => {
          attributes.set(key, value)
        },
        event: () => {},
        addLinks: () => {},
        end: (endTime: bigint, exit: Exit.Exit<unknown, unknown>) => {
          span.status = { _tag: "Ended", startTime, endTime, exit }
          told.ended?.(span)
        }
      }
      told.begun?.(span)
      return span
    }
  })
