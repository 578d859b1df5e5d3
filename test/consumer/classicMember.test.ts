/** A member of a group in the classic protocol: each answer of its coordinator, and what it does then. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { range } from "../../src/internal/consumer/assignors/range.ts"
import {
  decodeAssignment,
  decodeSubscription,
  encodeSubscription
} from "../../src/internal/protocol/consumerProtocol.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { settle } from "../support/answers.ts"
import { facts } from "../support/live.ts"
import { advance, assignmentOf, BEAT, DENIED_RETRY, FIRST_BEAT, hold, it, play, SESSION, taken } from "./member.ts"

/** What the member claims when it joins. */
const claimOf = (request: { readonly protocols: ReadonlyArray<{ readonly metadata: Uint8Array }> }) => {
  const { generation, ownedPartitions } = decodeSubscription(Buffer.from(request.protocols[0].metadata))
  const owned = ownedPartitions.flatMap(({ partitions, topic }) => partitions.map((p) => `${topic}:${p}`))
  return [generation, ...owned].join(" ")
}

describe("joining", () => {
  it.effect("asks again with the id that it is given, and takes what it is assigned", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const first = yield* played.next("JoinGroup")
      assert.strictEqual(first.request.memberId, "")
      yield* first.answer({ errorCode: 79, memberId: "m" })
      const { join, sync } = yield* taken(played, 3, "t:0", "t:2")
      assert.strictEqual(join.memberId, "m")
      assert.strictEqual(claimOf(join), "-1")
      assert.deepStrictEqual([sync.memberId, sync.generation, sync.assignments.length], ["m", 3, 0])
      assert.deepStrictEqual(played.told, ["assigned t:0 t:2"])
      assert.deepStrictEqual(played.member.identity(), { memberId: "m", generation: 3, instanceId: undefined })
    })
  )

  it.effect("shares the partitions where it leads", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const subscription = encodeSubscription({
        topics: ["t"],
        userData: undefined,
        ownedPartitions: [],
        generation: -1,
        rackId: undefined
      })
      const join = yield* played.next("JoinGroup")
      yield* join.answer({
        generation: 1,
        memberId: "m",
        leader: "m",
        protocolName: "cooperative-sticky",
        members: ["m", "n"].map((memberId) => ({ memberId, instanceId: undefined, metadata: subscription }))
      })
      const sync = yield* played.next("SyncGroup")
      const given = sync.request.assignments.flatMap(({ assignment }) =>
        decodeAssignment(Buffer.from(assignment)).partitions.flatMap(({ partitions }) => partitions)
      )
      assert.deepStrictEqual([...given].sort(), [0, 1, 2, 3])
      assert.deepStrictEqual(played.told, ["leads"])
    })
  )

  it.effect("does not let a member whose wishes cannot be read stop the others", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const join = yield* played.next("JoinGroup")
      yield* join.answer({
        generation: 1,
        memberId: "m",
        leader: "m",
        protocolName: "cooperative-sticky",
        members: [
          { memberId: "m", instanceId: undefined, metadata: Buffer.from(join.request.protocols[0].metadata) },
          { memberId: "n", instanceId: undefined, metadata: Buffer.from([0]) }
        ]
      })
      const { request } = yield* played.next("SyncGroup")
      const sizes = request.assignments.map(({ assignment, memberId }) => {
        const { partitions } = decodeAssignment(Buffer.from(assignment))
        return `${memberId} ${partitions.flatMap((one) => one.partitions).length}`
      })
      assert.deepStrictEqual([...sizes].sort(), ["m 4", "n 0"])
    })
  )

  it.effect("goes on after lost answers, with growing pauses", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const lost = yield* played.next("JoinGroup")
      yield* lost.fail
      assert.include(played.unavailable(), "Closed")
      yield* advance(10)
      yield* (yield* played.next("JoinGroup")).fail
      yield* advance(19)
      assert.deepStrictEqual(played.open, [])
      yield* advance(1)
      yield* taken(played, 1, "t:0")
      assert.strictEqual(played.unavailable(), undefined)
    })
  )

  it.effect("waits for rights, slowly", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const denied = yield* played.next("JoinGroup")
      yield* denied.answer({ errorCode: 30 })
      yield* advance(DENIED_RETRY - 1)
      assert.deepStrictEqual(played.open, [])
      yield* advance(1)
      yield* taken(played, 1, "t:0")
    })
  )

  it.effect("code 27, as when the group goes over to the other protocol meanwhile: it joins again, after a pause", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* (yield* played.next("JoinGroup")).answer({ errorCode: 27 })
      assert.deepStrictEqual(played.open, [])
      yield* advance(10)
      yield* taken(played, 1, "t:0")
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )

  it.effect("code 25, as of an id that was forgotten meanwhile: it joins again with a new one", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* (yield* played.next("JoinGroup")).answer({ errorCode: 79, memberId: "m" })
      yield* (yield* played.next("JoinGroup")).answer({ errorCode: 25, memberId: "m" })
      const { join } = yield* taken(played, 1, "t:0")
      assert.strictEqual(join.memberId, "")
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )

  for (const [code, reason] of [
    [24, "Rejected"],
    [26, "Rejected"],
    [81, "Full"],
    [82, "Fenced"]
  ] as const) {
    it.effect(`code ${code} ends it: ${reason}`, () =>
      Effect.gen(function* () {
        const played = yield* play()
        const join = yield* played.next("JoinGroup")
        yield* join.answer({ errorCode: code })
        const error = yield* Effect.flip(Fiber.join(played.run))
        assert.strictEqual(error.reason, reason)
      })
    )
  }

  for (const [how, answer, words] of [
    [
      "names its own assignor and the group's",
      { errorCode: 0, protocolType: "consumer", protocolName: "range" },
      /this member has cooperative-sticky, and the group has range/
    ],
    [
      "names what the group is, where that is none of consumers",
      { errorCode: 0, protocolType: "connect", protocolName: "sessioned" },
      /the group is none of consumers: its members are of type connect/
    ],
    [
      "names its own assignor, where it may not look at the group",
      { errorCode: 30 },
      /this member has cooperative-sticky\)/
    ],
    ["names its own assignor, where the coordinator does not answer", undefined, /this member has cooperative-sticky\)/]
  ] as const) {
    it.effect(`code 23 ends it: Inconsistent, and ${how}`, () =>
      Effect.gen(function* () {
        const played = yield* play()
        const join = yield* played.next("JoinGroup")
        yield* join.answer({ errorCode: 23 })
        const describing = yield* played.next("DescribeGroups")
        yield* answer === undefined ? advance(1_500) : describing.answer(answer)
        const error = yield* Effect.flip(Fiber.join(played.run))
        assert.strictEqual(error.reason, "Inconsistent")
        assert.match(error.message, words)
      })
    )
  }
})

describe("rebalancing", () => {
  it.effect("keeps what it has while it joins, gives up what is taken away, and joins again then", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0", "t:1")
      yield* advance(BEAT)
      const beat = yield* played.next("Heartbeat")
      yield* beat.answer({ errorCode: 27 })
      const join = yield* played.next("JoinGroup")
      assert.strictEqual(claimOf(join.request), "1 t:0 t:1")
      assert.strictEqual(played.member.identity()?.generation, 1, "the group has not gone on without it yet")
      yield* join.answer({ generation: 2, memberId: "m", leader: "other" })
      assert.strictEqual(played.member.identity(), undefined, "a commit would be refused now")
      const sync = yield* played.next("SyncGroup")
      yield* sync.answer({ assignment: assignmentOf("t:1", "t:2") })
      assert.deepStrictEqual(played.told.slice(1), ["assigned t:2", "revoking t:0"])
      assert.strictEqual(played.member.identity()?.generation, 2, "what is done is committed before it is given up")
      yield* played.revoked
      assert.strictEqual(claimOf((yield* played.next("JoinGroup")).request), "2 t:1 t:2")
    })
  )

  it.effect(
    "heartbeats soon after a generation has begun, then less often: others may have given partitions up by then",
    () =>
      Effect.gen(function* () {
        const played = yield* play()
        for (const generation of [1, 2]) {
          yield* taken(played, generation, "t:0")
          for (const millis of [100, 200, 400, 800, 1_600, BEAT, BEAT]) {
            yield* advance(millis - 1)
            assert.deepStrictEqual(played.open, [])
            yield* advance(1)
            yield* (yield* played.next("Heartbeat")).answer({})
          }
          yield* advance(BEAT - 1)
          played.member.topicsChanged()
          yield* settle
        }
        assert.deepStrictEqual(played.told, ["assigned t:0"])
      })
  )

  it.effect("a generation that begins while a heartbeat is under way is heard of soon, too", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      const beat = yield* played.next("Heartbeat")
      played.member.topicsChanged()
      yield* settle
      yield* taken(played, 2, "t:0")
      yield* beat.answer({})
      yield* advance(FIRST_BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      assert.strictEqual(claimOf((yield* played.next("JoinGroup")).request), "2 t:0")
    })
  )

  it.effect("joins, too, while what it lives in is being closed, and waits for work that goes on", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* Scope.addFinalizer(
        played.scope,
        Effect.gen(function* () {
          yield* advance(BEAT)
          yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
          yield* taken(played, 2, "t:0")
          yield* advance(BEAT)
          assert.strictEqual((yield* played.next("Heartbeat")).request.generation, 2)
        }).pipe(Effect.orDie)
      )
      yield* played.close
    })
  )

  it.effect("code 22 on a heartbeat while it joins: the answer to that is on its way", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      const join = yield* played.next("JoinGroup")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 22 })
      yield* join.answer({ generation: 2, memberId: "m", leader: "other" })
      yield* (yield* played.next("SyncGroup")).answer({ assignment: assignmentOf("t:0") })
      assert.deepStrictEqual(played.told, ["assigned t:0"], "nothing was lost")
      assert.strictEqual(played.member.identity()?.generation, 2)
    })
  )

  it.effect("code 22 again while it joins: the group has gone on without it", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      const join = yield* played.next("JoinGroup")
      for (let i = 0; i < 2; i++) {
        yield* advance(BEAT)
        yield* (yield* played.next("Heartbeat")).answer({ errorCode: 22 })
      }
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
      yield* join.fail
      yield* advance(10)
      assert.strictEqual(claimOf((yield* played.next("JoinGroup")).request), "-1")
    })
  )

  it.effect("gives up all before it joins, with an assignor that needs that", () =>
    Effect.gen(function* () {
      const played = yield* play({ assignors: [range] })
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      const beat = yield* played.next("Heartbeat")
      yield* beat.answer({ errorCode: 27 })
      assert.deepStrictEqual(played.told.slice(1), ["revoking t:0"])
      assert.deepStrictEqual(played.open, [])
      assert.strictEqual(played.member.identity()?.generation, 1)
      yield* played.revoked
      assert.strictEqual(claimOf((yield* played.next("JoinGroup")).request), "1")
    })
  )

  it.effect("heartbeats while a revocation takes its time", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0", "t:1")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      yield* taken(played, 2, "t:1")
      for (let i = 0; i < 20; i++) {
        yield* advance(BEAT)
        yield* (yield* played.next("Heartbeat")).answer({})
      }
      assert.deepStrictEqual(played.told.slice(1), ["revoking t:0"])
    })
  )

  it.effect("a second rebalance that begins while it gives up is joined after that", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0", "t:1")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      yield* taken(played, 2, "t:1")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      assert.deepStrictEqual(played.open, [])
      yield* played.revoked
      yield* taken(played, 3, "t:1")
      assert.deepStrictEqual(played.open, [], "one join was the answer to both")
    })
  )

  it.effect("code 27 when it syncs: it joins again", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const join = yield* played.next("JoinGroup")
      yield* join.answer({ generation: 1, memberId: "m", leader: "other" })
      yield* (yield* played.next("SyncGroup")).answer({ errorCode: 27 })
      yield* taken(played, 2, "t:0")
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )
})

describe("a sync that is refused", () => {
  /** A member with a partition that has joined again, and asks for its share. */
  const syncing = (options: Parameters<typeof play>[0] = {}) =>
    Effect.gen(function* () {
      const played = yield* play(options)
      yield* taken(played, 1, "t:0")
      played.member.topicsChanged()
      yield* settle
      const join = yield* played.next("JoinGroup")
      yield* join.answer({ generation: 2, memberId: "m", leader: "other" })
      return { played, sync: yield* played.next("SyncGroup") }
    })

  for (const [code, reason, memberId] of [
    [22, "Fenced", "m"],
    [25, "Forgotten", ""]
  ] as const) {
    it.effect(`by ${code}: lost, and joins at once ${memberId === "" ? "with a new id" : "with the same id"}`, () =>
      Effect.gen(function* () {
        const { played, sync } = yield* syncing()
        yield* sync.answer({ errorCode: code })
        assert.deepStrictEqual(played.told.slice(1), [`lost t:0: ${reason}`])
        const join = yield* played.next("JoinGroup")
        assert.deepStrictEqual([join.request.memberId, claimOf(join.request)], [memberId, "-1"])
      })
    )
  }

  it.effect("by 82: lost, and over", () =>
    Effect.gen(function* () {
      const { played, sync } = yield* syncing({ instanceId: "i" })
      yield* sync.answer({ errorCode: 82 })
      const error = yield* Effect.flip(Fiber.join(played.run))
      assert.deepInclude(facts(error), { reason: "Fenced" })
      assert.deepStrictEqual(played.open, [])
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
    })
  )

  for (const code of [-1, 7, 14, 15, 16, 56]) {
    it.effect(`by ${code}, which passes: keeps what it has, and joins again after a pause`, () =>
      Effect.gen(function* () {
        const { played, sync } = yield* syncing()
        yield* sync.answer({ errorCode: code })
        yield* advance(9)
        assert.deepStrictEqual(played.open, [])
        yield* advance(1)
        const { join } = yield* taken(played, 3, "t:0")
        assert.strictEqual(claimOf(join), "2 t:0")
        assert.deepStrictEqual(played.told, ["assigned t:0"], "nothing was lost")
      })
    )
  }

  it.effect("by 30: the right is waited for, slowly", () =>
    Effect.gen(function* () {
      const { played, sync } = yield* syncing()
      yield* sync.answer({ errorCode: 30 })
      assert.include(played.unavailable(), "GROUP_AUTHORIZATION_FAILED")
      for (let passed = FIRST_BEAT; passed < DENIED_RETRY; passed += 100) {
        yield* advance(100)
        if (played.open[0]?.name === "Heartbeat") yield* (yield* played.next("Heartbeat")).answer({ errorCode: 30 })
        assert.deepStrictEqual(played.open, [])
      }
      yield* advance(100)
      yield* taken(played, 3, "t:0")
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )

  for (const code of [23, 24]) {
    it.effect(`by ${code}, which does not: it is over`, () =>
      Effect.gen(function* () {
        const { played, sync } = yield* syncing()
        yield* sync.answer({ errorCode: code })
        const error = yield* Effect.flip(Fiber.join(played.run))
        assert.deepInclude(facts(error), { _tag: "KafkaGroupError", reason: code === 23 ? "Inconsistent" : "Rejected" })
      })
    )
  }
})

describe("losing", () => {
  it.effect("code 25 on a heartbeat: lost, and joins at once with a new id", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 25 })
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Forgotten"])
      const join = yield* played.next("JoinGroup")
      assert.deepStrictEqual([join.request.memberId, claimOf(join.request)], ["", "-1"])
    })
  )

  it.effect("code 22 on a heartbeat: lost, and joins with the same id", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 22 })
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
      const join = yield* played.next("JoinGroup")
      assert.deepStrictEqual([join.request.memberId, claimOf(join.request)], ["m", "-1"])
    })
  )

  it.effect("code 82 on a heartbeat: lost, and over", () =>
    Effect.gen(function* () {
      const played = yield* play({ instanceId: "i" })
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 82 })
      const error = yield* Effect.flip(Fiber.join(played.run))
      assert.include(error.message, "instance id i")
      assert.deepStrictEqual(played.open, [], "it does not take the instance id back")
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
    })
  )

  it.effect("a session without an answer ends it, by its own clock", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(SESSION - 1)
      assert.deepStrictEqual(played.told.slice(1), [])
      assert.isDefined(played.member.identity())
      yield* advance(1)
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: SessionEnded"])
      assert.isUndefined(played.member.identity(), "nothing is committed any more")
    })
  )

  for (const when of ["JoinGroup", "SyncGroup"] as const) {
    it.effect(
      `a process that was held for a session has lost what it had, though the answer to ${when} waits for it`,
      () =>
        Effect.gen(function* () {
          const played = yield* play()
          yield* taken(played, 1, "t:0")
          yield* advance(BEAT)
          yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
          const join = yield* played.next("JoinGroup")
          const joined = { generation: 2, memberId: "m", leader: "other", protocolName: "cooperative-sticky" }
          if (when === "SyncGroup") yield* join.answer(joined)
          const sync = when === "SyncGroup" ? yield* played.next("SyncGroup") : undefined
          assert.deepStrictEqual(played.told.slice(1), [])
          yield* hold(SESSION + 1)
          if (sync === undefined) yield* join.answer(joined)
          else yield* sync.answer({ assignment: assignmentOf("t:0") })
          assert.deepStrictEqual(played.told.slice(1), ["lost t:0: SessionEnded"])
          assert.isUndefined(played.member.identity(), "nothing is committed any more")
          // What it is given then, it has anew.
          if (sync === undefined) yield* (yield* played.next("SyncGroup")).answer({ assignment: assignmentOf("t:0") })
          else yield* taken(played, 3, "t:0")
          yield* advance(0)
          assert.deepStrictEqual(played.told.slice(2), ["assigned t:0"])
        })
    )
  }

  it.effect("a heartbeat that is not answered for a third of a session is given up, told, and sent again soon", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(FIRST_BEAT)
      yield* played.next("Heartbeat")
      yield* advance(SESSION / 3)
      assert.include(played.unavailable(), "Timeout")
      yield* advance(FIRST_BEAT)
      yield* (yield* played.next("Heartbeat")).answer({})
      assert.isUndefined(played.unavailable())
      yield* advance(SESSION - 1)
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )

  it.effect("an answer to an earlier generation means nothing", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* advance(BEAT)
      const late = yield* played.next("Heartbeat")
      played.member.topicsChanged()
      yield* settle
      yield* taken(played, 2, "t:0")
      yield* late.answer({ errorCode: 22 })
      assert.deepStrictEqual(played.told, ["assigned t:0"])
      assert.strictEqual(played.member.identity()?.generation, 2)
    })
  )

  it.effect("a partition that is lost while it is given up is not waited for", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0", "t:1")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 27 })
      yield* taken(played, 2, "t:1")
      yield* advance(BEAT)
      yield* (yield* played.next("Heartbeat")).answer({ errorCode: 25 })
      assert.deepStrictEqual(played.told.slice(2), ["lost t:0 t:1: Forgotten"])
      assert.strictEqual((yield* played.next("JoinGroup")).request.memberId, "")
    })
  )
})

describe("refused commits", () => {
  it.effect("of the present generation are heard, others are not", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 5, "t:0")
      const identity = played.member.identity()!
      played.member.refused({ ...identity, generation: 4 }, 25)
      yield* settle
      assert.deepStrictEqual(played.told, ["assigned t:0"])
      played.member.refused(identity, 27)
      yield* settle
      assert.strictEqual(played.open[0].name, "JoinGroup")
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )

  it.effect("code 22 in a stable group: lost, and joins with the same id", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 5, "t:0")
      played.member.refused(played.member.identity()!, 22)
      yield* settle
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
      const join = yield* played.next("JoinGroup")
      assert.deepStrictEqual([join.request.memberId, claimOf(join.request)], ["m", "-1"])
    })
  )

  for (const code of [22, 27]) {
    it.effect(`code ${code} while the group rebalances: kept, and sent in the next generation`, () =>
      Effect.gen(function* () {
        const played = yield* play()
        yield* taken(played, 5, "t:0")
        const identity = played.member.identity()!
        played.member.topicsChanged()
        yield* settle
        const join = yield* played.next("JoinGroup")
        played.member.refused(identity, code)
        yield* settle
        yield* join.answer({ generation: 6, memberId: "m", leader: "other" })
        played.member.refused(identity, code)
        yield* settle
        yield* (yield* played.next("SyncGroup")).answer({ assignment: assignmentOf("t:0") })
        assert.deepStrictEqual(played.told, ["assigned t:0"])
        assert.strictEqual(played.member.identity()?.generation, 6)
        assert.deepStrictEqual(played.open, [])
      })
    )
  }

  it.effect("code 82: lost, and over", () =>
    Effect.gen(function* () {
      const played = yield* play({ instanceId: "i" })
      yield* taken(played, 5, "t:0")
      played.member.refused(played.member.identity()!, 82)
      const error = yield* Effect.flip(Fiber.join(played.run))
      assert.deepInclude(facts(error), { reason: "Fenced" })
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
    })
  )

  it.effect("code 25: lost, and joins at once", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 5, "t:0")
      played.member.refused(played.member.identity()!, 25)
      yield* settle
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Forgotten"])
      assert.strictEqual((yield* played.next("JoinGroup")).request.memberId, "")
    })
  )
})

describe("leaving", () => {
  it.effect("says so, by its id", () =>
    Effect.gen(function* () {
      const played = yield* play()
      yield* taken(played, 1, "t:0")
      yield* Fiber.interrupt(played.run)
      const leaving = yield* Effect.forkChild(played.member.leave)
      yield* settle
      const { answer, request } = yield* played.next("LeaveGroup")
      assert.strictEqual(request.memberId, "m")
      yield* answer({})
      assert.isTrue(hasEnded(leaving))
    })
  )

  it.effect("with the id that comes while it waits, if it was only about to be given one", () =>
    Effect.gen(function* () {
      const played = yield* play()
      const join = yield* played.next("JoinGroup")
      yield* Fiber.interrupt(played.run)
      const leaving = yield* Effect.forkChild(played.member.leave)
      yield* settle
      assert.deepStrictEqual(played.open, [])
      yield* join.answer({ errorCode: 79, memberId: "pending" })
      assert.strictEqual((yield* played.next("LeaveGroup")).request.memberId, "pending")
      yield* advance(10_000)
      assert.isTrue(hasEnded(leaving), "it waits for no answer for long")
    })
  )

  it.effect("a static member does not: it comes back", () =>
    Effect.gen(function* () {
      const played = yield* play({ instanceId: "i" })
      yield* taken(played, 1, "t:0")
      yield* Fiber.interrupt(played.run)
      yield* played.member.leave
      assert.deepStrictEqual(played.open, [])
    })
  )
})
