/** How far the log of a partition has been cut off, as a source tells it. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fetched, topic, withTopic } from "../support/answers.ts"
import { it, MAX_WAIT, pass, watch, type Watched } from "./support.ts"

describe("where the log begins", () => {
  const starts = (watched: Watched): ReadonlyArray<readonly [number, number]> =>
    watched.events.flatMap((event) =>
      event._tag === "Fetched"
        ? event.partitions.map(({ logStart, records }) => [logStart, records.length] as const)
        : []
    )

  it.effect("is told with the records, and by itself when it has moved, and never goes back", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      for (const key of ["a", "b", "c"]) cluster.append(topic, [{ key, value: "1" }])
      cluster.truncateHead(topic, 1)
      const watched = yield* watch(cluster)
      assert.strictEqual(watched.partition().logStart, 1)
      assert.deepStrictEqual(
        starts(watched).map(([start]) => start),
        [1]
      )
      watched.forget()
      cluster.truncateHead(topic, 2)
      yield* pass(MAX_WAIT * 2)
      assert.deepStrictEqual(starts(watched), [[2, 0]])
      assert.strictEqual(watched.partition().logStart, 2)
      cluster.before = (request, _, detail) =>
        request === "Fetch"
          ? Effect.delay(fetched(detail, { highWatermark: 3, lastStableOffset: 3, logStartOffset: 1 }), 100)
          : undefined
      yield* pass(MAX_WAIT * 2)
      assert.strictEqual(watched.partition().logStart, 2)
      assert.lengthOf(starts(watched), 1)
    })
  )
})
