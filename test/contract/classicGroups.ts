/** What a coordinator answers to members of the classic protocol, request by request. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert } from "vitest"
import { eventually } from "../support/live.ts"
import { ScriptedGroup, type ScriptedMember } from "./members.ts"
import type { Kafka, Suite } from "./suite.ts"

/** Lets what was asked before come to where it waits. */
const pause = Effect.sleep("300 millis")

/**
 * After how long members are out that do not come. Those that come in time need less than that, on a broker and a machine that have
 * much else to do.
 */
const OUT_MILLIS = 6_000

/** Two members in a stable group, the first one its leader. */
const pair = (kafka: Kafka, ...joinings: ReadonlyArray<Parameters<ScriptedGroup["member"]>[1]>) =>
  Effect.gen(function* () {
    const group = new ScriptedGroup(kafka)
    const [a, b] = [yield* group.member("a", joinings[0]), yield* group.member("b", joinings[1])]
    yield* a.join()
    yield* a.sync([[a, 0, 1]])
    yield* rebalanced(a, b)
    return { group, a, b }
  })

/** Lets both join, and the first one assign. */
const rebalanced = (a: ScriptedMember, b: ScriptedMember) =>
  Effect.gen(function* () {
    const joining = yield* Effect.forkChild(b.join())
    yield* eventually(a.heartbeat(), (code) => code === 27)
    const joined = [yield* a.join(), yield* Fiber.join(joining)]
    const [leader, follower] = joined[0].leader === a.name ? [a, b] : [b, a]
    yield* leader.sync([
      [a, 0],
      [b, 1]
    ])
    yield* follower.sync()
    return joined
  })

export const classicGroups = (test: Suite): void => {
  test("a group whose members are all gone, but for an id that nobody has joined with yet, takes any consumer", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 1 })
      const group = new ScriptedGroup(kafka)
      const [a, b, c] = [yield* group.member("a"), yield* group.member("b"), yield* group.member("c")]
      yield* a.join()
      yield* a.sync([[a, 0, 1]])
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 0 }), { 0: 0 })
      assert.strictEqual((yield* b.joinOnce()).errorCode, 79)
      assert.strictEqual(yield* a.leave(), 0)
      assert.strictEqual((yield* c.joinOnce({ protocols: ["roundrobin"] })).errorCode, 79)
      assert.strictEqual(yield* b.leave(), 0)
      assert.deepInclude(yield* c.join({ protocols: ["roundrobin"] }), {
        code: 0,
        protocol: "roundrobin",
        members: ["c"]
      })
    }))

  test("a member is given an id to join with, leads, assigns, and beats", (kafka) =>
    Effect.gen(function* () {
      const group = new ScriptedGroup(kafka)
      const a = yield* group.member("a")
      const required = yield* a.joinOnce()
      assert.deepInclude(required, { errorCode: 79, generation: -1, leader: "", members: [] })
      assert.match(required.memberId, /^effect-ktables-[0-9a-f-]{36}$/)
      assert.deepStrictEqual(yield* a.join(), {
        code: 0,
        generation: 1,
        protocol: "range",
        leader: "a",
        members: ["a"]
      })
      assert.strictEqual(yield* a.heartbeat(), 0)
      assert.deepStrictEqual(yield* a.sync([[a, 0, 1]]), [0, 0, 1])
      assert.strictEqual(yield* a.heartbeat(), 0)
      // The answer may have been lost: it is given again.
      assert.deepStrictEqual(yield* a.sync(), [0, 0, 1])
      assert.strictEqual(yield* a.leave(), 0)
      assert.strictEqual(yield* a.heartbeat(), 25)
      assert.strictEqual(yield* a.leave(), 25)
    }))

  test("what is wrong with a request is told by its code", (kafka) =>
    Effect.gen(function* () {
      const group = new ScriptedGroup(kafka)
      const a = yield* group.member("a")
      // Of a group that there is not.
      assert.strictEqual(yield* a.heartbeat({ memberId: "nobody" }), 25)
      assert.strictEqual(yield* a.leave({ memberId: "nobody" }), 25)
      assert.deepStrictEqual(yield* a.sync([], { memberId: "nobody", generation: 1 }), [25])
      assert.deepInclude(yield* a.joinOnce({ memberId: "nobody" }), { errorCode: 25, memberId: "nobody" })
      a.memberId = ""
      assert.deepInclude(yield* a.joinOnce({ sessionTimeoutMillis: 1 }), { errorCode: 26, memberId: "" })
      assert.deepInclude(yield* a.joinOnce({ sessionTimeoutMillis: 100_000_000 }), { errorCode: 26 })
      assert.deepInclude(yield* a.joinOnce({ protocols: [] }), { errorCode: 23 })
      assert.deepInclude(yield* a.joinOnce({ protocolType: "" }), { errorCode: 23 })
      const before = yield* a.heartbeat({ groupId: "" })
      assert.strictEqual(before, 24)
      assert.strictEqual(yield* a.leave({ groupId: "" }), 24)

      yield* a.join()
      assert.deepStrictEqual(yield* a.sync([], { generation: a.generation + 1 }), [22])
      assert.deepStrictEqual(yield* a.sync([], { memberId: "nobody" }), [25])
      assert.deepStrictEqual(yield* a.sync([], { protocolName: "roundrobin" }), [23])
      assert.deepStrictEqual(yield* a.sync([], { protocolType: "connect" }), [23])
      yield* a.sync([[a, 0]])
      assert.strictEqual(yield* a.heartbeat({ generation: a.generation - 1 }), 22)
      assert.strictEqual(yield* a.heartbeat({ generation: -1 }), 22)
      assert.strictEqual(yield* a.heartbeat({ memberId: "nobody" }), 25)
      assert.strictEqual(yield* a.heartbeat({ instanceId: "nobody" }), 25)
      const b = yield* group.member("b")
      assert.deepInclude(yield* b.joinOnce({ protocols: ["roundrobin"] }), { errorCode: 23, memberId: "" })
      assert.deepInclude(yield* b.joinOnce({ protocolType: "connect" }), { errorCode: 23 })
      assert.deepInclude(yield* b.joinOnce({ memberId: "nobody" }), { errorCode: 25, memberId: "nobody" })
    }))

  test("who comes makes the others join again; a follower's assignment waits for the leader's plan", (kafka) =>
    Effect.gen(function* () {
      const topic = yield* kafka.topic({ partitions: 2 })
      const group = new ScriptedGroup(kafka)
      const [a, b] = [yield* group.member("a"), yield* group.member("b")]
      yield* a.join()
      yield* a.sync([[a, 0, 1]])
      const joining = yield* Effect.forkChild(b.join())
      yield* eventually(a.heartbeat(), (code) => code === 27)
      // What it has done is still to be committed, in the generation that ends.
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 5 }), { 0: 0 })
      assert.deepStrictEqual(yield* a.sync(), [27])
      assert.deepStrictEqual(yield* a.join(), {
        code: 0,
        generation: 2,
        protocol: "range",
        leader: "a",
        members: ["a", "b"]
      })
      assert.deepStrictEqual(yield* Fiber.join(joining), {
        code: 0,
        generation: 2,
        protocol: "range",
        leader: "a",
        members: []
      })
      assert.deepStrictEqual(yield* b.commit(topic, { 0: 6 }), { 0: 27 })
      assert.deepStrictEqual(yield* a.commit(topic, { 0: 6 }, { generation: 1 }), { 0: 22 })
      const syncing = yield* Effect.forkChild(b.sync())
      yield* pause
      assert.strictEqual(yield* a.heartbeat(), 0)
      const planned = yield* a.sync([
        [a, 1],
        [b, 0]
      ])
      assert.deepStrictEqual(
        [planned, yield* Fiber.join(syncing)],
        [
          [0, 1],
          [0, 0]
        ]
      )
      assert.deepStrictEqual([yield* a.heartbeat(), yield* b.heartbeat()], [0, 0])
      assert.deepStrictEqual(yield* b.commit(topic, { 0: 6 }), { 0: 0 })
      assert.deepStrictEqual(yield* group.committed(b.connection, topic, [0, 1]), [0, 6, -1])

      // A follower that is gone makes the leader join again.
      assert.strictEqual(yield* b.leave(), 0)
      assert.strictEqual(yield* a.heartbeat(), 27)
      assert.deepInclude(yield* a.join(), { generation: 3, members: ["a"] })
    }))

  test("a member that the leader leaves out is assigned nothing", (kafka) =>
    Effect.gen(function* () {
      const { a, b } = yield* pair(kafka)
      const again = yield* Effect.forkChild(a.join())
      yield* eventually(b.heartbeat(), (code) => code === 27)
      yield* b.join()
      yield* Fiber.join(again)
      const syncing = yield* Effect.forkChild(b.sync())
      assert.deepStrictEqual(yield* a.sync([[a, 0]]), [0, 0])
      assert.deepStrictEqual(yield* Fiber.join(syncing), [0])
    }))

  test("a follower that joins again as it was is answered at once, the leader begins a rebalance", (kafka) =>
    Effect.gen(function* () {
      const { a, b } = yield* pair(kafka)
      assert.deepStrictEqual(yield* b.join(), {
        code: 0,
        generation: 2,
        protocol: "range",
        leader: "a",
        members: []
      })
      assert.deepStrictEqual(yield* b.sync(), [0, 1])
      assert.strictEqual(yield* a.heartbeat(), 0)
      // With another subscription it begins one, too.
      const changed = yield* Effect.forkChild(b.join({ topics: ["other"] }))
      yield* eventually(a.heartbeat(), (code) => code === 27)
      assert.deepInclude(yield* a.join(), { generation: 3, members: ["a", "b"] })
      assert.deepInclude(yield* Fiber.join(changed), { generation: 3, members: [] })
      // Before the plan: the same is answered again, to the leader with all members; something else begins a rebalance.
      assert.deepInclude(yield* a.join(), { generation: 3, members: ["a", "b"] })
      const waiting = yield* Effect.forkChild(b.sync())
      yield* pause
      const leader = yield* Effect.forkChild(a.join({ topics: ["another"] }))
      assert.deepStrictEqual(yield* Fiber.join(waiting), [27])
      assert.deepInclude(yield* b.join({ topics: ["other"] }), { generation: 4 })
      assert.deepInclude(yield* Fiber.join(leader), { generation: 4, members: ["a", "b"] })
    }))

  test("the assignor is one that all have, the one with the most votes", (kafka) =>
    Effect.gen(function* () {
      const { a, b } = yield* pair(
        kafka,
        { protocols: ["cooperative-sticky", "range"] },
        { protocols: ["roundrobin", "range"] }
      )
      assert.deepStrictEqual([a.protocolName, b.protocolName], ["range", "range"])
      const c = yield* a.group.member("c")
      assert.deepInclude(yield* c.joinOnce({ protocols: ["cooperative-sticky", "roundrobin"] }), { errorCode: 23 })
    }))

  test("a session that is over takes its member out", (kafka) =>
    Effect.gen(function* () {
      const { a, b } = yield* pair(kafka, {}, { sessionTimeoutMillis: OUT_MILLIS })
      assert.strictEqual(yield* b.heartbeat(), 0)
      yield* eventually(a.heartbeat(), (code) => code === 27)
      assert.strictEqual(yield* b.heartbeat(), 25)
      assert.deepInclude(yield* a.join(), { generation: 3, members: ["a"] })
    }))

  test("an id that was given out holds the group up for a session, unless it is given back", (kafka) =>
    Effect.gen(function* () {
      const group = new ScriptedGroup(kafka)
      const [a, b] = [yield* group.member("a"), yield* group.member("b")]
      yield* a.join()
      yield* a.sync([[a, 0]])
      const begun = performance.now()
      assert.strictEqual((yield* b.joinOnce({ sessionTimeoutMillis: 1_500 })).errorCode, 79)
      assert.strictEqual(yield* a.heartbeat(), 0)
      assert.deepInclude(yield* a.join(), { generation: 2, members: ["a"] })
      // Timers may be a little early.
      assert.isAtLeast(performance.now() - begun, 1_400)
      yield* a.sync([[a, 0]])

      const c = yield* group.member("c")
      assert.strictEqual((yield* c.joinOnce()).errorCode, 79)
      const second = yield* Effect.forkChild(a.join())
      yield* pause
      assert.strictEqual(yield* c.leave(), 0)
      assert.deepInclude(yield* Fiber.join(second), { generation: 3, members: ["a"] })
    }))

  test("who does not join again in time is out, also the leader", (kafka) =>
    Effect.gen(function* () {
      const times = { rebalanceTimeoutMillis: OUT_MILLIS }
      const { a, b, group } = yield* pair(kafka, times, times)
      const c = yield* group.member("c", times)
      const joining = [yield* Effect.forkChild(c.join()), yield* Effect.forkChild(b.join({ topics: ["other"] }))]
      yield* eventually(a.heartbeat(), (code) => code === 27)
      const joined = yield* Effect.forEach(joining, Fiber.join)
      assert.deepStrictEqual(
        joined.map(({ code, generation }) => [code, generation]),
        [
          [0, 3],
          [0, 3]
        ]
      )
      assert.deepStrictEqual(joined.flatMap(({ members }) => members).sort(), ["b", "c"])
      assert.strictEqual(yield* a.heartbeat(), 25)
    }))

  test("a leader that does not assign in time is out, and those that wait join again", (kafka) =>
    Effect.gen(function* () {
      const times = { rebalanceTimeoutMillis: OUT_MILLIS }
      const group = new ScriptedGroup(kafka)
      const [a, b] = [yield* group.member("a", times), yield* group.member("b", times)]
      yield* a.join()
      yield* a.sync([[a, 0]])
      const joining = yield* Effect.forkChild(b.join())
      yield* eventually(a.heartbeat(), (code) => code === 27)
      yield* a.join()
      yield* Fiber.join(joining)
      assert.deepStrictEqual(yield* b.sync(), [27])
      assert.strictEqual(yield* a.heartbeat(), 25)
      assert.deepInclude(yield* b.join(), { generation: 3, leader: "b", members: ["b"] })
    }))

  test("a static member comes back without a rebalance, and fences who had its instance id", (kafka) =>
    Effect.gen(function* () {
      const { a, b, group } = yield* pair(kafka, { instanceId: "first" }, { instanceId: "second" })
      // No id is needed to join with.
      assert.match(a.memberId, /^first-/)
      const again = yield* group.member("b again", { instanceId: "second" })
      assert.deepStrictEqual(yield* again.join(), {
        code: 0,
        generation: 2,
        protocol: "range",
        leader: "a",
        members: []
      })
      assert.deepStrictEqual(yield* again.sync(), [0, 1])
      assert.strictEqual(yield* a.heartbeat(), 0)
      assert.strictEqual(yield* b.heartbeat(), 82)
      assert.deepStrictEqual(yield* b.sync(), [82])
      assert.deepInclude(yield* b.joinOnce(), { errorCode: 82 })
      const topic = yield* kafka.topic()
      assert.deepStrictEqual(yield* b.commit(topic, { 0: 1 }), { 0: 82 })
      assert.deepStrictEqual(yield* again.commit(topic, { 0: 1 }), { 0: 0 })

      // A leader that comes back leaves the assignment as it is.
      const leader = yield* group.member("a again", { instanceId: "first" })
      assert.deepInclude(yield* leader.join(), {
        generation: 2,
        leader: "a again, which skips",
        members: ["a again", "b again"]
      })
      assert.deepStrictEqual(yield* leader.sync(), [0, 0])
      assert.strictEqual(yield* again.heartbeat(), 0)
      assert.strictEqual(yield* leader.leave({ memberId: "" }), 0)
      assert.strictEqual(yield* again.heartbeat(), 27)
      assert.strictEqual(yield* leader.heartbeat(), 25)
    }))

  test("a static member that comes back during a rebalance takes part in it; its predecessor's wait is over", (kafka) =>
    Effect.gen(function* () {
      const { a, b, group } = yield* pair(kafka, {}, { instanceId: "second" })
      const waiting = yield* Effect.forkChild(b.joinOnce({ topics: ["other"] }))
      yield* eventually(a.heartbeat(), (code) => code === 27)
      const again = yield* group.member("b again", { instanceId: "second" })
      const joining = yield* Effect.forkChild(again.joinOnce())
      assert.deepInclude(yield* Fiber.join(waiting), { errorCode: 82, generation: -1 })
      const leading = yield* a.joinOnce()
      const joined = yield* Fiber.join(joining)
      assert.deepInclude(a.shown(leading), { generation: 3, members: ["a", "b again"] })
      assert.deepInclude(again.shown(joined), { generation: 3, leader: "a" })
    }))
}
