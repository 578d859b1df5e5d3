/** Each code by which a commit is refused, and what a consumer does then: it goes on, and commits when it may. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { failureOf } from "../support/exits.ts"
import { facts, numbers } from "../support/live.ts"
import { adjust, append, cluster, group, it, offsetsOf, open, protocols, quiet, tagsOf, topic } from "./onEmbedded.ts"

const texts = (count: number, from = 0) => numbers(count, from).map(String)

/** A member that has done ten records, whose commits are refused by this code from the first one on. */
const refused = (protocol: (typeof protocols)[number], code: number, times: number) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* append(kafka, numbers(10))
    const member = yield* open(kafka, "first", { protocol, deniedRetryInterval: 5_000 })
    yield* adjust("10 seconds")
    const { hits } = yield* kafka.inject({ _tag: "ErrorCode", code }, { request: "OffsetCommit", times })
    yield* append(kafka, numbers(10, 10))
    yield* adjust("1 minute")
    assert.strictEqual(yield* hits, times)
    yield* append(kafka, numbers(10, 20))
    yield* adjust("1 minute")
    assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 30]])
    assert.deepInclude(yield* member.health, { _tag: "Steady" })
    return { kafka, member }
  })

for (const protocol of protocols) {
  describe(`a commit that is refused: ${protocol}`, () => {
    for (const code of [-1, 3, 7, 12, 14, 15, 16, 27, 29, 30, 56, 100, 113]) {
      it.effect(`by ${code}: is sent again, and nothing is done twice`, () =>
        Effect.gen(function* () {
          const { member } = yield* refused(protocol, code, 3)
          assert.deepStrictEqual(member.done, texts(30))
          assert.notInclude(tagsOf(member), "Lost")
        })
      )
    }

    const fencing = { classic: { 22: "Fenced", 25: "Forgotten" }, consumer: { 25: "Forgotten", 69: "Forgotten" } }
    for (const [code, reason] of Object.entries(fencing[protocol])) {
      it.effect(
        `by ${code}: it is not in the group any more, and joins at once; what was not committed is done again`,
        () =>
          Effect.gen(function* () {
            const { member } = yield* refused(protocol, Number(code), 1)
            assert.deepStrictEqual(member.done, [...texts(20), ...texts(20, 10)])
            const lost = member.events.filter(({ _tag }) => _tag === "Lost")
            assert.deepStrictEqual(lost.map(facts), [
              { _tag: "Lost", partitions: [{ topic, partition: 0 }], reason, blockedMillis: undefined }
            ])
          })
      )
    }

    if (protocol === "consumer") {
      for (const code of [22, 110]) {
        it.effect(`by ${code}: it tells all it has, and hears from the coordinator how that stands`, () =>
          Effect.gen(function* () {
            const { member } = yield* refused(protocol, code, 3)
            assert.deepStrictEqual(member.done, texts(30))
            assert.notInclude(tagsOf(member), "Lost")
          })
        )
      }
    } else {
      it.effect("by 82: somebody has its instance id, and it has failed, typed", () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, numbers(3))
          const member = yield* open(kafka, "first", { instanceId: "i" })
          yield* kafka.inject({ _tag: "ErrorCode", code: 82 }, { request: "OffsetCommit", times: 1 })
          yield* adjust("1 minute")
          assert.deepInclude(facts(member.failure()!), { _tag: "KafkaGroupError", reason: "Fenced", group })
          assert.deepStrictEqual(tagsOf(member), ["Lost"])
          assert.strictEqual((yield* member.health)._tag, "Failed")
        })
      )
    }

    for (const how of ["given up", "closed"] as const) {
      it.effect(`the last one, as a partition is ${how}: is sent again at once`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster({ topics: { [topic]: { partitions: 2 } } })
          // No other commit comes before that.
          const member = yield* open(kafka, "first", { protocol, commitInterval: "manual" })
          for (const partition of [0, 1]) yield* append(kafka, numbers(10), partition)
          yield* adjust("1 second")
          assert.strictEqual(member.done.length, 20)
          const { hits } = yield* kafka.inject({ _tag: "ErrorCode", code: 7 }, { request: "OffsetCommit", times: 2 })
          if (how === "closed") yield* member.close
          else yield* kafka.member(group, { topics: [topic], protocol })
          yield* adjust("20 seconds")
          assert.strictEqual(yield* hits, 2)
          assert.deepStrictEqual((yield* offsetsOf(kafka)).slice(how === "closed" ? 0 : 1), [
            ...(how === "closed" ? [[0, 10]] : []),
            [1, 10]
          ])
        })
      )
    }

    it.effect("whatever becomes of commits, records are read and worked on; they are committed once that works", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const member = yield* open(kafka, "first", { protocol })
        yield* adjust("10 seconds")
        const refusing = yield* Scope.make()
        yield* Scope.provide(kafka.inject({ _tag: "ErrorCode", code: -1 }, { request: "OffsetCommit" }), refusing)
        for (let i = 0; i < 10; i++) {
          yield* append(kafka, numbers(10, 10 * i))
          yield* adjust("30 seconds")
          assert.deepStrictEqual(member.done, texts(10 * (i + 1)))
        }
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 0]])
        yield* Scope.close(refusing, Exit.void)
        yield* adjust("10 seconds")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 100]])
      })
    )

    it.effect("of one partition leaves the others'", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ topics: { [topic]: { partitions: 3 } } })
        for (const partition of [0, 1, 2]) yield* append(kafka, ["a"], partition)
        const refusing = yield* Scope.make()
        yield* Scope.provide(
          kafka.inject({ _tag: "ErrorCode", code: 12 }, { request: "OffsetCommit", partition: 1 }),
          refusing
        )
        yield* open(kafka, "first", { protocol })
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [
          [0, 1],
          [2, 1]
        ])
        yield* Scope.close(refusing, Exit.void)
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [
          [0, 1],
          [1, 1],
          [2, 1]
        ])
      })
    )

    for (const [code, reason] of [
      [12, "Rejected"],
      [29, "Unauthorized"],
      [30, "Unauthorized"]
    ] as const) {
      it.effect(`by ${code}: who waits for it is told so, ${reason}; and it is sent again`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, ["a"])
          const member = yield* open(kafka, "first", { protocol, commitInterval: "manual" })
          yield* adjust("1 second")
          const refusing = yield* Scope.make()
          yield* Scope.provide(kafka.inject({ _tag: "ErrorCode", code }, { request: "OffsetCommit" }), refusing)
          yield* append(kafka, ["b"])
          yield* adjust("1 second")
          const committing = yield* Effect.forkChild(Effect.exit(member.consumer.commit()))
          yield* quiet
          const error = failureOf(yield* Fiber.join(committing))
          assert.deepInclude(facts(error), { _tag: "KafkaCommitError", reason, group, topic, partition: 0 })
          yield* Scope.close(refusing, Exit.void)
          const again = yield* Effect.forkChild(Effect.exit(member.consumer.commit()))
          yield* adjust("10 seconds")
          assert.isTrue(Exit.isSuccess(yield* Fiber.join(again)))
          assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 2]])
        })
      )
    }

    for (const how of ["fails", "breaks"] as const) {
      it.effect(`for good, as the consumer ${how}: who waits for it is told so`, () =>
        Effect.gen(function* () {
          const kafka = yield* cluster()
          yield* append(kafka, ["a"])
          let isBroken = false
          const member = yield* open(
            kafka,
            "first",
            { protocol, commitInterval: "manual", onPoison: "fail" },
            {
              driven: (client) => ({
                ...client,
                coordinator: (key, type) =>
                  Effect.map(client.coordinator(key, type), (coordinator) => ({
                    ...coordinator,
                    request: (asked, request) =>
                      isBroken && asked === "OffsetCommit"
                        ? Effect.die(new Error("the driver broke"))
                        : coordinator.request(asked, request)
                  }))
              })
            }
          )
          yield* adjust("1 second")
          if (how === "breaks") isBroken = true
          else yield* kafka.inject({ _tag: "Disconnect" }, { request: "OffsetCommit" })
          const committing = yield* Effect.forkChild(Effect.exit(member.consumer.commit()))
          yield* quiet
          yield* kafka.append(topic, [{ key: "k", value: new Uint8Array([0xff]) }], { partition: 0 })
          const ended = yield* asTimeGoesOn(Effect.timeoutOption(Fiber.join(committing), "1 minute"))
          const error = Option.isSome(ended) ? failureOf(ended.value) : undefined
          assert.deepInclude(error && facts(error), {
            _tag: "KafkaCommitError",
            reason: "Closed",
            group,
            topic,
            partition: 0
          })
          assert.strictEqual((yield* member.health)._tag, "Failed")
        })
      )
    }

    it.effect("by nothing at all, as answers are lost: is sent again, and never goes back", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster()
        const member = yield* open(kafka, "first", { protocol })
        yield* kafka.inject({ _tag: "Disconnect", applied: true }, { request: "OffsetCommit", times: 5 })
        for (let i = 0; i < 10; i++) {
          yield* append(kafka, [i])
          yield* adjust("5 seconds")
        }
        yield* adjust("20 seconds")
        assert.deepStrictEqual(member.done, texts(10))
        const offsets = (yield* kafka.commits(group)).map(({ offset }) => offset)
        assert.deepStrictEqual(
          offsets,
          [...offsets].sort((a, b) => a - b)
        )
        assert.strictEqual(offsets.at(-1), 10)
      })
    )

    it.effect(
      "not at all, as its topic is asked about before: what is given up meanwhile is committed as that is, and no more",
      () =>
        Effect.gen(function* () {
          const kafka = yield* cluster({
            topics: { [topic]: { partitions: 2 } },
            groups: { heartbeatInterval: "1 second" }
          })
          const places = [0, 1].map((partition) => ({ topic, partition }))
          for (const { partition } of places) yield* append(kafka, ["a", "b"], partition)
          const first = yield* open(kafka, "first", {
            protocol,
            commitInterval: "manual",
            fetch: { maxPartitionBytes: 1_000_000 },
            ...(protocol === "classic" ? { heartbeatInterval: 1_000 } : {})
          })
          yield* adjust("1 second")
          const { length } = yield* kafka.commits(group)
          // It has enough, and fetches nothing, so that it cannot know whether the topic is the same one.
          yield* first.consumer.pause(places)
          for (const { partition } of places) {
            for (const i of numbers(60)) yield* append(kafka, [`${i}`.padEnd(100_000)], partition)
          }
          yield* adjust("10 seconds")
          const delay = yield* Scope.make()
          yield* Scope.provide(
            kafka.inject({ _tag: "Delay", millis: 5_000 }, { request: "Metadata", clientId: "first" }),
            delay
          )
          yield* Effect.forkScoped(Effect.exit(first.consumer.commit()))
          yield* quiet
          yield* Scope.close(delay, Exit.void)
          yield* (yield* kafka.member(group, { topics: [topic], protocol })).joined.pipe(asTimeGoesOn)
          yield* adjust("10 seconds")
          const revoked = first.events.flatMap((event) => (event._tag === "Revoked" ? event.partitions : []))
          assert.strictEqual(revoked.length, 1)
          const commits = (yield* kafka.commits(group)).slice(length)
          const committedOf = (wanted: number) =>
            commits.flatMap(({ errorCode, offset, partition }) => (partition === wanted ? [[offset, errorCode]] : []))
          assert.deepStrictEqual([0, 1].map(committedOf), [[[2, 0]], [[2, 0]]])
        })
    )

    it.effect("while the coordinator loads: the work goes on, and the commit comes when it is there", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ nodes: 2, topics: { [topic]: { replicationFactor: 2 } } })
        const member = yield* open(kafka, "first", { protocol })
        yield* adjust("10 seconds")
        const { coordinator } = (yield* kafka.groups).get(group)!
        yield* kafka.moveCoordinator(group, 1 - coordinator, { loadingFor: "20 seconds" })
        yield* append(kafka, numbers(10))
        yield* adjust("10 seconds")
        assert.deepStrictEqual(member.done, texts(10))
        assert.strictEqual((yield* member.health)._tag, "Unavailable")
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 10]])
        assert.deepStrictEqual(yield* member.committed, [10])
        assert.deepInclude(yield* member.health, { _tag: "Steady" })
        assert.deepStrictEqual(tagsOf(member), ["CoordinatorLost", "CoordinatorFound"])
      })
    )
  })
}
