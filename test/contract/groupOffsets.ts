/** What a coordinator keeps of offsets, and what it tells of groups. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { eventually } from "../support/live.ts"
import { ScriptedGroup } from "./members.ts"
import type { Suite } from "./suite.ts"

export const groupOffsets = (test: Suite): void => {
  test("who is no member commits while there are none, and reads at any time", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 3 })
      const group = new ScriptedGroup(kafka)
      const [a, stranger] = [yield* group.member("a"), yield* group.member("stranger")]
      assert.deepStrictEqual(yield* group.committed(stranger.connection, topic, [0, 1, 99]), [0, -1, -1, -1])
      assert.deepStrictEqual(yield* stranger.commit(topic, { 0: 7, 2: 0 }), { 0: 0, 2: 0 })
      assert.deepStrictEqual(yield* group.committed(stranger.connection, topic, [0, 1, 2]), [0, 7, -1, 0])
      yield* a.join()
      assert.deepStrictEqual(yield* stranger.commit(topic, { 0: 8 }), { 0: 25 })
      yield* a.sync([[a, 0]])
      assert.deepStrictEqual(yield* stranger.commit(topic, { 0: 8 }), { 0: 25 })
      assert.deepStrictEqual(yield* stranger.commit(topic, { 0: 8 }, { memberId: "nobody", generation: 1 }), { 0: 25 })
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 9 }), { 0: 0 })
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 10 }, { generation: 0 }), { 0: 22 })
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 10 }, { generation: 2 }), { 0: 22 })
      assert.deepStrictEqual(yield* group.committed(stranger.connection, topic, [0]), [0, 9])
      yield* a.leave()
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 10 }), { 0: 25 })
      assert.deepStrictEqual(yield* stranger.commit(topic, { 0: 11 }), { 0: 0 })
      assert.deepStrictEqual(yield* group.committed(stranger.connection, topic, [0]), [0, 11])
    }))

  test("each partition has a code of its own: of a topic that there is not, of too long a text", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const group = new ScriptedGroup(kafka)
      const { connection } = yield* group.member("stranger")
      const of = (name: string, partition: number, offset: number, metadata?: string) => ({
        topic: { name, id: undefined },
        partition,
        offset,
        leaderEpoch: 3,
        metadata
      })
      const commit = (generation: number, ...partitions: ReadonlyArray<ReturnType<typeof of>>) =>
        Effect.map(
          connection.request("OffsetCommit", {
            groupId: group.id,
            memberId: "",
            instanceId: undefined,
            generation,
            partitions
          }),
          (answer) =>
            answer.partitions
              .map((p) => `${p.topic.name === topic ? "topic" : "missing"}-${p.partition}: ${p.errorCode}`)
              .sort()
        )
      // Of a group that there is not, by who takes itself for a member.
      assert.deepStrictEqual(yield* commit(3, of(topic, 0, 1)), ["topic-0: 69"])
      assert.deepStrictEqual(
        yield* commit(
          -1,
          of(topic, 0, 5, "so far"),
          of(topic, 1, 5, "x".repeat(5_000)),
          of("missing", 0, 1),
          of(topic, 2, 1)
        ),
        ["missing-0: 3", "topic-0: 0", "topic-1: 12", "topic-2: 3"]
      )
      assert.deepStrictEqual(yield* commit(-1, of("missing", 0, 1)), ["missing-0: 3"])
      const all = yield* connection.request("OffsetFetch", {
        groupId: group.id,
        member: undefined,
        requireStable: true,
        partitions: undefined
      })
      assert.deepStrictEqual(all, {
        errorCode: 0,
        partitions: [
          {
            topic: { name: topic, id: undefined },
            partition: 0,
            errorCode: 0,
            offset: 5,
            leaderEpoch: 3,
            metadata: "so far"
          }
        ]
      })
    }))

  test("a topic takes its offsets with it", (kafka) =>
    Effect.gen(function* () {
      const [kept, gone] = [yield* kafka.topic(), yield* kafka.topic()]
      const group = new ScriptedGroup(kafka)
      const stranger = yield* group.member("stranger")
      yield* stranger.commit(kept, { 0: 1 })
      yield* stranger.commit(gone, { 0: 1 })
      yield* kafka.deleteTopic(gone)
      yield* eventually(group.committed(stranger.connection, gone, [0]), ([, offset]) => offset === -1)
      assert.deepStrictEqual(yield* group.committed(stranger.connection, kept, [0]), [0, 1])
    }))

  test("offsets are committed and found by the topic's id: one that is gone has none, nor takes any", (kafka) =>
    Effect.gen(function* () {
      const name = yield* kafka.topic({ partitions: 2 })
      const id = yield* kafka.idOf(name)
      const group = new ScriptedGroup(kafka)
      const { connection } = yield* group.member("stranger")
      type Place = readonly [id: string | undefined, partition: number]
      const places = (all: ReadonlyArray<Place>) => all.map(([id, partition]) => ({ topic: { name, id }, partition }))
      const commit = (offset: number, ...all: ReadonlyArray<Place>) =>
        Effect.map(
          connection.request("OffsetCommit", {
            groupId: group.id,
            memberId: "",
            instanceId: undefined,
            generation: -1,
            partitions: places(all).map((place) => ({ ...place, offset, leaderEpoch: -1, metadata: undefined }))
          }),
          ({ partitions }) => partitions.map(({ errorCode }) => errorCode)
        )
      const found = (...all: ReadonlyArray<Place>) =>
        Effect.map(
          connection.request("OffsetFetch", {
            groupId: group.id,
            member: undefined,
            requireStable: true,
            partitions: places(all)
          }),
          ({ partitions }) => partitions.map(({ errorCode, offset }) => errorCode || offset)
        )
      // A coordinator hears of a new topic a moment after its leaders do.
      yield* eventually(commit(7, [id, 0]), ([code]) => code === 0)
      assert.deepStrictEqual(yield* found([id, 0]), [7])
      assert.deepStrictEqual(yield* found([id, 1]), [-1])
      assert.deepStrictEqual(yield* found([undefined, 0]), [7])
      assert.deepStrictEqual(yield* commit(1, [id, 99]), [3])
      yield* kafka.deleteTopic(name)
      yield* kafka.createTopic(name, { partitions: 2 })
      const next = yield* kafka.idOf(name)
      yield* eventually(found([next, 0]), ([offset]) => offset === -1)
      assert.deepStrictEqual(yield* found([id, 0]), [100])
      assert.deepStrictEqual(yield* commit(8, [id, 0]), [100])
      assert.deepStrictEqual(yield* found([next, 0]), [-1])
      assert.deepStrictEqual((yield* commit(9, [id, 1], [next, 0])).sort(), [0, 100])
      assert.deepStrictEqual(yield* found([next, 0], [next, 1]), [9, -1])
    }))

  test("offsets are deleted of topics that nobody is subscribed to, a group that nobody is in", (kafka) =>
    Effect.gen(function* () {
      const [wanted, other] = [yield* kafka.topic(), yield* kafka.topic()]
      const group = new ScriptedGroup(kafka)
      const a = yield* group.member("a", { topics: [wanted] })
      const forget = (...topics: ReadonlyArray<string>) =>
        Effect.map(
          a.connection.request("OffsetDelete", {
            groupId: group.id,
            partitions: topics.map((name) => ({ topic: { name, id: undefined }, partition: 0 }))
          }),
          ({ errorCode, partitions }) => [errorCode, ...partitions.map((p) => p.errorCode)]
        )
      const remove = Effect.map(
        a.connection.request("DeleteGroups", { groupId: group.id }),
        ({ errorCode }) => errorCode
      )
      assert.deepStrictEqual(yield* forget(wanted), [69])
      assert.strictEqual(yield* remove, 69)
      yield* a.join()
      yield* a.sync([[a, 0]])
      yield* a.commit(wanted, { 0: 1 })
      yield* a.commit(other, { 0: 2 })
      assert.deepStrictEqual(yield* forget(wanted, other), [0, 86, 0])
      assert.deepStrictEqual(yield* group.committed(a.connection, wanted, [0]), [0, 1])
      assert.deepStrictEqual(yield* group.committed(a.connection, other, [0]), [0, -1])
      assert.strictEqual(yield* remove, 68)
      yield* a.leave()
      assert.deepStrictEqual(yield* forget(wanted), [0, 0])
      assert.strictEqual(yield* remove, 0)
      assert.strictEqual(yield* remove, 69)
      assert.strictEqual(yield* a.heartbeat(), 25)
    }))

  test("a group is described and listed in each of its states", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic()
      const group = new ScriptedGroup(kafka)
      const a = yield* group.member("a")
      const described = Effect.map(
        a.connection.request("DescribeGroups", { groupId: group.id }),
        ({ errorCode, members, protocolName, protocolType, state }) => [
          errorCode,
          state,
          protocolType,
          protocolName,
          ...members.map((m) => [group.nameOf(m.memberId), m.clientId, m.metadata.length > 0, m.assignment.length > 0])
        ]
      )
      const listed = (states: ReadonlyArray<string> = [], types: ReadonlyArray<string> = []) =>
        Effect.map(a.connection.request("ListGroups", { states, types }), ({ groups }) =>
          groups.filter(({ groupId }) => groupId === group.id).map((one) => [one.state, one.type, one.protocolType])
        )
      assert.deepStrictEqual(yield* described, [69, "Dead", "", ""])
      assert.deepStrictEqual(yield* listed(), [])
      yield* a.commit(topic, { 0: 1 })
      assert.deepStrictEqual(yield* described, [0, "Empty", "", ""])
      assert.deepStrictEqual(yield* listed(), [["Empty", "classic", ""]])
      yield* a.join()
      const client = "effect-ktables"
      assert.deepStrictEqual(yield* described, [0, "CompletingRebalance", "consumer", "", ["a", client, false, false]])
      yield* a.sync([[a, 0]])
      assert.deepStrictEqual(yield* described, [0, "Stable", "consumer", "range", ["a", client, true, true]])
      assert.deepStrictEqual(yield* listed(["stable"], ["classic"]), [["Stable", "classic", "consumer"]])
      assert.deepStrictEqual(yield* listed(["Empty"]), [])
      assert.deepStrictEqual(yield* listed([], ["consumer"]), [])
      yield* a.leave()
      assert.deepStrictEqual(yield* described, [0, "Empty", "consumer", ""])
    }))
}
