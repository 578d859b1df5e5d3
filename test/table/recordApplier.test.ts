import { assert, describe } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import { PoisonRecordError } from "effect-ktables/KafkaError"
import type { AbortedTransaction } from "effect-ktables/KafkaProtocol"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { isSchemaError, numberBy } from "../support/effect/v4/schemas.ts"
import { encodeControlBatch, stampBatch } from "../../src/internal/recordBatch/encode.ts"
import type { EncodableBatch, EncodableRecord } from "../../src/internal/recordBatch/encode.ts"
import { defaultDecodeOptions } from "../../src/internal/recordBatch/fetchedBatches.ts"
import type { ApplierSettings, Stop } from "../../src/internal/table/reading/recordApplier.ts"
import { RecordApplier, makeScratch } from "../../src/internal/table/reading/recordApplier.ts"
import { makeCounters } from "../../src/internal/table/reading/counters.ts"
import { recordStoreOf } from "../../src/internal/table/content/recordStore.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { batch, batchAround, corruptionIn, record } from "../recordBatch/support.ts"
import { it } from "../support/ManualClock.ts"
import { followedByNobody, snapshotOf } from "./contents.ts"

const NEVER = Number.POSITIVE_INFINITY

const marker = (offset: number, type: "commit" | "abort", producerId: bigint): Buffer => {
  const bytes = encodeControlBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 1 })
  stampBatch(bytes, offset, 0)
  return bytes
}

const transactional = (
  offset: number,
  producerId: bigint,
  records: ReadonlyArray<EncodableRecord>,
  rest: Partial<EncodableBatch> = {}
) => batch(offset, records, { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true, ...rest })

/** What compaction leaves of a batch whose records are all gone. */
const emptied = (offset: number, lastOffsetDelta: number): Buffer =>
  batchAround(new Uint8Array(0), { baseOffset: offset, count: 0, lastOffsetDelta })

/** A table of one partition, 3, and what came of fetching from it. */
class Table<K = string, V = string> {
  readonly state: TableState<K, V>
  readonly counters = makeCounters()
  readonly scratch = makeScratch()
  readonly settings: ApplierSettings<K, V>
  position = 0

  constructor(key: Codec.Codec<K>, value: Codec.Codec<V>, rest: Partial<ApplierSettings<K, V>> = {}) {
    this.settings = {
      topic: "things",
      key,
      value,
      keepHeaders: false,
      committedOnly: true,
      failOnPoison: false,
      logValues: false,
      decode: defaultDecodeOptions,
      ...rest
    }
    this.state = new TableState(key, recordStoreOf(this.settings.value))
  }

  fetched(records: ReadonlyArray<Buffer>, aborted: ReadonlyArray<AbortedTransaction> = []): RecordApplier<K, V> {
    return new RecordApplier(
      this.settings,
      {
        partition: 3,
        // within a larger answer, as it is
        records: Buffer.concat([Buffer.alloc(7, 0xff), ...records, Buffer.alloc(9, 0xff)]).subarray(
          7,
          7 + records.reduce((sum, bytes) => sum + bytes.length, 0)
        ),
        aborted
      },
      this.position,
      this.state,
      this.counters,
      this.scratch
    )
  }

  /** Applies all of it. */
  apply(records: ReadonlyArray<Buffer>, aborted: ReadonlyArray<AbortedTransaction> = []): RecordApplier<K, V> {
    const application = this.fetched(records, aborted)
    assert.strictEqual(application.run(NEVER), "done")
    this.position = application.position
    return application
  }

  get content(): Map<K, V> {
    return snapshotOf(this.state, 0).toMap()
  }
}

const textTable = (rest: Partial<ApplierSettings<string, string>> = {}) => new Table(Codec.utf8, Codec.utf8, rest)

const content = (entries: Record<string, string>) => new Map(Object.entries(entries))

const numbered = (n: number, from = 0): ReadonlyArray<EncodableRecord> =>
  Array.from({ length: n }, (_, i) => record(`k${from + i}`, `v${from + i}`))

describe("RecordApplier", () => {
  it("applies records with their place and time", () => {
    const table = textTable()
    const application = table.apply([
      batch(10, [record("a", "1", { timestamp: 5 }), record("b", "2", { timestamp: 3 })]),
      batch(20, [record("a", "3", { timestamp: 6 })])
    ])
    assert.strictEqual(application.position, 21)
    assert.deepStrictEqual(
      [...snapshotOf(table.state, 1).entries()],
      [
        { key: "a", value: "3", partition: 3, offset: 20, timestamp: 6, headers: [] },
        { key: "b", value: "2", partition: 3, offset: 11, timestamp: 3, headers: [] }
      ]
    )
    assert.deepStrictEqual(table.counters, { ...makeCounters(), applied: 3 })
  })

  it("of nothing, is done where it began", () => {
    const table = textTable()
    table.position = 17
    assert.strictEqual(table.apply([]).position, 17)
  })

  it("keeps a large answer as it is, with all of its batches, and reads values there", () => {
    const table = new Table(Codec.utf8, Codec.bytes)
    const value = (i: number) => new Uint8Array(1000).fill(i)
    const records = Array.from({ length: 500 }, (_, i) => record(`k${i % 400}`, Buffer.from(value(i))))
    const batches = Array.from({ length: 10 }, (_, i) => batch(50 * i, records.slice(50 * i, 50 * i + 50)))
    const bytes = batches.reduce((sum, { length }) => sum + length, 0)
    table.apply(batches)
    const { room } = table.state.records
    // its memory, and a head for each record
    assert.closeTo(room, bytes + 500 * 32, 64)
    table.state.records.endAnswer()
    table.apply([batch(500, [record("k0", Buffer.from(value(77)))])])
    assert.strictEqual(table.state.records.room, room + 32 + 1000)
    const expected = Array.from({ length: 400 }, (_, i) => [`k${i}`, value(i < 100 ? i + 400 : i)] as const)
    assert.deepStrictEqual(table.content, new Map(expected).set("k0", value(77)))
  })

  it("skips records without a key, also tombstones, and takes an empty key", () => {
    const table = textTable()
    const application = table.apply([batch(0, [record(null, "x"), record(null, null), record("", "empty key")])])
    assert.deepStrictEqual(table.content, content({ "": "empty key" }))
    assert.deepStrictEqual(table.counters, { ...makeCounters(), keyless: 2, applied: 1 })
    assert.strictEqual(application.keylessAt, 0, "the first one")
    assert.strictEqual(application.position, 3)
    assert.lengthOf(application.poison, 0)
  })

  it("takes null for a tombstone, and an empty value for data", () => {
    const table = textTable()
    table.apply([batch(0, [record("a", "1"), record("b", "1"), record("a", null), record("b", ""), record("c", null)])])
    assert.deepStrictEqual(table.content, content({ b: "" }))
    assert.deepStrictEqual(table.counters, { ...makeCounters(), applied: 3, tombstones: 2 })
    assert.strictEqual(table.state.find(Buffer.from("c"), 0, 1), -1, "nothing to delete")
  })

  it("remembers the tombstone of an unknown key where another partition may have the key", () => {
    const table = textTable()
    table.state.multiPartition = true
    table.apply([batch(0, [record("c", null)])])
    assert.isAtLeast(table.state.find(Buffer.from("c"), 0, 1), 0)
    assert.strictEqual(table.state.size, 0)
  })

  it("keeps headers where asked to, and only there", () => {
    const headers = [
      ["h", Buffer.from("1")],
      ["h", null]
    ] as const
    for (const keepHeaders of [true, false]) {
      const table = textTable({ keepHeaders })
      table.apply([batch(0, [record("a", "1", { headers }), record("b", "1")])])
      const snapshot = snapshotOf(table.state, 1)
      assert.deepStrictEqual(
        Option.getOrThrow(snapshot.entry("a")).headers,
        keepHeaders
          ? [
              { key: "h", value: new Uint8Array([0x31]) },
              { key: "h", value: null }
            ]
          : []
      )
      assert.deepStrictEqual(Option.getOrThrow(snapshot.entry("b")).headers, [])
    }
  })

  it("keeps nothing of the answer's memory", () => {
    const table = new Table(Codec.bytes, Codec.bytes, { keepHeaders: true, failOnPoison: false })
    const bytes = batch(0, [record("a", "1", { headers: [["h", Buffer.from("x")]] })])
    const application = table.fetched([bytes])
    application.run(NEVER)
    const [entry] = snapshotOf(table.state, 1).entries()
    for (const kept of [entry.key, entry.value, entry.headers[0].value!]) {
      assert.strictEqual(kept.buffer.byteLength, kept.byteLength)
    }
  })

  it("gives each reader bytes of its own", () => {
    const table = new Table(Codec.utf8, Codec.bytes)
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    table.state.log = { ids: [], changes: [] }
    table.apply([batch(0, [record("a", all), record("b", ""), record("a", new Uint8Array([0xff, 0x00]))])])
    const snapshot = snapshotOf(table.state, 1)
    const [, , change] = table.state.log.changes
    for (let i = 0; i < 2; i++) {
      const seen = [
        snapshot.getOrUndefined("a")!,
        Option.getOrThrow(snapshot.get("a")),
        Option.getOrThrow(snapshot.entry("a")).value,
        [...snapshot.values()][0],
        [...snapshot.entries()][0].value,
        [...snapshot][0][1]
      ]
      for (const value of seen) {
        assert.deepStrictEqual(value, new Uint8Array([0xff, 0x00]))
        value.fill(7)
      }
    }
    assert.deepStrictEqual(change.previous, Option.some(new Uint8Array(all)))
    assert.deepStrictEqual(snapshot.get("b"), Option.some(new Uint8Array(0)))
  })

  describe("poison", () => {
    const bad = new Uint8Array([0xff])

    it("is skipped, and the key keeps its value", () => {
      const table = textTable()
      const application = table.apply([
        batch(100, [
          record("a", "1"),
          record("a", bad, { timestamp: 7 }),
          { ...record(null, "x", { timestamp: 8 }), key: bad },
          { ...record(null, null), key: bad },
          record("new", bad),
          record("b", "2")
        ])
      ])
      assert.deepStrictEqual(table.content, content({ a: "1", b: "2" }))
      assert.deepStrictEqual(table.counters, { ...makeCounters(), applied: 2, keyErrors: 2, valueErrors: 2 })
      assert.strictEqual(application.position, 106)
      assert.isTrue(application.poison.every((p) => p instanceof PoisonRecordError && isSchemaError(p.cause)))
      assert.deepStrictEqual(
        application.poison.map(({ key, offset, partition, reason, timestamp, topic, value }) => ({
          at: [topic, partition, offset],
          key: [...key],
          reason,
          timestamp,
          value: value === null ? null : [...value]
        })),
        [
          { at: ["things", 3, 101], key: [0x61], reason: "Value", timestamp: 7, value: [0xff] },
          { at: ["things", 3, 102], key: [0xff], reason: "Key", timestamp: 8, value: [0x78] },
          { at: ["things", 3, 103], key: [0xff], reason: "Key", timestamp: 1_700_000_000_000, value: null },
          {
            at: ["things", 3, 104],
            key: [...Buffer.from("new")],
            reason: "Value",
            timestamp: 1_700_000_000_000,
            value: [0xff]
          }
        ]
      )
      for (const { key, value } of application.poison) {
        assert.strictEqual(key.buffer.byteLength, key.byteLength)
        if (value !== null) assert.strictEqual(value.buffer.byteLength, value.byteLength)
      }
    })

    it("of any number of records makes a bounded number of errors, and counts all", () => {
      const table = textTable()
      const { stackTraceLimit } = Error
      const application = table.fetched([
        batch(
          0,
          Array.from({ length: 60_000 }, (_, i) =>
            i % 3 === 2 ? record("a", bad) : { ...record(null, null), key: bad }
          ),
          { codec: "gzip" }
        ),
        batch(60_000, [record("a", "1"), record("b", bad)])
      ])
      // in slices, as it is
      let made = 0
      const offsets: Array<number> = []
      for (let outcome: Stop = "more"; outcome === "more";) {
        outcome = application.run(performance.now())
        assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
        made += application.poison.length
        offsets.push(...application.poison.map(({ offset }) => offset))
        application.poison.length = 0
      }
      assert.strictEqual(made, 1024)
      assert.deepStrictEqual(
        offsets,
        Array.from({ length: 1024 }, (_, i) => i)
      )
      assert.deepStrictEqual(table.counters, {
        ...makeCounters(),
        applied: 1,
        keyErrors: 40_000,
        valueErrors: 20_001
      })
      assert.deepStrictEqual(table.content, content({ a: "1" }))
      assert.strictEqual(application.position, 60_002)
    })

    it("finds out where a record was refused as long as somebody is told of it", () => {
      const depths: Array<number> = []
      const table = new Table(
        Codec.utf8,
        Codec.make<string>({
          decode: () => {
            depths.push(Error.stackTraceLimit)
            throw new Error("refused")
          },
          encode: () => new Uint8Array(0)
        })
      )
      const application = table.fetched([
        batch(
          0,
          Array.from({ length: 2_000 }, () => record("a", "1"))
        )
      ])
      while (application.run(performance.now()) === "more");
      const { stackTraceLimit } = Error
      assert.isAbove(stackTraceLimit, 0)
      assert.deepStrictEqual(
        depths,
        Array.from({ length: 2_000 }, (_, i) => (i < 1024 ? stackTraceLimit : 0))
      )
    })

    it("keeps 16 KiB of a key and a value at most, and nothing that was made of more", () => {
      const length = 16 * 1024
      const json = new Table(Codec.utf8, Codec.json(Schema.Struct({ text: Schema.Number })))
      const text = (size: number) => JSON.stringify({ text: "x".repeat(size) })
      const { poison } = json.apply([
        batch(0, [
          { ...record(null, text(length)), key: Buffer.concat([Buffer.alloc(length, 0x61), bad]) },
          { ...record(null, text(10)), key: Buffer.alloc(length, 0x62) },
          record("c", text(length))
        ])
      ])
      assert.deepStrictEqual(
        poison.map((error) => [error.reason, error.key.length, error.value?.length]),
        [
          ["Key", length, length],
          ["Value", length, text(10).length],
          ["Value", 1, length]
        ]
      )
      for (const { key, value } of poison) {
        assert.strictEqual(key.buffer.byteLength, key.length)
        assert.strictEqual(value?.buffer.byteLength, value?.length)
      }
      assert.deepStrictEqual(new Set(poison[0].key), new Set([0x61]))
      assert.strictEqual(Buffer.from(poison[2].value!).toString(), text(length).slice(0, length))
      // it says the same as that of a small one
      assert.strictEqual(String(poison[2].cause), String(poison[1].cause))
      assert.isTrue(isSchemaError(poison[2].cause))
      // of little, the cause can quote what was refused; of much it holds no more than its words
      assert.include(Codec.explain(poison[1].cause), "xxxxxxxxxx")
      assert.notInclude(Codec.explain(poison[2].cause), "xxxxxxxxxx")
    })

    it("leaves the depth of stacks as it was when a batch turns out to be corrupt", () => {
      const table = textTable()
      const { stackTraceLimit } = Error
      const broken = batch(2_000, [record("a", "1")])
      broken[broken.length - 1] ^= 1
      const application = table.fetched([
        batch(
          0,
          Array.from({ length: 2_000 }, () => record("a", bad))
        ),
        broken
      ])
      assert.throws(() => application.run(NEVER))
      assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
      assert.lengthOf(application.poison, 1024)
    })

    it.each(["Key", "Value"] as const)("stops before the rest, where the policy is to fail: %s", (reason) => {
      const table = textTable({ failOnPoison: true })
      const application = table.fetched([
        batch(0, [record("first", "1")]),
        batch(5, [
          record("a", "1"),
          reason === "Value" ? record("a", bad) : { ...record(null, "x"), key: bad },
          record("b", "2")
        ])
      ])
      assert.strictEqual(application.run(NEVER), "poison")
      assert.strictEqual(application.poison.at(-1)?.reason, reason)
      assert.strictEqual(application.poison.at(-1)?.offset, 6)
      assert.strictEqual(application.position, 1, "behind the last whole batch")
      assert.deepStrictEqual(table.content, content({ first: "1", a: "1" }))
    })

    it("of a key that is no text, is found when it is new", () => {
      const table = new Table(Codec.int32, Codec.utf8)
      const key = Buffer.from([0, 0, 1, 0])
      const application = table.apply([
        batch(0, [{ ...record(null, "v"), key }, record("toolong", "x"), record("toolong", null)])
      ])
      assert.deepStrictEqual(table.content, new Map([[256, "v"]]))
      assert.strictEqual(table.counters.keyErrors, 2)
      assert.lengthOf(application.poison, 2)
    })

    it("by a schema, says what it expected", () => {
      const table = new Table(Codec.utf8, Codec.json(Schema.Struct({ port: Schema.Int })))
      const application = table.apply([
        batch(0, [record("a", `{"port":1}`), record("b", `{"port":1.5}`), record("c", ""), record("d", "{")])
      ])
      assert.deepStrictEqual(table.content, new Map([["a", { port: 1 }]]))
      assert.deepStrictEqual(
        application.poison.map((p) => p.offset),
        [1, 2, 3]
      )
      assert.include(application.poison[0].message, "port")
    })
  })

  describe("values that stay bytes until they are read", () => {
    const Counter = Schema.Struct({ n: Schema.Int, unit: Schema.optional(Schema.String) })
    type Counter = typeof Counter.Type
    const json = (value: unknown) => JSON.stringify(value)
    const counterTable = () => {
      const parsed: Array<string> = []
      const codec = Codec.json(Counter)
      const { load, ...stored } = codec.stored!
      const counting: Codec.Codec<Counter> = {
        ...codec,
        stored: {
          ...stored,
          load: (bytes, start, end) => {
            parsed.push(bytes.toString("utf8", start, end))
            return load(bytes, start, end)
          }
        }
      }
      return { parsed, table: new Table<string, Counter>(Codec.utf8, counting) }
    }

    it("are made once, of what is asked for alone", () => {
      const { parsed, table } = counterTable()
      table.apply([batch(0, [record("a", json({ n: 1 })), record("b", json({ n: 2 })), record("a", json({ n: 3 }))])])
      const snapshot = snapshotOf(table.state, 1)
      assert.deepStrictEqual([...snapshot.keys()], ["a", "b"])
      assert.isTrue(snapshot.has("b"))
      assert.deepStrictEqual(parsed, [])
      const a = snapshot.getOrUndefined("a")
      assert.deepStrictEqual(a, { n: 3 })
      assert.deepStrictEqual(parsed, [json({ n: 3 })])
      // the next version of the table has the same object, where it was not written
      table.apply([batch(3, [record("b", json({ n: 4 }))])])
      const later = snapshotOf(table.state, 2)
      for (const seen of [snapshot, later]) {
        assert.strictEqual(seen.getOrUndefined("a"), a)
        assert.strictEqual(Option.getOrUndefined(seen.entry("a"))?.value, a)
        assert.strictEqual([...seen.values()][0], a)
        assert.strictEqual(seen.toMap().get("a"), a)
      }
      assert.deepStrictEqual(snapshot.getOrUndefined("b"), { n: 2 })
      assert.deepStrictEqual(later.getOrUndefined("b"), { n: 4 })
      assert.deepStrictEqual(parsed, [json({ n: 3 }), json({ n: 2 }), json({ n: 4 })])
    })

    it("are checked when they come: poison is skipped and counted, and the key keeps its value", () => {
      const { parsed, table } = counterTable()
      const { poison } = table.apply([
        batch(0, [record("a", json({ n: 1 })), record("a", json({ n: 1.5 })), record("b", "{"), record("a", "[]")])
      ])
      assert.deepStrictEqual(
        poison.map(({ offset }) => offset),
        [1, 2, 3]
      )
      assert.strictEqual(table.counters.valueErrors, 3)
      assert.deepStrictEqual(parsed, [])
      assert.deepStrictEqual(table.content, new Map([["a", { n: 1 }]]))
    })

    it("are made for changes; what is news is kept as the object that it came as", () => {
      const { parsed, table } = counterTable()
      table.apply([batch(0, [record("a", json({ n: 1 })), record("b", json({ n: 2 }))])])
      const b = snapshotOf(table.state, 1).getOrUndefined("b")
      table.state.replayed = false
      table.state.log = { ids: [], changes: [] }
      table.apply([batch(2, [record("a", json({ n: 3 })), record("b", json({ n: 4 }))])])
      const [first, second] = table.state.log.changes
      assert.deepStrictEqual(Option.getOrUndefined(first.previous), { n: 1 })
      assert.strictEqual(Option.getOrUndefined(second.previous), b)
      assert.deepStrictEqual(parsed, [json({ n: 2 }), json({ n: 1 })])
      const snapshot = snapshotOf(table.state, 2)
      assert(first._tag === "Upsert" && second._tag === "Upsert")
      assert.strictEqual(snapshot.getOrUndefined("a"), first.value)
      assert.strictEqual(snapshot.getOrUndefined("b"), second.value)
      assert.strictEqual(parsed.length, 2)
    })

    it("leave no bytes behind that no row holds", () => {
      const { table } = counterTable()
      for (let i = 0; i < 200; i++) {
        table.apply([
          batch(2 * i, [record("a", json({ n: i, unit: "x".repeat(40_000) })), record("b", json({ n: i }))])
        ])
        for (
          const steps = table.state.compact(followedByNobody);
          table.state.wantsCompaction && steps.next().done !== true;
        );
      }
      assert.isBelow(table.state.records.room, 4_000_000)
      table.state.replayed = false
      table.apply([batch(400, [record("a", json({ n: 0 })), record("b", json({ n: 0 }))])])
      assert.deepStrictEqual(
        table.content,
        new Map([
          ["a", { n: 0 }],
          ["b", { n: 0 }]
        ])
      )
      assert.isAtMost(table.state.records.room, 2_200_000)
    })

    it("numbers are themselves", () => {
      const table = new Table<string, unknown>(Codec.utf8, Codec.json(Schema.Unknown))
      const values = [0, -1, 1.5, 1e300, "", "x", null, true, [1], { n: 1 }]
      table.apply([
        batch(
          0,
          values.map((value, i) => record(`k${i}`, json(value)))
        )
      ])
      assert.deepStrictEqual([...snapshotOf(table.state, 1).values()], values)
      table.state.replayed = false
      table.apply([
        batch(
          values.length,
          values.map((value, i) => record(`k${values.length - 1 - i}`, json(value)))
        )
      ])
      assert.deepStrictEqual([...snapshotOf(table.state, 2).values()], [...values].reverse())
    })
  })

  describe("transactions", () => {
    const log = [
      transactional(0, 7n, [record("a", "aborted"), record("b", "aborted")]),
      transactional(2, 8n, [record("a", "committed")]),
      batch(3, [record("c", "plain")]),
      marker(4, "abort", 7n),
      transactional(5, 7n, [record("b", "second")]),
      marker(6, "commit", 8n),
      marker(7, "commit", 7n)
    ]
    const aborted: ReadonlyArray<AbortedTransaction> = [{ producerId: 7n, firstOffset: 0 }]

    it("that were aborted are left out, and markers are no records", () => {
      const table = textTable()
      const application = table.apply(log, aborted)
      assert.deepStrictEqual(table.content, content({ a: "committed", b: "second", c: "plain" }))
      assert.deepStrictEqual(table.counters, { ...makeCounters(), applied: 3, aborted: 2 })
      assert.strictEqual(application.position, 8)
    })

    it("that were aborted show where uncommitted reads were asked for", () => {
      const table = textTable({ committedOnly: false })
      table.apply(log.slice(0, 1), aborted)
      assert.deepStrictEqual(table.content, content({ a: "aborted", b: "aborted" }))
      table.apply(log.slice(1), aborted)
      assert.deepStrictEqual(table.content, content({ a: "committed", b: "second", c: "plain" }))
      assert.strictEqual(table.counters.aborted, 0)
      assert.strictEqual(table.position, 8)
    })

    it("are left out by an answer that begins within one, too", () => {
      const table = textTable()
      table.position = 1
      table.apply([log[0]], aborted)
      assert.deepStrictEqual(table.content, new Map())
      assert.strictEqual(table.position, 2)
    })

    it("leave the position behind a marker at the end", () => {
      const table = textTable()
      assert.strictEqual(table.apply([marker(12, "commit", 1n)]).position, 13)
      assert.strictEqual(
        table.apply([transactional(20, 7n, numbered(3))], [{ producerId: 7n, firstOffset: 20 }]).position,
        23
      )
      assert.deepStrictEqual(table.content, new Map())
    })
  })

  describe("position", () => {
    it("is the one to begin at: what is before it in the first batch is dropped", () => {
      const table = textTable()
      table.position = 3
      const application = table.apply([batch(0, numbered(5))])
      assert.deepStrictEqual(table.content, content({ k3: "v3", k4: "v4" }))
      assert.strictEqual(table.counters.applied, 2)
      assert.strictEqual(application.position, 5)
    })

    it("goes past what compaction has emptied, at the end as well", () => {
      const table = textTable()
      assert.strictEqual(table.apply([emptied(0, 9)]).position, 10)
      assert.strictEqual(table.apply([batch(10, numbered(2)), emptied(15, 4), emptied(20, 0)]).position, 21)
      assert.strictEqual(table.state.size, 2)
    })

    it("goes past the end of a batch whose last records are gone", () => {
      const table = textTable()
      const bytes = batchAround(batch(0, numbered(2)).subarray(61), { baseOffset: 50, count: 2, lastOffsetDelta: 9 })
      assert.strictEqual(table.apply([bytes]).position, 60)
      assert.strictEqual(Option.getOrThrow(snapshotOf(table.state, 1).entry("k1")).offset, 51)
    })

    it("stays before a batch that is cut off", () => {
      const table = textTable()
      const whole = batch(2, numbered(3, 10))
      assert.strictEqual(table.apply([batch(0, numbered(2)), whole.subarray(0, whole.length - 1)]).position, 2)
      assert.strictEqual(table.state.size, 2)
      assert.strictEqual(table.apply([whole]).position, 5)
      assert.strictEqual(table.state.size, 5)
    })

    it.each(["checksum", "records"] as const)(
      "stays before a corrupt batch, with all before that applied: %s",
      (what) => {
        const table = textTable()
        const corrupt =
          what === "checksum"
            ? batch(7, numbered(3, 10))
            : batchAround(new Uint8Array([2, 0, 0, 0, 0]), { baseOffset: 7, count: 1 })
        if (what === "checksum") corrupt[corrupt.length - 1] ^= 1
        const application = table.fetched([batch(0, numbered(2)), emptied(2, 4), corrupt, batch(10, numbered(1, 20))])
        const corruption = corruptionIn(() => application.run(NEVER))
        assert.strictEqual(corruption?.reason, what === "checksum" ? "Checksum" : "Malformed")
        assert.strictEqual(corruption?.baseOffset, 7)
        assert.strictEqual(application.position, 7)
        assert.deepStrictEqual(table.content, content({ k0: "v0", k1: "v1" }))
        // the rest of the answer is not taken either; asked again, it goes on
        table.position = application.position
        table.apply([batch(7, numbered(3, 10)), batch(10, numbered(1, 20))])
        assert.strictEqual(table.position, 11)
        assert.strictEqual(table.state.size, 6)
      }
    )

    it("does not look at checksums where told so", () => {
      const table = textTable({ decode: { ...defaultDecodeOptions, checkCrcs: false } })
      const bytes = batch(0, numbered(1))
      bytes[17] ^= 1
      assert.strictEqual(table.apply([bytes]).position, 1)
    })
  })

  describe("slices", () => {
    const runs = (application: RecordApplier<string, string>, until: number, most: number): number => {
      for (let n = 1; n <= most; n++) {
        const outcome: Stop = application.run(until)
        if (outcome === "done") return n
        assert.strictEqual(outcome, "more")
      }
      return assert.fail(`not done after ${most} runs`)
    }

    it("are at least some records each, and lead to the same", () => {
      fc.assert(
        fc.property(
          fc.array(
            fc.record({
              kind: fc.constantFrom("records", "keyless", "poison", "emptied", "marker", "aborted"),
              size: fc.integer({ min: 1, max: 200 }),
              gap: fc.nat(3)
            }),
            { maxLength: 8 }
          ),
          fc.nat(10),
          (batches, start) => {
            const answer: Array<Buffer> = []
            const aborted: Array<AbortedTransaction> = []
            let offset = start
            for (const { gap, kind, size } of batches) {
              offset += gap
              let length = size
              switch (kind) {
                case "records":
                  answer.push(batch(offset, numbered(size, offset % 7)))
                  break
                case "keyless":
                  answer.push(
                    batch(
                      offset,
                      Array.from({ length: size }, () => record(null, "x"))
                    )
                  )
                  break
                case "poison":
                  answer.push(
                    batch(
                      offset,
                      Array.from({ length: size }, () => record("p", new Uint8Array([0xff])))
                    )
                  )
                  break
                case "emptied":
                  answer.push(emptied(offset, size - 1))
                  break
                case "marker":
                  answer.push(marker(offset, "abort", 9n))
                  length = 1
                  break
                case "aborted":
                  aborted.push({ producerId: 9n, firstOffset: offset })
                  answer.push(transactional(offset, 9n, numbered(size, 1000)))
                  break
              }
              offset += length
            }
            const whole = textTable()
            whole.apply(answer, aborted)
            const sliced = textTable()
            const application = sliced.fetched(answer, aborted)
            const total = batches.reduce((sum, { size }) => sum + size, 0)
            runs(application, 0, Math.ceil(total / 64) + 2 * batches.length + 1)
            assert.strictEqual(application.position, batches.length === 0 ? 0 : offset)
            assert.strictEqual(application.position, whole.position)
            assert.deepStrictEqual(
              [...snapshotOf(sliced.state, 1).entries()],
              [...snapshotOf(whole.state, 1).entries()]
            )
            assert.deepStrictEqual(sliced.counters, whole.counters)
          }
        ),
        { numRuns: 200 }
      )
    })

    it("end in time within a batch, whose position is reached at its end", () => {
      const table = textTable()
      const application = table.fetched([batch(0, numbered(1000))])
      assert.strictEqual(application.run(0), "more")
      assert.strictEqual(application.position, 0)
      assert.isAbove(table.state.size, 0)
      assert.isBelow(table.state.size, 1000)
      runs(application, 0, 20)
      assert.strictEqual(application.position, 1000)
      assert.strictEqual(table.state.size, 1000)
    })

    it("end in time among batches that have nothing for the table", () => {
      const markers = Array.from({ length: 100 }, (_, offset) => marker(offset, "abort", 9n))
      const rows = Array.from({ length: 100 }, (_, i) => transactional(100 + i, 9n, numbered(1)))
      const table = textTable()
      const application = table.fetched([...markers, ...rows], [{ producerId: 9n, firstOffset: 100 }])
      for (let position = 1; position <= 200; position++) {
        assert.strictEqual(application.run(0), "more")
        assert.strictEqual(application.position, position)
      }
      assert.strictEqual(application.run(0), "done")
      assert.strictEqual(table.counters.aborted, 100)
    })

    it("go on after the records below the position", () => {
      const table = textTable()
      table.position = 100
      runs(table.fetched([batch(0, numbered(300))]), 0, 10)
      assert.strictEqual(table.state.size, 200)
    })

    it("tell a corrupt batch where it comes", () => {
      const table = textTable()
      const corrupt = batch(100, numbered(1))
      corrupt[corrupt.length - 1] ^= 1
      const application = table.fetched([batch(0, numbered(100)), corrupt])
      let slices = 0
      const corruption = corruptionIn(() => {
        while (application.run(0) === "more") slices++
      })
      assert.strictEqual(corruption?.baseOffset, 100)
      assert.isAtLeast(slices, 1)
      assert.strictEqual(application.position, 100)
      assert.strictEqual(table.state.size, 100)
    })
  })

  describe("codecs that need an Effect", () => {
    const slow: Codec.Codec<string> = Codec.makeEffect({
      decode: (bytes) => {
        const text = Buffer.from(bytes).toString()
        return text === "bad" ? Effect.fail("refused") : Effect.as(Effect.yieldNow, text.toUpperCase())
      },
      encode: (value) => Effect.succeed(Buffer.from(value))
    })

    /** As the reader does. */
    const drive = <V>(application: RecordApplier<string, V>, until: number) =>
      Effect.gen(function* () {
        const outcomes: Array<Stop> = []
        for (;;) {
          const outcome = application.run(until)
          outcomes.push(outcome)
          if (outcome === "decode")
            application.decoded(
              yield* Effect.match(application.suspendedValue, {
                onSuccess: (value) => ({ value }),
                onFailure: (error) => ({ error })
              })
            )
          else if (outcome !== "more") return outcomes
        }
      })

    it.effect.each([0, NEVER])("decode values one by one, in their order (until %d)", (until) =>
      Effect.gen(function* () {
        const table = new Table(Codec.utf8, slow)
        const application = table.fetched([
          batch(0, [record("a", "1"), record(null, "x"), record("b", "two"), record("a", null), record("c", "bad")]),
          batch(5, [record("b", "bad"), record("b", "three"), record("d", "")])
        ])
        const outcomes = yield* drive(application, until)
        assert.strictEqual(outcomes.at(-1), "done")
        assert.strictEqual(outcomes.filter((o) => o === "decode").length, 6)
        assert.deepStrictEqual(table.content, content({ b: "THREE", d: "" }))
        assert.deepStrictEqual(table.counters, {
          ...makeCounters(),
          applied: 4,
          keyless: 1,
          tombstones: 1,
          valueErrors: 2
        })
        assert.deepStrictEqual(
          application.poison.map((p) => [p.reason, p.offset]),
          [
            ["Value", 4],
            ["Value", 5]
          ]
        )
        assert.include(application.poison[0].message, "an Effect of the codec failed with a string")
        assert.strictEqual(Codec.explain(application.poison[0].cause), "refused")
        assert.strictEqual(application.position, 8)
      })
    )

    it.effect("decode a value that is falsy", () =>
      Effect.gen(function* () {
        const codec: Codec.Codec<undefined> = Codec.makeEffect({
          decode: () => Effect.succeed(undefined),
          encode: () => Effect.succeed(new Uint8Array(0))
        })
        const table = new Table(Codec.utf8, codec)
        assert.deepStrictEqual(yield* drive(table.fetched([batch(0, numbered(2))]), NEVER), [
          "decode",
          "decode",
          "done"
        ])
        assert.strictEqual(table.state.size, 2)
      })
    )

    it.effect("fail where that is the policy", () =>
      Effect.gen(function* () {
        const table = new Table(Codec.utf8, slow, { failOnPoison: true })
        const application = table.fetched([batch(0, [record("a", "1"), record("a", "bad"), record("a", "2")])])
        assert.deepStrictEqual(yield* drive(application, NEVER), ["decode", "decode", "poison"])
        assert.deepStrictEqual(table.content, content({ a: "1" }))
        assert.lengthOf(application.poison, 1)
      })
    )

    it.effect("take the Effect only where it is needed", () =>
      Effect.gen(function* () {
        const sometimes = Codec.json(
          numberBy({
            decode: (n) => (n < 0 ? Effect.as(Effect.yieldNow, -n) : Effect.succeed(n)),
            encode: (n) => Effect.succeed(n)
          })
        )
        const table = new Table(Codec.utf8, sometimes)
        const application = table.fetched([batch(0, [record("a", "1"), record("b", "-2"), record("c", "3")])])
        assert.deepStrictEqual(yield* drive(application, NEVER), ["decode", "done"])
        assert.deepStrictEqual(table.content, new Map(Object.entries({ a: 1, b: 2, c: 3 })))
      })
    )

    it("are none for keys", () => {
      const table = new Table(slow, Codec.utf8)
      const application = table.fetched([batch(0, [record(null, "x"), record("a", "1")])])
      assert.strictEqual(application.run(NEVER), "key")
      assert.strictEqual(table.state.size, 0)
    })
  })

  it("finds a key that is no text by its bytes, and decodes it once", () => {
    let decoded = 0
    const key: Codec.Codec<{ readonly id: string }> = Codec.make({
      decode: (bytes) => {
        decoded++
        return { id: Buffer.from(bytes).toString("hex") }
      },
      encode: ({ id }) => Buffer.from(id, "hex")
    })
    const table = new Table(key, Codec.utf8)
    const bytes = [Buffer.from([0xff, 0x00]), Buffer.from([0x00, 0xff]), Buffer.from([0xff, 0x00, 0x00])]
    const log = [0, 1, 2, 0, 1, 0].map((k, i) => ({ ...record(null, `v${i}`), key: bytes[k] }))
    table.apply([batch(0, [...log, { ...record(null, null), key: bytes[1] }])])
    assert.strictEqual(decoded, 3)
    const snapshot = snapshotOf(table.state, 1)
    assert.deepStrictEqual(snapshot.get({ id: "ff00" }), Option.some("v5"))
    assert.deepStrictEqual(snapshot.get({ id: "00ff" }), Option.none())
    assert.deepStrictEqual([...snapshot.keys()], [{ id: "ff00" }, { id: "ff0000" }])
  })

  it("takes one answer after the other with the same scratch, compressed or not", () => {
    const table = textTable()
    for (const [i, codec] of (["none", "gzip", "snappy", "lz4"] as const).entries()) {
      table.apply([batch(i * 500, numbered(500, i * 400), { codec })])
    }
    assert.strictEqual(table.position, 2000)
    assert.strictEqual(table.state.size, 1700)
    assert.deepStrictEqual(table.content, new Map(Array.from({ length: 1700 }, (_, i) => [`k${i}`, `v${i}`])))
  })
})
