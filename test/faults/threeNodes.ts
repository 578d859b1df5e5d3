/** Faults of a cluster of three nodes: leaders that die, freeze and move, replicas that are missing. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import type * as JavaClient from "../kafka/JavaClient.ts"
import { topicName } from "../kafka/realKafka.ts"
import { collect, eventually, numbers, statusOf } from "../support/live.ts"
import { saysThatItIsLost, staysCaughtUp } from "./expectations.ts"
import type { Operation } from "./history.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import { differences, lastWriteWins } from "./oracle.ts"
import {
  firstErrorCode,
  NOT_ENOUGH_REPLICAS,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  REQUEST_TIMED_OUT
} from "./produceAnswer.ts"
import { Api } from "./Proxy.ts"
import { scenario as atRandom } from "./random.ts"
import { bothSides, type Scenario } from "./rows.ts"
import * as Trial from "./trial.ts"
import { watch, watchable } from "./views/watched.ts"
import { contentOf } from "./Witness.ts"

/** Every node leads something. */
const everywhere = {
  assignments: [
    [1, 2, 3],
    [2, 3, 1],
    [3, 1, 2],
    [1, 3, 2]
  ],
  configs: compacted
}

const leadersOf = ({ table }: Trial.World) =>
  Effect.map(table.stats, ({ partitions }) => partitions.map(({ leader }) => leader))

/** Waits until writes that were called from now on are acknowledged in each of these partitions. */
const goesOnIn = ({ load }: Trial.World, partitions: ReadonlyArray<number>) =>
  Effect.suspend(() => {
    const from = load.operations.length
    const isIn = (partition: number) => (one: Operation) =>
      one.outcome?._tag === "Acknowledged" && one.outcome.partition === partition
    return eventually(
      Effect.sync(() => load.operations.slice(from)),
      (later) => partitions.every((partition) => later.some(isIn(partition)))
    )
  })

/** The error codes of answers to writes, the first of each answer. */
const codesOfAnswers = (lab: Parameters<Scenario["run"]>[0]) =>
  Effect.gen(function* () {
    const codes = new Set<number>()
    const edit = (frame: Buffer) => {
      codes.add(frame.readInt16BE(firstErrorCode(frame)))
      return false
    }
    for (const proxy of lab.proxies) yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Corrupt", edit } })
    return codes
  })

const leaders: ReadonlyArray<Scenario> = [
  Trial.underLoad("a leader is killed, and comes back", bothSides("crash"), ({ java, nodes }) => ({
    topic: everywhere,
    // it heals by the election of another one
    fault: ({ topic }) =>
      Effect.gen(function* () {
        yield* nodes[1].kill
        const isDeposed = ({ partitions }: JavaClient.TopicDescription) => partitions.every((p) => p.leader !== 2)
        yield* eventually(java.describeTopic(topic), isDeposed)
      }),
    then: (world) =>
      Effect.gen(function* () {
        assert.notInclude(yield* leadersOf(world), 2)
        yield* nodes[1].start
        yield* java.electLeaders(world.topic, [1])
        yield* eventually(leadersOf(world), (list) => list[1] === 2)
        yield* goesOnIn(world, [0, 1, 2, 3])
        yield* staysCaughtUp(world)
      })
  })),

  Trial.underLoad("all brokers are restarted, one by one", bothSides("crash"), ({ java, nodes }) => ({
    topic: everywhere,
    fault: (world) =>
      Effect.gen(function* () {
        for (const node of nodes) {
          yield* node.restart
          // as one does it: the next one when all replicas are back
          const inSync = Effect.map(java.describeTopic(world.topic), ({ partitions }) =>
            partitions.every(({ isr }) => isr.length === 3)
          )
          yield* eventually(inSync, (all) => all)
        }
        yield* java.electLeaders(world.topic, numbers(4))
      }),
    then: (world) =>
      Effect.gen(function* () {
        yield* staysCaughtUp(world)
        const failed = world.load.operations.filter(
          ({ outcome, writer }) => writer === "patient" && outcome !== undefined && outcome._tag !== "Acknowledged"
        )
        assert.deepStrictEqual(failed, [])
      })
  })),

  Trial.underLoad("leaders move, again and again", [...bothSides("crash"), ...bothSides("tail")], ({ java }) => ({
    topic: everywhere,
    fault: ({ busy, topic }) =>
      Effect.gen(function* () {
        for (const round of numbers(3, 1)) {
          const replicas = (partition: number) => numbers(3).map((i) => ((partition + round + i) % 3) + 1)
          yield* java.reassign(
            topic,
            numbers(4).map((partition) => ({ partition, replicas: replicas(partition) }))
          )
          yield* java.electLeaders(topic, numbers(4))
          yield* busy(40)
        }
      }),
    // requests with a leader's old epoch were refused, and went out again with the new one
    then: staysCaughtUp
  })),

  Trial.underLoad("a leader is frozen, and wakes up when another one leads", bothSides("frozen"), ({ nodes }) => ({
    topic: everywhere,
    fault: (world) =>
      Effect.gen(function* () {
        yield* Effect.acquireRelease(nodes[2].stop, () => Effect.orDie(nodes[2].continue))
        yield* goesOnIn(world, [0, 1, 3])
        yield* eventually(leadersOf(world), (list) => !list.includes(3) && !list.includes(-1))
        yield* goesOnIn(world, [0, 1, 2, 3])
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad(
    "clients cannot reach one node, the others can",
    [...bothSides("frozen"), ["offline", "table"]],
    ({ proxies }) => ({
      topic: everywhere,
      fault: (world) =>
        Effect.gen(function* () {
          const targets = yield* world.ends
          yield* proxies[0].stall()
          yield* saysThatItIsLost(world)
          const connected = Effect.map(world.table.stats, ({ partitions }) => partitions.map((p) => p.connected))
          yield* eventually(connected, (list) => !list[0] && list[1] && list[2] && !list[3])
          yield* goesOnIn(world, [1, 2])
          // the metadata comes from another broker, and tells the gate what is missing
          // Long enough for the others to catch up.
          const late = yield* world.open("late", { catchUpTimeout: "15 seconds" }, targets)
          const status = yield* statusOf(late)
          assert.strictEqual(status._tag, "Degraded")
          if (status._tag === "Degraded") {
            assert.sameMembers(
              status.cause.behind.map(({ partition }) => partition),
              [0, 3]
            )
          }
        }),
      then: staysCaughtUp
    })
  )
]

const replicas: ReadonlyArray<Scenario> = [
  Trial.underLoad("one partition has no replica left", bothSides("offline"), ({ nodes }) => ({
    topic: { assignments: [[1], [2], [1], [3]], configs: compacted },
    fault: (world) =>
      Effect.gen(function* () {
        const targets = yield* world.ends
        yield* nodes[2].kill
        yield* goesOnIn(world, [0, 1, 2])
        const error = yield* Effect.flip(world.writers.get("hasty")!.set("k", "v", { partition: 3 }))
        assert.deepStrictEqual([error._tag, error.partition], ["KafkaWriteError", 3])
        assert.include(["Timeout", "UnknownOutcome"], error.reason)
        yield* goesOnIn(world, [0, 1, 2])
        // Long enough for the others to catch up.
        const gated = yield* world.open("gated", { catchUpTimeout: "10 seconds" }, targets)
        const status = yield* statusOf(gated)
        assert.strictEqual(status._tag, "Degraded")
        if (status._tag === "Degraded") {
          assert.deepStrictEqual(
            status.cause.behind.map(({ partition, position, target }) => [partition, position, target]),
            [[3, undefined, undefined]]
          )
        }
        yield* nodes[2].start
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad("too few replicas are in sync", [["replicas", "writer"]], (lab) => ({
    topic: {
      assignments: numbers(4).map(() => [1, 2]),
      configs: { ...compacted, "min.insync.replicas": "2" }
    },
    // longer than it takes to find out that the follower is gone
    writer: { requestTimeout: "6 seconds" },
    fault: ({ load }) =>
      Effect.gen(function* () {
        const codes = yield* codesOfAnswers(lab)
        yield* lab.nodes[1].kill
        yield* eventually(
          Effect.sync(() => [...codes]),
          // what was appended before that may be in the log, in the words of old brokers or of new ones
          (seen) =>
            seen.includes(NOT_ENOUGH_REPLICAS) &&
            (seen.includes(NOT_ENOUGH_REPLICAS_AFTER_APPEND) || seen.includes(REQUEST_TIMED_OUT))
        )
        // with a deadline that it cannot meet
        const failed = () => load.operations.filter(({ outcome }) => outcome?._tag === "Failed")
        yield* eventually(Effect.sync(failed), (list) => list.length > 0)
        assert.deepStrictEqual(
          [...new Set(failed().map(({ outcome }) => (outcome?._tag === "Failed" ? outcome.reason : "")))],
          ["Timeout"]
        )
        yield* lab.nodes[1].start
      }),
    then: staysCaughtUp
  })),

  Trial.alone("a leader that lags behind is elected: acknowledged records are lost", bothSides("tail"), (lab) =>
    Effect.gen(function* () {
      const { java, nodes } = lab
      const topic = topicName()
      yield* java.createTopic(topic, { assignments: [[1, 2]], configs: { ...compacted, "min.insync.replicas": "1" } })
      const table = yield* openTable(lab, "reader", topic, watchable)
      const views = yield* watch(lab, table)
      const writer = yield* openWriter(lab, "writer", topic, { deliveryTimeout: "60 seconds" })
      const truncations = yield* collect(table.truncations)
      const put = (from: number, count: number) =>
        Effect.flatMap(writer.setMany(numbers(count, from).map((i) => [`k${i}`, `${i}`] as const)), (positions) =>
          table.awaitPosition(positions, { timeout: "60 seconds" })
        )
      yield* put(0, 20)
      yield* nodes[1].kill
      yield* put(20, 20)
      assert.strictEqual(yield* table.size, 40)
      yield* nodes[0].kill
      yield* nodes[1].start
      // nobody is elected while the dead one is taken for the leader
      yield* eventually(java.describeTopic(topic), ({ partitions: [p] }) => p.leader === -1)
      yield* java.electLeaders(topic, [0], { unclean: true })
      yield* eventually(table.size, (size) => size === 20)
      yield* eventually(
        Effect.sync(() => truncations.length),
        (count) => count === 1
      )
      assert.deepStrictEqual(
        truncations.map(({ from, partition, reason, to }) => ({ from, partition, reason, to })),
        [{ from: 40, partition: 0, reason: "Tail", to: 20 }]
      )
      yield* put(100, 10)
      yield* nodes[0].start
      yield* put(200, 10)
      yield* table.barrier()
      const right = lastWriteWins(yield* java.dump(topic, { committed: true }))
      assert.strictEqual(right.size, 40)
      assert.deepStrictEqual(differences(contentOf(table), right), [])
      assert.strictEqual((yield* statusOf(table))._tag, "CaughtUp")
      yield* views.areRight
    })
  )
]

export const scenarios: ReadonlyArray<Scenario> = [...leaders, ...replicas, atRandom]
