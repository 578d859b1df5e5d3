/** Whatever is appended, committed, aborted, cleaned and read, in whatever order: readers come to what was committed. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { appendRecords, endTransaction, TransactionalProducer } from "../../src/internal/embedded/appending.ts"
import { Cluster, type Partition } from "../../src/internal/embedded/cluster.ts"
import * as requests from "../../src/internal/embedded/requests.ts"
import { AbortedTransactions } from "../../src/internal/recordBatch/abortedTransactions.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { created, fetchOf, granted, produceOf, ref, sent, topic } from "./support.ts"

const NODES = 2
const RETENTION = 1_000_000

type Rows = Map<string, string>

/** Reads as a table does: by the project's own decoder, fetch by fetch, committed records only. */
class Reader {
  readonly rows: Rows = new Map()
  position = 0
  private readonly ranges = new RecordRanges()

  /** False if there was nothing to read. */
  read(cluster: Cluster, partition: Partition, maxBytes: number): boolean {
    const [answer] = requests.fetch(
      cluster,
      partition.leader,
      fetchOf({ fetchOffset: this.position, leaderEpoch: partition.leaderEpoch, maxBytes })
    ).partitions
    assert.strictEqual(answer.errorCode, 0)
    assert.isAtMost(answer.lastStableOffset, answer.highWatermark)
    const before = this.position
    const aborted = new AbortedTransactions(answer.abortedTransactions)
    const batches = new FetchedBatches(answer.records, this.position)
    for (let header = batches.next(); header !== undefined; header = batches.next()) {
      batches.decode(this.ranges)
      this.position = header.nextOffset
      if (header.isControl) aborted.onControl(header, controlType(this.ranges))
      else if (!aborted.isAborted(header)) this.apply()
    }
    assert.isAtMost(this.position, answer.lastStableOffset)
    if (answer.records.length > 0) assert.isAbove(this.position, before, "an answer with records has a whole batch")
    return this.position > before
  }

  private apply(): void {
    const { bytes, count, first, keyEnd, keyStart, valueEnd, valueStart } = this.ranges
    for (let i = first; i < count; i++) {
      const key = bytes.toString("utf8", keyStart[i], keyEnd[i])
      if (valueStart[i] < 0) this.rows.delete(key)
      else this.rows.set(key, bytes.toString("utf8", valueStart[i], valueEnd[i]))
    }
  }
}

interface Written {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  readonly transaction: { outcome: "open" | "commit" | "abort" } | undefined
}

/** What was written, and nothing about how it is kept. */
class Model {
  private readonly written: Array<Written> = []
  private end = 0

  append(texts: ReadonlyArray<string>, transaction?: Written["transaction"]): void {
    for (const text of texts) {
      const [key, value = null] = text.split("=")
      this.written.push({ offset: this.end++, key, value, transaction })
    }
  }

  marker(): void {
    this.end++
  }

  get endOffset(): number {
    return this.end
  }

  get stableOffset(): number {
    return this.written.find(({ transaction }) => transaction?.outcome === "open")?.offset ?? this.end
  }

  get rows(): Rows {
    const rows: Rows = new Map()
    for (const { key, offset, transaction, value } of this.written) {
      if (offset >= this.stableOffset) break
      if (transaction?.outcome === "abort") continue
      if (value === null) rows.delete(key)
      else rows.set(key, value)
    }
    return rows
  }
}

type Step =
  | { readonly do: "Produce"; readonly texts: ReadonlyArray<string>; readonly again: boolean }
  | { readonly do: "append"; readonly texts: ReadonlyArray<string> }
  | { readonly do: "transact"; readonly producer: number; readonly texts: ReadonlyArray<string> }
  | { readonly do: "end"; readonly producer: number; readonly type: "commit" | "abort" }
  | { readonly do: "clean"; readonly after: number }
  | { readonly do: "read"; readonly reader: number; readonly maxBytes: number }
  | { readonly do: "lead"; readonly node: number }

const texts = fc.array(
  fc
    .tuple(fc.constantFrom("a", "b", "c", "d", "e"), fc.option(fc.stringMatching(/^[xyz]{0,3}$/)))
    .map(([key, value]) => (value === null ? key : `${key}=${value}`)),
  { minLength: 1, maxLength: 4 }
)

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("Produce" as const), texts, again: fc.boolean() }),
  fc.record({ do: fc.constant("append" as const), texts }),
  fc.record({ do: fc.constant("transact" as const), producer: fc.nat(2), texts }),
  fc.record({
    do: fc.constant("end" as const),
    producer: fc.nat(2),
    type: fc.constantFrom("commit" as const, "abort" as const)
  }),
  fc.record({ do: fc.constant("clean" as const), after: fc.nat(1_000) }),
  fc.record({ do: fc.constant("read" as const), reader: fc.nat(1), maxBytes: fc.constantFrom(1, 100, 250, 10_000) }),
  fc.record({ do: fc.constant("lead" as const), node: fc.nat(NODES - 1) })
)

/** Carries the steps out on a cluster and on a model of it. */
const carryOut = (steps: ReadonlyArray<Step>) => {
  const cluster = new Cluster(NODES)
  const [partition] = created(cluster, {
    replicationFactor: NODES,
    configs: { "cleanup.policy": "compact", "delete.retention.ms": String(RETENTION) }
  }).partitions
  const model = new Model()
  const readers = [new Reader(), new Reader()]
  const newTransaction = () => ({
    producer: new TransactionalProducer(cluster.newProducerId()),
    state: { outcome: "open" as "open" | "commit" | "abort" }
  })
  const transactions = [newTransaction(), newTransaction(), newTransaction()]
  const producerId = cluster.newProducerId()
  let sequence = 0
  let now = 0
  for (const one of steps) {
    switch (one.do) {
      case "Produce": {
        const batch = sent(one.texts, { producerId, producerEpoch: 0, baseSequence: sequence })
        sequence += one.texts.length
        const expected = {
          topic: ref,
          partition: 0,
          errorCode: 0,
          baseOffset: model.endOffset,
          errorMessage: undefined
        }
        for (let times = one.again ? 2 : 1; times > 0; times--) {
          const answer = requests.produce(cluster, partition.leader, produceOf(batch), now)
          assert.deepStrictEqual(answer.partitions, [expected])
        }
        model.append(one.texts)
        break
      }
      case "append": {
        const records = one.texts.map((text) => ({ key: text.split("=")[0], value: text.split("=")[1] ?? null }))
        const positions = granted(appendRecords(cluster, topic, records, { now }))
        assert.deepStrictEqual(
          positions.map(({ offset }) => offset),
          one.texts.map((_, i) => model.endOffset + i)
        )
        model.append(one.texts)
        break
      }
      case "transact": {
        const { producer, state } = transactions[one.producer]
        const records = one.texts.map((text) => ({ key: text.split("=")[0], value: text.split("=")[1] ?? null }))
        granted(appendRecords(cluster, topic, records, { now, producer }))
        model.append(one.texts, state)
        break
      }
      case "end": {
        const { producer, state } = transactions[one.producer]
        if ([...producer.partitions].length > 0) model.marker()
        endTransaction(cluster, producer, one.type, now)
        state.outcome = one.type
        transactions[one.producer] = newTransaction()
        break
      }
      case "clean":
        now += one.after
        cluster.clean(partition.topic, now)
        break
      case "read":
        readers[one.reader].read(cluster, partition, one.maxBytes)
        break
      case "lead":
        granted(cluster.moveLeader(partition, one.node))
    }
    assert.strictEqual(partition.log.endOffset, model.endOffset)
    assert.strictEqual(partition.log.lastStableOffset, model.stableOffset)
  }
  return { cluster, partition, model, readers }
}

const readAll = (reader: Reader, cluster: Cluster, partition: Partition): Rows => {
  while (reader.read(cluster, partition, 10_000));
  assert.strictEqual(reader.position, partition.log.lastStableOffset, "holes do not stop a reader short of the end")
  return reader.rows
}

const sorted = (rows: Rows) => [...rows].sort()

describe("the cluster and a simple model of it", () => {
  it("readers on their way since long, and one that comes late, end with what was committed", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { cluster, model, partition, readers } = carryOut(steps)
        const expected = sorted(model.rows)
        for (const reader of [...readers, new Reader()]) {
          assert.deepStrictEqual(sorted(readAll(reader, cluster, partition)), expected)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("so does one that comes after all tombstones are gone", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { cluster, model, partition } = carryOut(steps)
        for (let i = 1; i < 4; i++) cluster.clean(partition.topic, 1_000_000_000 + i * RETENTION)
        assert.deepStrictEqual(sorted(readAll(new Reader(), cluster, partition)), sorted(model.rows))
      }),
      { numRuns: 200 }
    )
  })
})
