/** What others have written to a catalog's log, and what is left of it when a schema has changed. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Catalog, Codec, KafkaClient, LiveTable } from "../../src/index.ts"
import { collect, eventually, test } from "../support/live.ts"
import { candidate, catalogOn, KEYS, keyOf, part, Part, skus, stocks, withKafka } from "./support.ts"

const NOTHING = new Uint8Array(0)

describe("what others have written to a log", () => {
  test("keys that are none of a catalog, and values that do not decode: skipped, counted, and told", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        const poison = yield* collect(parts.poison)
        yield* parts.insert(part("a", "ACME", "eu", 1))
        const strange = keyOf(part("b", "ACME", "eu"))
        const cut = strange.subarray(0, strange.length - 1)
        for (const key of ["", "stranger", cut, Uint8Array.of(1), Uint8Array.of(0, 0)]) {
          yield* kafka.append("t", [{ key, value: "{}" }])
        }
        yield* kafka.append("t", [
          { key: strange, value: "no JSON" },
          { key: keyOf(part("c", "ACME", "eu")), value: `{"sku":"c"}` }
        ])
        yield* parts.barrier()
        const { keyErrors, valueErrors } = yield* parts.stats
        assert.deepStrictEqual([keyErrors, valueErrors], [5, 2])
        yield* eventually(
          Effect.sync(() => poison.length),
          (length) => length === 7
        )
        assert.deepStrictEqual(
          poison.map(({ reason, topic }) => `${reason} ${topic}`),
          [...Array.from({ length: 5 }, () => "Key t"), "Value t", "Value t"]
        )
        assert.deepStrictEqual(skus(yield* parts.query({ rowFrom: "a" })), ["a"])
        // what cannot be read is not there, so it can be inserted
        assert.strictEqual((yield* parts.insert(part("b", "ACME", "eu", 2))).stock, 2)
        const strict = yield* Effect.flip(catalogOn(yield* client, "t", { onPoison: "fail" }))
        assert.strictEqual(strict._tag, "KafkaPoisonRecordError")
      })
    ))

  test("a record's key without a record: no record, whether it comes before or after one", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const one = yield* catalogOn(yield* client, "t")
        yield* kafka.append("t", [{ key: keyOf(part("a", "ACME", "eu")), value: NOTHING }])
        yield* one.barrier()
        const two = yield* catalogOn(yield* client, "t")
        for (const parts of [one, two]) {
          assert.strictEqual(yield* parts.size, 0)
          assert.deepStrictEqual(yield* parts.table.values, [])
        }
        assert.strictEqual((yield* two.insert(part("a", "ACME", "eu", 1))).stock, 1)
        const own = (yield* kafka.log("t")).at(-1)!.key
        yield* kafka.append("t", [{ key: keyOf(part("a", "ACME", "eu")), value: NOTHING }])
        for (const parts of [one, two, yield* catalogOn(yield* client, "t")]) {
          yield* parts.barrier()
          assert.deepStrictEqual(stocks(yield* parts.query({ vendor: "acme" })), [1])
          assert.strictEqual(yield* parts.size, 1)
        }
        // not even where there was one
        yield* kafka.append("t", [{ key: own, value: NOTHING }])
        for (const parts of [one, two, yield* catalogOn(yield* client, "t")]) {
          yield* parts.barrier()
          assert.strictEqual(yield* parts.size, 0)
          assert.deepStrictEqual(yield* parts.find(part("a", "ACME", "eu")), Option.none())
        }
        yield* kafka.append("t", [{ key: own, value: JSON.stringify(part("a", "ACME", "eu", 2)) }])
        yield* one.barrier()
        assert.deepStrictEqual(stocks(yield* one.query({ sku: "a" })), [2])
      })
    ))

  test("payloads that have lost keys: found and deleted by their row keys, and in their order", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const Loose = Schema.Struct({ note: Schema.String, vendor: Schema.optional(Schema.String) })
        type Loose = typeof Loose.Type
        const writer = yield* catalogOn(yield* client, "t")
        for (const sku of ["c", "a", "b"]) yield* writer.insert(part(sku, "ACME", "eu"))
        yield* kafka.append("t", [
          { key: keyOf(part("b2", "ACME", "eu")), value: `{"note":"1","vendor":"Acme"}` },
          { key: keyOf(part("a2", "ACME", "eu")), value: `{"note":"2"}` }
        ])
        // the compiler would refuse keys that are no fields of the record
        const loose = (yield* Catalog.make(KEYS as never, { topic: "t", value: Codec.json(Loose) }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, yield* client)
        )) as unknown as Catalog.Catalog<Loose, "sku", "vendor" | "zone">
        assert.strictEqual(yield* loose.size, 2)
        assert.strictEqual((yield* loose.stats).valueErrors, 3)
        const notes = (found: ReadonlyArray<Loose>) => found.map(({ note }) => note)
        assert.deepStrictEqual(notes(yield* loose.query({ rowFrom: "a" })), ["2", "1"])
        assert.deepStrictEqual(notes(yield* loose.query({ sku: "a2" })), ["2"])
        assert.deepStrictEqual(notes(yield* loose.query({ vendor: "ACME" })), ["1"])
        assert.strictEqual(yield* loose.delete({ sku: "a2" }), 1)
        assert.strictEqual(yield* loose.delete({ rowFrom: "a" }), 1)
        assert.strictEqual(yield* loose.size, 0)
      })
    ))

  test("the identity of another record finds nothing, nor does what is none", () =>
    withKafka((_, client) =>
      Effect.gen(function* () {
        const parts = yield* catalogOn(yield* client, "t")
        yield* parts.insert(part("a", "ACME", "eu"))
        const { fingerprint, rowKey } = yield* parts.identity({ sku: "a", vendor: "acme", zone: "EU" })
        assert.isTrue(yield* parts.table.has({ rowKey, fingerprint }))
        for (const other of [
          fingerprint.toUpperCase(),
          `${fingerprint}0`,
          `${fingerprint}zz`,
          fingerprint.slice(2),
          "",
          undefined,
          5
        ]) {
          assert.isFalse(yield* parts.table.has({ rowKey, fingerprint: other as string }))
        }
        for (const none of [undefined, null, {}, { rowKey }, { rowKey: "\ud800", fingerprint }, "a"]) {
          assert.deepStrictEqual(yield* parts.table.get(none as never), Option.none())
        }
      })
    ))

  test("a topic that was created again has another record at the same place: subscribers hear of it", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const [before, after] = [part("a", "ACME", "eu", 1), part("a", "ACME", "eu", 2)]
        yield* kafka.createTopic("t")
        yield* kafka.append("t", [candidate(before)])
        const quick = { metadataMaxAge: "50 millis", restart: Schedule.spaced("50 millis") } as const
        const parts = yield* catalogOn(yield* client, "t", quick)
        const { changes } = yield* parts.table.subscribe({ strategy: LiveTable.backPressure(100) })
        const seen = yield* collect(changes)
        yield* kafka.deleteTopic("t")
        yield* kafka.createTopic("t")
        yield* kafka.append("t", [candidate(after)])
        yield* eventually(Effect.map(parts.query({ sku: "a" }), stocks), (found) => found[0] === 2)
        yield* eventually(
          Effect.sync(() => seen.at(-1)),
          (last) => last?._tag === "Upsert" && last.value.stock === 2
        )
      })
    ))
})

describe("what is left when a schema has changed", () => {
  test("those that read a record show it, and those that cannot, do not: it is the first one all the same", () =>
    withKafka((_, client) =>
      Effect.gen(function* () {
        const old = yield* catalogOn(yield* client, "t")
        yield* old.insert(part("a", "ACME", "eu", 1))
        const Newer = Schema.Struct({ ...Part.fields, colour: Schema.String })
        const open = Effect.flatMap(client, (own) =>
          Catalog.make(KEYS, { topic: "t", value: Codec.json(Newer) }).pipe(
            Effect.provideService(KafkaClient.KafkaClient, own)
          )
        )
        const newer = yield* open
        assert.deepStrictEqual([yield* newer.size, (yield* newer.stats).valueErrors], [0, 1])
        const red = { ...part("a", "ACME", "eu", 2), colour: "red" }
        assert.deepStrictEqual(yield* newer.insert(red), red)
        yield* old.barrier()
        assert.deepStrictEqual(stocks(yield* old.query({ sku: "a" })), [1])
        // a delete by whoever reads both takes both away
        assert.strictEqual(yield* old.delete({ sku: "a" }), 1)
        yield* newer.barrier()
        assert.deepStrictEqual([yield* newer.size, yield* (yield* open).size], [0, 0])
      })
    ))
})
