/** Compaction: what it leaves, what it leaves alone, and that nobody reads anything else for it. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  appendProduced,
  appendRecords,
  endTransaction,
  TransactionalProducer
} from "../../src/internal/embedded/appending.ts"
import { Cluster, type Partition, type Topic } from "../../src/internal/embedded/cluster.ts"
import type { StoredBatch } from "../../src/internal/embedded/log.ts"
import { decodeAny } from "../../src/internal/embedded/storedRecords.ts"
import { readDeleteHorizon } from "../../src/internal/recordBatch/batchHeader.ts"
import type { Codec } from "../../src/internal/recordBatch/compression.ts"
import { encodeBatch } from "../../src/internal/recordBatch/encode.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { readAll, record } from "../recordBatch/support.ts"
import { bytesOf, created, granted, seen, sent, topic } from "./support.ts"

const RETENTION = 3_000

/** One partition of a compacted topic, with what is done to it. */
class Compacted {
  readonly cluster = new Cluster(1)
  readonly topic: Topic
  readonly partition: Partition
  now = 0

  constructor(configs: Readonly<Record<string, string>> = {}) {
    this.topic = created(this.cluster, {
      configs: { "cleanup.policy": "compact", "delete.retention.ms": String(RETENTION), ...configs }
    })
    this.partition = this.topic.partitions[0]
  }

  get log() {
    return this.partition.log
  }

  produce(texts: ReadonlyArray<string>, rest: Parameters<typeof sent>[1] = {}): void {
    granted(appendProduced(this.cluster, this.partition, sent(texts, rest), { now: this.now, acks: -1 }))
  }

  transaction(producer: TransactionalProducer, texts: ReadonlyArray<string>): void {
    const records = texts.map((text) => ({ key: text.split("=")[0], value: text.split("=")[1] ?? null }))
    granted(appendRecords(this.cluster, topic, records, { now: this.now, producer }))
  }

  end(producer: TransactionalProducer, type: "commit" | "abort"): void {
    endTransaction(this.cluster, producer, type, this.now)
  }

  newProducer(): TransactionalProducer {
    return new TransactionalProducer(this.cluster.newProducerId())
  }

  clean(): void {
    this.cluster.clean(this.topic, this.now)
  }

  get seen(): ReadonlyArray<string> {
    return seen(bytesOf(this.log.batches), this.log.startOffset)
  }
}

/**
 * A batch as text: its offsets, its producer (numbered in the order of their appearance), epoch and sequence; T for a
 * transactional one, C for a marker, H if there is a time for its tombstones to go; its codec; its records.
 */
const described = (batches: ReadonlyArray<StoredBatch>): ReadonlyArray<string> => {
  const producers = new Map<bigint, number>()
  const ranges = new RecordRanges()
  return batches.map((batch) => {
    const header = decodeAny(batch, ranges)!
    const { producerId: id } = header
    if (id !== -1n && !producers.has(id)) producers.set(id, producers.size)
    const flags =
      (header.isTransactional ? "T" : "") +
      (header.isControl ? "C" : "") +
      (readDeleteHorizon(batch.bytes, 0) === undefined ? "" : "H")
    const records = Array.from({ length: ranges.count }, (_, i) => {
      const part = (start: number, end: number) => (start < 0 ? "null" : ranges.bytes.toString("utf8", start, end))
      const text = header.isControl
        ? `marker ${ranges.bytes.readInt16BE(ranges.keyStart[i] + 2)}`
        : `${part(ranges.keyStart[i], ranges.keyEnd[i])}=${part(ranges.valueStart[i], ranges.valueEnd[i])}`
      return `${ranges.offsetDelta[i]}:${text}${header.isControl ? "" : `@${ranges.timestamp[i]}`}`
    })
    const producer = `${producers.get(id) ?? "-"}/${header.producerEpoch}/${header.baseSequence}`
    return `${header.baseOffset}-${header.lastOffset} ${producer} ${flags}${header.codec} ${records.join(" ")}`.trim()
  })
}

describe("what Kafka 4.1 left of the same log", () => {
  // The same was written to a broker of Apache Kafka 4.1 (segment.ms of 1, delete.retention.ms of 3 s), cleaned there
  // whenever it is cleaned here, and read byte for byte.
  const before = [
    "0-2 -/-1/-1 0 2:c=1@30",
    "11-11 0/0/3 0",
    "12-12 1/0/0 0",
    "13-14 -/-1/-1 0 0:z=2@140 1:p=3@150",
    "26-28 -/-1/-1 0 0:q=4@240 1:t=5@250 2:u=5@260"
  ]
  const first = [
    before[0],
    "3-4 -/-1/-1 H0 0:a=2@40 1:d=null@50",
    "5-7 -/-1/-1 H1 1:e=2@70 2:b=null@80",
    ...before.slice(1, 4),
    "18-18 2/1/-1 TC0 0:marker 1",
    "21-21 3/1/-1 TC0 0:marker 0",
    "23-23 4/1/-1 TC0 0:marker 1",
    "24-25 -/-1/-1 H0 0:v=2@220 1:w=null@230",
    before[4]
  ]
  const second = [
    before[0],
    "3-4 -/-1/-1 H0 0:a=2@40",
    "5-7 -/-1/-1 H1 1:e=2@70",
    ...before.slice(1, 4),
    "18-18 2/1/-1 TCH0 0:marker 1",
    "21-21 3/1/-1 TCH0 0:marker 0",
    "23-23 4/1/-1 TCH0 0:marker 1",
    "24-25 -/-1/-1 H0 0:v=2@220",
    before[4],
    "29-29 -/-1/-1 0 0:m=1@270"
  ]
  const third = [...second.slice(0, 6), "18-18 2/1/-1 TC0", "21-21 3/1/-1 TC0", "23-23 4/1/-1 TC0", ...second.slice(9)]
  const fourth = [third[0], ...third.slice(2), "30-30 -/-1/-1 0 0:a=77@280"]

  it("is left here, batch by batch, through four cleanings", () => {
    const compacted = new Compacted()
    let time = 0
    const records = (...texts: ReadonlyArray<string>) =>
      texts.map((text) => {
        const [key, value = null] = text.split("=")
        return record(key, value, { timestamp: (time += 10) })
      })
    const produce = (ofBatch: ReturnType<typeof records>, codec: Codec = "none", producerId = -1n, sequence = -1) => {
      const options = { codec, producerId, producerEpoch: producerId === -1n ? -1 : 0, baseSequence: sequence }
      const bytes = encodeBatch({ records: ofBatch, ...options })
      granted(appendProduced(compacted.cluster, compacted.partition, bytes, { now: 0, acks: -1 }))
    }
    const transaction = (type: "commit" | "abort", ...batches: ReadonlyArray<ReturnType<typeof records>>) => {
      const producer = compacted.newProducer()
      for (const ofBatch of batches) {
        const given = ofBatch.map(({ key, timestamp, value }) => ({ key, value, timestamp }))
        granted(appendRecords(compacted.cluster, topic, given, { now: 0, producer }))
      }
      compacted.end(producer, type)
    }
    const one = compacted.cluster.newProducerId()
    const other = compacted.cluster.newProducerId()
    produce(records("a=1", "b=1", "c=1"))
    produce(records("a=2", "d"))
    produce(records("e=1", "e=2", "b"), "gzip")
    produce(records("p=1", "q=1"), "none", one, 0)
    produce(records("p=2"), "none", one, 2)
    produce(records("q=2"), "none", one, 3)
    produce(records("z=1"), "none", other, 0)
    produce(records("z=2", "p=3"))
    transaction("commit", records("t=1", "u=1"), records("t=2"))
    transaction("abort", records("t=9", "a=9"))
    transaction("commit", records("v=1"))
    produce(records("v=2", "w"))
    produce(records("q=4", "t=5", "u=5"))

    const cleaned = (now: number) => {
      compacted.now = now
      compacted.clean()
      return described(compacted.log.batches)
    }
    assert.deepStrictEqual(cleaned(10_000), first)
    assert.strictEqual(compacted.log.aborted.length, 1)
    produce(records("m=1"))
    assert.deepStrictEqual(cleaned(20_000), second)
    assert.strictEqual(compacted.log.aborted.length, 0)
    assert.deepStrictEqual(cleaned(30_000), third)
    produce(records("a=77"))
    assert.deepStrictEqual(cleaned(40_000), fourth)
  })
})

describe("compaction", () => {
  it("leaves alone what a transaction may still undo, and all behind it", () => {
    const compacted = new Compacted()
    const open = compacted.newProducer()
    compacted.produce(["a=1"])
    compacted.produce(["a=2"])
    compacted.transaction(open, ["b=1"])
    compacted.produce(["a=3"])
    compacted.produce(["a=4"])
    compacted.clean()
    assert.deepStrictEqual(compacted.seen, ["1:a=2", "2:b=1", "3:a=3", "4:a=4"])
    compacted.end(open, "commit")
    compacted.clean()
    assert.deepStrictEqual(compacted.seen.filter((text) => text.includes("=")).slice(0, 2), ["2:b=1", "4:a=4"])
  })

  it("leaves alone what is younger than min.compaction.lag.ms, and all behind it", () => {
    const compacted = new Compacted({ "min.compaction.lag.ms": "1000" })
    const at = (timestamp: number, ...texts: ReadonlyArray<string>) =>
      granted(
        appendRecords(
          compacted.cluster,
          topic,
          texts.map((text) => ({ key: text, value: "v" })),
          { now: timestamp }
        )
      )
    at(0, "a")
    at(100, "a")
    at(500, "b")
    at(100, "b")
    compacted.now = 1_200
    compacted.clean()
    assert.deepStrictEqual(compacted.seen, ["1:a=v", "2:b=v", "3:b=v"])
    compacted.now = 2_000
    compacted.clean()
    assert.deepStrictEqual(compacted.seen, ["1:a=v", "3:b=v"])
  })

  it("keeps tombstones for delete.retention.ms from the cleaning on that first met them", () => {
    const compacted = new Compacted()
    compacted.produce(["a=1", "b=1"])
    compacted.produce(["a"])
    compacted.produce(["c=1"])
    compacted.now = 100_000
    compacted.clean()
    assert.deepStrictEqual(compacted.seen, ["1:b=1", "2:a", "3:c=1"])
    compacted.now += RETENTION - 1
    compacted.clean()
    assert.include(compacted.seen, "2:a")
    compacted.now += 1
    compacted.clean()
    assert.deepStrictEqual(compacted.seen, ["1:b=1", "3:c=1"])
  })

  it("is for topics that are to be compacted; retention, for those that are to be deleted", () => {
    const outcome = (policy: string) => {
      const compacted = new Compacted({ "cleanup.policy": policy, "retention.ms": "1000" })
      for (const [timestamp, value] of [
        [0, "1"],
        [1_000, "2"],
        [1_500, "3"],
        [500, "4"]
      ] as const) {
        granted(appendRecords(compacted.cluster, topic, [{ key: "a", value }], { now: timestamp }))
      }
      compacted.now = 2_000
      compacted.clean()
      return [compacted.log.startOffset, ...compacted.seen]
    }
    assert.deepStrictEqual(outcome("compact"), [0, "3:a=4"])
    assert.deepStrictEqual(outcome("delete"), [1, "1:a=2", "2:a=3", "3:a=4"])
    assert.deepStrictEqual(outcome("compact,delete"), [1, "3:a=4"])
    assert.deepStrictEqual(outcome(""), [0, "0:a=1", "1:a=2", "2:a=3", "3:a=4"])
  })

  it("leaves bytes alone that nobody looked into", () => {
    const compacted = new Compacted()
    compacted.produce(["a=1"])
    compacted.log.appendRaw(Buffer.from("no batch at all"), 1)
    compacted.produce(["a=2"])
    compacted.clean()
    assert.deepStrictEqual(
      compacted.log.batches.map(({ baseOffset }) => baseOffset),
      [1, 2]
    )
  })

  it("keeps headers, and times of every kind", () => {
    const compacted = new Compacted({ "message.timestamp.type": "LogAppendTime" })
    const headers = [
      { key: "h", value: "ü" },
      { key: "h", value: null }
    ]
    const records = ["a", "a", "b"].map((key) => ({ key, value: key === "b" ? null : "v", timestamp: 5, headers }))
    granted(appendRecords(compacted.cluster, topic, records, { now: 777, compression: "snappy" }))
    compacted.now = 10_000
    compacted.clean()
    const [{ records: kept }] = readAll(bytesOf(compacted.log.batches), 0).batches
    assert.deepStrictEqual(
      kept.map(({ headers, offset, timestamp }) => [offset, timestamp, headers]),
      [1, 2].map((offset) => [
        offset,
        777,
        [
          { key: "h", value: new Uint8Array(Buffer.from("ü")) },
          { key: "h", value: null }
        ]
      ])
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// at random
// ---------------------------------------------------------------------------------------------------------------------

type Step =
  | { readonly do: "append"; readonly texts: ReadonlyArray<string>; readonly codec: Codec }
  | { readonly do: "transact"; readonly producer: number; readonly texts: ReadonlyArray<string> }
  | { readonly do: "end"; readonly producer: number; readonly type: "commit" | "abort" }
  | { readonly do: "clean"; readonly after: number }

const texts = fc.array(
  fc
    .tuple(fc.constantFrom("a", "b", "c", "d"), fc.option(fc.stringMatching(/^[xyz]{0,3}$/)))
    .map(([key, value]) => (value === null ? key : `${key}=${value}`)),
  { minLength: 1, maxLength: 4 }
)

const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("append" as const), texts, codec: fc.constantFrom<Codec>("none", "gzip", "lz4") }),
    fc.record({ do: fc.constant("transact" as const), producer: fc.nat(2), texts }),
    fc.record({
      do: fc.constant("end" as const),
      producer: fc.nat(2),
      type: fc.constantFrom("commit" as const, "abort" as const)
    }),
    fc.record({ do: fc.constant("clean" as const), after: fc.constantFrom(0, 1_000, RETENTION) })
  ),
  { maxLength: 40 }
)

const run = (compacted: Compacted, list: ReadonlyArray<Step>, after: () => void = () => {}): void => {
  const producers = [0, 1, 2].map(() => compacted.newProducer())
  for (const step of list) {
    switch (step.do) {
      case "append":
        compacted.produce(step.texts, { codec: step.codec })
        break
      case "transact":
        compacted.transaction(producers[step.producer], step.texts)
        break
      case "end":
        compacted.end(producers[step.producer], step.type)
        producers[step.producer] = compacted.newProducer()
        break
      case "clean":
        compacted.now += step.after
        compacted.clean()
    }
    after()
  }
}

describe("cleaned at random", () => {
  it("all that is left is what was written, in the order and at the offsets of then", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const compacted = new Compacted()
        const written = new Map<string, true>()
        run(compacted, list, () => {
          const now = compacted.seen
          const offsets = now.map((text) => Number(text.split(":")[0]))
          assert.deepStrictEqual(
            offsets,
            [...new Set(offsets)].sort((a, b) => a - b)
          )
          // what is read after a cleaning was read before it
          for (const text of now) {
            const offset = Number(text.split(":")[0])
            assert.isTrue(written.has(text) || ![...written.keys()].some((w) => w.startsWith(`${offset}:`)), text)
            written.set(text, true)
          }
        })
      })
    )
  })

  it("it does not end elsewhere for it, and its size is that of its bytes", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const compacted = new Compacted()
        run(compacted, list)
        const { endOffset, highWatermark, lastStableOffset } = compacted.log
        compacted.now += RETENTION
        compacted.clean()
        assert.deepStrictEqual(
          [compacted.log.endOffset, compacted.log.highWatermark, compacted.log.lastStableOffset],
          [endOffset, highWatermark, lastStableOffset]
        )
        assert.strictEqual(compacted.log.size, bytesOf(compacted.log.batches).length)
      })
    )
  })

  it("the third cleaning at the same time finds nothing to do", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const compacted = new Compacted()
        run(compacted, list)
        // the first removes records, the second notices that transactions have none any more
        for (let i = 0; i < 2; i++) compacted.clean()
        const bytes = bytesOf(compacted.log.batches)
        compacted.clean()
        assert.isTrue(bytes.equals(bytesOf(compacted.log.batches)))
      })
    )
  })

  it("each key that is committed below the last stable offset is there once", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const compacted = new Compacted()
        run(compacted, list)
        compacted.clean()
        const { lastStableOffset } = compacted.log
        const keys = compacted.seen
          .filter((text) => Number(text.split(":")[0]) < lastStableOffset)
          .map((text) => text.replace(/^\d+:/, "").split("=")[0])
          // markers have keys of their own
          .filter((key) => /^[abcd]$/.test(key))
        assert.deepStrictEqual(keys, [...new Set(keys)])
      })
    )
  })
})
