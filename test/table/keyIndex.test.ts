import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "fast-check"
import { KeyIndex, NOT_ASCII, UNKNOWN } from "../../src/internal/table/content/keyIndex.ts"

/** In the middle of something else, as a key is in a batch. */
const within = (bytes: Buffer): readonly [Buffer, number, number] => [
  Buffer.concat([Buffer.from("<"), bytes, Buffer.from(">")]),
  1,
  bytes.length + 1
]

const withinText = (text: string) => within(Buffer.from(text))

const ascii = FastCheck.string({ unit: "binary-ascii", maxLength: 6 })
const text = FastCheck.string({ unit: "binary", maxLength: 4 })
const bytes = FastCheck.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))

const anyKey = FastCheck.oneof(
  ascii.map((key) => Buffer.from(key)),
  text.map((key) => Buffer.from(key)),
  bytes
)

describe("KeyIndex", () => {
  it("is a map of bytes to slots, and back", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(anyKey, { maxLength: 400 }), FastCheck.array(anyKey), (keys, absent) => {
        const index = new KeyIndex()
        const model = new Map<string, number>()
        for (const key of keys) {
          const id = key.toString("latin1")
          assert.strictEqual(index.find(...within(key)), model.get(id) ?? UNKNOWN)
          if (model.has(id)) continue
          model.set(id, model.size)
          assert.strictEqual(index.add(...within(key)), model.size - 1)
        }
        assert.strictEqual(index.size, model.size)
        for (const [id, slot] of model) {
          assert.strictEqual(index.find(...within(Buffer.from(id, "latin1"))), slot)
          assert.strictEqual(index.textAt(slot, "latin1"), id)
        }
        for (const key of absent) {
          assert.strictEqual(index.find(...within(key)), model.get(key.toString("latin1")) ?? UNKNOWN)
        }
      })
    )
  })

  it("finds by text what it finds by bytes", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(anyKey), FastCheck.array(FastCheck.oneof(ascii, text)), (keys, texts) => {
        const index = new KeyIndex()
        for (const key of [...keys, ...texts.filter((_, i) => i % 2 === 0).map((t) => Buffer.from(t))]) {
          if (index.find(...within(key)) === UNKNOWN) index.add(...within(key))
        }
        for (const t of texts) {
          const isAscii = Buffer.byteLength(t) === t.length
          const slot = index.find(...withinText(t))
          assert.strictEqual(index.findText(t), isAscii ? slot : NOT_ASCII)
          if (slot !== UNKNOWN) assert.strictEqual(index.textAt(slot, "utf8"), t)
        }
      })
    )
  })

  it("finds and adds the keys of another index", () => {
    const index = new KeyIndex()
    const other = new KeyIndex()
    for (const key of ["a", "b", "ä"]) other.add(...withinText(key))
    index.add(...withinText("ä"))
    assert.strictEqual(index.findFrom(other, 2), 0)
    assert.strictEqual(index.findFrom(other, 0), UNKNOWN)
    assert.strictEqual(index.addFrom(other, 0), 1)
    assert.strictEqual(index.findFrom(other, 0), 1)
    assert.strictEqual(index.textAt(1, "utf8"), "a")
  })

  it("orders keys as their bytes are ordered, and knows which of them begin with some bytes", () => {
    const few = FastCheck.array(FastCheck.constantFrom(0, 1, 0x61, 0xff), { maxLength: 4 }).map((array) =>
      Buffer.from(array)
    )
    FastCheck.assert(
      FastCheck.property(few, few, few, (a, b, prefix) => {
        const index = new KeyIndex()
        index.add(...within(a))
        index.add(...within(b))
        const order = Math.sign(Buffer.compare(a, b))
        assert.strictEqual(Math.sign(index.compare(0, 1)), order)
        assert.strictEqual(Math.sign(index.compareWith(1, ...within(a))), order)
        assert.strictEqual(index.compare(0, 0), 0)
        const begins = a.subarray(0, prefix.length).equals(prefix)
        assert.strictEqual(Math.sign(index.compareStart(0, prefix)), begins ? 0 : Math.sign(Buffer.compare(a, prefix)))
        assert.deepStrictEqual(Buffer.from(index.bytesAt(0)), a)
      })
    )
  })

  it("tells keys apart that differ in one character, or in length, or begin alike", () => {
    const index = new KeyIndex()
    const long = "a".repeat(300_000)
    const keys = [
      "",
      "a",
      "aa",
      "ab",
      "b",
      "\0",
      "\0\0",
      "a\0",
      "a".repeat(1000),
      `${"a".repeat(999)}b`,
      long,
      `${long}b`
    ]
    for (const key of keys) index.add(...withinText(key))
    keys.forEach((key, slot) => {
      assert.strictEqual(index.findText(key), slot)
      assert.strictEqual(index.find(...withinText(key)), slot)
      assert.strictEqual(index.textAt(slot, "utf8"), key)
    })
    assert.strictEqual(index.findText("aaa"), UNKNOWN)
  })

  it("keeps hundreds of thousands, and what was there while it grows", () => {
    const index = new KeyIndex()
    const count = 300_000
    for (let i = 0; i < count; i++) {
      const key = Buffer.from(`key-${i}`)
      if (index.add(key, 0, key.length) !== i) assert.fail(`key-${i}`)
      if (index.findText(`key-${i >>> 1}`) !== i >>> 1) assert.fail(`key-${i >>> 1}`)
    }
    for (let i = 0; i < count; i++) {
      if (index.findText(`key-${i}`) !== i || index.textAt(i, "utf8") !== `key-${i}`) assert.fail(`key-${i}`)
    }
    for (let i = count; i < 2 * count; i++) if (index.findText(`key-${i}`) !== UNKNOWN) assert.fail(`key-${i}`)
  })

  describe("keys that were chosen to collide", () => {
    const count = 4096

    /** Keys that differ in pairs of words, by bits that a multiplication cannot tell apart. */
    const differing = (first: number, second: number, filler: string) =>
      Array.from({ length: count }, (_, key) => {
        const bytes = Buffer.alloc(12 * 8, filler)
        for (let bit = 0; bit < 12; bit++) {
          if (((key >>> bit) & 1) === 0) continue
          bytes.writeUInt32LE((bytes.readUInt32LE(8 * bit) ^ first) >>> 0, 8 * bit)
          bytes.writeUInt32LE((bytes.readUInt32LE(8 * bit + 4) ^ second) >>> 0, 8 * bit + 4)
        }
        return bytes
      })

    const families: Record<string, ReadonlyArray<Buffer>> = {
      "by the highest bits of two words": differing(0x80000000, 0x80010000, "A"),
      "by the highest bit alone": differing(0x80000000, 0x80000000, "\0"),
      "by a bit that is carried": differing(0x00010000, 0xffff0000, "z"),
      "in ASCII": differing(0x01000000, 0x03010000, "@"),
      "by their length": Array.from({ length: count }, (_, key) => Buffer.alloc(key)),
      "by their last byte and their length": Array.from({ length: count }, (_, key) =>
        Buffer.alloc(1 + (key >>> 8), key & 0xff)
      ),
      "by a number at the end": Array.from({ length: count }, (_, key) => Buffer.from(`device-${key}`))
    }

    for (const [how, keys] of Object.entries(families)) {
      it(`are as far apart as any: they differ ${how}`, () => {
        const distinct = [...new Map(keys.map((key) => [key.toString("latin1"), key])).values()]
        const index = new KeyIndex()
        const hashes = distinct.map((key) => index.hashesOf(key, Int32Array.of(0), Int32Array.of(key.length), 0, 1)[0])
        // By chance, two of 4,096 share one of 2^32 hashes once in 500 times.
        assert.isAtLeast(new Set(hashes).size, distinct.length - 2)
        // Upper bits choose the shard, lower ones the place in it: neither may be crowded.
        for (const part of [(hash: number) => hash >>> 24, (hash: number) => hash & 0xff]) {
          const crowds = new Map<number, number>()
          for (const hash of hashes) crowds.set(part(hash), (crowds.get(part(hash)) ?? 0) + 1)
          assert.isAtMost(Math.max(...crowds.values()), (4 * distinct.length) / 256)
        }
      })
    }

    it("cannot be chosen: each index has a secret of its own", () => {
      const key = Buffer.from("device-1")
      const hashes = Array.from({ length: 20 }, () => {
        return new KeyIndex().hashesOf(key, Int32Array.of(0), Int32Array.of(key.length), 0, 1)[0]
      })
      assert.isAtLeast(new Set(hashes).size, 19)
    })
  })
})
