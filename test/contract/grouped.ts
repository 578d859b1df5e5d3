import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import { Codec, GroupedKafkaTable, GroupedKafkaTableWriter } from "../../src/index.ts"
import { collect, eventually, numbers } from "../support/live.ts"
import { newName, type Kafka, type Suite } from "./suite.ts"

/** What the topic is made with, where the cluster has no defaults for it. */
const placedIn = ({ lacks }: Kafka) => ({
  topicSettings: lacks["defaults of new topics"] === undefined ? {} : { partitions: 1, replicationFactor: 1 }
})

const tableOf = (kafka: Kafka, topic: string) =>
  kafka.withClient(GroupedKafkaTable.make<string, string, string>({ topic, value: Codec.utf8, ...placedIn(kafka) }))

const writerOf = (kafka: Kafka, topic: string) =>
  kafka.withClient(
    GroupedKafkaTableWriter.make<string, string, string>({ topic, value: Codec.utf8, ...placedIn(kafka) })
  )

const contentOf = (snapshot: GroupedKafkaTable.GroupedSnapshot<string, string, string>) =>
  Object.fromEntries(Array.from(snapshot.toMap(), ([group, members]) => [group, Object.fromEntries(members)]))

export const grouped = (test: Suite): void => {
  test("members of groups: written, read, watched and deleted, with keys that others read", (kafka) =>
    Effect.gen(function* () {
      const topic = newName()
      const writer = yield* writerOf(kafka, topic)
      const table = yield* tableOf(kafka, topic)
      const seen = yield* collect(Stream.map(table.watchGroup("😀"), (members) => Object.fromEntries(members)))
      yield* table.awaitPosition(
        yield* writer.setMany([
          ["😀", "m", "1"],
          ["billing", "b1", "2"],
          ["billing", "b2", "3"]
        ])
      )
      const held = table.unsafeSnapshot()
      yield* table.awaitPosition(yield* writer.set("billing", "b1", "4"))
      yield* table.awaitPosition(yield* writer.delete("😀", "m"))
      assert.deepStrictEqual(contentOf(table.unsafeSnapshot()), { billing: { b1: "4", b2: "3" } })
      assert.deepStrictEqual(contentOf(held), { "😀": { m: "1" }, billing: { b1: "2", b2: "3" } })
      assert.deepStrictEqual(yield* table.get("billing", "b1"), Option.some("4"))
      assert.deepStrictEqual(
        [yield* table.groups, yield* table.groupSize("billing"), yield* table.size],
        [["billing"], 2, 2]
      )
      yield* eventually(
        Effect.sync(() => JSON.stringify(seen.at(-1))),
        (last) => last === "{}"
      )
      const log = yield* kafka.log(topic)
      assert.sameMembers(
        log.map(({ key, value }) => `${key!.toString()}=${value?.toString() ?? "null"}`),
        ["1:😀m=1", "7:billingb1=2", "7:billingb2=3", "7:billingb1=4", "1:😀m=null"]
      )
    }))

  test("groups of a topic that others write: replayed and followed, foreign keys skipped and counted", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const records = numbers(300).map((i) => ({ key: `${`${i % 20}`.length}:${i % 20}m${i}`, value: `${i}` }))
      yield* kafka.append(topic, [{ key: "foreign", value: "1" }, ...records.slice(0, 200)])
      const table = yield* tableOf(kafka, topic)
      assert.deepStrictEqual([yield* table.groupCount, yield* table.size], [20, 200])
      yield* table.awaitPosition(
        yield* kafka.append(topic, [
          ...records.slice(200),
          { key: "01:ab", value: "1" },
          // of group 7, all that there are
          ...records.filter((_, i) => i % 20 === 7).map(({ key }) => ({ key, value: null }))
        ])
      )
      assert.strictEqual((yield* table.stats).keyErrors, 2)
      const right: Record<string, Record<string, string>> = {}
      for (const i of numbers(300)) if (i % 20 !== 7) (right[`${i % 20}`] ??= {})[`m${i}`] = `${i}`
      assert.deepStrictEqual(contentOf(table.unsafeSnapshot()), right)
      assert.isFalse(yield* table.hasGroup("7"))
    }))

  test("a member that is announced is in its group as long as its scope is open", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const writer = yield* writerOf(kafka, topic)
      const table = yield* tableOf(kafka, topic)
      const scope = yield* Scope.make()
      yield* table.awaitPosition(yield* Scope.provide(writer.announce("billing", "b1", "up"), scope))
      assert.deepStrictEqual(contentOf(table.unsafeSnapshot()), { billing: { b1: "up" } })
      yield* Scope.close(scope, Exit.void)
      yield* table.barrier()
      assert.deepStrictEqual([yield* table.groupCount, yield* table.groups], [0, []])
    }))

  test("a topic whose beginning is gone: members go, groups with their last ones, and who watches hears of it", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ configs: { "cleanup.policy": "compact,delete" } })
      const writer = yield* writerOf(kafka, topic)
      const table = yield* tableOf(kafka, topic)
      const members = [
        ["old", "a", "1"],
        ["both", "a", "2"],
        ["both", "b", "3"],
        ["new", "a", "4"]
      ] as const
      for (const [group, member, value] of members) {
        yield* table.awaitPosition(yield* writer.set(group, member, value))
      }
      const [ofOld, ofBoth, ofNew] = [
        yield* collect(Stream.map(table.watchGroup("old"), ({ size }) => size)),
        yield* collect(Stream.map(table.watchGroup("both"), (group) => [...group.keys()].join())),
        yield* collect(Stream.map(table.watchGroup("new"), ({ size }) => size))
      ]
      yield* eventually(
        Effect.sync(() => ofOld.length + ofBoth.length + ofNew.length),
        (n) => n === 3
      )
      yield* kafka.deleteRecords(topic, 0, 2)
      yield* eventually(table.groups, (groups) => groups.length === 2)
      yield* eventually(
        Effect.sync(() => [ofOld, ofBoth]),
        ([old, both]) => old.at(-1) === 0 && both.at(-1) === "b"
      )
      assert.deepStrictEqual(ofNew, [1])
      const content = { both: { b: "3" }, new: { a: "4" } }
      for (const each of [table, yield* tableOf(kafka, topic)]) {
        assert.deepStrictEqual(contentOf(each.unsafeSnapshot()), content)
      }
      yield* table.awaitPosition(yield* writer.set("old", "a", "5"))
      yield* eventually(
        Effect.sync(() => ofOld.at(-1)),
        (size) => size === 1
      )
    }))
}
