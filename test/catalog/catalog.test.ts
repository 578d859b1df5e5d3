import { assert, describe } from "@effect/vitest"
import { Cause, DateTime, Deferred, Effect, Exit, Fiber, Layer, Option, Schema, Scope } from "effect"
import { Catalog, Codec, KafkaClient, type LiveTable } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { text, texts, withVariables } from "../support/effect/v4/config.ts"
import { collect, eventually, recordLogs, test } from "../support/live.ts"
import {
  catalogOn,
  heldUp,
  inOwnTime,
  KEYS,
  Part,
  part,
  Parts,
  problemsOf,
  skus,
  stocks,
  withKafka
} from "./support.ts"

const value = Codec.json(Part)

describe("configuration", () => {
  test("blank and empty keys and names, all at once, before anything is sent", () =>
    Effect.gen(function* () {
      const attempt = (keys: unknown, options: unknown) =>
        Effect.map(Effect.flip(Catalog.make(keys as typeof KEYS, options as Catalog.CatalogOptions<Part>)), problemsOf)
      assert.deepStrictEqual(yield* attempt({ rowKey: " ", indexKeys: ["vendor", "", "vendor"] }, { value }), [
        "rowKey",
        "indexKeys[1]",
        "indexKeys[2]",
        "table"
      ])
      assert.deepStrictEqual(yield* attempt({ rowKey: "sku", indexKeys: [] }, { value, table: "" }), [
        "indexKeys",
        "table"
      ])
      assert.deepStrictEqual(yield* attempt({ rowKey: "sku", indexKeys: ["sku"] }, { value, topic: "a b" }), [
        "indexKeys[0]",
        "topic"
      ])
      assert.deepStrictEqual(yield* attempt(undefined, { value, table: "my parts" }), ["rowKey", "indexKeys", "table"])
      assert.deepStrictEqual(
        yield* attempt(KEYS, {
          topic: "t",
          value: 1,
          acks: "leader",
          partitioner: () => 0,
          recoverFrom: Number.NaN,
          log: "short",
          waitTimeout: 0,
          maxQueued: 0
        }),
        ["acks", "partitioner", "log", "recoverFrom", "value", "waitTimeout", "maxQueued"]
      )
      // what counts would go with time, and the claim of the log
      const expiring = { topic: "t", value, expireAfter: "1 hour", expireAt: () => 0, history: { versions: 1 } }
      assert.deepStrictEqual(yield* attempt(KEYS, expiring), ["expireAfter", "expireAt", "history"])
      const contradicting = { topic: "t", value, log: "forever", topicSettings: { configs: { "retention.ms": "1" } } }
      assert.deepStrictEqual(yield* attempt(KEYS, contradicting), ["topicSettings.configs.retention.ms"])
    }).pipe(Effect.provide(KafkaClient.layerMemory())))

  test("keys are checked by the compiler, too, and cannot be changed afterwards", () =>
    Effect.sync(() => {
      assert.isTrue(Object.isFrozen(Parts.keys) && Object.isFrozen(Parts.keys?.indexKeys))
      // @ts-expect-error: it is no field
      void Catalog.Tag("a")<Parts, Part>()({ rowKey: "skuu", indexKeys: ["vendor"] })
      // @ts-expect-error: it is a number
      void Catalog.Tag("a")<Parts, Part>()({ rowKey: "sku", indexKeys: ["stock"] })
      const asks = (parts: Catalog.Catalog<Part, "sku", "vendor" | "zone">) => [
        parts.query({ vendor: "ACME", rowFrom: "a" }),
        parts.query({ sku: { from: "a", to: "b" } }),
        // @ts-expect-error: it is no key
        parts.query({ stock: "1" }),
        // @ts-expect-error: it is no text
        parts.delete({ vendor: 1 }),
        // @ts-expect-error: zone is missing
        parts.find({ sku: "a", vendor: "b" })
      ]
      assert.isFunction(asks)
    }))

  test("names and keys from the environment: lists with commas, and a log by the name of the catalog", () =>
    withKafka((kafka) =>
      Effect.gen(function* () {
        class Anything extends Catalog.Tag("test/Anything")<Anything, Part>()() {}
        const variables = withVariables({ NAME: "my.parts", ROW: "sku", LIST: "vendor,zone", TOPIC: "other" })
        const acquired = <E>(layer: Layer.Layer<Anything, E, KafkaClient.KafkaClient>) =>
          Effect.map(Layer.build(layer.pipe(Layer.provide(kafka.layerClient()))), (context) => context).pipe(variables)
        const names = { table: text("NAME"), rowKey: text("ROW") }
        for (const indexKeys of [text("LIST"), texts("LIST")]) {
          const context = yield* acquired(Catalog.layerConfig(Anything, { ...names, indexKeys }, { value }))
          const parts = yield* Effect.provide(Anything, context)
          assert.strictEqual(parts.topic, "my.parts_WAL")
          assert.deepStrictEqual(parts.keys, { rowKey: "sku", indexKeys: ["vendor", "zone"] })
          yield* parts.insert(part("a", "ACME", "eu"))
          assert.deepStrictEqual(skus(yield* parts.query({ zone: "EU" })), ["a"])
        }
        const named = yield* acquired(
          Catalog.layerConfig(
            Anything,
            { topic: text("TOPIC"), rowKey: text("ROW"), indexKeys: text("LIST") },
            { value }
          )
        )
        assert.strictEqual((yield* Effect.provide(Anything, named)).topic, "other")
        const incomplete = yield* Effect.flip(
          acquired(Catalog.layerConfig(Anything, { table: text("NAME") }, { value }))
        )
        assert.deepStrictEqual(problemsOf(incomplete), ["rowKey", "indexKeys"])
        // spaces around names are no part of them, in whatever form they come
        const spaced = withVariables({ NAME: "my.parts", ROW: " sku ", LIST: " vendor , zone " })
        for (const indexKeys of [text("LIST"), texts("LIST")]) {
          const layer = Catalog.layerConfig(Anything, { ...names, indexKeys }, { value })
          const context = yield* Layer.build(layer.pipe(Layer.provide(kafka.layerClient()))).pipe(spaced)
          assert.deepStrictEqual((yield* Effect.provide(Anything, context)).keys, {
            rowKey: "sku",
            indexKeys: ["vendor", "zone"]
          })
        }
        for (const [wrong, problems] of [
          [{ NAME: "my.parts", ROW: " ", LIST: "vendor" }, ["rowKey"]],
          [{ NAME: "my.parts", ROW: "sku", LIST: " " }, ["indexKeys[0]"]],
          [
            { NAME: "my.parts", ROW: "sku", LIST: "vendor,,zone,vendor , sku" },
            ["indexKeys[1]", "indexKeys[3]", "indexKeys[4]"]
          ],
          [{ NAME: "my parts", ROW: "sku", LIST: "vendor" }, ["table"]],
          [{ NAME: " ", ROW: "sku", LIST: "vendor" }, ["table"]]
        ] as const) {
          const layer = Catalog.layerConfig(Anything, { ...names, indexKeys: text("LIST") }, { value })
          const error = yield* Effect.flip(
            Layer.build(layer.pipe(Layer.provide(kafka.layerClient()))).pipe(withVariables(wrong))
          )
          assert.deepStrictEqual(problemsOf(error), problems)
        }
        const unset = { ...names, indexKeys: text("NOT_THERE") }
        const missing = yield* Effect.flip(acquired(Catalog.layerConfig(Anything, unset, { value })))
        assert.include(String(missing), "NOT_THERE")
        // those of a tag are locked, whatever the environment says
        const contradicting = Catalog.layerConfig(Parts, { ...names, indexKeys: text("ROW") }, { value })
        const error = yield* Effect.flip(
          Layer.build(contradicting.pipe(Layer.provide(kafka.layerClient()))).pipe(variables)
        )
        assert.deepStrictEqual(problemsOf(error), ["indexKeys"])
      })
    ))
})

describe("records", () => {
  test("a record that lacks several keys: all of them in one error, and nothing in the log", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        const error = yield* Effect.flip(parts.insert(part("a", " ", "")))
        assert.deepInclude(error, { _tag: "KafkaInvalidRecordError", topic: "t", fields: ["vendor", "zone"] })
        assert.deepStrictEqual(yield* kafka.log("t"), [])
        assert.strictEqual((yield* Effect.flip(parts.find({ sku: "", vendor: "v", zone: "z" })))._tag, error._tag)
      })
    ))

  test("a value that does not encode is not written; one without bytes neither", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        const error = yield* Effect.flip(parts.insert({ ...part("a", "v", "z"), stock: 1.5 }))
        assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "Encode" })
        const empty = Codec.make<Part>({ decode: () => part("a", "v", "z"), encode: () => new Uint8Array(0) })
        const strange = yield* Catalog.make(KEYS, { topic: "t", value: empty }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, yield* client)
        )
        assert.deepInclude(yield* Effect.flip(strange.insert(part("a", "v", "z"))), { reason: "Encode" })
        assert.strictEqual((yield* kafka.log("t")).filter(({ value }) => value!.length > 0).length, 0)
        assert.strictEqual(yield* parts.size, 0)
      })
    ))

  test("names of fields are the user's own, and values may be anything", () =>
    withKafka((_, client) =>
      Effect.gen(function* () {
        const Odd = Schema.Struct({
          rowFrom: Schema.String,
          rowTo: Schema.String,
          constructor: Schema.String,
          rowKey: Schema.String,
          fingerprint: Schema.String,
          "a.b c": Schema.String
        })
        const keys = { rowKey: "rowFrom", indexKeys: ["rowTo", "constructor", "rowKey", "a.b c"] } as const
        const odd = yield* Catalog.make(keys, { topic: "odd", value: Codec.json(Odd) }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, yield* client)
        )
        // the compiler takes a constructor for what any object has
        const ask = (filter: object) => odd.query(filter)
        const anything = [
          "\u0000",
          "a\u0000b",
          "\u0001",
          "😀",
          "__proto__",
          "toString",
          '"',
          "\\",
          "\n x",
          "undefined",
          "null"
        ]
        for (const each of anything) {
          const record = { rowFrom: each, rowTo: each, constructor: each, rowKey: each, fingerprint: "", "a.b c": each }
          if (each.trim() === "") continue
          assert.deepStrictEqual(yield* odd.insert(record), record)
          assert.deepStrictEqual(yield* odd.query({ rowTo: each, constructor: each, rowKey: each, "a.b c": each }), [
            record
          ])
          assert.deepStrictEqual(yield* ask({ rowFrom: each }), [record])
          assert.deepStrictEqual(yield* ask({ rowFrom: { from: each, to: each } }), [record])
        }
        assert.strictEqual(yield* odd.delete({ rowTo: "__PROTO__" } as never), 1)
        assert.strictEqual(yield* odd.size, anything.length - 1)
      })
    ))

  test("filters: an unknown field, an empty one and blank text are errors, all of them at once, for delete as well", () =>
    withKafka((_, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        yield* parts.insert(part("a", "ACME", "eu"))
        const refused = (filter: unknown) =>
          Effect.gen(function* () {
            const given = filter as { readonly vendor: string }
            const problems = problemsOf(yield* Effect.flip(parts.query(given)))
            assert.deepStrictEqual(problemsOf(yield* Effect.flip(parts.delete(given))), problems)
            const snapshot = yield* parts.snapshot
            assert.throws(() => snapshot.query(given))
            return problems
          })
        for (const empty of [{}, { vendor: undefined }, null, "vendor", [], new Map([["vendor", "ACME"]])]) {
          assert.deepStrictEqual(yield* refused(empty), ["filter"])
        }
        assert.deepStrictEqual(yield* refused({ vendr: "ACME", stock: 1, zone: " ", rowFrom: "" }), [
          "filter.vendr",
          "filter.stock",
          "filter.zone",
          "filter.rowFrom"
        ])
        assert.deepStrictEqual(yield* refused({ vendor: 1, zone: null, sku: {} }), [
          "filter.vendor",
          "filter.zone",
          "filter.sku"
        ])
        assert.deepStrictEqual(yield* refused({ sku: { from: "a", until: "b" } }), ["filter.sku.until"])
        assert.deepStrictEqual(yield* refused(JSON.parse(`{"__proto__":"x"}`)), ["filter.__proto__"])
        assert.strictEqual(yield* parts.size, 1)
      })
    ))

  test("rows are in the order of their keys, ranges are inclusive at both ends, and case counts at both", () =>
    withKafka((_, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        for (const sku of ["b", "a", "C", "c", "B", "ab"]) yield* parts.insert(part(sku, "ACME", "eu"))
        assert.deepStrictEqual(skus(yield* parts.query({ vendor: "acme" })), ["B", "C", "a", "ab", "b", "c"])
        assert.deepStrictEqual(skus(yield* parts.query({ rowFrom: "C", rowTo: "ab" })), ["C", "a", "ab"])
        assert.deepStrictEqual(skus(yield* parts.query({ rowFrom: "a", rowTo: "b", sku: { to: "ab" } })), ["a", "ab"])
        assert.deepStrictEqual(skus(yield* parts.query({ sku: "b", rowFrom: "c" })), [])
        assert.deepStrictEqual(skus(yield* parts.query({ zone: "us" })), [])
      })
    ))

  test("a held snapshot stays; the table tells of changes by identity, and can be watched", () =>
    withKafka((_, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        const identity = yield* parts.identity({ sku: "a", vendor: "acme", zone: "EU" })
        const changes = yield* collect(parts.changes)
        const watched = yield* collect(parts.table.watch(identity))
        yield* parts.insert(part("a", "ACME", "eu", 1))
        const held = yield* parts.snapshot
        yield* parts.delete({ sku: "a" })
        yield* parts.insert(part("b", "ACME", "eu", 2))
        assert.deepStrictEqual(stocks(held.query({ vendor: "acme" })), [1])
        assert.strictEqual(held.size, 1)
        assert.deepStrictEqual(held.entries.get(identity), Option.some(part("a", "ACME", "eu", 1)))
        assert.deepStrictEqual(yield* parts.table.get(identity), Option.none())
        yield* eventually(
          Effect.sync(() => changes.length),
          (length) => length === 3
        )
        assert.deepStrictEqual(
          changes.map((change) => [change._tag, change.key.rowKey]),
          [
            ["Upsert", "a"],
            ["Delete", "a"],
            ["Upsert", "b"]
          ]
        )
        yield* eventually(
          Effect.sync(() => watched.length),
          (length) => length >= 3
        )
        assert.deepStrictEqual(
          watched.map((one) => Option.isSome(one)),
          [false, true, false]
        )
        const entries = yield* parts.table.entries
        assert.deepStrictEqual(
          (yield* parts.table.range({ gte: entries[0].key, lte: entries[0].key })).map(({ value }) => value.sku),
          ["b"]
        )
        const table: LiveTable.AnyTable<Catalog.Identity, Part> = parts.table
        assert.strictEqual(yield* table.count({ gt: entries[0].key }), 0)
      })
    ))

  test("recovered from a time: what was written before is not shown, and counts all the same", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const all = yield* catalogOn(yield* client, "t")
        yield* all.insert(part("old", "ACME", "eu", 1))
        const [before] = yield* all.table.entries
        yield* eventually(
          Effect.sync(() => Date.now()),
          (now) => now > before.timestamp
        )
        yield* all.insert(part("new", "ACME", "eu", 2))
        const from = before.timestamp + 1
        for (const recoverFrom of [from, Option.getOrThrow(DateTime.make(from))]) {
          const parts = yield* catalogOn(yield* client, "t", { recoverFrom })
          assert.deepStrictEqual(skus(yield* parts.query({ vendor: "acme" })), ["new"])
          assert.strictEqual(yield* parts.size, 1)
          // of the identity it is the old one that is there
          assert.strictEqual((yield* parts.insert(part("old", "ACME", "eu", 3))).stock, 1)
          assert.strictEqual(yield* parts.size, 1)
        }
        assert.strictEqual((yield* kafka.log("t")).length, 3)
        const parts = yield* catalogOn(yield* client, "t", { recoverFrom: from })
        assert.strictEqual(yield* parts.delete({ vendor: "acme" }), 1)
        yield* eventually(all.query({ vendor: "acme" }), (left) => skus(left).join() === "old")
      })
    ))
})

describe("faults", () => {
  test("sent, and never applied here: the log has it, so the next one to read it has it, too", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const survivor = yield* catalogOn(yield* client, "t")
        yield* survivor.insert(part("a", "ACME", "eu", 1))
        const scope = yield* Scope.make()
        const dying = yield* Scope.provide(
          Effect.flatMap(kafka.client({ clientId: "dying" }), (own) => catalogOn(own, "t")),
          scope
        )
        const { hits } = yield* kafka.inject({ _tag: "Hang" }, { request: "Fetch", clientId: "dying" })
        // the fetch that waits already is answered with this
        yield* survivor.insert(part("c", "Bolt", "eu"))
        yield* eventually(Effect.zip(hits, dying.size), ([count, size]) => count > 0 && size === 2)
        const fiber = yield* Effect.forkIn(dying.insert(part("b", "ACME", "eu", 2)), scope)
        yield* eventually(kafka.log("t"), (log) => log.length === 4)
        assert.strictEqual(yield* dying.size, 2)
        yield* Fiber.interrupt(fiber)
        yield* Scope.close(scope, Exit.void)
        yield* survivor.barrier()
        assert.deepStrictEqual(skus(yield* survivor.query({ vendor: "acme" })), ["a", "b"])
        assert.deepStrictEqual(skus(yield* (yield* catalogOn(yield* client, "t")).query({ vendor: "acme" })), [
          "a",
          "b"
        ])
      })
    ))

  test("interrupted while it is on its way: it goes on, and the one who lost deletes what it has written", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const one = yield* catalogOn(yield* client, "t")
        const slow = yield* catalogOn(yield* kafka.client({ clientId: "slow" }), "t")
        yield* one.insert(part("other", "ACME", "eu"))
        yield* slow.barrier()
        const { arrived, gate } = yield* heldUp(kafka, "slow")
        const fiber = yield* Effect.forkChild(slow.insert(part("a", "ACME", "eu", 2)))
        yield* Deferred.await(arrived)
        yield* one.insert(part("a", "ACME", "eu", 1))
        yield* Fiber.interrupt(fiber)
        yield* Deferred.succeed(gate, undefined)
        yield* eventually(kafka.log("t"), (log) => log.at(-1)?.value === null)
        assert.deepStrictEqual(stocks(yield* one.query({ sku: "a" })), [1])
        // and whoever waits behind it gets what is there
        assert.strictEqual((yield* slow.insert(part("a", "ACME", "eu", 3))).stock, 1)
      })
    ))

  inOwnTime("an outcome that nobody knows: repeated, it is there once, with the payload that the log has first", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const quick = { deliveryTimeout: "400 millis", requestTimeout: "100 millis" } as const
        const parts = yield* catalogOn(yield* client, "t", quick)
        yield* parts.insert(part("other", "ACME", "eu"))
        yield* kafka.inject({ _tag: "Hang", applied: true }, { request: "Produce", times: 1 })
        const error = yield* Effect.scoped(
          Effect.andThen(
            kafka.inject({ _tag: "Hang" }, { request: "Produce" }),
            asTimeGoesOn(Effect.flip(parts.insert(part("a", "ACME", "eu", 1))))
          )
        )
        assert.deepInclude(error, { _tag: "KafkaWriteError", reason: "UnknownOutcome" })
        assert.strictEqual((yield* asTimeGoesOn(parts.insert(part("a", "ACME", "eu", 2)))).stock, 1)
        const fresh = yield* catalogOn(yield* client, "t")
        assert.deepStrictEqual(stocks(yield* fresh.query({ sku: "a" })), [1])
      })
    )
  )

  inOwnTime("a tombstone that cannot be written is told, and the insert ends with what is there", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const one = yield* catalogOn(yield* client, "t")
        const slow = yield* catalogOn(yield* kafka.client({ clientId: "slow" }), "t", { deliveryTimeout: "500 millis" })
        yield* one.insert(part("other", "ACME", "eu"))
        yield* slow.barrier()
        const { arrived, gate } = yield* heldUp(kafka, "slow", 1)
        const fiber = yield* Effect.forkChild(slow.insert(part("a", "ACME", "eu", 2)).pipe(recordLogs(lines)))
        yield* Deferred.await(arrived)
        yield* one.insert(part("a", "ACME", "eu", 1))
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* asTimeGoesOn(Fiber.join(fiber))).stock, 1)
        assert.isTrue(lines.some((line) => line.includes("a record that came second stays in the log")))
        assert.strictEqual(yield* one.size, 2)
      })
    )
  )

  test("closed while an insert waits: told so", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const parts = yield* Scope.provide(
          Effect.flatMap(client, (own) => catalogOn(own, "t")),
          scope
        )
        yield* kafka.inject({ _tag: "Hang" }, { request: "Fetch" })
        const fiber = yield* Effect.forkChild(parts.insert(part("a", "ACME", "eu")))
        yield* eventually(kafka.log("t"), (log) => log.length > 0)
        yield* Scope.close(scope, Exit.void)
        const exit = yield* Fiber.await(fiber)
        const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
        assert.strictEqual(Option.getOrUndefined(error)?._tag, "KafkaTableClosedError")
        const late = yield* Effect.flip(parts.insert(part("a", "ACME", "eu")))
        assert.strictEqual(late._tag, "KafkaTableClosedError")
      })
    ))
})
