/** Headers are kept as the bytes that they came as: what a stranger packs into them becomes objects for who asks only. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { Codec, EmbeddedKafka, KafkaClient, KafkaTable, type TableChange } from "../../src/index.ts"
import { defaultDecodeOptions } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordApplier, makeScratch } from "../../src/internal/table/reading/recordApplier.ts"
import { makeCounters } from "../../src/internal/table/reading/counters.ts"
import { recordStoreOf } from "../../src/internal/table/content/recordStore.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { batch, record } from "../recordBatch/support.ts"
import { bytesInUse, MIB } from "../support/garbage.ts"
import { eventually, numbers, test } from "../support/live.ts"
import { snapshotOf } from "./contents.ts"

type Change = TableChange.RecordChange<string, string>

const HEADERS = 50_000
const RECORDS = 20

const many = (count: number) => Array.from({ length: count }, () => ["", new Uint8Array(0)] as const)

const isMade = (change: object): boolean => Object.getOwnPropertyDescriptor(change, "headers")?.get === undefined

describe("headers that nobody asks for", () => {
  it.live("take the room of their bytes, in rows and in changes", () =>
    Effect.gen(function* () {
      const headers = many(HEADERS)
      const batches = numbers(RECORDS).map((i) => batch(i, [record(`k${i}`, "1", { headers })], { codec: "gzip" }))
      assert.isBelow(Buffer.concat(batches).length, 20_000)
      const state = new TableState(Codec.utf8, recordStoreOf(Codec.utf8))
      state.log = { ids: [], changes: [] }
      const before = yield* bytesInUse
      const application = new RecordApplier(
        {
          topic: "t",
          key: Codec.utf8,
          value: Codec.utf8,
          keepHeaders: true,
          committedOnly: true,
          failOnPoison: false,
          logValues: false,
          decode: defaultDecodeOptions
        },
        { partition: 0, records: Buffer.concat(batches), aborted: [] },
        0,
        state,
        makeCounters(),
        makeScratch()
      )
      assert.strictEqual(application.run(Number.POSITIVE_INFINITY), "done")
      const snapshot = snapshotOf(state, 1)
      assert.lengthOf(Array.from(snapshot.entries()), RECORDS)
      // as objects, these are some 100 bytes each
      assert.isBelow((yield* bytesInUse) - before, 2 * 2 * RECORDS * HEADERS + 8 * MIB)
      const entry = Option.getOrThrow(snapshot.entry("k7"))
      assert.lengthOf(entry.headers, HEADERS)
      assert.deepStrictEqual(entry.headers[HEADERS - 1], { key: "", value: new Uint8Array(0) })
      assert.strictEqual(entry.headers, entry.headers, "made once for an entry")
      assert.lengthOf(state.log.changes[19].headers, HEADERS)
    })
  )

  test("come with changes that were conflated, of the last record, and are made for who asks", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make({ topics: { t: {} } })
      const client = yield* kafka.client()
      const table = yield* KafkaTable.make<string, string>({
        topic: "t",
        value: Codec.utf8,
        ensureTopic: false,
        headers: true
      }).pipe(Effect.provideService(KafkaClient.KafkaClient, client))
      const { changes } = yield* table.subscribe()
      const seen: Array<Change> = []
      const set = (value: string | null, header: string) =>
        Effect.flatMap(kafka.append("t", [{ key: "a", value, headers: { h: header } }]), (position) =>
          table.awaitPosition(position)
        )
      yield* set("1", "one")
      yield* set("2", "two")
      yield* set("3", "three")
      yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => seen.push(change))))
      yield* eventually(
        Effect.sync(() => seen.length),
        (length) => length === 1
      )
      yield* set(null, "four")
      yield* eventually(
        Effect.sync(() => seen.length),
        (length) => length === 2
      )
      assert.deepStrictEqual(seen.map(isMade), [false, false])
      const text = (change: Change) => change.headers.map(({ key, value }) => [key, Buffer.from(value!).toString()])
      assert.deepStrictEqual(seen.map(text), [[["h", "three"]], [["h", "four"]]])
      const [first, second] = seen
      assert.deepInclude(
        { ...first, headers: [] },
        { _tag: "Upsert", key: "a", value: "3", previous: Option.none(), offset: 2 }
      )
      assert.deepInclude({ ...second, headers: [] }, { _tag: "Delete", cause: "tombstone", key: "a", offset: 3 })
      // a copy, and JSON, have them as any other property
      assert.deepStrictEqual(text({ ...second }), [["h", "four"]])
      assert.include(Object.keys(second), "headers")
      assert.lengthOf((JSON.parse(JSON.stringify(second)) as Change).headers, 1)
    }))
})
