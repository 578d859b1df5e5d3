/** A member of a group in the consumer protocol (KIP-848): each answer of its coordinator, and what it does then. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { settle } from "../support/answers.ts"
import { advance, DENIED_RETRY, it, play, type Played } from "./member.ts"

const INTERVAL = 1_000

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

  it.effect("waits for rights, slowly", () =>
    Effect.gen(function* () {
      const played = yield* play({ protocol: "consumer" })
      yield* (yield* next(played)).answer({ errorCode: 30, errorMessage: undefined })
      yield* advance(DENIED_RETRY - 1)
      assert.deepStrictEqual(played.open, [])
      yield* advance(1)
      assert.strictEqual((yield* next(played)).request.memberEpoch, 0)
    })
  )

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
