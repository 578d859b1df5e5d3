import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Codec, KafkaEvent } from "../../src/index.ts"
import { decodedOf, problemOfEvents } from "../../src/internal/events/event.ts"
import { failureOf } from "../support/exits.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

const V1 = KafkaEvent.make("Order", Schema.Struct({ id: Schema.String }))
const V2 = KafkaEvent.make("Order", Schema.Struct({ id: Schema.String, cents: Schema.Int }), { version: 2 })
const V3 = KafkaEvent.make("Order", Schema.Struct({ id: Schema.String, euros: Schema.Number }), { version: 3 })

const Two = KafkaEvent.evolve(V1, V2, ({ id }) => ({ id, cents: 0 }))
const Three = KafkaEvent.evolve(Two, V3, ({ cents, id }) => ({ id, euros: cents / 100 }))

const Added = KafkaEvent.make("Added", Schema.Struct({ page: Schema.String, at: Schema.Date }))

describe("the envelope", () => {
  it.effect("is the schema's name and version, and the data", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        textOf(yield* V2.codec.encode({ id: "a", cents: 5 })),
        '{"schema":"Order:2","data":{"id":"a","cents":5}}'
      )
      assert.deepStrictEqual([V2.id, V2.name, V2.version], ["Order:2", "Order", 2])
    })
  )

  it.effect.each([
    ["as Python's json.dumps writes it", '{"schema": "Order:1", "data": {"id": "a"}}'],
    ["as pydantic writes it", '{"schema":"Order:1","data":{"id":"a"}}'],
    ["without a version, which is the first", '{"schema":"Order","data":{"id":"a"}}'],
    ["with its data first", '{"data":{"id":"a"},"schema":"Order:1"}'],
    [
      "with spaces, and more than a reader knows",
      ' {\n "schema" :\t"Order:1", "by": "x", "data": {"id": "a", "more": [1]}} '
    ],
    ["with an escape in its name", '{"schema":"\\u004frder:1","data":{"id":"a"}}'],
    ["behind data that are long", `{"data":{"id":"a","pad":"${"x".repeat(2_000)}"},"schema":"Order:1"}`]
  ])("is read %s", ([, text]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* V1.codec.decode(utf8(text)), { id: "a" })
    })
  )

  it.effect.each<readonly [string, string, RegExp]>([
    ["no JSON", "no JSON", /JSON/],
    ["nothing", "", /empty/],
    ["JSON that is no envelope", '{"id":"a"}', /Expected the envelope of an event/],
    ["a list", '["Order:1"]', /Expected the envelope of an event/],
    ["null", "null", /Expected the envelope of an event/],
    ["a schema that is no text", '{"schema":1,"data":{"id":"a"}}', /Expected the envelope of an event/],
    ["another event", '{"schema":"Other:1","data":{"id":"a"}}', /Expected Order:1, actual another event, Other:1/],
    ["a version that nobody knows", '{"schema":"Order:7","data":{"id":"a"}}', /another version of an event, Order:7/],
    ["no data", '{"schema":"Order:1"}', /data/],
    ["data that do not fit", '{"schema":"Order:1","data":{"id":5}}', /data\.id|data\["id"\]|id/],
    ["a schema that is there twice", '{"schema":"Order:1","data":{"id":"a"},"schema":"Other:1"}', /schema/],
    ["bytes that are no text", '{"schema":"Order:1","data":{"id":"\u0000"}}', /JSON/]
  ])("is not read of %s", ([, text, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(V1.codec.decode(utf8(text)))
      assert.match(error.message, message)
    })
  )

  it.effect("shows of a schema that is not known what looks like a name, and nothing else", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(V1.codec.decode(utf8('{"schema":"a secret, quoted","data":1}')))
      assert.notInclude(error.message, "secret")
      assert.include(Codec.explain(error), "a secret, quoted")
    })
  )

  it("its decodeSync reads from the middle of a buffer, and suspends where the schema does", () => {
    const text = '{"schema":"Order:1","data":{"id":"a"}}'
    const buffer = Buffer.from(`xx${text}yy`)
    assert.deepStrictEqual(V1.codec.decodeSync(buffer, 2, 2 + text.length), { id: "a" })
  })
})

describe("versions", () => {
  it.effect("older ones are read as the newest, step by step", () =>
    Effect.gen(function* () {
      const read = (text: string) => Three.codec.decode(utf8(text))
      assert.deepStrictEqual(yield* read('{"schema":"Order:1","data":{"id":"a"}}'), { id: "a", euros: 0 })
      assert.deepStrictEqual(yield* read('{"schema":"Order:2","data":{"id":"a","cents":250}}'), { id: "a", euros: 2.5 })
      assert.deepStrictEqual(yield* read('{"schema":"Order:3","data":{"id":"a","euros":1}}'), { id: "a", euros: 1 })
      assert.strictEqual(Three.id, "Order:3")
      assert.strictEqual(
        textOf(yield* Three.codec.encode({ id: "a", euros: 1 })),
        '{"schema":"Order:3","data":{"id":"a","euros":1}}'
      )
    })
  )

  it.effect("one that no step covers is told", () =>
    Effect.gen(function* () {
      const gap = KafkaEvent.evolve(V1, V3, ({ id }) => ({ id, euros: 0 }))
      const error = yield* Effect.flip(gap.codec.decode(utf8('{"schema":"Order:2","data":{"id":"a","cents":1}}')))
      assert.match(error.message, /Expected Order:1 or Order:3, actual another version of an event, Order:2/)
    })
  )

  it.effect("what a step throws is a failure to decode", () =>
    Effect.gen(function* () {
      const throwing = KafkaEvent.evolve(V1, V2, () => {
        throw new Error("no")
      })
      const exit = yield* Effect.exit(throwing.codec.decode(utf8('{"schema":"Order:1","data":{"id":"a"}}')))
      assert.strictEqual((failureOf(exit) as { readonly _tag: string })._tag.endsWith("Error"), true)
    })
  )

  it.each<readonly [string, KafkaEvent.KafkaEvent.Any]>([
    ["of another name", KafkaEvent.evolve(Added as never, V2, () => ({ id: "", cents: 0 }))],
    [
      "to an earlier one",
      KafkaEvent.evolve(V2, V1 as KafkaEvent.KafkaEvent.Any as KafkaEvent.KafkaEvent<"Order", object>, () => ({}))
    ],
    [
      "of an event without an envelope",
      KafkaEvent.evolve(KafkaEvent.fromCodec("Order", Codec.utf8), V2, () => ({ id: "", cents: 0 }))
    ]
  ])("a step %s is refused", (_, event) => {
    assert.isDefined(event.codec.problem)
    assert.isDefined(problemOfEvents([event]))
  })
})

describe("definitions", () => {
  it.each([
    ["no name", KafkaEvent.make("", Schema.String)],
    ["a colon in the name", KafkaEvent.make("a:1", Schema.String)],
    ["a name of two lines", KafkaEvent.make("a\nb", Schema.String)],
    ["a version of zero", KafkaEvent.make("a", Schema.String, { version: 0 })],
    ["half a version", KafkaEvent.make("a", Schema.String, { version: 1.5 })],
    ["a schema that is no JSON", KafkaEvent.make("a", Schema.Struct({ [Symbol.for("a")]: Schema.String }))]
  ])("%s is told by what they are given to", (_, event) => {
    assert.isDefined(event.codec.problem)
    assert.include(problemOfEvents([event as KafkaEvent.KafkaEvent.Any]), event.codec.problem)
  })

  it("the same schema twice is a conflict, the same event is not read twice", () => {
    const again = KafkaEvent.make("Order", Schema.Struct({ id: Schema.Number }))
    assert.match(problemOfEvents([V1, again]) ?? "", /Order:1/)
    assert.match(problemOfEvents([Two, V1]) ?? "", /Order:1/)
    assert.isUndefined(problemOfEvents([Three, Added]))
    assert.match(problemOfEvents([]) ?? "", /must have an event/)
    assert.match(problemOfEvents([{ name: "a" } as never]) ?? "", /KafkaEvent\.make/)
  })

  it("an event without an envelope is read alone", () => {
    const bare = KafkaEvent.fromCodec("Line", Codec.utf8)
    assert.isUndefined(problemOfEvents([bare]))
    assert.match(problemOfEvents([bare, V1]) ?? "", /Line:1 has no envelope/)
  })

  it("are known from what is none", () => {
    assert.isTrue(KafkaEvent.isKafkaEvent(V1))
    assert.isFalse(KafkaEvent.isKafkaEvent({ name: "Order", version: 1 }))
    assert.isFalse(KafkaEvent.isKafkaEvent(undefined))
  })
})

describe("several events", () => {
  it.effect("are told apart by their name; the version is the one that was written", () =>
    Effect.gen(function* () {
      const codec = decodedOf([Three, Added])
      const order = yield* codec.decode(utf8('{"schema":"Order:2","data":{"id":"a","cents":250}}'))
      assert.deepStrictEqual(order, { _tag: "Order", version: 2, data: { id: "a", euros: 2.5 } })
      const added = yield* codec.decode(
        utf8('{"schema":"Added:1","data":{"page":"p","at":"2026-01-02T00:00:00.000Z"}}')
      )
      assert.deepStrictEqual(added, {
        _tag: "Added",
        version: 1,
        data: { page: "p", at: new Date("2026-01-02T00:00:00.000Z") }
      })
      const error = yield* Effect.flip(codec.decode(utf8('{"schema":"Gone:1","data":{}}')))
      assert.match(error.message, /Expected Order:1 or Order:2 or Order:3 or Added:1, actual another event, Gone:1/)
    })
  )

  it.effect("one without an envelope is its codec's", () =>
    Effect.gen(function* () {
      const codec = decodedOf([KafkaEvent.fromCodec("Line", Codec.utf8)])
      assert.deepStrictEqual(yield* codec.decode(utf8("text")), { _tag: "Line", version: 1, data: "text" })
    })
  )
})

describe("JSON Schema", () => {
  it("of the data, and of the whole value", () => {
    const Priced = KafkaEvent.make("Priced", Schema.Struct({ id: Schema.String, tags: Schema.Array(Schema.String) }), {
      version: 2
    })
    const data = KafkaEvent.jsonSchema(Priced)!
    assert.strictEqual(data["$schema"], "https://json-schema.org/draft/2020-12/schema")
    assert.strictEqual(data["title"], "Priced:2")
    assert.strictEqual(data["type"], "object")
    assert.deepStrictEqual(data["required"], ["id", "tags"])
    assert.deepStrictEqual((data["properties"] as Record<string, unknown>)["id"], { type: "string" })
    const value = KafkaEvent.jsonSchema(Priced, { of: "value" })!
    assert.deepStrictEqual(value["required"], ["schema", "data"])
    const { schema } = value["properties"] as Record<string, Record<string, unknown>>
    assert.deepStrictEqual(schema, { type: "string", enum: ["Priced:2"] })
  })

  it("of what is written, where that is something else than what is read", () => {
    const { at } = KafkaEvent.jsonSchema(Added)!["properties"] as Record<string, Record<string, unknown>>
    assert.strictEqual(at["type"], "string")
  })

  it("of an event without an envelope none is known", () => {
    assert.isUndefined(KafkaEvent.jsonSchema(KafkaEvent.fromCodec("Line", Codec.utf8)))
  })

  it("of an event that evolved is that of its own version", () => {
    assert.deepStrictEqual(KafkaEvent.jsonSchema(Three), KafkaEvent.jsonSchema(V3))
  })
})
