import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { KeyIndex, NOT_ASCII, UNKNOWN } from "../../src/internal/table/keyIndex.ts"

/** In the middle of something else, as a key is in a batch. */
const within = (bytes: Buffer): readonly [Buffer, number, number] => [
  Buffer.concat([Buffer.from("<"), bytes, Buffer.from(">")]),
  1,
  bytes.length + 1
]

const ascii = FastCheck.string({ unit: "binary-ascii", maxLength: 6 })
const latin1 = FastCheck.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes).toString("latin1"))
const text = FastCheck.string({ unit: "binary", maxLength: 4 })

describe("KeyIndex", () => {
  it("is a map of identities to slots, and back", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.oneof(ascii, latin1, text), { maxLength: 400 }), (ids) => {
        const index = new KeyIndex()
        const model = new Map<string, number>()
        for (const id of ids) {
          assert.strictEqual(index.slotOf(id), model.get(id) ?? UNKNOWN)
          if (model.has(id)) continue
          model.set(id, model.size)
          assert.strictEqual(index.add(id), model.size - 1)
        }
        assert.strictEqual(index.size, model.size)
        for (const [id, slot] of model) {
          assert.strictEqual(index.slotOf(id), slot)
          assert.strictEqual(index.idAt(slot), id)
        }
      })
    )
  })

  it("finds by bytes what it finds by text", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(latin1), FastCheck.array(latin1), (ids, absent) => {
        const index = new KeyIndex()
        for (const id of ids) if (index.slotOf(id) === UNKNOWN) index.add(id)
        for (const id of [...ids, ...absent]) {
          const bytes = Buffer.from(id, "latin1")
          assert.strictEqual(index.find(...within(bytes), false), index.slotOf(id))
          const isAscii = bytes.every((byte) => byte < 0x80)
          assert.strictEqual(index.find(...within(bytes), true), isAscii ? index.slotOf(id) : NOT_ASCII)
        }
      })
    )
  })

  it("tells keys apart that differ in one character, or in length, or begin alike", () => {
    const index = new KeyIndex()
    const keys = ["", "a", "aa", "ab", "b", "\0", "\0\0", "a\0", "a".repeat(1000), `${"a".repeat(999)}b`]
    for (const key of keys) index.add(key)
    keys.forEach((key, slot) => {
      assert.strictEqual(index.slotOf(key), slot)
      assert.strictEqual(index.find(...within(Buffer.from(key)), true), slot)
    })
    assert.strictEqual(index.slotOf("aaa"), UNKNOWN)
  })

  it("keeps hundreds of thousands, and what was there while it grows", () => {
    const index = new KeyIndex()
    const count = 300_000
    for (let i = 0; i < count; i++) {
      assert.strictEqual(index.add(`key-${i}`), i)
      assert.strictEqual(index.slotOf(`key-${i >>> 1}`), i >>> 1)
    }
    for (let i = 0; i < count; i++) {
      if (index.slotOf(`key-${i}`) !== i || index.idAt(i) !== `key-${i}`) assert.fail(`key-${i}`)
    }
    for (let i = count; i < 2 * count; i++) if (index.slotOf(`key-${i}`) !== UNKNOWN) assert.fail(`key-${i}`)
  })
})
