import { assert, describe, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import type { TableSnapshot } from "effect-ktables/TableSnapshot"
import * as fc from "fast-check"
import { HEADS } from "../../src/internal/table/content/recordSlab.ts"
import { RecordStore, recordStoreOf, type Sample } from "../../src/internal/table/content/recordStore.ts"
import { ABSENT } from "../../src/internal/table/content/rowVector.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { followedByNobody, snapshotOf } from "./contents.ts"

/** A table of bytes, beside a plain map of them. */
class Pair {
  readonly state: TableState<string, Uint8Array>
  readonly model = new Map<string, Uint8Array>()
  readonly taken: Array<{ readonly snapshot: TableSnapshot<string, Uint8Array>; readonly model: Pair["model"] }> = []
  private offset = 0

  constructor(limit?: number) {
    this.state = new TableState(Codec.utf8, new RecordStore(Codec.bytes.stored, limit))
  }

  private slotOf(key: string): number {
    const { state } = this
    const bytes = Buffer.from(key)
    const slot = state.find(bytes, 0, bytes.length)
    return slot === -1 ? state.addKey(bytes, 0, bytes.length, key) : slot
  }

  /** Values that lie in one answer, one after the other, behind `before` bytes of something else. */
  putAll(entries: ReadonlyArray<readonly [string, Uint8Array]>, partition = 0, before = 0): void {
    const size = entries.reduce((sum, [, value]) => sum + value.length, 0)
    const answer = Buffer.allocUnsafeSlow(before + size)
      .fill(0xee)
      .subarray(before)
    this.state.records.beginAnswer(answer, { records: entries.length, bytes: size, valueBytes: size })
    let at = 0
    for (const [key, value] of entries) {
      answer.set(value, at)
      const offset = this.offset++
      const end = at + value.length
      this.state.putBytes(this.slotOf(key), answer, answer.buffer, at, end, partition, offset, offset, undefined)
      this.model.set(key, value)
      at = end
    }
  }

  put(key: string, value: Uint8Array | undefined, partition = 0): void {
    const { state } = this
    const slot = this.slotOf(key)
    const offset = this.offset++
    if (value === undefined) {
      state.put(slot, ABSENT, partition, offset, offset, undefined)
      this.model.delete(key)
    } else {
      const around = Buffer.concat([Buffer.from("<<<"), value, Buffer.from(">")])
      state.putBytes(slot, around, around.buffer, 3, value.length + 3, partition, offset, offset, undefined)
      this.model.set(key, value)
    }
  }

  publish(): void {
    this.taken.push({ snapshot: snapshotOf(this.state, this.taken.length), model: new Map(this.model) })
  }

  check(): void {
    for (const { model, snapshot } of this.taken) {
      const content = snapshot.toMap()
      assert.deepStrictEqual([snapshot.size, content.size], [model.size, model.size])
      // not assert: this runs a million times
      for (const [key, value] of model) {
        const found = content.get(key)
        if (found === undefined || Buffer.compare(found, value) !== 0) {
          assert.deepStrictEqual(found, value, `${key} of snapshot ${snapshot.version}`)
        }
      }
    }
  }
}

const all = (steps: Iterator<void>): void => {
  while (steps.next().done !== true);
}

/** So that each version of a value is another one. */
const valueOf = (length: number, version: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (version * 31 + i) & 0xff
  return bytes
}

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      key: fc.integer({ min: 0, max: 12 }),
      // also none, some of more than a slab, and some for which a loop does not pay
      length: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 600 }))
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("answer" as const),
      entries: fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 200 })), { maxLength: 10 }),
      before: fc.integer({ min: 0, max: 2000 })
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), key: fc.integer({ min: 0, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("publish" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("compact" as const), wanted: fc.boolean() }) }
)

describe("RecordStore", () => {
  it("reads what was written, and snapshots stay, whatever is overwritten, emptied and renumbered", () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 400 }),
        fc.constantFrom(128, 512, 4096),
        fc.boolean(),
        (steps, limit, several) => {
          const pair = new Pair(limit)
          const { state } = pair
          state.multiPartition = several
          steps.forEach((s, version) => {
            switch (s.do) {
              case "put":
                // of several partitions, the newer record wins, and the older one is kept
                return pair.put(`k${s.key}`, valueOf(s.length, version), several ? version % 3 : 0)
              case "answer":
                return pair.putAll(
                  s.entries.map(([key, length]) => [`k${key}`, valueOf(length, version)]),
                  several ? version % 3 : 0,
                  s.before
                )
              case "delete":
                return pair.put(`k${s.key}`, undefined, several ? version % 3 : 0)
              case "publish":
                return pair.publish()
              case "compact":
                if (!s.wanted || state.wantsCompaction) all(state.compact(followedByNobody))
                return
            }
          })
          pair.publish()
          pair.check()
        }
      ),
      { numRuns: 400 }
    )
  })

  it("takes no more than twice what is held, and some, with keys that change often beside keys that never do", () => {
    const limit = 4096
    const pair = new Pair(limit)
    const { state } = pair
    let emptied = 0
    for (let i = 0; i < 20_000; i++) {
      // small ones that stay among large ones that do not
      if (i % 20 === 0) pair.put(`small${i}`, valueOf(5, i))
      pair.put(`large${i % 50}`, valueOf(100 + (i % 300), i))
      if (i % 50 === 0 && state.wantsCompaction) {
        emptied++
        all(state.compact(followedByNobody))
        assert.isFalse(state.wantsCompaction)
      }
    }
    assert.isAbove(emptied, 10)
    const bytesOf = (length: number) => 32 + length
    const held = [...pair.model.values()].reduce((bytes, value) => bytes + bytesOf(value.length), 0)
    // the last puts, and one that is open, come on top
    assert.isAtMost(state.records.room, 2 * (held + limit) + 50 * bytesOf(400) + limit)
    pair.publish()
    pair.check()
  })

  it("may be left in the middle of emptying slabs, or of renumbering, and goes on", () => {
    for (const deleted of [false, true]) {
      const pair = new Pair(32_768)
      const { state } = pair
      const rows = 24_000
      for (let i = 0; i < rows; i++) pair.put(`k${i}`, valueOf(100, i))
      // some stay, so that no slab becomes empty by itself, and more are garbage than not
      for (let i = 0; i < rows; i++) if (i % 8 !== 0) pair.put(`k${i}`, valueOf(99, i))
      for (let i = 0; i < rows; i++) if (i % 8 > 1) pair.put(`k${i}`, valueOf(98, i))
      if (deleted) for (let i = 0; i < rows; i++) if (i % 8 !== 0) pair.put(`k${i}`, undefined)
      for (let steps = 1; steps < 3; steps++) {
        pair.publish()
        assert.isTrue(state.wantsCompaction)
        const compaction = state.compact(followedByNobody)
        for (let n = 0; n < steps; n++) assert.isFalse(compaction.next().done)
        compaction.return()
        pair.publish()
        for (let i = 0; i < 100; i++) pair.put(`k${i * 8}`, valueOf(100, steps))
      }
      all(state.compact(followedByNobody))
      pair.publish()
      pair.check()
    }
  })

  it("moves the records of rows that lost, too: they are read when those that won are gone", () => {
    const pair = new Pair(4096)
    const { state } = pair
    state.multiPartition = true
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)
    // The newest record wins: that of partition 2, then that of 1, then that of 0.
    for (const partition of [0, 1, 2]) {
      keys.forEach((key, i) => {
        pair.put(key, valueOf(60, 10 * partition + i), partition)
        // What is overwritten lies between what stays.
        for (let n = 0; n < 5; n++) pair.put(`overwritten ${n}`, valueOf(100, i), 3)
      })
    }
    pair.publish()
    assert.isTrue(state.wantsCompaction)
    all(state.compact(followedByNobody))
    pair.publish()
    pair.check()
    for (const partition of [2, 1]) {
      all(state.evict(partition, Number.MAX_SAFE_INTEGER))
      keys.forEach((key, i) => pair.model.set(key, valueOf(60, 10 * (partition - 1) + i)))
      pair.publish()
      pair.check()
    }
  })

  it("keeps values of any size, alone where they are large", () => {
    const pair = new Pair()
    const slab = 1024 * 1024
    ;[0, 1, 31, 32, 33, slab / 8, slab / 8 + 1, slab - 1, slab, slab + 1, 3 * slab].forEach((length, i) => {
      pair.put(`k${i}`, valueOf(length, i))
    })
    pair.publish()
    for (let i = 0; i < 11; i++) pair.put(`k${i}`, valueOf(i, i + 100))
    pair.publish()
    all(pair.state.compact(followedByNobody))
    pair.publish()
    pair.check()
  })

  describe("an answer", () => {
    const limit = 64 * 1024
    const entries = (keys: number, length: number, version: number) =>
      Array.from({ length: keys }, (_, i) => [`k${i}`, valueOf(length, version)] as const)

    /** A store that tells where the bytes of a value are when they are read. */
    const watched = () => {
      let memory: ArrayBufferLike | undefined
      const load = (bytes: Buffer) => {
        memory = bytes.buffer
      }
      const records = new RecordStore<void>({ check: () => Codec.asBytes, load, once: false }, limit)
      const add = (from: Buffer) => {
        records.valueAt(records.appendBytes(0, 0, 0, 0, from, from.buffer, 0, 10))
        return memory
      }
      return { records, add }
    }

    const isKept = (answer: Buffer, sample: Sample = { records: 10, bytes: 1000, valueBytes: 900 }) => {
      const { add, records } = watched()
      records.beginAnswer(answer, sample)
      return add(answer) === answer.buffer
    }

    it("is kept as it is when it is large, and copied when it is small, or a small part of its memory", () => {
      assert.isTrue(isKept(Buffer.allocUnsafeSlow(limit / 4)))
      assert.isFalse(isKept(Buffer.allocUnsafeSlow(limit / 4 - 1)))
      assert.isTrue(isKept(Buffer.allocUnsafeSlow(2 * limit).subarray(limit)))
      assert.isFalse(isKept(Buffer.allocUnsafeSlow(2 * limit).subarray(2 * limit - limit / 2 + 1)))
    })

    it("is copied when it would take more than a third more than its values", () => {
      const answer = Buffer.allocUnsafeSlow(limit)
      // with 32 bytes for each head: 1,200 at most for 900
      assert.isTrue(isKept(answer, { records: 10, bytes: 1200 - 320, valueBytes: 900 - 320 }))
      assert.isFalse(isKept(answer, { records: 10, bytes: 1200 - 320 + 1, valueBytes: 900 - 320 }))
      assert.isFalse(isKept(answer, { records: 10, bytes: 1000, valueBytes: 0 }))
    })

    it("is kept once, whatever of other memory comes between its values", () => {
      const { add, records } = watched()
      const answer = Buffer.allocUnsafeSlow(limit)
      records.beginAnswer(answer, { records: 10, bytes: 1000, valueBytes: 900 })
      for (let i = 0; i < 20; i++) {
        assert.strictEqual(add(answer), answer.buffer)
        // as what was decompressed
        const other = Buffer.allocUnsafeSlow(limit)
        assert.notStrictEqual(add(other), other.buffer)
      }
      assert.strictEqual(records.room, limit + 20 * 32 + 20 * 42)
      records.endAnswer()
      assert.notStrictEqual(add(answer), answer.buffer)
    })

    it("of several partitions is kept once", () => {
      const pair = new Pair(limit)
      const value = valueOf(1000, 1)
      const answer = Buffer.concat(Array.from({ length: 100 }, () => value)).buffer
      for (let i = 0; i < 100; i++) {
        const bytes = Buffer.from(answer, 1000 * i, 1000)
        pair.state.multiPartition = true
        // the first is large enough, the others come with it
        const from = i === 0 ? Buffer.from(answer) : bytes
        pair.state.records.beginAnswer(from, { records: 1, bytes: 1000, valueBytes: 1000 })
        const key = Buffer.from(`k${i}`)
        const slot = pair.state.addKey(key, 0, key.length, `k${i}`)
        pair.state.putBytes(slot, from, answer, 0, 1000, i, 0, 0, undefined)
        pair.model.set(`k${i}`, value)
      }
      assert.strictEqual(pair.state.records.room, answer.byteLength + 100 * 32)
      pair.publish()
      pair.check()
    })

    it("is let go of when most of it is not held any more, snapshots aside", () => {
      const pair = new Pair(limit)
      for (let version = 0; version < 50; version++) {
        pair.putAll(entries(1000, 200, version))
        if (version % 10 === 0) pair.publish()
        all(pair.state.compact(followedByNobody))
        assert.isAtMost(pair.state.records.room, 2 * (1000 * 232 + limit))
      }
      pair.publish()
      pair.check()
    })

    it("is let go of when nothing of it is held", () => {
      const pair = new Pair(limit)
      pair.putAll(entries(1000, 200, 0))
      const before = pair.state.records.room
      for (let i = 0; i < 1000; i++) pair.put(`k${i}`, undefined)
      pair.state.records.endAnswer()
      // tombstones take a head each
      assert.strictEqual(pair.state.records.room, before - 200_000)
      // and another one may come
      pair.putAll(entries(1000, 200, 1))
      pair.publish()
      pair.check()
    })

    it("may have more records than a slab has heads", () => {
      const pair = new Pair()
      pair.putAll(entries(HEADS + 1000, 2, 0))
      pair.putAll(entries(1000, 100, 1))
      pair.publish()
      pair.check()
    })

    it("whose values differ much has room for all their heads", () => {
      const pair = new Pair(limit)
      pair.putAll([["first", valueOf(50_000, 0)], ...entries(5000, 3, 0)])
      pair.publish()
      pair.check()
    })
  })

  it("gives each reader bytes of its own", () => {
    const records = recordStoreOf(Codec.bytes)
    const bytes = Buffer.from("abc")
    const place = records.appendBytes(0, 0, 0, 0, bytes, bytes.buffer, 0, 3)
    const first = records.valueAt(place)
    first.fill(0)
    assert.deepStrictEqual(records.valueAt(place), new Uint8Array([97, 98, 99]))
    assert.strictEqual(first.buffer.byteLength, 3)
  })

  it("tells where a record is from, to the limits of what Kafka has", () => {
    const records = recordStoreOf(Codec.utf8)
    const many = [0, 1, 2 ** 31 - 1].flatMap((partition) =>
      [0, 2 ** 40, Number.MAX_SAFE_INTEGER].flatMap((offset) =>
        [-1, 0, 1_700_000_000_000, 8.64e15].map((timestamp) => [partition, offset, timestamp] as const)
      )
    )
    const places = many.map(([partition, offset, timestamp], slot) =>
      records.append(slot, partition, offset, timestamp)
    )
    const shared = records.share()
    records.append(0, 9, 9, 9)
    for (const from of [records, shared]) {
      assert.deepStrictEqual(
        places.map((place) => [from.partitionAt(place), from.offsetAt(place), from.timestampAt(place)]),
        many.map((one) => [...one])
      )
    }
  })
})
