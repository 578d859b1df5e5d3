/** Where in its topic a table is: told only while its content follows from that. */
import { assert, describe } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Codec, KafkaTable } from "../../src/index.ts"
import { PLACE, type Place, type Placed } from "../../src/internal/table/place.ts"
import { it } from "../support/ManualClock.ts"
import { advance, fetchOf, on, open, topic, until, withTopic } from "./support.ts"

const placeOf = (table: object): Place | undefined => (table as Placed)[PLACE]()

const two = [
  { key: "a", value: "1" },
  { key: "b", value: null }
]

describe("the place of a table", () => {
  it.effect("is the topic, the position in each partition, and how many tombstones were read", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.append(topic, two)
      cluster.append(topic, [{ key: "c", value: "1" }], 1)
      const table = yield* open(cluster)
      yield* advance(600)
      const topicId = cluster.topic(topic).id
      assert.deepStrictEqual<unknown>(placeOf(table), {
        topicId,
        positions: new Map([
          [0, 2],
          [1, 1]
        ]),
        starts: new Map([
          [0, 0],
          [1, 0]
        ]),
        tombstones: 1
      })
    })
  )

  it.effect("is not known while there is more to read", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster, { fetch: { maxPartitionBytes: 1 } })
      yield* advance(600)
      assert.isDefined(placeOf(table))
      // one batch an answer, of which the second one is held back
      cluster.before = (request, _, detail) =>
        request === "Fetch" && fetchOf(detail).partitions[0].fetchOffset === 1 ? Effect.never : undefined
      for (const key of ["a", "b"]) cluster.append(topic, [{ key, value: "1" }])
      yield* until(() => table.unsafeSnapshot().has("a"))
      assert.isUndefined(placeOf(table))
    })
  )

  it.effect("is not known of a table that shows what was not committed", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, two)
      const table = yield* open(cluster, { isolation: "read_uncommitted" })
      yield* advance(600)
      assert.isUndefined(placeOf(table))
    })
  )

  it.effect("is not known once a record did not decode, rows were evicted, or a partition was rebuilt", () =>
    Effect.gen(function* () {
      const make = (happens: (cluster: ReturnType<typeof withTopic>) => void) =>
        Effect.gen(function* () {
          const cluster = withTopic()
          for (const key of ["a", "b"]) cluster.append(topic, [{ key, value: "1" }])
          const table = yield* KafkaTable.make<string, number>({
            topic,
            value: Codec.json(Schema.Number),
            ensureTopic: false
          }).pipe(on(cluster))
          yield* advance(600)
          assert.isDefined(placeOf(table))
          happens(cluster)
          cluster.append(topic, [{ key: "last", value: "1" }])
          yield* until(() => table.unsafeSnapshot().has("last"))
          yield* advance(600)
          return placeOf(table)
        })
      assert.isDefined(yield* make(() => {}))
      assert.isUndefined(yield* make((cluster) => cluster.append(topic, [{ key: "c", value: "no number" }])))
      assert.isUndefined(yield* make((cluster) => cluster.truncateHead(topic, 1)))
      assert.isUndefined(yield* make((cluster) => cluster.truncateTail(topic, 1)))
    })
  )

  it.effect("is not known where a key has records in several partitions", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      for (const partition of [0, 1]) cluster.append(topic, [{ key: "a", value: "1" }], partition)
      const table = yield* open(cluster)
      yield* advance(600)
      assert.isUndefined(placeOf(table))
    })
  )
})
