/** What happens to a log, and what is in it: removed records, compaction, transactions, poison, corruption. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert } from "vitest"
import { isSchemaError } from "../support/effect/v4/schemas.ts"
import { failureOf } from "../support/exits.ts"
import type { Node } from "../kafka/KafkaCluster.ts"
import { topicName } from "../kafka/realKafka.ts"
import { collect, eventually, numbers, statusOf } from "../support/live.ts"
import { timed } from "../support/ownTime.ts"
import { HUNG_MILLIS } from "../support/patience.ts"
import { staysCaughtUp } from "./expectations.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import { differences, lastWriteWins } from "./oracle.ts"
import { Api } from "./Proxy.ts"
import { bothSides, type Scenario } from "./rows.ts"
import * as Trial from "./trial.ts"
import { watch, watchable } from "./views/watched.ts"
import { contentOf } from "./Witness.ts"

/** Of partition 0, the last 200 bytes: two or three batches of one small record. */
const loseTail = (node: Node, topic: string) =>
  Effect.sync(() => {
    const file = path.join(node.dataDir, `${topic}-0`, "00000000000000000000.log")
    fs.truncateSync(file, fs.statSync(file).size - 200)
  })

/** What is made in it ends when it is closed, with the trial at the latest. */
const forAWhile = Effect.flatMap(Effect.scope, (outer) => Scope.fork(outer, outer.strategy))

export const scenarios: ReadonlyArray<Scenario> = [
  Trial.underLoad("records are deleted beyond a table that was cut off", [["head", "table"]], ({ java, proxies }) => ({
    // with a policy of compaction alone, nobody may delete records
    topic: { configs: { "cleanup.policy": "compact,delete" } },
    fault: ({ busy, remember, table, topic }) =>
      Effect.gen(function* () {
        const truncations = yield* collect(table.truncations)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* proxies[0].banish({ clientId: "reader" })
            yield* eventually(table.freshness, ({ connected }) => !connected)
            yield* busy(100)
            const ends = yield* java.listOffsets(topic)
            yield* remember
            // one of them keeps its records
            yield* java.deleteRecords(topic, ends.slice(1))
            yield* busy(20)
          })
        )
        yield* eventually(table.stats, ({ rebuilds }) => rebuilds === 3)
        yield* eventually(
          Effect.sync(() => truncations.length),
          (count) => count === 3
        )
        for (const { from, partition, reason, to } of truncations) {
          assert.strictEqual(reason, "Head")
          assert.notStrictEqual(partition, 0)
          assert.isBelow(from, to)
        }
      }),
    then: ({ statuses }) => Effect.sync(() => assert.deepStrictEqual([...new Set(statuses)], ["CaughtUp"]))
  })),

  Trial.underLoad(
    "compaction removes tombstones while a table is cut off",
    [["tombstones", "table"]],
    ({ java, proxies }) => ({
      topic: { configs: { ...compacted, "delete.retention.ms": "0" } },
      fault: ({ busy, lines, load, remember, table, topic }) =>
        Effect.gen(function* () {
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* proxies[0].banish({ clientId: "reader" })
              yield* eventually(table.freshness, ({ connected }) => !connected)
              yield* busy(100)
              // what is written meanwhile could be compacted before anybody has read it
              yield* load.pause
              yield* remember
              yield* java.compact(topic, { dropTombstones: true })
              yield* remember
              yield* java.alterTopicConfigs(topic, {
                unset: ["segment.ms", "min.cleanable.dirty.ratio", "max.compaction.lag.ms"]
              })
              yield* load.resume
            })
          )
          yield* eventually(table.stats, ({ rebuilds }) => rebuilds >= 1)
          assert.isTrue(lines.some((line) => line.includes("longer than the topic keeps tombstones")))
        })
    })
  ),

  Trial.alone(
    "compaction removes tombstones before a table that starts has read them",
    [["tombstones", "table"]],
    ({ brokers, java, proxies: [proxy] }, lines) =>
      Effect.gen(function* () {
        const topic = topicName()
        yield* java.createTopic(topic, { configs: { ...compacted, "delete.retention.ms": "0" } })
        const put = (key: string, value: string | null) => java.produce(topic, [{ key, value }])
        for (const i of numbers(10)) yield* put(`k${i}`, "x".repeat(500))
        for (const i of numbers(5)) yield* put(`k${i}`, null)
        const slow = { clientId: "slow" }
        const network = yield* forAWhile
        yield* Scope.provide(proxy.delay(100, slow), network)
        const batchAnAnswer = { fetch: { maxBytes: 10, maxPartitionBytes: 10 } }
        // It is not through before the cleaner is.
        const settings = { ...batchAnAnswer, catchUpTimeout: HUNG_MILLIS }
        const opening = yield* Effect.forkChild(
          Effect.map(openTable({ brokers }, slow.clientId, topic, settings), (table) => ({
            table,
            content: contentOf(table)
          }))
        )
        // it has read some of the values by now, and no tombstone: for longer than tombstones last, a second at least
        yield* eventually(
          Effect.sync(() => proxy.requests(Api.Fetch, slow)),
          (requests) => requests >= 8
        )
        yield* Scope.provide(proxy.stall(slow), network)
        yield* java.compact(topic, { dropTombstones: true })
        yield* Scope.close(network, Exit.void)
        // at the moment when it calls itself caught up
        const { content, table } = yield* Fiber.join(opening)
        const right = lastWriteWins(yield* java.dump(topic, { committed: true }))
        assert.deepStrictEqual(differences(content, right), [])
        assert.deepStrictEqual(differences(contentOf(table), right), [])
        assert.isTrue(lines.some((line) => line.includes("longer than the topic keeps tombstones")))
        assert.strictEqual((yield* table.stats).rebuilds, 1)
      })
  ),

  Trial.alone("the last records are lost with the disk", [["tail", "table"]], ({ brokers, java, nodes: [node] }) =>
    Effect.gen(function* () {
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      const table = yield* openTable({ brokers }, "reader", topic, watchable)
      const views = yield* watch({ brokers, java }, table)
      const truncations = yield* collect(table.truncations)
      const put = (count: number, from: number) =>
        Effect.forEach(numbers(count, from), (i) => java.produce(topic, [{ key: `k${i}`, value: `${i}` }]))
      yield* put(20, 0)
      yield* table.barrier()
      yield* node.kill
      yield* loseTail(node, topic)
      yield* node.start
      const [{ offset: end }] = yield* java.listOffsets(topic)
      assert.isBelow(end, 20)
      // beyond the table's position, with other records in the places of those that it has
      yield* put(30, 100)
      yield* eventually(
        Effect.sync(() => truncations.map(({ from, reason, to }) => ({ from, reason, to }))),
        (found) => found.length === 1
      )
      assert.deepInclude(truncations[0], { reason: "Tail", from: 20, to: end })
      yield* table.barrier()
      const right = lastWriteWins(yield* java.dump(topic, { committed: true }))
      assert.strictEqual(right.size, end + 30)
      assert.deepStrictEqual(differences(contentOf(table), right), [])
      yield* views.areRight
    })
  ),

  Trial.alone(
    "the last records are lost with the disk, and a table that starts has not read them yet",
    [["tail", "table"]],
    ({ brokers, java, nodes: [node], proxies: [proxy] }) =>
      Effect.gen(function* () {
        const topic = topicName()
        yield* java.createTopic(topic, { configs: compacted })
        yield* Effect.forEach(numbers(20), (i) => java.produce(topic, [{ key: `k${i}`, value: `${i}` }]))
        const network = yield* forAWhile
        yield* Scope.provide(
          proxy.rule({ api: Api.Fetch, fate: { _tag: "Swallow" }, clientId: "reader", times: 1_000 }),
          network
        )
        // Long enough to learn where the log ends.
        const table = yield* openTable({ brokers }, "reader", topic, { catchUpTimeout: "10 seconds" })
        const status = yield* statusOf(table)
        assert.strictEqual(status._tag, "Degraded")
        if (status._tag === "Degraded") {
          assert.deepStrictEqual(status.cause.behind, [{ partition: 0, position: 0, target: 20 }])
        }
        const truncations = yield* collect(table.truncations)
        yield* node.kill
        yield* loseTail(node, topic)
        yield* node.start
        yield* Scope.close(network, Exit.void)
        const [{ offset: end }] = yield* java.listOffsets(topic)
        assert.isBelow(end, 20)
        yield* eventually(statusOf(table), ({ _tag }) => _tag === "CaughtUp")
        assert.deepStrictEqual(
          truncations.map(({ from, reason, to }) => ({ from, reason, to })),
          [{ from: 20, reason: "Tail", to: end }]
        )
        const right = lastWriteWins(yield* java.dump(topic, { committed: true }))
        assert.strictEqual(right.size, end)
        assert.deepStrictEqual(differences(contentOf(table), right), [])
      })
  ),

  Trial.underLoad("transactions: open, aborted, committed", [["transactions", "table"]], ({ java, nodes: [node] }) => ({
    fault: ({ open, topic }) =>
      Effect.gen(function* () {
        const [aborted, committed] = yield* Effect.all([java.transaction(), java.transaction()])
        const send = (producer: typeof aborted, what: string, from = 0) =>
          producer.send(
            topic,
            numbers(12, from).map((i) => ({ key: `t${i}`, value: `${what} ${i}`, partition: i % 4 }))
          )
        yield* aborted.begin
        yield* committed.begin
        for (const round of numbers(3)) {
          yield* send(aborted, "aborted", round)
          yield* send(committed, "committed", round)
        }
        // hangs nobody's start
        const [millis, during] = yield* timed(open("during", { onCatchUpTimeout: "fail" }))
        assert.isBelow(millis, 10_000)
        assert.isFalse(during.unsafeSnapshot().has("t0"))
        yield* node.kill
        yield* node.start
        yield* send(committed, "committed", 1)
        assert.isFalse(during.unsafeSnapshot().has("t0"))
        yield* Effect.all([aborted.abort, committed.commit], { concurrency: 2 })
        yield* eventually(during.get("t2"), (value) => value._tag === "Some" && value.value === "committed 2")
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad("poison records", [["poison", "table"]], ({ java }) => {
    const rotten = Buffer.of(0xff, 0xfe)
    return {
      isPoison: ({ key, value }) => key?.equals(rotten) === true || value?.equals(rotten) === true,
      fault: ({ table, topic }) =>
        Effect.gen(function* () {
          const poison = yield* collect(table.poison)
          const positions = yield* java.produce(
            topic,
            numbers(8).map((i) =>
              i < 4 ? { key: `k${i}`, value: rotten, partition: i } : { key: rotten, value: `${i}`, partition: i - 4 }
            )
          )
          yield* table.barrier()
          yield* eventually(
            Effect.sync(() => poison.length),
            (count) => count === 8
          )
          assert.sameDeepMembers(
            poison.map(({ offset, partition, reason }) => [reason, partition, offset]),
            positions.map(({ offset, partition }, i) => [i < 4 ? "Value" : "Key", partition, offset])
          )
          for (const { cause, topic: where } of poison) {
            assert.isTrue(isSchemaError(cause))
            assert.strictEqual(where, topic)
          }
          const { keyErrors, valueErrors } = yield* table.stats
          assert.deepStrictEqual([keyErrors, valueErrors], [4, 4])
        }),
      then: staysCaughtUp
    }
  }),

  Trial.alone(
    "a poison record, and the policy is to fail; a value that cannot be encoded",
    bothSides("poison"),
    (lab) =>
      Effect.gen(function* () {
        const topic = topicName()
        yield* lab.java.createTopic(topic, { configs: compacted })
        const table = yield* openTable(lab, "strict", topic, { ...watchable, onPoison: "fail" })
        const views = yield* watch(lab, table)
        const writer = yield* openWriter(lab, "encoder", topic)
        yield* table.awaitPosition(yield* writer.set("a", "1"))

        const before = lab.proxies[0].requests(Api.Produce, { clientId: "encoder" })
        const unencodable = yield* Effect.flip(writer.set("a", "half a \ud800 pair"))
        assert.deepStrictEqual([unencodable._tag, unencodable.reason], ["KafkaWriteError", "Encode"])
        assert.strictEqual(lab.proxies[0].requests(Api.Produce, { clientId: "encoder" }), before)

        const [at] = yield* lab.java.produce(topic, [{ key: "a", value: Buffer.of(0xff) }])
        const error = failureOf(yield* Effect.exit(table.failure))
        assert.strictEqual(error._tag, "KafkaPoisonRecordError")
        if (error._tag === "KafkaPoisonRecordError") {
          assert.deepStrictEqual([error.reason, error.partition, error.offset], ["Value", 0, at.offset])
        }
        assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "1"]])
        yield* views.haveEndedWith(error)
      })
  ),

  Trial.underLoad("a batch is corrupted on its way", [["corrupt", "table"]], ({ proxies: [proxy] }) => ({
    fault: ({ busy, lines, table }) =>
      Effect.gen(function* () {
        for (const _ of numbers(3)) {
          const edit = (frame: Buffer) => {
            // a bit in the middle of a value
            const at = frame.indexOf("patient-")
            if (at === -1) return false
            frame[at + 8] ^= 1
            return true
          }
          const armed = yield* proxy.rule({ api: Api.Fetch, fate: { _tag: "Corrupt", edit }, clientId: "reader" })
          yield* armed.happened
          // the line of a partition is told at a rate: those that follow soon are counted in the next one
          yield* eventually(
            Effect.sync(() => lines.some((line) => line.includes("corrupt batch, asking for it once more"))),
            (isTold) => isTold
          )
          yield* busy(50)
          yield* table.barrier()
        }
      }),
    then: staysCaughtUp
  })),

  Trial.alone("a batch is corrupt on the broker's disk", [["corrupt", "table"]], (lab, lines) =>
    Effect.gen(function* () {
      const { java, nodes, proxies } = lab
      const topic = topicName()
      yield* java.createTopic(topic, { configs: compacted })
      const send = (value: string) => java.produce(topic, [{ key: "a", value }])
      yield* send("sound")
      const table = yield* openTable(lab, "reader", topic, watchable)
      const views = yield* watch(lab, table)
      yield* table.barrier()
      const [at] = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* proxies[0].banish({ clientId: "reader" })
          const positions = yield* send("rotten")
          yield* send("behind it")
          const file = path.join(nodes[0].dataDir, `${topic}-0`, "00000000000000000000.log")
          yield* Effect.sync(() => {
            const place = fs.readFileSync(file).indexOf("rotten")
            const handle = fs.openSync(file, "r+")
            fs.writeSync(handle, "R", place)
            fs.closeSync(handle)
          })
          return positions
        })
      )
      const error = failureOf(yield* Effect.exit(table.failure))
      assert.strictEqual(error._tag, "KafkaCorruptBatchError")
      if (error._tag === "KafkaCorruptBatchError") {
        assert.deepStrictEqual([error.reason, error.partition, error.baseOffset], ["Checksum", 0, at.offset])
      }
      assert.isTrue(lines.some((line) => line.includes("asking for it once more")))
      assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", "sound"]])
      assert.deepStrictEqual(yield* statusOf(table), { _tag: "Failed", error, healing: false })
      yield* views.haveEndedWith(error)
      const another = yield* Effect.exit(openTable(lab, "another", topic))
      assert.strictEqual(failureOf(another)._tag, "KafkaCorruptBatchError")
    })
  )
]
