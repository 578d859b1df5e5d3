import { assert, describe, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import type { TableSnapshot } from "effect-ktables/TableSnapshot"
import * as fc from "fast-check"
import { RecordStore, recordStoreOf } from "../../src/internal/table/recordStore.ts"
import { ABSENT } from "../../src/internal/table/rowVector.ts"
import { UNITS } from "../../src/internal/table/slabs.ts"
import { TableState } from "../../src/internal/table/state.ts"

/** A table of bytes, beside a plain map of them. */
class Pair {
  readonly state: TableState<string, Uint8Array>
  readonly model = new Map<string, Uint8Array>()
  readonly taken: Array<{ readonly snapshot: TableSnapshot<string, Uint8Array>; readonly model: Pair["model"] }> = []
  private offset = 0

  constructor(limit?: number) {
    this.state = new TableState(Codec.utf8, new RecordStore(Codec.bytes.stored, limit))
  }

  put(key: string, value: Uint8Array | undefined, partition = 0): void {
    const { state } = this
    const bytes = Buffer.from(key)
    let slot = state.find(bytes, 0, bytes.length)
    if (slot === -1) slot = state.addKey(bytes, 0, bytes.length, key)
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
    this.taken.push({ snapshot: this.state.snapshot(this.taken.length), model: new Map(this.model) })
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
const valueOf = (length: number, version: number): Uint8Array =>
  new Uint8Array(length).map((_, i) => (version * 31 + i) & 0xff)

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
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), key: fc.integer({ min: 0, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("publish" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("compact" as const), wanted: fc.boolean() }) }
)

describe("RecordStore", () => {
  it("reads what was written, and snapshots stay, whatever is overwritten, emptied and renumbered", () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 400 }),
        fc.constantFrom(16, 64, 512),
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
              case "delete":
                return pair.put(`k${s.key}`, undefined, several ? version % 3 : 0)
              case "publish":
                return pair.publish()
              case "compact":
                if (!s.wanted || state.wantsCompaction) all(state.compact())
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
    const limit = 512
    const pair = new Pair(limit)
    const { state } = pair
    let emptied = 0
    for (let i = 0; i < 20_000; i++) {
      // small ones that stay among large ones that do not
      if (i % 20 === 0) pair.put(`small${i}`, valueOf(5, i))
      pair.put(`large${i % 50}`, valueOf(100 + (i % 300), i))
      if (i % 50 === 0 && state.wantsCompaction) {
        emptied++
        all(state.compact())
        assert.isFalse(state.wantsCompaction)
      }
    }
    assert.isAbove(emptied, 10)
    const unitsOf = (length: number) => 4 + Math.ceil(length / 8)
    const held = [...pair.model.values()].reduce((units, value) => units + unitsOf(value.length), 0)
    // the last puts, and one that is open, come on top
    assert.isAtMost(state.records.room, 2 * (held + limit) + 50 * unitsOf(400) + limit)
    pair.publish()
    pair.check()
  })

  it("may be left in the middle of emptying slabs, or of renumbering, and goes on", () => {
    for (const deleted of [false, true]) {
      const pair = new Pair(4096)
      const { state } = pair
      const rows = 20_000
      for (let i = 0; i < rows; i++) pair.put(`k${i}`, valueOf(100, i))
      // some stay, so that no slab becomes empty by itself, and more are garbage than not
      for (let i = 0; i < rows; i++) if (i % 16 !== 0) pair.put(`k${i}`, valueOf(99, i))
      for (let i = 0; i < rows; i++) if (i % 16 > 1) pair.put(`k${i}`, valueOf(98, i))
      if (deleted) for (let i = 0; i < rows; i++) if (i % 8 !== 0) pair.put(`k${i}`, undefined)
      for (let steps = 1; steps < 4; steps++) {
        pair.publish()
        assert.isTrue(state.wantsCompaction)
        const compaction = state.compact()
        for (let n = 0; n < steps; n++) assert.isFalse(compaction.next().done)
        compaction.return()
        pair.publish()
        for (let i = 0; i < 100; i++) pair.put(`k${i * 8}`, valueOf(100, steps))
      }
      all(state.compact())
      pair.publish()
      pair.check()
    }
  })

  it("keeps values of any size, alone where they are large", () => {
    const pair = new Pair()
    const slab = UNITS * 8
    ;[0, 1, 31, 32, 33, slab / 8 - 16, slab / 8, slab - 8, slab, slab + 1, 3 * slab].forEach((length, i) => {
      pair.put(`k${i}`, valueOf(length, i))
    })
    pair.publish()
    for (let i = 0; i < 11; i++) pair.put(`k${i}`, valueOf(i, i + 100))
    pair.publish()
    all(pair.state.compact())
    pair.publish()
    pair.check()
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
