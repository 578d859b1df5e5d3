/** In a process of its own, in which nobody has loaded zstd: Node 20 has none, and it cannot be loaded synchronously. */
import { assert, describe, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import { isPrepared, prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import { defaultDecodeOptions } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordApplier, makeScratch } from "../../src/internal/table/reading/recordApplier.ts"
import { makeCounters } from "../../src/internal/table/reading/counters.ts"
import { recordStoreOf } from "../../src/internal/table/content/recordStore.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import fixtures from "../recordBatch/fixtures.json" with { type: "json" }
import { batch, corruptionIn, record } from "../recordBatch/support.ts"
import { snapshotOf } from "./contents.ts"

/** Offsets 100 to 105, by Kafka's own client: a value for alpha, empty and headers, beta deleted, one without a key. */
const ofJava = Buffer.from(fixtures.find(({ name }) => name === "magic 2 zstd")!.bytes, "base64")

const answer = (records: Buffer) => {
  const state = new TableState(Codec.utf8, recordStoreOf(Codec.utf8))
  const counters = makeCounters()
  const application = new RecordApplier(
    {
      topic: "things",
      key: Codec.utf8,
      value: Codec.utf8,
      keepHeaders: false,
      committedOnly: true,
      failOnPoison: false,
      logValues: false,
      decode: defaultDecodeOptions
    },
    { partition: 0, records, aborted: [] },
    0,
    state,
    counters,
    makeScratch()
  )
  return { application, counters, keys: () => [...snapshotOf(state, 0).keys()] }
}

const before = batch(0, [record("first", "1")])
const after = batch(106, [record("last", "2")])
const isThere = isPrepared("zstd")
const all = ["first", "alpha", "empty", "headers", "last"]

describe("a compression that is not loaded yet", () => {
  it("where it cannot be, its batch is corrupt, and what came before stays", () => {
    const { application, keys } = answer(Buffer.concat([before, ofJava, after]))
    assert.strictEqual(application.run(Infinity), isThere ? "done" : "compression")
    if (isThere) return
    assert.deepStrictEqual(keys(), ["first"])
    application.compressionIsLoaded()
    const corruption = corruptionIn(() => application.run(Infinity))
    assert.deepStrictEqual([corruption?.reason, corruption?.baseOffset], ["UnsupportedCodec", 100])
    assert.strictEqual(application.position, 1)
  })

  it("is waited for, at the batch that has it: then all is applied once", async () => {
    const { application, counters, keys } = answer(Buffer.concat([before, ofJava, after]))
    if (!isThere) {
      assert.strictEqual(application.run(Infinity), "compression")
      assert.strictEqual(application.position, 1)
      await prepareCodecs()
      application.compressionIsLoaded()
    }
    assert.strictEqual(application.run(Infinity), "done")
    assert.deepStrictEqual(keys(), all)
    assert.strictEqual(application.position, 107)
    assert.deepStrictEqual(counters, { ...makeCounters(), applied: 6, tombstones: 1, keyless: 1 })
  })

  it("once it is there, nobody waits", () => {
    assert.isTrue(isPrepared("zstd"))
    const { application, keys } = answer(Buffer.concat([before, ofJava]))
    assert.strictEqual(application.run(Infinity), "done")
    assert.deepStrictEqual(keys(), all.slice(0, -1))
  })
})
