/** What a writer makes of the metadata: leaders, partitions, another life of its topic; and of limits that change. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { KafkaClient, KafkaError, KafkaTableWriter } from "../../src/index.ts"
import {
  advance,
  append,
  appendThen,
  Brokers,
  fail,
  frozen,
  headersOf,
  keysOf,
  isRunning,
  open,
  openOtherwise,
  refuse,
  settle,
  slow,
  start,
  timeout,
  topic,
  within
} from "./support.ts"

/** A writer whose client describes the topic as the test says. */
const openDescribed = (
  brokers: Brokers,
  described: (found: KafkaClient.TopicDescription) => KafkaClient.TopicDescription,
  settings: KafkaTableWriter.WriterSettings = {}
) =>
  openOtherwise(
    brokers,
    (client) => ({ describeTopic: (name) => Effect.map(client.describeTopic(name), described) }),
    settings
  )

const reasonOf = (exit: Exit.Exit<unknown, KafkaError.WriteError>): string =>
  Exit.match(exit, {
    onSuccess: () => "acknowledged",
    onFailure: (cause) => (cause._tag === "Fail" ? cause.error.reason : cause._tag)
  })

describe("news from a broker that lags behind", () => {
  it.scoped("an older leader epoch never wins", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      let stale = false
      const writer = yield* openDescribed(
        brokers,
        (found) =>
          stale ? { ...found, partitions: found.partitions.map((p) => ({ ...p, leader: 0, leaderEpoch: 0 })) } : found,
        { metadataMaxAge: "1 second" }
      )
      yield* writer.set("a", "1")
      brokers.cluster.moveLeader(topic, 1)
      yield* within(5_000, writer.set("a", "2"))
      assert.strictEqual(brokers.sent.at(-1)?.node, 1)
      stale = true
      const sent = brokers.sent.length
      yield* advance(1_100)
      yield* within(2_000, writer.set("a", "3"))
      yield* within(2_000, writer.set("a", "4"))
      assert.deepStrictEqual(
        brokers.sent.slice(sent).map(({ node }) => node),
        [1, 1]
      )
    })
  )

  it.scoped("an epoch that is not known is no older one, and the same epoch may have another leader", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(1, 2)
      let leaderEpoch = 5
      let leader = 0
      const writer = yield* openDescribed(
        brokers,
        (found) => ({ ...found, partitions: found.partitions.map((p) => ({ ...p, leader, leaderEpoch })) }),
        { metadataMaxAge: "1 second" }
      )
      yield* writer.set("a", "1")
      brokers.cluster.moveLeader(topic, 1)
      leader = 1
      leaderEpoch = -1
      yield* advance(1_100)
      yield* within(2_000, writer.set("a", "2"))
      assert.strictEqual(brokers.sent.at(-1)?.node, 1)
      brokers.cluster.moveLeader(topic, 0)
      leader = 0
      yield* advance(1_100)
      yield* within(2_000, writer.set("a", "3"))
      assert.strictEqual(brokers.sent.at(-1)?.node, 0)
      assert.deepStrictEqual(brokers.written(), ["a=1", "a=2", "a=3"])
    })
  )

  it.scoped("fewer partitions of the same topic change nothing", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      let shown = 3
      const writer = yield* openDescribed(
        brokers,
        (found) => ({ ...found, partitions: found.partitions.slice(0, shown) }),
        { metadataMaxAge: "1 second", partitioner: (_, count) => count - 1 }
      )
      assert.strictEqual((yield* writer.set("a", "1")).partition, 2)
      for (shown of [1, 0, 2]) {
        yield* advance(1_100)
        assert.strictEqual((yield* within(2_000, writer.set("a", `${shown}`))).partition, 2)
      }
      assert.deepStrictEqual(brokers.written(2), ["a=1", "a=1", "a=0", "a=2"])
    })
  )
})

describe("a topic that was created again", () => {
  const recreate = (brokers: Brokers, partitions: number) => brokers.cluster.createTopic(topic, partitions)

  it.scoped("with fewer partitions: what waits is assigned anew, in its order; a partition that is gone is told", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(3)
      const writer = yield* open(brokers, { partitioner: (key, count) => key[0] % count })
      yield* writer.setMany(["a", "b", "c"].map((key) => [key, "0"] as const))
      brokers.otherwise = refuse(3)
      const keys = ["a", "b", "c", "b", "a", "b"]
      const writes = yield* Effect.forEach(keys, (key, i) => start(writer.set(key, `${i + 1}`)))
      const gone = yield* start(Effect.flip(writer.set("a", "gone", { partition: 2 })))
      const there = yield* start(writer.set("a", "there", { partition: 1 }))
      yield* settle
      recreate(brokers, 2)
      // what is sent again before the writer knows of it is refused as before
      brokers.otherwise = (brokers, sent) =>
        sent.batches.every(({ partition, records }) =>
          keysOf(records).every((key) => key.charCodeAt(0) % 2 === partition)
        )
          ? append(brokers, sent)
          : refuse(3)(brokers, sent)
      const positions = yield* within(3_000, Fiber.joinAll(writes))
      const error = yield* within(100, Fiber.join(gone))
      assert.deepInclude(error, { reason: "InvalidPartition", partition: 2 })
      assert.include(error.message, "2, of 2 partitions")
      const cause = error.cause as KafkaError.TopicError
      assert.deepInclude(cause, { _tag: "KafkaTopicError", reason: "Recreated", topic })
      assert.match(cause.message, /expected topic id \S+, found \S+/)
      assert.include(cause.message, "it has 2 partitions, and had 3")
      assert.deepStrictEqual(
        positions.map(({ partition }) => partition),
        keys.map((key) => key.charCodeAt(0) % 2)
      )
      yield* within(100, Fiber.join(there))
      assert.deepStrictEqual(brokers.written(0), ["b=2", "b=4", "b=6"])
      assert.sameMembers([...brokers.written(1)], ["a=1", "c=3", "a=5", "a=there"])
      assert.deepStrictEqual(
        brokers.written(1).filter((text) => text.startsWith("a=")),
        ["a=1", "a=5", "a=there"]
      )
      // and so are those that come later
      const later = yield* Effect.flip(writer.set("a", "1", { partition: 2 }))
      assert.deepInclude(later, { reason: "InvalidPartition", partition: 2 })
      assert.strictEqual((later.cause as KafkaError.TopicError).reason, "Recreated")
      assert.deepInclude(yield* writer.stats, { writes: 12, acknowledged: 10, failed: 2, unknown: 0, queued: 0 })
    })
  )

  it.scoped("with fewer partitions: what may be in one that is gone is unknown, at once", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(appendThen("Closed"))
      brokers.otherwise = refuse(3)
      const writer = yield* open(brokers)
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
      yield* settle
      recreate(brokers, 1)
      const error = yield* within(3_000, Fiber.join(write))
      assert.deepInclude(error, { reason: "UnknownOutcome", partition: 1 })
      assert.include(error.message, "the partition is gone")
      assert.strictEqual((error.cause as KafkaError.TopicError).reason, "Recreated")
      assert.deepInclude(yield* writer.stats, { failed: 0, unknown: 1, queued: 0 })
    })
  )

  for (const [name, ending, reason] of [
    ["refused", slow(1_500, refuse(3)), "InvalidPartition"],
    ["never answered", timeout(1_500), "UnknownOutcome"]
  ] as const) {
    it.scoped(`with fewer partitions, known while a request is under way that is ${name}: ${reason}`, () =>
      Effect.gen(function* () {
        const brokers = new Brokers(2, 2)
        brokers.cluster.moveLeader(topic, 1, 1)
        brokers.otherwise = (b, sent) => (sent.node === 1 ? ending(b, sent) : append(b, sent))
        const writer = yield* open(brokers, { metadataMaxAge: "1 second" })
        const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 1 })))
        yield* settle
        recreate(brokers, 1)
        yield* advance(1_100)
        yield* within(100, writer.set("a", "2", { partition: 0 }))
        assert.isTrue(yield* isRunning(write))
        const error = yield* within(1_000, Fiber.join(write))
        assert.deepInclude(error, { reason, partition: 1 })
        assert.strictEqual((error.cause as KafkaError.TopicError).reason, "Recreated")
        // where it grows again, the partition is written again
        recreate(brokers, 2)
        brokers.otherwise = append
        yield* advance(1_100)
        yield* within(3_000, writer.set("a", "3", { partition: 1 }))
        assert.deepStrictEqual(brokers.written(1), ["a=3"])
        const error2 = yield* Effect.flip(writer.set("a", "4", { partition: 2 }))
        assert.isUndefined(error2.cause)
      })
    )
  }

  it.scoped("with as many: what had no answer is sent again, and all that follows goes on", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      const writer = yield* open(brokers)
      yield* writer.set("a", "0", { partition: 1 })
      brokers.script.push(appendThen("Closed"), refuse(3))
      const write = yield* start(writer.set("a", "1", { partition: 1 }))
      yield* settle
      recreate(brokers, 2)
      assert.strictEqual((yield* within(5_000, Fiber.join(write))).offset, 0)
      yield* within(1_000, writer.set("a", "2", { partition: 1 }))
      assert.deepStrictEqual(brokers.written(1), ["a=1", "a=2"])
      assert.deepStrictEqual(headersOf(brokers).at(-1), "7000/0/2")
    })
  )

  it.scoped("gone while an attempt had no answer: unknown, and what was never sent is certainly not in it", () =>
    Effect.gen(function* () {
      const brokers = new Brokers(2)
      brokers.script.push(appendThen("Closed"))
      brokers.otherwise = refuse(3)
      const writer = yield* open(brokers)
      const write = yield* start(Effect.flip(writer.set("a", "1", { partition: 0 })))
      yield* settle
      const behind = yield* start(Effect.flip(writer.set("a", "2", { partition: 0 })))
      brokers.cluster.deleteTopic(topic)
      const error = yield* within(6_000, Fiber.join(write))
      assert.strictEqual(error.reason, "UnknownOutcome")
      assert.strictEqual((error.cause as KafkaError.TopicError).reason, "NotFound")
      assert.strictEqual((yield* within(1_000, Fiber.join(behind))).reason, "TopicNotFound")
      brokers.cluster.createTopic(topic, 2)
      brokers.otherwise = append
      yield* within(5_000, writer.set("a", "3", { partition: 0 }))
      // the old attempt is fenced off
      assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
    })
  )
})

describe("limits of the topic that change", () => {
  const limited =
    (limit: number) =>
    (b: Brokers, sent: Parameters<typeof append>[1]): ReturnType<typeof append> =>
      sent.batches[0].bytes.length > limit ? refuse(10)(b, sent) : append(b, sent)

  const many = Array.from({ length: 20 }, (_, i) => [`k${i}`, "x".repeat(60)] as const)

  it.scoped("lowered, and raised: batches follow, and a record that is too large is only so while it is", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      const writer = yield* open(brokers, { metadataMaxAge: "1 second" })
      yield* writer.setMany(many)
      const before = brokers.sent.length
      brokers.otherwise = limited(500)
      yield* within(5_000, writer.setMany(many))
      assert.strictEqual((yield* Effect.flip(writer.set("k", "x".repeat(600)))).reason, "TooLarge")
      brokers.otherwise = append
      yield* writer.set("k", "x".repeat(600))
      // twice as large after each look at the topic
      for (let i = 0; i < 6; i++) {
        yield* advance(1_100)
        yield* within(1_000, writer.set("a", "1"))
      }
      const sent = brokers.sent.length
      yield* within(1_000, writer.setMany(many))
      assert.strictEqual(brokers.sent.length, sent + 1)
      assert.strictEqual(brokers.sent[0].batches[0].records.length, 20)
      assert.strictEqual(before, 1)
      assert.deepStrictEqual(brokers.sent.at(-1)?.batches[0].records.length, 20)
    })
  )

  it.scoped("an attempt had no answer, then it is too large: all of it is unknown, none is sent again", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.script.push(slow(100), appendThen("Closed"))
      const writer = yield* open(brokers)
      const first = yield* start(writer.set("first", "0"))
      yield* settle
      const writes = yield* Effect.forEach(["a", "b"], (key) => start(Effect.exit(writer.set(key, "1"))))
      brokers.otherwise = refuse(10)
      const exits = yield* within(5_000, Effect.zipRight(Fiber.join(first), Fiber.joinAll(writes)))
      assert.deepStrictEqual(exits.map(reasonOf), ["UnknownOutcome", "UnknownOutcome"])
      brokers.otherwise = append
      yield* writer.set("c", "1")
      assert.strictEqual(headersOf(brokers).at(-1), "7000/1/0")
      assert.deepStrictEqual(brokers.written(), ["first=0", "a=1", "b=1", "c=1"])
    })
  )
})

describe("a writer with nothing to flush closes at once, without time", () => {
  const gone = (brokers: Brokers) => {
    const { before } = brokers.cluster
    return (request: string, behaviour: Effect.Effect<never, KafkaError.ConnectionError>) => {
      brokers.cluster.before = (name, node, detail) =>
        request === "all" || name === request ? behaviour : before(name, node, detail)
    }
  }

  for (const [name, request, behaviour] of [
    ["all requests hang", "all", Effect.never],
    ["connections hang", "connect", Effect.never],
    ["metadata hangs", "metadata", Effect.never],
    ["produce hangs", "produce", Effect.never],
    ["nothing can be connected to", "all", Effect.suspend(() => fail("Unreachable")(new Brokers(), undefined as never))]
  ] as const) {
    for (const written of [false, true]) {
      it.scoped(`${name}${written ? ", after a write that failed" : ""}`, () =>
        Effect.gen(function* () {
          const brokers = new Brokers()
          const closing = yield* Effect.scoped(
            Effect.gen(function* () {
              const writer = yield* open(brokers, { deliveryTimeout: "2 seconds" })
              if (request !== "connect") yield* writer.set("a", "1")
              gone(brokers)(request, behaviour as Effect.Effect<never, KafkaError.ConnectionError>)
              if (written && request !== "metadata") {
                const error = yield* within(3_000, Effect.flip(writer.set("a", "2")))
                assert.include(["Timeout", "UnknownOutcome"], error.reason)
              }
              return writer
            })
          ).pipe(Effect.fork)
          // that which is waited for above needs time; the closing needs none
          yield* advance(written ? 2_500 : 0)
          const writer = yield* within(0, Fiber.join(closing)).pipe(Effect.orDie)
          assert.deepInclude(yield* writer.stats, { queued: 0 })
          assert.strictEqual(brokers.cluster.open, 0)
        })
      )
    }
  }

  it.scoped("what hangs at its end is not waited for longer than closeTimeout", () =>
    Effect.gen(function* () {
      const brokers = new Brokers()
      brokers.otherwise = frozen
      const fiber = yield* Effect.fork(
        Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* open(brokers, { closeTimeout: "1 second" })
            const write = yield* Effect.forkDaemon(Effect.flip(writer.set("a", "1")))
            yield* settle
            return write
          })
        )
      )
      yield* advance(900)
      assert.isTrue(yield* isRunning(fiber))
      const write = yield* within(200, Fiber.join(fiber))
      assert.strictEqual((yield* Fiber.join(write)).reason, "UnknownOutcome")
    })
  )
})
