/** A coordinator that is frozen, or cut off, when another node takes over from it: nothing comes from it, not even a reset. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { EmbeddedKafka } from "../../src/index.ts"
import { adjust, append, begin, cluster, group, it, open, protocols, tagsOf, topic } from "./onEmbedded.ts"

/** Node 0 coordinates and leads all, and the others are there to take over. */
const three = Effect.tap(cluster({ nodes: 3, topics: { [topic]: {} } }), (kafka) =>
  Effect.andThen(kafka.moveCoordinator(group, 0), kafka.moveLeader(topic, 0, 0))
)

/** Node 0 answers nothing any more, and node 1 takes over. */
const freeze = (kafka: EmbeddedKafka.EmbeddedKafka) =>
  Effect.gen(function* () {
    yield* kafka.inject({ _tag: "Hang" }, { node: 0 })
    yield* kafka.moveCoordinator(group, 1)
    yield* kafka.moveLeader(topic, 0, 1)
  })

for (const protocol of protocols) {
  const options =
    protocol === "classic" ? ({ protocol, sessionTimeout: "6 seconds" } as const) : ({ protocol } as const)

  describe(`a coordinator that is frozen while another node takes over: ${protocol}`, () => {
    it.effect("is left by a member that has nothing to commit, before its session ends: nothing is lost", () =>
      Effect.gen(function* () {
        const kafka = yield* three
        const member = yield* open(kafka, "one", options)
        yield* freeze(kafka)
        yield* adjust("15 seconds")
        assert.notInclude(tagsOf(member), "Lost")
        assert.deepStrictEqual(yield* member.health, { _tag: "Steady" })
        yield* append(kafka, ["a"])
        yield* adjust("10 seconds")
        assert.deepStrictEqual(member.done, ["a"])
      })
    )

    it.effect("is left by one that waits to be taken in", () =>
      Effect.gen(function* () {
        const kafka = yield* three
        const request = protocol === "classic" ? "JoinGroup" : "ConsumerGroupHeartbeat"
        const { hits } = yield* kafka.inject({ _tag: "Hang" }, { request, node: 0 })
        const beginning = yield* Effect.forkScoped(begin(kafka, "one", options))
        yield* adjust("1 second")
        assert.strictEqual(yield* hits, 1)
        yield* freeze(kafka)
        yield* adjust("15 seconds")
        assert.isTrue(hasEnded(beginning))
        const member = yield* Fiber.join(beginning)
        assert.deepStrictEqual(yield* member.health, { _tag: "Steady" })
        yield* append(kafka, ["a"])
        yield* adjust("10 seconds")
        assert.deepStrictEqual(member.done, ["a"])
      })
    )
  })
}
