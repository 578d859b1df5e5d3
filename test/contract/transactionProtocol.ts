/** What coordinators answer to a producer with transactions, request by request. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import type { KafkaClient, KafkaProtocol } from "../../src/index.ts"
import { encodeBatch } from "../../src/internal/recordBatch/encode.ts"
import { eventually } from "../support/live.ts"
import { coordinatorOf, ScriptedGroup } from "./members.ts"
import { newName, type Kafka, type Suite } from "./suite.ts"

const text = (part: Buffer | null): string => part?.toString() ?? "null"

/** One producer with transactions. It does nothing but what the test says. */
class Producer {
  id = -1n
  epoch = -1
  private sequence = 0

  constructor(
    readonly transactionalId: string,
    readonly connection: KafkaClient.BrokerConnection,
    readonly version: KafkaProtocol.TransactionVersion
  ) {}

  get self(): KafkaProtocol.TransactionalProducer {
    return { transactionalId: this.transactionalId, producerId: this.id, producerEpoch: this.epoch }
  }

  /** Begins as another producer of the same id, or as this one once more. The code, and the epoch. */
  init(request: Partial<KafkaProtocol.InitProducerIdRequest> = {}) {
    const transactional = { id: this.transactionalId, timeoutMillis: 60_000 }
    return Effect.map(this.connection.request("InitProducerId", { transactional, ...request }), (answer) => {
      if (answer.errorCode === 0) {
        this.id = answer.producerId
        this.epoch = answer.producerEpoch
        this.sequence = 0
      }
      return [answer.errorCode, answer.producerEpoch]
    })
  }

  /** The same once no other transaction is in its way. */
  get begin() {
    return eventually(this.init(), ([code]) => code !== 51 && code !== 14 && code !== 15 && code !== 16)
  }

  add(...partitions: ReadonlyArray<readonly [topic: string, partition: number]>) {
    return Effect.map(
      this.connection.request("AddPartitionsToTxn", {
        ...this.self,
        partitions: partitions.map(([name, partition]) => ({ topic: { name, id: undefined }, partition }))
      }),
      (answer) => answer.partitions.map(({ errorCode }) => errorCode)
    )
  }

  /** The same once the last transaction has really ended. */
  added(topic: string) {
    return eventually(this.add([topic, 0]), ([code]) => code !== 51)
  }

  produce(topic: string, key: string, self: KafkaProtocol.TransactionalProducer = this.self) {
    const records = encodeBatch({
      records: [{ key: Buffer.from(key), value: Buffer.from("1"), timestamp: Date.now(), headers: [] }],
      codec: "none",
      producerId: self.producerId,
      producerEpoch: self.producerEpoch,
      baseSequence: this.sequence,
      isTransactional: true
    })
    const once = Effect.map(
      this.connection.request("Produce", {
        acks: -1,
        timeoutMillis: 10_000,
        transactionalId: this.transactionalId,
        partitions: [{ topic: { name: topic, id: undefined }, partition: 0, records }]
      }),
      ({ partitions: [{ errorCode }] }) => {
        if (errorCode === 0) this.sequence++
        return errorCode
      }
    )
    // A broker may take a moment to know that it leads a topic that was just made.
    return eventually(once, (code) => code !== 3 && code !== 6)
  }

  /** Ends it. The code, and with transactions of version 2 the epoch that it goes on with. */
  end(committed: boolean, self: KafkaProtocol.TransactionalProducer = this.self) {
    return Effect.map(
      this.connection.request("EndTxn", { ...self, transactionVersion: this.version, committed }),
      ({ errorCode, next }) => {
        if (errorCode === 0 && next !== undefined) {
          if (next.producerEpoch !== this.epoch) this.sequence = 0
          this.id = next.producerId
          this.epoch = next.producerEpoch
        }
        return next === undefined ? [errorCode] : [errorCode, next.producerEpoch]
      }
    )
  }

  commitOffsets(group: string, topic: string, offset: number, member: Partial<KafkaProtocol.GroupMember> = {}) {
    return Effect.map(
      this.connection.request("TxnOffsetCommit", {
        ...this.self,
        transactionVersion: this.version,
        groupId: group,
        generation: -1,
        memberId: "",
        instanceId: undefined,
        ...member,
        partitions: [
          { topic: { name: topic, id: undefined }, partition: 0, offset, leaderEpoch: -1, metadata: undefined }
        ]
      }),
      ({ partitions: [{ errorCode }] }) => errorCode
    )
  }

  addOffsets(group: string) {
    return Effect.map(
      this.connection.request("AddOffsetsToTxn", { ...this.self, groupId: group }),
      ({ errorCode }) => errorCode
    )
  }
}

const producerOf = (kafka: Kafka, id: string, version: KafkaProtocol.TransactionVersion) =>
  Effect.map(coordinatorOf(kafka, "transaction", id), (connection) => new Producer(id, connection, version))

/** Keys that are in the log: all of them, and those of committed transactions. */
const keysOf = (kafka: Kafka, topic: string) =>
  Effect.map(Effect.all([kafka.log(topic), kafka.log(topic, { committed: true })]), (both) =>
    both.map((records) => records.map(({ key }) => text(key)))
  )

export const transactionProtocol = (test: Suite): void => {
  test("each producer of a transactional id has the next epoch, and fences the one before", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const id = newName()
      const [a, b] = [yield* producerOf(kafka, id, 1), yield* producerOf(kafka, id, 1)]
      assert.deepStrictEqual(yield* a.begin, [0, 0])
      assert.deepStrictEqual(yield* b.init(), [0, 1])
      assert.strictEqual(a.id, b.id)
      assert.deepStrictEqual(yield* a.add([topic, 0]), [90])
      assert.deepStrictEqual(yield* a.end(true), [90])
      assert.strictEqual(yield* a.addOffsets("group"), 90)
      assert.deepStrictEqual(yield* b.add([topic, 0]), [0])
      // The same one once more has another epoch; one that was replaced has none.
      yield* b.end(false)
      const current = { producerId: b.id, producerEpoch: 1 }
      yield* eventually(b.init({ current }), ([code]) => code !== 51)
      assert.strictEqual(b.epoch, 2)
      assert.deepStrictEqual(yield* a.init({ current: { producerId: a.id, producerEpoch: 0 } }), [90, -1])
      assert.deepStrictEqual(yield* a.init({ current: { producerId: a.id + 1_000_000n, producerEpoch: 0 } }), [90, -1])
      // An answer may have been lost.
      assert.deepStrictEqual(yield* b.init({ current }), [0, 2])
      const short = { id, timeoutMillis: 0 }
      assert.deepStrictEqual(yield* a.init({ transactional: short }), [50, -1])
      assert.deepStrictEqual(yield* a.init({ transactional: { id, timeoutMillis: 100_000_000 } }), [50, -1])
      assert.deepStrictEqual(yield* a.init({ transactional: { id: "", timeoutMillis: 60_000 } }), [42, -1])
      const stranger = yield* producerOf(kafka, newName(), 1)
      assert.deepStrictEqual(yield* stranger.add([topic, 0]), [49])
      assert.deepStrictEqual(yield* stranger.end(true), [49])
    }))

  test("version 1: partitions are added first; all that is committed is shown, and ends are answered again", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      const a = yield* producerOf(kafka, newName(), 1)
      yield* a.begin
      assert.deepStrictEqual(yield* a.end(true), [48])
      assert.deepStrictEqual(yield* a.end(false), [48])
      assert.strictEqual(yield* a.produce(topic, "not added"), 48)
      const missing = yield* a.add([topic, 0], ["missing", 0], [topic, 1])
      assert.deepStrictEqual([...missing].sort(), [3, 3, 55])
      assert.deepStrictEqual(yield* a.add([topic, 0]), [0])
      assert.deepStrictEqual(yield* a.add([topic, 0]), [0])
      assert.strictEqual(yield* a.produce(topic, "committed"), 0)
      assert.deepStrictEqual(yield* keysOf(kafka, topic), [["committed"], []])
      assert.deepStrictEqual(yield* a.end(true), [0])
      yield* eventually(a.end(true), ([code]) => code === 0)
      assert.deepStrictEqual(yield* a.end(false), [48])
      yield* a.added(topic)
      assert.strictEqual(yield* a.produce(topic, "aborted"), 0)
      assert.deepStrictEqual(yield* a.end(false), [0])
      yield* eventually(a.end(false), ([code]) => code === 0)
      assert.deepStrictEqual(yield* a.end(true), [48])
      assert.strictEqual(a.epoch, 0)
      yield* eventually(keysOf(kafka, topic), ([all, committed]) => all.length === 2 && committed.length === 1)
    }))

  test("version 2: each end begins another epoch, and may be asked for again in the one before", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      const a = yield* producerOf(kafka, newName(), 2)
      yield* a.begin
      assert.deepStrictEqual(yield* a.end(true), [48])
      // There is nothing to abort, and yet the epoch goes on.
      assert.deepStrictEqual(yield* a.end(false), [0, 1])
      yield* a.added(topic)
      const before = a.self
      assert.strictEqual(yield* a.produce(topic, "committed"), 0)
      assert.deepStrictEqual(yield* a.end(true), [0, 2])
      yield* eventually(a.end(true, before), ([code]) => code === 0)
      assert.deepStrictEqual(yield* a.end(false, before), [48])
      assert.deepStrictEqual(yield* a.end(true), [48])
      assert.deepStrictEqual(yield* a.end(true, { ...before, producerEpoch: 0 }), [90])
      yield* a.added(topic)
      // What comes late, of the epoch before, is refused.
      assert.strictEqual(yield* a.produce(topic, "late", before), 47)
      assert.strictEqual(yield* a.produce(topic, "aborted"), 0)
      assert.deepStrictEqual(yield* a.end(false), [0, 3])
      yield* eventually(keysOf(kafka, topic), ([all, committed]) => all.length === 2 && committed.length === 1)
    }))

  test("another producer aborts what is open, and waits for that", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      const id = newName()
      const [a, b] = [yield* producerOf(kafka, id, 1), yield* producerOf(kafka, id, 1)]
      yield* a.begin
      yield* a.add([topic, 0])
      yield* a.produce(topic, "open")
      assert.deepStrictEqual(yield* b.init(), [51, -1])
      assert.deepStrictEqual(yield* b.begin, [0, 2])
      assert.strictEqual(yield* a.produce(topic, "fenced"), 47)
      assert.deepStrictEqual(yield* a.add([topic, 0]), [90])
      assert.deepStrictEqual(yield* a.end(true), [90])
      assert.deepStrictEqual(yield* keysOf(kafka, topic), [["open"], []])
    }))

  test("a transaction that is open for too long is aborted, and its producer fenced", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "delete" } })
      const id = newName()
      const a = yield* producerOf(kafka, id, 1)
      yield* a.begin
      assert.deepStrictEqual(yield* a.init({ transactional: { id, timeoutMillis: 1_000 } }), [0, 1])
      yield* a.add([topic, 0])
      yield* a.produce(topic, "open")
      yield* eventually(a.add([topic, 0]), ([code]) => code === 90)
      assert.deepStrictEqual(yield* a.end(true), [90])
      yield* kafka.append(topic, [{ key: "behind", value: "1" }])
      yield* eventually(keysOf(kafka, topic), ([, committed]) => committed.join() === "behind")
    }))

  test("offsets count with their transaction, and are not stable before it has ended", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      for (const version of [1, 2] as const) {
        const group = new ScriptedGroup(kafka)
        const stranger = yield* group.member("stranger")
        const a = yield* producerOf(kafka, newName(), version)
        yield* a.begin
        yield* stranger.commit(topic, { 0: 1 })
        if (version === 1) {
          assert.strictEqual(yield* a.commitOffsets(group.id, topic, 5), 120)
          assert.strictEqual(yield* a.addOffsets(group.id), 0)
        }
        assert.strictEqual(yield* a.commitOffsets(group.id, topic, 5), 0)
        assert.strictEqual(yield* a.commitOffsets(group.id, "missing", 5), 3)
        assert.deepStrictEqual(yield* group.committed(stranger.connection, topic, [0]), [0, 88])
        const unstable = { groupId: group.id, member: undefined, requireStable: false, partitions: undefined }
        const { partitions } = yield* stranger.connection.request("OffsetFetch", unstable)
        assert.deepStrictEqual(
          partitions.map(({ offset }) => offset),
          [1]
        )
        yield* a.end(true)
        yield* eventually(group.committed(stranger.connection, topic, [0]), ([, offset]) => offset === 5)

        // An abort leaves what there was, and what is committed meanwhile counts as it comes.
        const adding = version === 1 ? a.addOffsets(group.id) : Effect.succeed(0)
        yield* eventually(adding, (code) => code !== 51)
        yield* eventually(a.commitOffsets(group.id, topic, 9), (code) => code !== 51 && code !== 15)
        yield* a.end(false)
        yield* eventually(group.committed(stranger.connection, topic, [0]), ([, offset]) => offset === 5)
        yield* eventually(adding, (code) => code !== 51)
        yield* eventually(a.commitOffsets(group.id, topic, 10), (code) => code !== 51 && code !== 15)
        yield* stranger.commit(topic, { 0: 11 })
        yield* a.end(true)
        yield* eventually(group.committed(stranger.connection, topic, [0]), ([, offset]) => offset === 11)
      }
    }))

  test("a member of an older generation commits nothing within a transaction", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const group = new ScriptedGroup(kafka)
      const member = yield* group.member("member", { instanceId: "instance" })
      yield* member.join()
      yield* member.sync([[member, 0]])
      const a = yield* producerOf(kafka, newName(), 2)
      yield* a.begin
      const { generation, memberId } = member
      const commit = (of: Partial<KafkaProtocol.GroupMember>) => a.commitOffsets(group.id, topic, 5, of)
      assert.strictEqual(yield* commit({ generation, memberId }), 0)
      assert.strictEqual(yield* commit({ generation: generation + 1, memberId }), 22)
      assert.strictEqual(yield* commit({ generation, memberId: "nobody" }), 25)
      assert.strictEqual(yield* commit({ generation, memberId: "nobody", instanceId: "instance" }), 82)
      assert.strictEqual(yield* commit({}), 0)
      const other = yield* producerOf(kafka, a.transactionalId, 2)
      yield* other.begin
      assert.strictEqual(yield* commit({ generation, memberId }), 47)
      assert.deepStrictEqual(yield* group.committed(member.connection, topic, [0]), [0, -1])
      assert.strictEqual(yield* other.commitOffsets(newName(), topic, 5, { generation: 1, memberId }), 22)
      assert.strictEqual(yield* other.commitOffsets("", topic, 5), 24)
    }))
}
