/**
 * What work on a record carries on: the record's headers, for what is published within, and the trace that it is part of, as
 * the W3C's Trace Context has it (https://www.w3.org/TR/trace-context/), in the headers `traceparent` and `tracestate`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Header } from "../TableChange.ts"

/** A record, as far as work on it carries it on. */
export interface Carrier {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly headers: ReadonlyArray<Header>
}

export interface CarryOptions {
  /** Whether there is a span for the work on each record, and not only for those whose trace is sampled. */
  readonly traceAll: boolean
  /** What the span's attributes say of the consumer. */
  readonly group: string | undefined
}

/** What is carried at present. */
interface Carried {
  /** The headers of the record that is worked on, but for those of its trace and of dead letters. */
  readonly headers: ReadonlyArray<Header>
  readonly traceState: Uint8Array | undefined
}

const NOTHING: Carried = { headers: [], traceState: undefined }

const Current = Context.Reference<Carried>("effect-ktables/Carried", { defaultValue: () => NOTHING })

const TRACE_PARENT = "traceparent"
const TRACE_STATE = "tracestate"

/** Whether a header is of one record alone, and not of what follows from it. */
const isOfOne = ({ key }: Header): boolean => key === TRACE_PARENT || key === TRACE_STATE || key.startsWith("dlt-")

/** Version, trace id, parent id and flags, in hexadecimal digits; later versions may append more. */
const FORM = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/

const NO_ID = /^0+$/

/** The span that a `traceparent` tells of; `undefined` where it tells of none. */
export const parentOf = (text: string): Tracer.ExternalSpan | undefined => {
  const found = FORM.exec(text)
  if (found === null) return undefined
  const [, version, traceId, spanId, flags, more] = found
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined
  if (NO_ID.test(traceId) || NO_ID.test(spanId)) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

/** The `traceparent` of a span; `undefined` for one whose ids have not the form, as some tracers' may. */
export const traceParentOf = ({ sampled, spanId, traceId }: Tracer.AnySpan): string | undefined => {
  const text = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  return FORM.test(text) ? text : undefined
}

/** Runs work on a record: what is published within carries its headers on, and spans within are part of its trace. */
export const carrying = <A, E, R>(
  record: Carrier,
  { group, traceAll }: CarryOptions,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const { headers } = record
  if (headers.length === 0 && !traceAll) return work
  const last = (key: string) => headers.findLast((header) => header.key === key)?.value ?? undefined
  const parent = parentOf(Buffer.from(last(TRACE_PARENT) ?? []).toString("latin1"))
  const carried = Effect.provideService(work, Current, {
    headers: headers.filter((header) => !isOfOne(header)),
    traceState: parent === undefined ? undefined : last(TRACE_STATE)
  })
  if (traceAll || parent?.sampled === true) return spanned(record, group, parent, carried)
  return parent === undefined ? carried : Effect.withParentSpan(carried, parent)
}

/** By the conventions of OpenTelemetry for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/kafka/). */
const spanned = <A, E, R>(
  { offset, partition, topic }: Carrier,
  group: string | undefined,
  parent: Tracer.AnySpan | undefined,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withSpan(work, `process ${topic}`, {
    kind: "consumer",
    captureStackTrace: false,
    ...(parent === undefined ? {} : { parent }),
    attributes: {
      "messaging.system": "kafka",
      "messaging.operation.type": "process",
      "messaging.destination.name": topic,
      "messaging.destination.partition.id": String(partition),
      "messaging.kafka.offset": offset,
      ...(group === undefined ? {} : { "messaging.consumer.group.name": group })
    }
  })

/**
 * The headers of a record that is published: those that are carried, without the ones that `own` has, too, then `own`, then
 * those of the present trace.
 */
export const headersNow = (
  context: Context.Context<never>,
  own: ReadonlyArray<HeaderToSend>
): ReadonlyArray<HeaderToSend> => {
  const { headers, traceState } = Context.get(context, Current)
  const span = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
  const traceParent = span === undefined ? undefined : traceParentOf(span)
  if (headers.length === 0 && traceParent === undefined) return own
  const named = new Set(own.map(({ key }) => key))
  const all: Array<HeaderToSend> = headers.filter(({ key }) => !named.has(key))
  all.push(...own)
  if (traceParent !== undefined && !named.has(TRACE_PARENT)) {
    all.push({ key: TRACE_PARENT, value: traceParent })
    if (traceState !== undefined && !named.has(TRACE_STATE)) all.push({ key: TRACE_STATE, value: traceState })
  }
  return all
}

export interface HeaderToSend {
  readonly key: string
  readonly value: Uint8Array | string | null
}
