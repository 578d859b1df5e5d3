import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Context from "effect/Context"
import { type Carrier, carrying, headersNow, parentOf, traceParentOf } from "../../src/internal/carried.ts"
import { tracing } from "../support/tracing.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"
const sampled = `00-${traceId}-${spanId}-01`
const unsampled = `00-${traceId}-${spanId}-00`

const header = (key: string, value: string | null) => ({ key, value: value === null ? null : Buffer.from(value) })

const recordOf = (...headers: ReadonlyArray<ReturnType<typeof header>>): Carrier => ({
  topic: "orders",
  partition: 3,
  offset: 17,
  headers
})

/** The headers of what is published now, as text. */
const now = (own: Parameters<typeof headersNow>[1] = []) =>
  Effect.map(Effect.context<never>(), (context) =>
    headersNow(context, own).map(
      ({ key, value }) => `${key}=${value === null ? "null" : Buffer.from(value).toString()}`
    )
  )

const carry = <A, E, R>(record: Carrier, work: Effect.Effect<A, E, R>, traceAll = false) =>
  carrying(record, { group: "billing", traceAll }, work)

const parent = Effect.map(Effect.context<never>(), (context) =>
  Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
)

describe("traceparent", () => {
  it("is read as the W3C writes it", () => {
    assert.deepInclude(parentOf(sampled), { traceId, spanId, sampled: true })
    assert.deepInclude(parentOf(unsampled), { traceId, spanId, sampled: false })
    // What a later version appends is not known here; what it has in common is.
    assert.deepInclude(parentOf(`01-${traceId}-${spanId}-03-more`), { traceId, spanId, sampled: true })
  })

  it.each([
    "",
    "00",
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}`,
    ` ${sampled}`
  ])("that is none is none: %s", (text) => assert.isUndefined(parentOf(text)))

  it("is written of a span whose ids have the form", () => {
    assert.strictEqual(traceParentOf(Tracer.externalSpan({ traceId, spanId, sampled: true })), sampled)
    assert.strictEqual(traceParentOf(Tracer.externalSpan({ traceId, spanId, sampled: false })), unsampled)
    assert.isUndefined(traceParentOf(Tracer.externalSpan({ traceId: "native", spanId, sampled: true })))
  })
})

describe("work on a record", () => {
  it.effect("carries its headers on, but for those of its trace and of dead letters", () =>
    Effect.gen(function* () {
      const record = recordOf(
        header("tenant", "a"),
        header("dlt-error", "x"),
        header("tracestate", "k=v"),
        header("none", null)
      )
      assert.deepStrictEqual(yield* carry(record, now()), ["tenant=a", "none=null"])
      assert.deepStrictEqual(yield* now(), [])
    })
  )

  it.effect("what is published says itself counts before what is carried", () =>
    Effect.gen(function* () {
      const record = recordOf(header("tenant", "a"), header("source", "web"), header("source", "app"))
      assert.deepStrictEqual(yield* carry(record, now([{ key: "source", value: "job" }])), ["tenant=a", "source=job"])
    })
  )

  it.effect("is part of a trace that is not sampled, without a span; what is published tells of it", () =>
    Effect.gen(function* () {
      const { spans, tracer } = tracing()
      const record = recordOf(header("traceparent", unsampled), header("tracestate", "k=v"))
      const published = yield* Effect.withTracer(carry(record, now()), tracer)
      assert.deepStrictEqual(published, [`traceparent=${unsampled}`, "tracestate=k=v"])
      assert.deepStrictEqual(spans, [])
    })
  )

  it.effect("has a span in a trace that is sampled, and what is published comes from it", () =>
    Effect.gen(function* () {
      const { spans, tracer } = tracing()
      const record = recordOf(header("traceparent", sampled), header("tracestate", "k=v"))
      const [within, published] = yield* Effect.withTracer(carry(record, Effect.all([parent, now()])), tracer)
      assert.strictEqual(within?.traceId, traceId)
      assert.notStrictEqual(within?.spanId, spanId)
      assert.deepStrictEqual(published, [`traceparent=${traceParentOf(within!)}`, "tracestate=k=v"])
      assert.lengthOf(spans, 1)
      const [{ attributes, kind, name }] = spans
      assert.deepStrictEqual([name, kind], ["process orders", "consumer"])
      assert.deepStrictEqual(Object.fromEntries(attributes), {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 17,
        "messaging.consumer.group.name": "billing"
      })
    })
  )

  it.effect("has a span of its own where all are traced, whatever its headers", () =>
    Effect.gen(function* () {
      const { spans, tracer } = tracing()
      yield* Effect.withTracer(carry(recordOf(), Effect.void, true), tracer)
      yield* Effect.withTracer(carry(recordOf(header("traceparent", "none")), Effect.void, true), tracer)
      assert.lengthOf(spans, 2)
    })
  )

  it.effect("without headers is the work itself", () =>
    Effect.sync(() => {
      const work = Effect.void
      assert.strictEqual(carry(recordOf(), work), work)
    })
  )
})
