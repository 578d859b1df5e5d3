/** A consumer that is closed while it joins, and while it gives partitions up; and one that is drained. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Codec, EmbeddedKafka, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import { errorOf } from "../support/exits.ts"
import {
  acquire,
  adjust,
  append,
  cluster,
  group,
  it,
  offsetsOf,
  open,
  protocols,
  quiet,
  tagsOf,
  topic,
  viewOf
} from "./onEmbedded.ts"

describe("a consumer that is closed while it joins", () => {
  it.effect("gives back the id that it is about to be given: nobody waits for it", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make({ topics: { [topic]: {} } })
      const given: Array<string> = []
      const left: Array<string> = []
      yield* kafka.intercept("JoinGroup", (_, answer) =>
        Effect.tap(answer, ({ memberId }) => Effect.sync(() => given.push(memberId)))
      )
      yield* kafka.intercept("LeaveGroup", ({ request }, answer) =>
        Effect.andThen(
          Effect.sync(() => left.push(request.memberId)),
          answer
        )
      )
      yield* kafka.inject({ _tag: "Delay", millis: 1_000 }, { request: "JoinGroup" })
      const client = yield* kafka.client()
      const scope = yield* Scope.make()
      yield* Effect.forkChild(
        KafkaConsumer.make<string>({ group, subscribe: topic, value: Codec.utf8, startTimeout: 10 }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, client),
          Scope.provide(scope)
        )
      )
      yield* quiet
      yield* TestClock.adjust(100)
      yield* quiet
      assert.deepStrictEqual(left, [])
      yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* quiet
      yield* TestClock.adjust(1_000)
      yield* quiet
      assert.strictEqual(given.length, 1)
      assert.deepStrictEqual(left, given)
    })
  )
})

describe("a consumer that is closed while it joins, in the consumer protocol", () => {
  const late = <A, E>(answer: Effect.Effect<A, E>) =>
    Effect.flatMap(answer, (one) => Effect.as(Effect.sleep(1_000), one))

  for (const [what, isHeardAtOnce] of [
    ["though it has not heard yet that it is a member", true],
    ["though its coordinator has not heard yet that it would be a member", false]
  ] as const) {
    it.effect(`leaves, ${what}: nobody waits for its session to end`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const brokers = yield* Effect.scope
        let asked = 0
        yield* kafka.intercept("ConsumerGroupHeartbeat", (_, answer) => {
          if (asked++ > 0) return answer
          // The broker goes on with it, whatever becomes of the connection.
          return Effect.flatMap(
            Effect.forkIn(isHeardAtOnce ? late(answer) : Effect.delay(answer, 1_000), brokers),
            Fiber.join
          )
        })
        const scope = yield* Scope.make()
        yield* Effect.forkChild(
          Scope.provide(acquire(kafka, "first", { protocol: "consumer", startTimeout: 10 }), scope)
        )
        yield* quiet
        assert.strictEqual(asked, 1)
        yield* asTimeGoesOn(Scope.close(scope, Exit.void))
        yield* adjust(2_000)
        assert.deepStrictEqual((yield* viewOf(kafka))?.members ?? [], [])
      })
    )
  }
})

describe("a consumer that is closed at any time, where each answer takes its time", () => {
  for (const protocol of protocols) {
    it.effect(`is out of the group: the next one has all partitions at once, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: { partitions: 2 } } })
        yield* kafka.inject({ _tag: "Delay", millis: 100 }, { clientId: "first" })
        for (let at = 0; at <= 1_500; at += 50) {
          const options = { protocol, group: `${group}${at}`, startTimeout: 10 } as const
          const scope = yield* Scope.make()
          yield* Effect.forkChild(Scope.provide(acquire(kafka, "first", options), scope))
          yield* quiet
          yield* adjust(at)
          yield* asTimeGoesOn(Scope.close(scope, Exit.void), 50)
          const next = yield* open(kafka, `next${at}`, options)
          yield* adjust(1_000)
          assert.deepStrictEqual(yield* next.owned, [0, 1], `closed after ${at} ms`)
          yield* next.close
        }
      })
    )
  }
})

describe("a consumer that is closed while its coordinator does not answer another request of it", () => {
  for (const protocol of protocols) {
    it.effect(`leaves by another connection: nobody waits for its session to end, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const { hits } = yield* kafka.inject({ _tag: "Hang", applied: true }, { request: "OffsetFetch", times: 1 })
        const scope = yield* Scope.make()
        yield* asTimeGoesOn(Scope.provide(acquire(kafka, "first", { protocol, startTimeout: 1_000 }), scope))
        assert.strictEqual(yield* hits, 1)
        assert.lengthOf((yield* viewOf(kafka))!.members, 1)
        yield* asTimeGoesOn(Scope.close(scope, Exit.void))
        assert.deepStrictEqual((yield* viewOf(kafka))?.members ?? [], [])
      })
    )
  }
})

describe("a consumer whose connection breaks when it leaves", () => {
  for (const protocol of protocols) {
    for (const [what, applied] of [
      ["before its coordinator hears of that", false],
      ["before it hears the answer", true]
    ] as const) {
      it.effect(`leaves nevertheless: the next one has all partitions at once: ${what}, ${protocol}`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster({ topics: { [topic]: { partitions: 2 } } })
          const first = yield* open(kafka, "first", { protocol })
          yield* adjust("10 seconds")
          const request = protocol === "classic" ? "LeaveGroup" : "ConsumerGroupHeartbeat"
          yield* kafka.inject({ _tag: "Disconnect", applied }, { clientId: "first", request, times: 2 })
          yield* first.close
          assert.deepStrictEqual((yield* viewOf(kafka))?.members ?? [], [])
          const next = yield* open(kafka, "next", { protocol })
          yield* adjust("1 second")
          assert.deepStrictEqual(yield* next.owned, [0, 1])
        })
      )
    }
  }
})

describe("a consumer that is closed while it gives a partition up", () => {
  for (const protocol of protocols) {
    it.effect(`waits for the work once, and leaves: nothing is done twice, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: { partitions: 2 } } })
        for (const partition of [0, 1]) yield* append(kafka, [`a${partition}`, `b${partition}`], partition)
        const go = yield* Deferred.make<void>()
        const begun: Array<string> = []
        const work = ({ value }: { readonly value: string }) => {
          begun.push(value)
          return value.startsWith("a") ? Deferred.await(go) : Effect.void
        }
        const first = yield* open(kafka, "first", { protocol }, { work, concurrency: 2 })
        yield* adjust("10 seconds")
        const other = yield* kafka.member(group, { topics: [topic], protocol })
        yield* adjust("20 seconds")
        assert.strictEqual((yield* first.health)._tag, "Rebalancing")
        assert.deepStrictEqual([...begun].sort(), ["a0", "a1"])
        const leaving = yield* Effect.forkChild(first.leave)
        yield* adjust("1 second")
        assert.strictEqual((yield* first.health)._tag, "Stopping")
        assert.isFalse(hasEnded(leaving))
        yield* Deferred.succeed(go, undefined)
        yield* adjust("20 seconds")
        assert.isTrue(hasEnded(leaving))
        assert.deepStrictEqual([...first.done].sort(), ["a0", "a1"])
        assert.deepStrictEqual([...begun].sort(), ["a0", "a1"], "what had not begun is the next one's")
        assert.notInclude(tagsOf(first), "Lost")
        assert.strictEqual((yield* other.assigned).length, 2)
        assert.deepStrictEqual(yield* offsetsOf(kafka), [
          [0, 1],
          [1, 1]
        ])
      })
    )
  }
})

describe("work that is interrupted, and finishes first", () => {
  for (const protocol of protocols) {
    it.effect(`waits for a coordinator that is frozen no longer than closing does, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, ["a"])
        const consumer = yield* asTimeGoesOn(acquire(kafka, "one", { protocol, stopTimeout: "5 seconds" }))
        const begun = yield* Deferred.make<void>()
        const work = Effect.andThen(Deferred.succeed(begun, undefined), Effect.sleep("2 seconds"))
        const working = yield* Effect.forkScoped(consumer.runForEach(() => work, { onInterrupt: "finish" }))
        yield* Deferred.await(begun)
        yield* kafka.inject({ _tag: "Hang" })
        const ending = yield* Effect.forkScoped(Fiber.interrupt(working))
        yield* adjust("1 second")
        assert.isFalse(hasEnded(ending), "the work goes on")
        yield* adjust("5 seconds")
        assert.isTrue(hasEnded(ending))
      })
    )
  }
})

describe("a commit that is not acknowledged before the consumer is closed", () => {
  for (const protocol of protocols) {
    it.effect(`fails for whoever waits, and whoever asks later, and says why: ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        yield* append(kafka, ["a", "b"])
        const scope = yield* Scope.make()
        const acquiring = acquire(kafka, "one", { protocol, commitInterval: "manual" })
        const consumer = yield* Scope.provide(asTimeGoesOn(acquiring), scope)
        const [record] = yield* asTimeGoesOn(Stream.runCollect(Stream.take(consumer.records, 2)))
        yield* kafka.inject({ _tag: "Hang" }, { request: "OffsetCommit" })
        const waiting = yield* Effect.forkScoped(Effect.exit(record.commit))
        yield* adjust("1 second")
        yield* asTimeGoesOn(Scope.close(scope, Exit.void))
        const exits = [
          yield* Fiber.join(waiting),
          yield* Effect.exit(record.commit),
          yield* Effect.exit(consumer.commit())
        ]
        for (const exit of exits) assert.deepInclude(errorOf(exit), { _tag: "KafkaCommitError", reason: "Closed" })
      })
    )
  }
})

describe("a consumer that is drained", () => {
  for (const protocol of protocols) {
    it.effect(`finishes what is under way, commits it, begins nothing more, and stays a member: ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const begun: Array<string> = []
        const member = yield* open(
          kafka,
          "first",
          { protocol, commitInterval: "manual" },
          {
            work: ({ value }) =>
              Effect.andThen(
                Effect.sync(() => begun.push(value)),
                Effect.sleep("2 seconds")
              )
          }
        )
        yield* append(kafka, ["a", "b", "c"])
        yield* adjust("3 seconds")
        assert.deepStrictEqual(begun, ["a", "b"])
        yield* asTimeGoesOn(member.consumer.drain)
        assert.deepStrictEqual(
          [begun, member.done],
          [
            ["a", "b"],
            ["a", "b"]
          ]
        )
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 2]])
        assert.strictEqual((yield* member.health)._tag, "Stopping")
        assert.strictEqual((yield* viewOf(kafka))?.members.length, 1)
        yield* member.close
        assert.deepStrictEqual((yield* viewOf(kafka))?.members, [])
      })
    )
  }
})
