/** What a partition that is to be given up waits for: work on its own records, and nothing else. */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { acquire, adjust, append, cluster, group, it, offsetsOf, protocols, quiet, topic } from "./onEmbedded.ts"

for (const protocol of protocols) {
  describe(`a partition that is given up: ${protocol}`, () => {
    it.effect("does not wait for the work on a record of another one, behind which its own records wait", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({
          topics: { [topic]: { partitions: 2, configs: { "cleanup.policy": "delete" } } }
        })
        const go = yield* Deferred.make<void>()
        const begun: Array<number> = []
        const consumer = yield* asTimeGoesOn(acquire(kafka, "ours", { protocol }))
        yield* Effect.forkScoped(
          consumer.runForEach(({ partition }) =>
            Effect.suspend(() => {
              begun.push(partition)
              return Deferred.await(go)
            })
          )
        )
        yield* quiet
        for (const partition of [0, 1]) yield* append(kafka, ["a", "b"], partition)
        yield* adjust("2 seconds")
        assert.strictEqual(begun.length, 1)
        const other = yield* kafka.member(group, { topics: [topic], protocol })
        yield* adjust("20 seconds")
        assert.deepStrictEqual(yield* other.assigned, [{ topic, partition: 1 }])
        yield* Deferred.succeed(go, undefined)
        yield* adjust("20 seconds")
        assert.deepStrictEqual(begun, [0, 0], "nothing of it is begun after that")
        assert.deepStrictEqual(yield* offsetsOf(kafka), [
          [0, 2],
          [1, 0]
        ])
      })
    )
  })
}
