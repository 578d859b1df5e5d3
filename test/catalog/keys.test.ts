import { assert, describe, it } from "@effect/vitest"
import {
  candidateCodec,
  Claim,
  claimBytes,
  identityBytes,
  identityCodec,
  partitionOf,
  withId
} from "../../src/internal/catalog/keys.ts"
import { candidatesOf, firstOf } from "../../src/internal/catalog/candidates.ts"
import { makeHashKey } from "../../src/internal/table/content/keyHash.ts"
import { KeyIndex } from "../../src/internal/table/content/keyIndex.ts"
import { MutableTree } from "../../src/internal/tree/tree.ts"
import { PACKED } from "../../src/internal/views/hashIndex.ts"
import { packed, tagOfBytes } from "../../src/internal/views/indexKey.ts"
import { folded, identify, isKeyText, keysOfLock, lockTextOf } from "../../src/internal/catalog/configuration.ts"
import { InvalidRecordError } from "../../src/KafkaError.ts"
import { randomOf } from "../support/random.ts"

const KEYS = { rowKey: "sku", indexKeys: ["vendor", "zone"] }
const ID = Buffer.alloc(16, 7)

const identityOf = (sku: string, vendor: string, zone: string, keys = KEYS) => {
  const found = identify("t", keys, { sku, vendor, zone })
  if (found instanceof InvalidRecordError) throw found
  return found
}

const texts = ["a", "b", "ab", "A", "\u0000", "a\u0000", "\u0001b", "ß", "😀", "a:b", "=", "x".repeat(300)]

describe("keys of a log", () => {
  it("come back, whatever is in the row key, and no two identities have the same one", () => {
    const seen = new Set<string>()
    for (const sku of texts) {
      for (const vendor of texts) {
        const identity = identityOf(sku, vendor, "z")
        const bytes = identityBytes(identity)
        const key = withId(bytes, ID)
        assert.deepStrictEqual(candidateCodec.decodeSync(key, 0, key.length), identity)
        assert.deepStrictEqual(identityCodec.decodeSync(bytes, 0, bytes.length), identity)
        seen.add(bytes.toString("latin1"))
      }
    }
    // "a" and "A" are the same as a value, and two as a row key
    assert.strictEqual(seen.size, texts.length * (texts.length - 1))
  })

  it("of claims come back, too", () => {
    const key = withId(claimBytes(lockTextOf(KEYS)), ID)
    const claim = candidateCodec.decodeSync(key, 0, key.length)
    assert.instanceOf(claim, Claim)
    assert.deepStrictEqual(keysOfLock(claim.text), KEYS)
    for (const text of ["", "{", "null", "[]", `{"rowKey":1,"indexKeys":[]}`]) assert.isUndefined(keysOfLock(text))
  })

  it("other bytes are no keys: told so, whatever they are", () => {
    const random = randomOf(1)
    const key = withId(identityBytes(identityOf("sku", "v", "z")), ID)
    let refused = 0
    for (let i = 0; i < 20_000; i++) {
      const bytes = Buffer.from(key.subarray(0, Math.floor(random() * (key.length + 1))))
      for (let n = 0; n < 3 && bytes.length > 0; n++)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
      try {
        candidateCodec.decodeSync(bytes, 0, bytes.length)
      } catch (error) {
        assert.match((error as Error).name, /^(Schema|Parse)Error$/)
        refused++
      }
    }
    assert.isAbove(refused, 10_000)
  })

  it("all of an identity are in one partition, and identities are spread", () => {
    const partitions = new Set<number>()
    for (let i = 0; i < 100; i++) {
      const bytes = identityBytes(identityOf(`sku-${i}`, "v", "z"))
      const [one, two] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)].map((id) => partitionOf(withId(bytes, id), 12))
      assert.strictEqual(one, two)
      partitions.add(one)
    }
    assert.strictEqual(partitions.size, 12)
    const claims = ["a", "b", "c"].map((text) => partitionOf(withId(claimBytes(text), ID), 12))
    assert.strictEqual(new Set(claims).size, 1)
  })
})

describe("identities", () => {
  it("the fingerprint is of the index values: case-folded, each for itself, in whatever order the fields are named", () => {
    const { fingerprint } = identityOf("s", "ACME", "eu")
    assert.match(fingerprint, /^[0-9a-f]{32}$/)
    assert.strictEqual(identityOf("other", "acme", "EU").fingerprint, fingerprint)
    const turned = { rowKey: "sku", indexKeys: ["zone", "vendor"] }
    assert.strictEqual(identityOf("s", "ACME", "eu", turned).fingerprint, fingerprint)
    assert.strictEqual(lockTextOf(turned), lockTextOf(KEYS))
    assert.notStrictEqual(identityOf("s", "eu", "ACME").fingerprint, fingerprint)
    assert.notStrictEqual(identityOf("s", "ab", "c").fingerprint, identityOf("s", "a", "bc").fingerprint)
    // a row key is taken as it is
    assert.strictEqual(identityOf("S", "v", "z").rowKey, "S")
    // this is in logs: it must not change
    assert.strictEqual(fingerprint, "b6edf0049da6bfef7a4277f6627f0eac")
  })

  it("case is folded the same from all forms of a letter", () => {
    for (const same of [
      ["ß", "ẞ", "SS", "ss"],
      ["Σ", "σ"],
      ["ΟΔΟΣ", "οδοσ", "οδος"],
      ["K", "k", "\u212a"],
      ["İ", "i\u0307"]
    ]) {
      assert.strictEqual(new Set(same.map(folded)).size, 1, same.join())
    }
    assert.notStrictEqual(folded("a"), folded("ä"))
    // folded once is folded for good
    for (let code = 1; code < 0xffff; code++) {
      if (code >= 0xd800 && code < 0xe000) continue
      const once = folded(String.fromCharCode(code))
      assert.strictEqual(folded(once), once, code.toString(16))
    }
  })

  it("all fields that are missing, blank or no text are named", () => {
    const fieldsOf = (record: unknown) => {
      const found = identify("t", KEYS, record)
      return found instanceof InvalidRecordError ? found.fields : []
    }
    for (const nothing of [undefined, null, 1, "sku", [], {}]) {
      assert.deepStrictEqual(fieldsOf(nothing), ["sku", "vendor", "zone"])
    }
    assert.deepStrictEqual(fieldsOf({ sku: "a", vendor: " ", zone: "\t\n" }), ["vendor", "zone"])
    assert.deepStrictEqual(fieldsOf({ sku: 5, vendor: "v", zone: "\ud800" }), ["sku", "zone"])
    assert.deepStrictEqual(fieldsOf({ sku: " a ", vendor: "v", zone: "z" }), [])
    const error = identify("parts_WAL", KEYS, { vendor: "v" }) as InvalidRecordError
    assert.strictEqual(
      error.message,
      `A record without all of its keys is not for the catalog of topic "parts_WAL": sku, zone must be text that is not blank, without halves of surrogate pairs. Nothing was written.`
    )
    assert.isFalse(isKeyText(""))
  })
})

describe("candidates", () => {
  const [first, second] = [identityOf("a", "v", "z"), identityOf("b", "v", "z")].map(identityBytes)
  const id = (n: number) => Buffer.alloc(16, n)

  it("are those of their identity alone, where the hashes of others are the same", () => {
    const hashKey = makeHashKey()
    const index = new KeyIndex()
    const tree = MutableTree.empty(PACKED)
    // all of them under the tag of the first identity
    const tag = tagOfBytes(hashKey, first)
    for (const [n, identity] of [first, second, first, second].entries()) {
      const key = withId(identity, id(n))
      const slot = index.add(key, 0, key.length)
      tree.insert(packed(tag, slot), slot)
    }
    assert.deepStrictEqual(candidatesOf(index, tree, hashKey, first), [0, 2])
    assert.deepStrictEqual(candidatesOf(index, MutableTree.empty(PACKED), hashKey, first), [])
    if (tagOfBytes(hashKey, second) !== tag) {
      assert.deepStrictEqual(candidatesOf(index, tree, hashKey, second), [])
    }
  })

  it("the first one of a partition counts, and of several partitions the oldest of these, then the one of the lowest", () => {
    const places = [
      { partition: 1, offset: 5, timestamp: 20 },
      { partition: 1, offset: 9, timestamp: 1 },
      { partition: 0, offset: 7, timestamp: 30 },
      { partition: 2, offset: 1, timestamp: 20 }
    ]
    const of = (...slots: ReadonlyArray<number>) => firstOf((slot) => places[slot], slots)
    assert.strictEqual(of(), undefined)
    assert.strictEqual(of(1), 1)
    for (const order of [
      [0, 1],
      [1, 0]
    ])
      assert.strictEqual(of(...order), 0)
    assert.strictEqual(of(2, 1, 0), 0)
    // the one that is older by its time is not the first one of its partition
    assert.strictEqual(of(1, 2), 1)
    assert.strictEqual(of(3, 0), 0)
    assert.strictEqual(of(3, 2), 3)
  })
})
