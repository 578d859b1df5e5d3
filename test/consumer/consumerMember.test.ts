/** A member of a group in the consumer protocol (KIP-848): each answer of its coordinator, and what it does then. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { settle } from "../support/answers.ts"
import { advance, DENIED_RETRY, it, play, type Played } from "./member.ts"

const INTERVAL = 1_000

/** How long it waits for a group that refuses to take it in. */
const REFUSED = 60_000

const target = (...partitions: ReadonlyArray<number>) => [{ topicId: "id-t", partitions }]

const next = (played: Played) => played.next("ConsumerGroupHeartbeat")

const accepted = (memberEpoch: number, assignment?: ReturnType<typeof target>) => ({
  errorMessage: undefined,
  memberId: undefined,
  memberEpoch,
  heartbeatIntervalMillis: INTERVAL,
  assignment
})

/** A member that has joined, and has these. */
const joined = (...partitions: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const played = yield* play({ protocol: "consumer" })
    const first = yield* next(played)
    yield* first.answer(accepted(1, target(...partitions)))
    const second = yield* next(played)
    yield* second.answer(accepted(1))
    return { played, first: first.request, second: second.request }
  })

describe("joining", () => {
  it.effect("tells all at first, takes what it is given, and says so at once", () =>
    Effect.gen(function* () {
      const { first, played, second } = yield* joined(0, 2)
      assert.deepInclude(first, { memberEpoch: 0, subscribedTopicNames: ["t"], topicPartitions: [] })
      assert.isAbove(first.rebalanceTimeoutMillis!, 0)
      assert.deepInclude(second, { memberEpoch: 1, subscribedTopicNames: undefined, topicPartitions: target(0, 2) })
      assert.deepStrictEqual(played.told, ["assigned t:0 t:2"])
      assert.deepInclude(played.member.identity(), { memberId: first.memberId, generation: 1 })
    })
  )

  it.effect(
    "heartbeats soon after a rebalance, then as often as the coordinator says; tells only what has changed",
    () =>
      Effect.gen(function* () {
        const { played } = yield* joined(0)
        // the one that says at once what it has was the first of the soon ones
        for (const [epoch, soon] of [
          [1, [200, 400, 800]],
          [2, [100, 200, 400, 800]]
        ] as const) {
          for (const millis of [...soon, INTERVAL, INTERVAL]) {
            yield* advance(millis - 1)
            assert.deepStrictEqual(played.open, [])
            yield* advance(1)
            const beat = yield* next(played)
            assert.deepInclude(beat.request, {
              memberEpoch: epoch,
              subscribedTopicNames: undefined,
              topicPartitions: undefined,
              rebalanceTimeoutMillis: undefined
            })
            yield* beat.answer(accepted(epoch))
          }
          yield* advance(INTERVAL)
          yield* (yield* next(played)).answer(accepted(2))
        }
      })
  )

  it.effect("takes a topic whose name it does not know yet once it knows it", () =>
    Effect.gen(function* () {
      const played = yield* play({ protocol: "consumer" })
      yield* (yield* next(played)).answer(accepted(1, [{ topicId: "id-late", partitions: [1] }]))
      yield* advance(10)
      assert.deepStrictEqual(played.told, ["assigned late:1"])
    })
  )

  it.effect("tells all again after an answer that was lost", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0)
      yield* advance(INTERVAL)
      yield* (yield* next(played)).fail
      yield* advance(10)
      assert.deepInclude((yield* next(played)).request, { subscribedTopicNames: ["t"], topicPartitions: target(0) })
    })
  )

  for (const code of [29, 30]) {
    it.effect(`code ${code}: waits for rights, slowly`, () =>
      Effect.gen(function* () {
        const played = yield* play({ protocol: "consumer" })
        yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
        assert.include(played.unavailable(), "AUTHORIZATION_FAILED")
        yield* advance(DENIED_RETRY - 1)
        assert.deepStrictEqual(played.open, [])
        yield* advance(1)
        assert.strictEqual((yield* next(played)).request.memberEpoch, 0)
      })
    )
  }

  for (const [code, why, reason] of [
    [111, "as long as a predecessor that crashed may hold the instance id", "Fenced"],
    [69, "as long as a group may be about to go over to the protocol", "Inconsistent"]
  ] as const) {
    it.effect(`code ${code}: asks again, for ${why}`, () =>
      Effect.gen(function* () {
        const played = yield* play({ protocol: "consumer", instanceId: "i" })
        for (let passed = 0; passed < REFUSED; passed += 100) {
          yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
          assert.deepStrictEqual(played.open, [], "after a pause")
          assert.isDefined(played.unavailable())
          yield* advance(100)
        }
        const beat = yield* next(played)
        assert.deepInclude(beat.request, { instanceId: "i", memberEpoch: 0 })
        yield* beat.answer(accepted(4, target(0)))
        assert.deepStrictEqual(played.told, ["assigned t:0"])
        assert.isUndefined(played.unavailable())
      })
    )

    it.effect(`code ${code} for longer than that ends it: ${reason}`, () =>
      Effect.gen(function* () {
        const played = yield* play({ protocol: "consumer", instanceId: "i" })
        for (let passed = 0; passed < REFUSED + 1_000 && played.open.length > 0; passed += 100) {
          yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
          yield* advance(100)
        }
        const error = yield* Effect.flip(Fiber.join(played.run))
        assert.strictEqual(error.reason, reason)
      })
    )
  }

  for (const [code, reason] of [
    [35, "Unsupported"],
    [42, "Rejected"],
    [81, "Full"],
    [82, "Fenced"],
    [112, "Unsupported"],
    [128, "Rejected"]
  ] as const) {
    it.effect(`code ${code} ends it: ${reason}`, () =>
      Effect.gen(function* () {
        const played = yield* play({ protocol: "consumer" })
        yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
        const error = yield* Effect.flip(Fiber.join(played.run))
        assert.strictEqual(error.reason, reason)
      })
    )
  }
})

describe("reconciling", () => {
  it.effect("gives up before it takes, heartbeats meanwhile without a word of it, and says so at once then", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0, 1)
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer(accepted(2, target(1, 3)))
      assert.deepStrictEqual(played.told.slice(1), ["revoking t:0"])
      yield* advance(INTERVAL)
      const beat = yield* next(played)
      assert.isUndefined(beat.request.topicPartitions)
      yield* beat.answer(accepted(2))
      assert.strictEqual(played.member.identity()?.generation, 2, "what is done is committed before it is given up")
      yield* played.revoked
      assert.deepStrictEqual(played.told.slice(2), ["assigned t:3"])
      assert.deepStrictEqual((yield* next(played)).request.topicPartitions, target(1, 3))
    })
  )

  it.effect("a newer target that comes while it gives up is the one that counts", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0, 1)
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer(accepted(2, target(1)))
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer(accepted(3, target(1, 2)))
      yield* played.revoked
      assert.deepStrictEqual(played.told.slice(1), ["revoking t:0", "assigned t:2"])
    })
  )
})

describe("answers", () => {
  it.effect("with an assignment of nothing take all away, without one they change nothing", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0, 1)
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer(accepted(1))
      assert.deepStrictEqual(played.told.slice(1), [])
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer(accepted(2, []))
      assert.deepStrictEqual(played.told.slice(1), ["revoking t:0 t:1"])
      yield* played.revoked
      assert.deepStrictEqual((yield* next(played)).request.topicPartitions, [])
    })
  )

  it.effect("whose epoch is below zero are not about a member that is there", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0)
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer(accepted(-1, target(1)))
      assert.deepStrictEqual(played.told, ["assigned t:0"])
      assert.strictEqual(played.member.identity()?.generation, 1)
    })
  )
})

describe("losing", () => {
  for (const code of [25, 69]) {
    it.effect(`code ${code}: lost, and joins at once with a new id`, () =>
      Effect.gen(function* () {
        const { first, played } = yield* joined(0)
        yield* advance(INTERVAL)
        yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
        assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Forgotten"])
        const { request } = yield* next(played)
        assert.deepInclude(request, { memberEpoch: 0, topicPartitions: [] })
        assert.notStrictEqual(request.memberId, first.memberId)
      })
    )
  }

  it.effect("code 110: has lost all, leaves with the old id, which frees that, and joins with a new one", () =>
    Effect.gen(function* () {
      const { first, played } = yield* joined(0)
      yield* advance(INTERVAL)
      yield* (yield* next(played)).answer({ errorCode: 110, errorMessage: undefined })
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"], "others may have it once this has left")
      const leaving = yield* next(played)
      assert.deepInclude(leaving.request, { memberId: first.memberId, memberEpoch: -1 })
      assert.deepStrictEqual(played.open, [], "it joins once it has left")
      yield* leaving.answer({ ...accepted(-1) })
      assert.notStrictEqual((yield* next(played)).request.memberId, first.memberId)
    })
  )

  it.effect(
    "code 110, a static member: says by the old id that it comes back, and joins with a new one as the same instance",
    () =>
      Effect.gen(function* () {
        const played = yield* play({ protocol: "consumer", instanceId: "i" })
        const first = yield* next(played)
        yield* first.answer(accepted(1, target(0)))
        yield* (yield* next(played)).answer({ errorCode: 110, errorMessage: undefined })
        assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
        const leaving = yield* next(played)
        assert.deepInclude(leaving.request, { memberId: first.request.memberId, memberEpoch: -2, instanceId: "i" })
        yield* leaving.answer({ ...accepted(-2) })
        const again = yield* next(played)
        assert.deepInclude(again.request, { memberEpoch: 0, instanceId: "i", topicPartitions: [] })
        assert.notStrictEqual(again.request.memberId, first.request.memberId)
      })
  )

  it.effect("code 82: lost, and over: it does not take the instance id back", () =>
    Effect.gen(function* () {
      const played = yield* play({ protocol: "consumer", instanceId: "i" })
      yield* (yield* next(played)).answer(accepted(1, target(0)))
      yield* (yield* next(played)).answer({ errorCode: 82, errorMessage: undefined })
      const error = yield* Effect.flip(Fiber.join(played.run))
      assert.strictEqual(error.reason, "Fenced")
      assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Fenced"])
      assert.deepStrictEqual(played.open, [])
    })
  )

  for (const code of [29, 30]) {
    it.effect(`code ${code}, once it is a member: nothing is lost, and it is told and asked again slowly`, () =>
      Effect.gen(function* () {
        const { played } = yield* joined(0)
        yield* advance(INTERVAL)
        yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
        assert.include(played.unavailable(), "AUTHORIZATION_FAILED")
        yield* advance(DENIED_RETRY - 1)
        assert.deepStrictEqual(played.open, [])
        yield* advance(1)
        yield* (yield* next(played)).answer(accepted(1))
        assert.isUndefined(played.unavailable())
        assert.deepStrictEqual(played.told, ["assigned t:0"])
      })
    )
  }

  for (const code of [25, 69]) {
    it.effect(`code ${code} on a commit, or on a question about offsets: lost, and joins at once with a new id`, () =>
      Effect.gen(function* () {
        const { first, played } = yield* joined(0)
        played.member.refused(played.member.identity()!, code)
        yield* settle
        assert.deepStrictEqual(played.told.slice(1), ["lost t:0: Forgotten"])
        const { request } = yield* next(played)
        assert.strictEqual(request.memberEpoch, 0)
        assert.notStrictEqual(request.memberId, first.memberId)
      })
    )
  }

  it.effect("code 110 on a commit: tells all that it has, and hears by the answer how that stands", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0)
      played.member.refused(played.member.identity()!, 110)
      yield* settle
      const beat = yield* next(played)
      assert.deepInclude(beat.request, { memberEpoch: 1, subscribedTopicNames: ["t"], topicPartitions: target(0) })
      yield* beat.answer(accepted(2, target(0)))
      assert.strictEqual(played.member.identity()?.generation, 2)
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )

  it.effect("a commit of an epoch that is over is sent again with the next one", () =>
    Effect.gen(function* () {
      const { played } = yield* joined(0)
      const identity = played.member.identity()!
      played.member.refused(identity, 113)
      yield* settle
      yield* (yield* next(played)).answer(accepted(2))
      assert.strictEqual(played.member.identity()?.generation, 2)
      assert.deepStrictEqual(played.told, ["assigned t:0"])
    })
  )
})

describe("leaving", () => {
  it.effect("says so by the epoch -1", () =>
    Effect.gen(function* () {
      const { first, played } = yield* joined(0)
      yield* Fiber.interrupt(played.run)
      const leaving = yield* Effect.forkChild(played.member.leave)
      yield* settle
      const { answer, request } = yield* next(played)
      assert.deepInclude(request, { memberId: first.memberId, memberEpoch: -1, topicPartitions: undefined })
      yield* answer(accepted(-1))
      assert.isTrue(hasEnded(leaving))
    })
  )

  for (const code of [25, 69]) {
    it.effect(`code ${code} on that: it is out of the group already`, () =>
      Effect.gen(function* () {
        const { played } = yield* joined(0)
        yield* Fiber.interrupt(played.run)
        const leaving = yield* Effect.forkChild(played.member.leave)
        yield* settle
        yield* (yield* next(played)).answer({ errorCode: code, errorMessage: undefined })
        assert.isTrue(hasEnded(leaving))
        assert.deepStrictEqual(played.open, [], "it does not join again")
      })
    )
  }

  it.effect("a static member says that it comes back", () =>
    Effect.gen(function* () {
      const played = yield* play({ protocol: "consumer", instanceId: "i" })
      yield* (yield* next(played)).answer(accepted(1))
      yield* Fiber.interrupt(played.run)
      yield* Effect.forkChild(played.member.leave)
      yield* settle
      assert.strictEqual((yield* next(played)).request.memberEpoch, -2)
    })
  )
})
