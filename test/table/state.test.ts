import { assert, describe, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import type { Header, RecordChange } from "effect-ktables/TableChange"
import type { RecordEntry, RecordSnapshot } from "effect-ktables/TableSnapshot"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { UNKNOWN } from "../../src/internal/table/content/keyIndex.ts"
import { RecordHeaders } from "../../src/internal/table/content/recordHeaders.ts"
import { RecordStore } from "../../src/internal/table/content/recordStore.ts"
import { ABSENT } from "../../src/internal/table/content/rowVector.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { ofRounds } from "../support/rounds.ts"
import { assertSame } from "../support/same.ts"
import { followedByNobody, snapshotOf } from "./contents.ts"

/** Of each property. */
const RUNS = ofRounds(250, 1_000)

const DAY = 24 * 60 * 60 * 1000

// ---------------------------------------------------------------------------------------------------------------------
// records, and what a table of them must hold
// ---------------------------------------------------------------------------------------------------------------------

interface Rec {
  readonly key: string
  /** `undefined` is a tombstone. */
  readonly value: string | undefined
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly headers?: ReadonlyArray<Header>
}

type Content = Map<string, RecordEntry<string, string>>

/** The last record of each key in each partition: all that counts. */
class Model {
  private readonly last = new Map<string, Map<number, Rec>>()

  put(record: Rec): void {
    const rows = this.last.get(record.key)
    if (rows === undefined) this.last.set(record.key, new Map([[record.partition, record]]))
    else rows.set(record.partition, record)
  }

  /** The log of a partition begins at `logStart` now. */
  evict(partition: number, logStart: number): void {
    for (const [key, rows] of this.last) {
      const row = rows.get(partition)
      if (row !== undefined && row.offset < logStart) rows.delete(partition)
      if (rows.size === 0) this.last.delete(key)
    }
  }

  forget(partitions: ReadonlySet<number>): void {
    for (const [key, rows] of this.last) {
      for (const partition of partitions) rows.delete(partition)
      if (rows.size === 0) this.last.delete(key)
    }
  }

  get content(): Content {
    const content: Content = new Map()
    for (const [key, rows] of this.last) {
      const [winner] = [...rows.values()].sort((a, b) => b.timestamp - a.timestamp || b.partition - a.partition)
      if (winner.value !== undefined)
        content.set(key, { ...winner, value: winner.value, headers: winner.headers ?? [] })
    }
    return content
  }

  get contestedKeys(): number {
    return [...this.last.values()].filter((rows) => rows.size > 1).length
  }
}

/** As they are in a record, within something else. Of short keys and values: a length is one byte. */
const rawHeaders = (headers: ReadonlyArray<Header>): RecordHeaders => {
  const bytes = headers.flatMap(({ key, value }) => [
    2 * key.length,
    ...Buffer.from(key),
    ...(value === null ? [1] : [2 * value.length, ...value])
  ])
  return new RecordHeaders(Buffer.from([0xff, ...bytes, 0xff]), 1, 1 + bytes.length, headers.length)
}

const slotOf = <K, V>(state: TableState<K, V>, codec: Codec.Codec<K>, key: K): number => {
  const bytes = Buffer.from(codec.encodeSync(key) as Uint8Array)
  return state.find(bytes, 0, bytes.length)
}

/** States whose codec makes values of bytes at reads. */
const keepBytes = new WeakSet<object>()

const apply = <K, V>(
  state: TableState<K, V>,
  codec: Codec.Codec<K>,
  key: K,
  value: V | typeof ABSENT,
  record: Rec
): void => {
  let slot = slotOf(state, codec, key)
  if (slot === UNKNOWN) {
    if (value === ABSENT && !state.multiPartition) return
    // within something else, as a key is in a batch
    const bytes = Buffer.from(codec.encodeSync(key) as Uint8Array)
    const around = Buffer.concat([Buffer.from("<"), bytes, Buffer.from(">")])
    slot = state.addKey(around, 1, 1 + bytes.length, key)
  }
  const { offset, partition, timestamp } = record
  const headers = record.headers === undefined ? undefined : rawHeaders(record.headers)
  const bytes = Buffer.from(`<${String(value)}>`)
  // of a store that may keep values as they are, every other one is
  if (value !== ABSENT && keepBytes.has(state) && !(state.records.once && bytes.length % 2 === 0)) {
    state.putBytes(slot, bytes, bytes.buffer, 1, bytes.length - 1, partition, offset, timestamp, headers)
  } else {
    state.put(slot, value, partition, offset, timestamp, headers)
  }
}

const put = (state: TableState<string, string>, record: Rec): void =>
  apply(state, Codec.utf8, record.key, record.value ?? ABSENT, record)

const contentOf = (snapshot: RecordSnapshot<string, string>): Content =>
  new Map([...snapshot.entries()].map((entry) => [entry.key, entry]))

/** All of a snapshot's doors, against the content that it has to have. */
const assertContent = (snapshot: RecordSnapshot<string, string>, expected: Content): void => {
  assertSame(contentOf(snapshot), new Map(expected))
  assert.strictEqual(snapshot.size, expected.size)
  const plain = new Map([...expected].map(([key, { value }]) => [key, value]))
  assertSame(snapshot.toMap(), plain)
  assertSame(new Map(snapshot), plain)
  assertSame(new Set(snapshot.keys()), new Set(plain.keys()))
  assertSame([...snapshot.values()].sort(), [...plain.values()].sort())
  for (const key of [...KEYS, "never"]) {
    const entry = expected.get(key)
    assertSame(snapshot.get(key), Option.fromNullishOr(entry?.value))
    assert.strictEqual(snapshot.getOrUndefined(key), entry?.value)
    assert.strictEqual(snapshot.has(key), entry !== undefined)
    assertSame(snapshot.entry(key), Option.fromNullishOr(entry))
  }
}

/** What a subscriber knows who started with `content` and was told `changes`; each has to fit what was known. */
const follow = (content: Content, changes: ReadonlyArray<RecordChange<string, string>>): Content => {
  const known = new Map(content)
  for (const change of changes) {
    const { _tag, previous, replayed: _, ...rest } = change
    assertSame(previous, Option.fromNullishOr(known.get(change.key)?.value))
    if (_tag === "Delete") {
      assert.isTrue(known.delete(change.key), "the delete of an absent key is no change")
    } else {
      known.set(change.key, rest as RecordEntry<string, string>)
    }
  }
  return known
}

const all = (steps: Generator<void>): number => {
  let n = 0
  while (steps.next().done !== true) n++
  return n
}

/** Goes through all steps, to what they return. */
const result = <A>(steps: Generator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

const KEYS = ["a", "b", "c", "", "ä€😀", "f"]

type Draft = Pick<Rec, "key" | "value" | "timestamp"> & { readonly gap: number }

const draft: fc.Arbitrary<Draft> = fc.record({
  key: fc.constantFrom(...KEYS),
  value: fc.option(fc.string({ maxLength: 2 }), { nil: undefined, freq: 3 }),
  // few of them, so that many are alike
  timestamp: fc.integer({ min: -1, max: 6 }),
  gap: fc.integer({ min: 1, max: 3 })
})

const drafts = fc.array(draft, { maxLength: 25 })

const inPartition = (partition: number, list: ReadonlyArray<Draft>): ReadonlyArray<Rec> => {
  let offset = 0
  return list.map(({ gap, ...rest }) => ({ ...rest, partition, offset: (offset += gap) }))
}

/** Of one log a partition. */
const logs = fc
  .array(drafts, { minLength: 1, maxLength: 3 })
  .map((lists) => lists.map((list, partition) => inPartition(partition, list)))

/** One of the orders in which the partitions may arrive, each in its own. */
const interleaved = (
  partitions: ReadonlyArray<ReadonlyArray<Rec>>,
  choices: ReadonlyArray<number>
): ReadonlyArray<Rec> => {
  const rest = partitions.map((list) => [...list])
  const order: Array<Rec> = []
  for (let i = 0; ; i++) {
    const open = rest.filter((list) => list.length > 0)
    if (open.length === 0) return order
    order.push(open[choices.length === 0 ? 0 : choices[i % choices.length] % open.length].shift()!)
  }
}

const choices = fc.array(fc.nat(5), { maxLength: 30 })

/** Very small slabs: of few short values, and each longer one alone. */
const smallStore = (once: boolean) => () =>
  new RecordStore<string>(
    { check: () => Codec.asBytes, load: (bytes, start, end) => bytes.toString("utf8", start, end), once },
    512
  )

const states = [
  { rows: "hold the values", records: () => new RecordStore<string>(undefined, 512), bytes: false },
  { rows: "hold places of bytes", records: smallStore(false), bytes: true },
  { rows: "hold values and places of bytes, which are made once", records: smallStore(true), bytes: true }
]

// ---------------------------------------------------------------------------------------------------------------------

describe.each(states)("TableState whose rows $rows", ({ bytes, records }) => {
  const newState = (partitions: number): TableState<string, string> => {
    const state = new TableState<string, string>(Codec.utf8, records())
    if (bytes) keepBytes.add(state)
    state.multiPartition = partitions > 1
    return state
  }

  it("holds for each key the newest of the partitions' last records, however they interleave", () => {
    fc.assert(
      fc.property(logs, choices, choices, (partitions, one, other) => {
        const model = new Model()
        const states = [one, other].map((order) => {
          const state = newState(partitions.length)
          for (const record of interleaved(partitions, order)) put(state, record)
          return state
        })
        for (const list of partitions) for (const record of list) model.put(record)
        for (const state of states) {
          assertContent(snapshotOf(state, 1), model.content)
          assert.strictEqual(state.size, model.content.size)
          // in one partition, the tombstone of an unknown key leaves no trace; nor is there anybody to contest it
          assert.strictEqual(state.contestedKeys, partitions.length === 1 ? 0 : model.contestedKeys)
        }
      }),
      { numRuns: RUNS }
    )
  })

  it("of one partition, the last write wins, whatever the clocks say", () => {
    fc.assert(
      fc.property(drafts, (list) => {
        const state = newState(1)
        const expected: Content = new Map()
        for (const record of inPartition(0, list)) {
          put(state, record)
          const { value } = record
          if (value === undefined) expected.delete(record.key)
          else expected.set(record.key, { ...record, value, headers: [] })
        }
        assertContent(snapshotOf(state, 1), expected)
      })
    )
  })

  it("tells each change once, and snapshots stay as they were, through compactions", () => {
    const step = fc.constantFrom("put", "put", "put", "publish", "publish", "compact", "silent")
    fc.assert(
      fc.property(logs, choices, fc.array(step, { minLength: 1, maxLength: 40 }), (partitions, order, steps) => {
        const state = newState(partitions.length)
        const model = new Model()
        const records = [...interleaved(partitions, order)]
        const taken: Array<{ readonly snapshot: RecordSnapshot<string, string>; readonly content: Content }> = []
        let known: Content = new Map()
        let version = 0
        const publish = () => {
          const content = model.content
          const snapshot = snapshotOf(state, ++version)
          assert.strictEqual(snapshot.version, version)
          if (state.log !== undefined) {
            assert.deepStrictEqual(
              state.log.ids,
              state.log.changes.map((change) => change.key)
            )
            assert.deepStrictEqual(follow(known, state.log.changes), content)
          }
          known = content
          state.log = { ids: [], changes: [] }
          taken.push({ snapshot, content })
        }
        for (let i = 0; records.length > 0; i++) {
          switch (steps[i % steps.length]) {
            case "publish":
              publish()
              break
            case "compact": {
              const told = state.log?.changes.length
              all(state.compact(followedByNobody))
              assert.strictEqual(state.log?.changes.length, told, "compaction is no change")
              break
            }
            case "silent":
              // nobody listens until the next publication
              state.log = undefined
              break
          }
          const record = records.shift()!
          put(state, record)
          model.put(record)
        }
        publish()
        assert.strictEqual(state.size, model.content.size)
        for (const { content, snapshot } of taken) assertContent(snapshot, content)
      }),
      { numRuns: RUNS }
    )
  })

  it("replaces the rows of partitions as if these had been read anew", () => {
    fc.assert(
      fc.property(
        logs,
        choices,
        fc.array(drafts, { minLength: 3, maxLength: 3 }),
        fc.array(fc.nat(25), { minLength: 3, maxLength: 3 }),
        fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
        fc.boolean(),
        (partitions, order, later, truncateAt, chosen, sameLog) => {
          const state = newState(partitions.length)
          const model = new Model()
          for (const record of interleaved(partitions, order)) {
            put(state, record)
            model.put(record)
          }
          const before = model.content
          const snapshot = snapshotOf(state, 1)
          const replaced = new Set(partitions.map((_, p) => p).filter((p) => chosen[p]))
          const anew = partitions.map((list, p) =>
            !replaced.has(p)
              ? []
              : sameLog
                ? // what retention left of it, and what came since
                  [
                    ...list.slice(truncateAt[p]),
                    ...inPartition(p, later[p]).map((r) => ({ ...r, offset: r.offset + 1000 }))
                  ]
                : inPartition(p, later[p])
          )
          const shadow = newState(2)
          model.forget(replaced)
          for (const record of interleaved(anew, [...order].reverse())) {
            put(shadow, record)
            model.put(record)
          }

          state.log = { ids: [], changes: [] }
          all(state.replace(replaced, shadow, sameLog))
          const { changes, ids } = state.log
          const after = model.content

          assertContent(snapshotOf(state, 2), after)
          assert.strictEqual(state.size, after.size)
          if (partitions.length > 1) assert.strictEqual(state.contestedKeys, model.contestedKeys)
          assertContent(snapshot, before)
          assert.deepStrictEqual(follow(before, changes), after)
          assert.deepStrictEqual(
            ids,
            changes.map((change) => change.key)
          )
          assert.strictEqual(new Set(ids).size, ids.length, "at most one change a key")
          const isSame = (key: string): boolean => {
            const was = before.get(key)
            const is = after.get(key)
            if (was === undefined || is === undefined) return was === is
            return (
              was.partition === is.partition &&
              was.offset === is.offset &&
              // of another log, a record at the same place is another one
              (sameLog || !replaced.has(is.partition))
            )
          }
          assert.deepStrictEqual(
            new Set(ids),
            new Set([...before.keys(), ...after.keys()].filter((key) => !isSame(key)))
          )

          // and it goes on like one that was never replaced
          for (const p of partitions.keys()) {
            for (const record of inPartition(p, later[2 - p]).map((r) => ({ ...r, offset: r.offset + 2000 }))) {
              put(state, record)
              model.put(record)
            }
          }
          assertContent(snapshotOf(state, 3), model.content)
        }
      ),
      { numRuns: RUNS }
    )
  })

  it("lets go of what the logs do not hold any more, as if it had never been read", () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant("put" as const) },
      { weight: 2, arbitrary: fc.tuple(fc.nat(2), fc.integer({ min: -2, max: 4 })) },
      { weight: 1, arbitrary: fc.constantFrom("publish" as const, "compact" as const, "silent" as const) }
    )
    fc.assert(
      fc.property(logs, choices, fc.array(step, { minLength: 1, maxLength: 40 }), (partitions, order, steps) => {
        const state = newState(partitions.length)
        const model = new Model()
        const records = [...interleaved(partitions, order)]
        const starts = partitions.map(() => 0)
        const positions = partitions.map(() => 0)
        const taken: Array<{ readonly snapshot: RecordSnapshot<string, string>; readonly content: Content }> = []
        let known: Content = new Map()
        const publish = () => {
          const content = model.content
          const snapshot = snapshotOf(state, taken.length)
          assertContent(snapshot, content)
          if (state.log !== undefined) assert.deepStrictEqual(follow(known, state.log.changes), content)
          known = content
          state.log = { ids: [], changes: [] }
          taken.push({ snapshot, content })
        }
        for (let i = 0; records.length > 0; i++) {
          const step = steps[i % steps.length]
          if (typeof step === "object") {
            // below, at, and behind what was read
            const partition = step[0] % partitions.length
            const logStart = Math.max(starts[partition], positions[partition] + step[1])
            starts[partition] = logStart
            const before = model.content
            model.evict(partition, logStart)
            const after = model.content
            const told = state.log?.changes.length ?? 0
            const evicted = result(state.evict(partition, logStart))
            const lost = [...before.keys()].filter((key) => !after.has(key))
            const others = [...after].filter(([key, entry]) => before.get(key)?.partition !== entry.partition)
            assert.deepStrictEqual(evicted, { gone: lost.length, replaced: others.length })
            if (state.log !== undefined) {
              const changes = state.log.changes.slice(told)
              const deletes = changes.filter((change) => change._tag === "Delete")
              assert.sameMembers(
                deletes.map((change) => change.key),
                lost
              )
              for (const { cause, key, offset, partition, timestamp } of deletes) {
                const was = before.get(key)!
                assert.deepStrictEqual(
                  { cause, offset, partition, timestamp },
                  { cause: "evicted", offset: was.offset, partition: was.partition, timestamp: was.timestamp }
                )
              }
              assert.sameMembers(
                changes.filter((change) => change._tag === "Upsert").map((change) => change.key),
                others.map(([key]) => key)
              )
            }
          } else if (step === "publish") publish()
          else if (step === "compact") all(state.compact(followedByNobody))
          else if (step === "silent") state.log = undefined
          // a log that begins behind what was read is read on from there
          const record = records.shift()!
          if (record.offset < starts[record.partition]) continue
          put(state, record)
          model.put(record)
          positions[record.partition] = record.offset + 1
        }
        publish()
        assert.strictEqual(state.size, model.content.size)
        if (partitions.length > 1) assert.strictEqual(state.contestedKeys, model.contestedKeys)
        for (const { content, snapshot } of taken) assertContent(snapshot, content)
      }),
      { numRuns: RUNS }
    )
  })

  describe("eviction", () => {
    const filled = (n: number): TableState<string, string> => {
      const state = newState(1)
      for (let i = 0; i < n; i++) put(state, { key: `k${i}`, value: `v${i}`, partition: 0, offset: i, timestamp: i })
      return state
    }

    it("is done in steps, lets go of memory, and looks at nothing where no row is below", () => {
      const state = filled(50_000)
      const { room } = state.records
      const before = snapshotOf(state, 1)
      assert.isAbove(all(state.evict(0, 45_000)), 10)
      assert.strictEqual(state.size, 5_000)
      assert.isBelow(state.records.room, room / 5)
      assert.strictEqual(before.size, 50_000)
      assert.strictEqual(before.getOrUndefined("k0"), "v0")
      assert.deepStrictEqual(
        [...snapshotOf(state, 2).keys()],
        Array.from({ length: 5_000 }, (_, i) => `k${45_000 + i}`)
      )
      assert.isTrue(state.wantsCompaction)
      // all of the rest is overwritten: nothing is left below, however far the log's start moves
      for (let i = 45_000; i < 50_000; i++) {
        put(state, { key: `k${i}`, value: "new", partition: 0, offset: 5_000 + i, timestamp: i })
      }
      assert.deepStrictEqual(result(state.evict(0, 50_000)), { gone: 0, replaced: 0 })
      assert.strictEqual(all(state.evict(0, 50_000)), 0, "known to be the lowest")
      assert.deepStrictEqual(result(state.evict(0, 50_001)), { gone: 1, replaced: 0 })
      assert.isFalse(snapshotOf(state, 3).has("k45000"))
    })

    it("does not touch what another partition has at the same offsets", () => {
      const state = newState(2)
      put(state, { key: "a", value: "1", partition: 0, offset: 3, timestamp: 1 })
      put(state, { key: "b", value: "1", partition: 1, offset: 3, timestamp: 1 })
      assert.deepStrictEqual(result(state.evict(1, 4)), { gone: 1, replaced: 0 })
      assert.deepStrictEqual(snapshotOf(state, 1).toMap(), new Map([["a", "1"]]))
      assert.deepStrictEqual(result(state.evict(0, 4)), { gone: 1, replaced: 0 })
      assert.strictEqual(state.size, 0)
    })

    it("of a tombstone shows the value again that it had outweighed", () => {
      const state = newState(2)
      put(state, { key: "a", value: "1", partition: 0, offset: 8, timestamp: 5 })
      put(state, { key: "a", value: undefined, partition: 1, offset: 3, timestamp: 7 })
      assert.isFalse(snapshotOf(state, 1).has("a"))
      state.log = { ids: [], changes: [] }
      assert.deepStrictEqual(result(state.evict(1, 4)), { gone: 0, replaced: 1 })
      assert.deepStrictEqual(state.log.changes, [
        {
          _tag: "Upsert",
          key: "a",
          value: "1",
          previous: Option.none(),
          partition: 0,
          offset: 8,
          timestamp: 5,
          headers: [],
          replayed: true
        }
      ])
      assert.strictEqual(state.contestedKeys, 0)
    })

    it("knows no lowest offset of a partition that was replaced", () => {
      const state = filled(10)
      assert.deepStrictEqual(result(state.evict(0, 9)), { gone: 9, replaced: 0 })
      const shadow = newState(1)
      put(shadow, { key: "other", value: "1", partition: 0, offset: 2, timestamp: 1 })
      all(state.replace(new Set([0]), shadow, false))
      assert.deepStrictEqual(result(state.evict(0, 3)), { gone: 1, replaced: 0 })
      assert.strictEqual(state.size, 0)
    })
  })

  it("tells why a key is gone that a replay has not found, and why one that it has", () => {
    const state = newState(1)
    put(state, { key: "a", value: "1", partition: 0, offset: 0, timestamp: 1 })
    put(state, { key: "b", value: "1", partition: 0, offset: 1, timestamp: 2 })
    state.multiPartition = true
    const shadow = newState(2)
    put(shadow, { key: "b", value: undefined, partition: 0, offset: 5, timestamp: 3 })
    state.log = { ids: [], changes: [] }
    all(state.replace(new Set([0]), shadow, true))
    assert.deepStrictEqual(
      state.log.changes.map((change) => [change.key, change._tag === "Delete" && change.cause, change.offset]),
      [
        ["a", "rebuilt", 0],
        ["b", "tombstone", 5]
      ]
    )
  })

  it("replaces without a listener, and takes only what it needs from a log of one partition", () => {
    const state = newState(1)
    put(state, { key: "a", value: "1", partition: 0, offset: 0, timestamp: 1 })
    const shadow = newState(2)
    put(shadow, { key: "a", value: "2", partition: 0, offset: 1, timestamp: 1 })
    put(shadow, { key: "gone", value: undefined, partition: 0, offset: 2, timestamp: 1 })
    all(state.replace(new Set([0]), shadow, true))
    assert.isUndefined(state.log)
    assert.deepStrictEqual(snapshotOf(state, 1).toMap(), new Map([["a", "2"]]))
    assert.strictEqual(slotOf(state, Codec.utf8, "gone"), UNKNOWN)
  })

  it("counts what is replayed and what is live apart", () => {
    const state = newState(1)
    state.log = { ids: [], changes: [] }
    put(state, { key: "a", value: "1", partition: 0, offset: 0, timestamp: 1 })
    state.replayed = false
    put(state, { key: "a", value: undefined, partition: 0, offset: 1, timestamp: 1 })
    assert.deepStrictEqual(
      state.log.changes.map((change) => [change._tag, change.replayed]),
      [
        ["Upsert", true],
        ["Delete", false]
      ]
    )
  })

  describe("headers", () => {
    it("come with entries and changes, and go with the next record that has none", () => {
      const state = newState(1)
      const headers: ReadonlyArray<Header> = [
        { key: "h", value: new Uint8Array([1]) },
        { key: "h", value: null }
      ]
      state.log = { ids: [], changes: [] }
      put(state, { key: "a", value: "1", partition: 0, offset: 3, timestamp: 5, headers })
      put(state, { key: "b", value: "1", partition: 0, offset: 4, timestamp: 5 })
      const first = snapshotOf(state, 1)
      assert.deepStrictEqual(Option.getOrThrow(first.entry("a")), {
        key: "a",
        value: "1",
        partition: 0,
        offset: 3,
        timestamp: 5,
        headers
      })
      assert.deepStrictEqual(Option.getOrThrow(first.entry("b")).headers, [])
      assert.deepStrictEqual(state.log.changes[0].headers, headers)
      all(state.compact(followedByNobody))
      assert.deepStrictEqual(Option.getOrThrow(snapshotOf(state, 2).entry("a")).headers, headers)
      put(state, { key: "a", value: "2", partition: 0, offset: 5, timestamp: 5 })
      assert.deepStrictEqual(Option.getOrThrow(snapshotOf(state, 3).entry("a")).headers, [])
      assert.deepStrictEqual(Option.getOrThrow(first.entry("a")).headers, headers)
    })

    it("stay with a record that another partition's had outweighed", () => {
      const state = newState(2)
      const headers: ReadonlyArray<Header> = [{ key: "h", value: null }]
      put(state, { key: "a", value: "1", partition: 0, offset: 3, timestamp: 5, headers })
      put(state, { key: "a", value: "2", partition: 1, offset: 3, timestamp: 6 })
      assert.deepStrictEqual(Option.getOrThrow(snapshotOf(state, 1).entry("a")).headers, [])
      put(state, { key: "a", value: "3", partition: 1, offset: 4, timestamp: 4 })
      assert.deepStrictEqual(Option.getOrThrow(snapshotOf(state, 2).entry("a")).headers, headers)
    })
  })

  describe("compaction", () => {
    const fill = (state: TableState<string, string>, n: number, deleted: (i: number) => boolean, timestamp = 1) => {
      for (let i = 0; i < n; i++) put(state, { key: `k${i}`, value: `v${i}`, partition: 0, offset: i, timestamp })
      for (let i = 0; i < n; i++) {
        if (deleted(i)) put(state, { key: `k${i}`, value: undefined, partition: 0, offset: n + i, timestamp })
      }
    }

    it("reclaims once most rows are empty, and is wanted no more then", () => {
      const state = newState(1)
      fill(state, 10_000, (i) => i % 10 !== 0)
      assert.isTrue(state.wantsCompaction)
      const before = snapshotOf(state, 1)
      assert.isAbove(all(state.compact(followedByNobody)), 3, "in steps")
      assert.isFalse(state.wantsCompaction)
      assert.strictEqual(slotOf(state, Codec.utf8, "k1"), -1)
      assert.isBelow(slotOf(state, Codec.utf8, "k9990"), 1000)
      const after = snapshotOf(state, 2)
      assert.deepStrictEqual([...after], [...before])
      assert.deepStrictEqual([...after.entries()], [...before.entries()])
      assert.strictEqual(after.size, 1000)
      // the old index stays with the old snapshot
      put(state, { key: "k1", value: "new", partition: 0, offset: 30_000, timestamp: 1 })
      assert.isFalse(before.has("k1"))
      assert.isFalse(after.has("k1"))
      assert.isTrue(snapshotOf(state, 3).has("k1"))
    })

    it("is not wanted by a table of few rows, nor by one that is mostly full", () => {
      const small = newState(1)
      fill(small, 1000, () => true)
      assert.isFalse(small.wantsCompaction)
      const full = newState(1)
      fill(full, 10_000, (i) => i % 2 === 0)
      assert.isFalse(full.wantsCompaction)
    })

    it("remembers tombstones against older records of other partitions, for a day", () => {
      const state = newState(2)
      fill(state, 5000, () => true, 10 * DAY)
      put(state, { key: "old", value: undefined, partition: 0, offset: 20_000, timestamp: 9 * DAY - 1 })
      assert.isTrue(state.wantsCompaction)
      all(state.compact(followedByNobody))
      assert.isFalse(state.wantsCompaction, "though nothing could be reclaimed")
      assert.strictEqual(slotOf(state, Codec.utf8, "old"), -1)
      put(state, { key: "k1", value: "late", partition: 1, offset: 0, timestamp: 10 * DAY - 1 })
      assert.isFalse(snapshotOf(state, 1).has("k1"))
      // a day later
      put(state, { key: "now", value: "x", partition: 1, offset: 1, timestamp: 11 * DAY + 1 })
      all(state.compact(followedByNobody))
      assert.strictEqual(slotOf(state, Codec.utf8, "k2"), -1)
      assert.isAtLeast(slotOf(state, Codec.utf8, "k1"), 0, "its loser is still in the log")
      assert.deepStrictEqual(snapshotOf(state, 2).toMap(), new Map([["now", "x"]]))
    })

    it("forgets keys that all of their partitions have deleted", () => {
      const state = newState(2)
      for (let i = 0; i < 3000; i++) {
        put(state, { key: `k${i}`, value: "0", partition: 0, offset: 2 * i, timestamp: 1 })
        put(state, { key: `k${i}`, value: undefined, partition: 0, offset: 2 * i + 1, timestamp: 2 })
        put(state, { key: `k${i}`, value: undefined, partition: 1, offset: i, timestamp: 3 })
      }
      assert.strictEqual(state.contestedKeys, 3000)
      put(state, { key: "now", value: "x", partition: 1, offset: 5000, timestamp: 2 * DAY })
      all(state.compact(followedByNobody))
      assert.strictEqual(state.contestedKeys, 0)
      assert.strictEqual(slotOf(state, Codec.utf8, "k1"), -1)
    })

    it("of a table whose keys come and go needs no more room than its keys", () => {
      const state = newState(1)
      let compactions = 0
      for (let i = 0; i < 100_000; i++) {
        put(state, { key: `k${i}`, value: "v", partition: 0, offset: 2 * i, timestamp: i })
        if (i >= 100)
          put(state, { key: `k${i - 100}`, value: undefined, partition: 0, offset: 2 * i + 1, timestamp: i })
        if (i % 50 === 0 && state.wantsCompaction) {
          compactions++
          all(state.compact(followedByNobody))
        }
      }
      assert.strictEqual(state.size, 100)
      assert.isBelow(slotOf(state, Codec.utf8, "k99999"), 2000)
      assert.isBelow(compactions, 150)
    })
  })

  describe("keys that are no text", () => {
    const check = <K>(codec: Codec.Codec<K>, fresh: (n: number) => K, unknown: K) => {
      const state = new TableState<K, number>(codec)
      const at = (offset: number): Rec => ({ key: "", value: "", partition: 0, offset, timestamp: offset })
      state.log = { ids: [], changes: [] }
      for (let n = 0; n < 100; n++) apply(state, codec, fresh(n), n, at(n))
      const first = snapshotOf(state, 1)
      for (let n = 0; n < 100; n += 2) apply(state, codec, fresh(n), ABSENT, at(100 + n))
      assert.deepStrictEqual(
        state.log.changes.slice(100, 102).map((c) => [c._tag, c.key, c.previous]),
        [
          ["Delete", fresh(0), Option.some(0)],
          ["Delete", fresh(2), Option.some(2)]
        ]
      )
      all(state.compact(followedByNobody))
      apply(state, codec, fresh(1000), 1000, at(1000))
      const second = snapshotOf(state, 2)
      assert.strictEqual(first.size, 100)
      assert.strictEqual(second.size, 51)
      for (let n = 0; n < 100; n++) {
        assert.deepStrictEqual(first.get(fresh(n)), Option.some(n))
        assert.strictEqual(second.getOrUndefined(fresh(n)), n % 2 === 0 ? undefined : n)
      }
      assert.isFalse(first.has(fresh(1000)))
      assert.isTrue(second.has(fresh(1000)))
      assert.isFalse(second.has(unknown))
      assert.isTrue(Option.isNone(second.entry(unknown)))
      assert.deepStrictEqual(
        [...first.keys()],
        Array.from({ length: 100 }, (_, n) => fresh(n))
      )
      assert.deepStrictEqual([...second].at(-1), [fresh(1000), 1000])
      assert.deepStrictEqual([...second.entries()][0], {
        key: fresh(1),
        value: 1,
        partition: 0,
        offset: 1,
        timestamp: 1,
        headers: []
      })
      // into a state with other keys in other slots
      const shadow = new TableState<K, number>(codec)
      for (let n = 99; n >= 50; n--) apply(shadow, codec, fresh(n), -n, at(2000 - n))
      apply(shadow, codec, unknown, 1, at(3000))
      all(state.replace(new Set([0]), shadow, false))
      const third = snapshotOf(state, 3)
      assert.strictEqual(third.size, 51)
      assert.strictEqual(third.getOrUndefined(fresh(60)), -60)
      assert.strictEqual(third.getOrUndefined(unknown), 1)
      assert.isFalse(third.has(fresh(1000)))
      assert.deepStrictEqual(new Set(third.keys()).size, 51)
    }

    it("int32", () => check(Codec.int32, (n) => n * 65_537, -1))

    it("bytes, equal by content", () =>
      check(Codec.bytes, (n) => new Uint8Array([n >> 8, n, 0xff, 0x80]), new Uint8Array(0)))

    it("a struct as JSON", () =>
      check(Codec.json(Schema.Struct({ id: Schema.Number, name: Schema.String })), (id) => ({ id, name: "ä€" }), {
        id: -1,
        name: ""
      }))

    it("what cannot be encoded is no key of the table", () => {
      const state = new TableState<number, string>(Codec.int32)
      apply(state, Codec.int32, 1, "one", { key: "", value: "", partition: 0, offset: 0, timestamp: 0 })
      const snapshot = snapshotOf(state, 1)
      assert.isFalse(snapshot.has(0.5))
      assert.isTrue(Option.isNone(snapshot.get(2 ** 40)))
      assert.isUndefined(snapshot.getOrUndefined(Number.NaN))
      assert.isTrue(snapshot.has(1))
    })
  })

  it("keeps a value that is undefined or null apart from none", () => {
    const state = new TableState<string, undefined | null>(Codec.utf8)
    const record: Rec = { key: "u", value: "", partition: 0, offset: 0, timestamp: 0 }
    apply(state, Codec.utf8, "u", undefined, record)
    apply(state, Codec.utf8, "n", null, record)
    const snapshot = snapshotOf(state, 1)
    assert.strictEqual(snapshot.size, 2)
    assert.isTrue(snapshot.has("u"))
    assert.deepStrictEqual(snapshot.get("u"), Option.some(undefined))
    assert.deepStrictEqual(snapshot.get("n"), Option.some(null))
    assert.deepStrictEqual(
      [...snapshot],
      [
        ["u", undefined],
        ["n", null]
      ]
    )
  })

  it("knows which of two rows is the older one: by timestamp, then partition, then offset", () => {
    const state = newState(10)
    const byAge = [
      { key: "e", partition: 9, offset: 9, timestamp: 1 },
      { key: "d", partition: 1, offset: 8, timestamp: 2 },
      { key: "c", partition: 2, offset: 3, timestamp: 2 },
      { key: "b", partition: 2, offset: 4, timestamp: 2 },
      { key: "a", partition: 0, offset: 1, timestamp: 3 }
    ]
    for (const at of [3, 0, 4, 1, 2]) put(state, { ...byAge[at], value: "1" })
    const slots = state.slots()
    const found = Array.from({ length: slots.length }, (_, slot) => slot).sort((a, b) => slots.compareAge(a, b))
    assert.deepStrictEqual(
      found.map((slot) => slots.keyAt(slot)),
      byAge.map(({ key }) => key)
    )
    for (const slot of found) assert.strictEqual(slots.compareAge(slot, slot), 0)
  })

  it("may be written while a snapshot is iterated", () => {
    const state = newState(1)
    for (let i = 0; i < 100; i++) put(state, { key: `k${i}`, value: "old", partition: 0, offset: i, timestamp: 0 })
    const snapshot = snapshotOf(state, 1)
    let seen = 0
    for (const [, value] of snapshot) {
      assert.strictEqual(value, "old")
      put(state, { key: `k${seen}`, value: "new", partition: 0, offset: 100 + seen, timestamp: 0 })
      put(state, { key: `new${seen}`, value: "new", partition: 0, offset: 300 + seen, timestamp: 0 })
      seen++
    }
    assert.strictEqual(seen, 100)
  })
})
