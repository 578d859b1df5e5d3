/** A table and its writer by one definition. */
import { assert, describe, expectTypeOf } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as DerivedTable from "effect-ktables/DerivedTable"
import * as EmbeddedKafka from "effect-ktables/EmbeddedKafka"
import * as KafkaClient from "effect-ktables/KafkaClient"
import * as KafkaTable from "effect-ktables/KafkaTable"
import type * as KafkaTableWriter from "effect-ktables/KafkaTableWriter"
import * as TableDefinition from "effect-ktables/TableDefinition"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { it } from "./support/ManualClock.ts"

class Server extends Schema.Class<Server>("Server")({ host: Schema.String, port: Schema.Int }) {}

class Servers extends TableDefinition.Service<Servers>()("test/Servers", {
  topic: "servers",
  value: Codec.json(Server),
  topicSettings: { partitions: 2 },
  compression: "gzip",
  indexes: (index) => ({
    host: index.hash((server) => server.host),
    port: index.sorted((server) => server.port)
  })
}) {}

class Prices extends TableDefinition.Service<Prices>()("test/Prices", {
  topic: "prices",
  key: Codec.tuple({ shop: Codec.utf8, article: Codec.int32 }),
  value: Codec.json(Schema.Number)
}) {}

const Both = Layer.mergeAll(Servers.layer, Servers.Writer.layer)

const keysOf = (entries: Iterable<{ readonly key: string }>) => Array.from(entries, ({ key }) => key)

describe("a definition", () => {
  it.effect("is a table, its indexes and its writer", () =>
    Effect.gen(function* () {
      const servers = yield* Servers
      const writer = yield* Servers.Writer
      assert.deepStrictEqual([servers.topic, writer.topic], ["servers", "servers"])
      yield* writer.set("billing", new Server({ host: "b1", port: 8080 }))
      yield* writer.set("mailer", new Server({ host: "b1", port: 2525 }))
      yield* servers.awaitPosition(yield* writer.set("search", new Server({ host: "b2", port: 9200 })))
      yield* servers.barrier()
      assert.strictEqual((yield* servers.stats).partitions.length, 2)
      assert.deepStrictEqual(keysOf(yield* servers.by("host").get("b1")).sort(), ["billing", "mailer"])
      assert.deepStrictEqual(keysOf(yield* servers.query({}, { orderBy: "port" })), ["mailer", "billing", "search"])
    }).pipe(Effect.provide(Both), Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("needs no indexes, and takes its keys from their codec", () =>
    Effect.gen(function* () {
      const prices = yield* Prices
      const writer = yield* Prices.Writer
      const at = yield* writer.set({ shop: "Rome", article: 7 }, 12.5)
      yield* prices.awaitPosition(at)
      assert.deepStrictEqual(yield* prices.get({ shop: "Rome", article: 7 }), Option.some(12.5))
    }).pipe(
      Effect.provide(Layer.mergeAll(Prices.layer, Prices.Writer.layer)),
      Effect.provide(KafkaClient.layerMemory())
    )
  )

  it.effect("is acquired once, however often its layers are in a program's", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const note = Layer.effectDiscard(
        Effect.gen(function* () {
          seen.push(yield* Servers, yield* Servers.Writer)
        })
      )
      yield* Layer.build(Layer.mergeAll(note.pipe(Layer.provide(Both)), Layer.fresh(note).pipe(Layer.provide(Both))))
      const [table, writer, ...others] = seen
      assert.strictEqual(others.length, 2)
      assert.strictEqual(others[0], table)
      assert.strictEqual(others[1], writer)
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("takes settings that are known later, in the place of its own, and keeps the others", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.EmbeddedKafka
      const settings = { topic: "other.servers", onPoison: "fail", compression: "none" } as const
      yield* Effect.gen(function* () {
        const servers = yield* Servers
        const writer = yield* Servers.Writer
        assert.deepStrictEqual([servers.topic, writer.topic], ["other.servers", "other.servers"])
        assert.strictEqual((yield* servers.stats).partitions.length, 2)
        yield* servers.awaitPosition(yield* writer.set("billing", new Server({ host: "b1", port: 8080 })))
        assert.deepStrictEqual(keysOf(yield* servers.by("host").get("b1")), ["billing"])
        yield* kafka.append("other.servers", [{ key: "billing", value: "{}" }])
        assert.strictEqual((yield* Effect.flip(servers.failure))._tag, "KafkaPoisonRecordError")
      }).pipe(Effect.provide(Layer.mergeAll(Servers.layerWith(settings), Servers.Writer.layerWith(settings))))
      assert.deepStrictEqual([...(yield* kafka.topics).keys()], ["other.servers"])
    }).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("tells what is wrong in its options and in those that came later, all at once, and by whom", () =>
    Effect.gen(function* () {
      class Wrong extends TableDefinition.Service<Wrong>()("test/Wrong", {
        topic: "wrong",
        value: Codec.utf8,
        catchUpTimeout: "-1 seconds",
        maxQueued: 0
      }) {}
      const table = yield* Effect.flip(Layer.build(Wrong.layerWith({ topic: "no topic" })))
      const writer = yield* Effect.flip(Layer.build(Wrong.Writer.layerWith({ topic: "no topic" })))
      assert.strictEqual(table._tag, "KafkaInvalidOptionsError")
      assert.match(table.message, /KafkaTable.*topic.*catchUpTimeout/)
      assert.strictEqual(writer._tag, "KafkaInvalidOptionsError")
      assert.match(writer.message, /KafkaTableWriter.*topic.*maxQueued/)
    }).pipe(Effect.scoped, Effect.provide(KafkaClient.layerMemory()))
  )

  it.effect("names a table for all that takes a table's name", () =>
    Effect.gen(function* () {
      const far = DerivedTable.from(Servers).pipe(DerivedTable.filter((server) => server.host !== "b1"))
      const writer = yield* Servers.Writer
      yield* writer.set("billing", new Server({ host: "b1", port: 8080 }))
      yield* (yield* Servers).awaitPosition(yield* writer.set("search", new Server({ host: "b2", port: 9200 })))
      assert.deepStrictEqual(yield* (yield* DerivedTable.make(far)).keys, ["search"])
    }).pipe(
      Effect.scoped,
      Effect.provide(KafkaTable.layer(Servers, { topic: "t", value: Codec.json(Server) })),
      Effect.provide(Servers.Writer.layerWith({ topic: "t" })),
      Effect.provide(KafkaClient.layerMemory())
    )
  )
})

describe("the types of a definition", () => {
  it("are those of its codecs and its indexes, and each service is one of its own", () => {
    const reads = Effect.flatMap(Prices, (prices) => prices.get({ shop: "Rome", article: 7 }))
    expectTypeOf(reads).toEqualTypeOf<Effect.Effect<Option.Option<number>, never, Prices>>()
    const writes = Effect.map(Servers.Writer, (writer) => writer)
    type ServersWriter = KafkaTableWriter.KafkaTableWriter<string, Server>
    expectTypeOf(writes).toEqualTypeOf<Effect.Effect<ServersWriter, never, TableDefinition.Writer<Servers>>>()
    expectTypeOf(Servers.layer).toEqualTypeOf<Layer.Layer<Servers, KafkaTable.AcquireError, KafkaClient.KafkaClient>>()
    expectTypeOf(Servers.Writer.layer).not.toExtend<Layer.Layer<TableDefinition.Writer<Prices>, unknown, unknown>>()
    expectTypeOf(Servers.Writer.key).toEqualTypeOf<"test/Servers/Writer">()
  })

  it("refuse what does not fit", () => {
    const Service = TableDefinition.Service<never>()
    // @ts-expect-error: a schema is no codec
    Service("test/A", { topic: "a", value: Server })
    // @ts-expect-error: there is no such setting
    Service("test/B", { topic: "b", value: Codec.utf8, compresion: "gzip" })
    // @ts-expect-error: a table without a topic
    Service("test/C", { value: Codec.utf8 })
    Service("test/D", {
      topic: "d",
      value: Codec.json(Server),
      indexes: (index) => ({
        // @ts-expect-error: a server has no such field
        city: index.hash((server: { readonly city: string }) => server.city),
        // @ts-expect-error: nothing is indexed by all of a row
        all: index.hash((server) => server)
      })
    })
    const wrong = Effect.gen(function* () {
      const servers = yield* Servers
      const writer = yield* Servers.Writer
      const prices = yield* Prices
      // @ts-expect-error: there is no such index
      servers.by("city")
      // @ts-expect-error: ports are numbers
      yield* servers.by("port").get("8080")
      // @ts-expect-error: a server has a port
      yield* writer.set("billing", { host: "b1" })
      // @ts-expect-error: its keys have two parts
      yield* prices.get("Rome")
    })
    expectTypeOf(wrong).not.toBeAny()
    // @ts-expect-error: what is in the topic is said once
    void (() => Servers.layerWith({ value: Codec.utf8 }))
    // @ts-expect-error: that is a writer's
    void (() => Prices.layerWith({ acks: "all" }))
  })
})
