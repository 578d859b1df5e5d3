/** However many records do not decode, a bounded number is told of, and all are counted. */
import { assert, describe } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { Codec, KafkaTable, type KafkaError } from "../../src/index.ts"
import { it } from "../support/ManualClock.ts"
import { advance, capturing, inNoTime, on, settle, topic, until, withTopic } from "./support.ts"

describe("poison", () => {
  const Flag = Schema.Struct({ on: Schema.Boolean })

  it.effect("of one fetch: 1024 are told of, all are counted, however many partitions they are in", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      const table = yield* KafkaTable.make<string, typeof Flag.Type>({
        topic,
        value: Codec.json(Flag),
        ensureTopic: false
      }).pipe(on(cluster))
      const seen: Array<KafkaError.PoisonRecordError> = []
      yield* Effect.forkChild(Stream.runForEach(table.poison, (error) => Effect.sync(() => seen.push(error))))
      yield* settle
      const many = Array.from({ length: 5_000 }, (_, i) => ({ key: `k${i}`, value: "bad" }))
      cluster.append(topic, many, 0)
      cluster.append(topic, many, 1)
      cluster.append(topic, [{ key: "good", value: `{"on":true}` }], 1)
      yield* until(() => table.unsafeSnapshot().has("good"))
      yield* settle
      assert.strictEqual((yield* table.stats).valueErrors, 10_000)
      assert.lengthOf(seen, 1024)
      const [{ partition }] = seen
      assert.deepStrictEqual(
        seen.map((error) => [error.partition, error.offset]),
        Array.from({ length: 1024 }, (_, i) => [partition, i])
      )
      // and of the next one
      cluster.append(topic, [{ key: "k", value: "bad" }], 1)
      yield* advance(1_000)
      assert.deepInclude(seen.at(-1), { partition: 1, offset: 5_001 })
    })
  )

  it.effect("is logged once for each kind of fault, at a rate, and the others are counted", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* KafkaTable.make<string, typeof Flag.Type>({
        topic,
        value: Codec.json(Flag),
        ensureTopic: false
      }).pipe(on(cluster))
      const told = () =>
        lines.flatMap((line) => {
          const [, reason, offset, more] =
            /^(Key|Value) not decodable: topic "registry" partition 0 offset (\d+)[^]*?(?: \((and [^)]*)\))?$/.exec(
              line
            ) ?? []
          return reason === undefined ? [] : [[reason, Number(offset), more]]
        })
      const append = (...values: ReadonlyArray<string>) => {
        cluster.append(
          topic,
          values.map((value) => ({ key: "k", value }))
        )
        return advance(1_000)
      }
      yield* append("no json", `{"on":"yes"}`, "no json", `{"on":1,"of":2}`, "no json", `{}`)
      const first = [
        ["Value", 0, "and 2 more of this kind"],
        ["Value", 1, undefined],
        // what stands there is of another kind
        ["Value", 3, undefined],
        ["Value", 5, undefined]
      ]
      assert.deepStrictEqual(told(), first)
      yield* append("no json", "no json")
      yield* append("no json")
      assert.deepStrictEqual(told(), first)
      yield* advance(10_000)
      yield* append("no json")
      assert.deepStrictEqual(told(), [...first, ["Value", 9, "and 3 more of this kind"]])
      yield* advance(10_000)
      yield* append(...Array.from({ length: 2_000 }, () => "no json"))
      yield* inNoTime(() => told().length > 5)
      assert.deepStrictEqual(told().slice(5), [
        ["Value", 10, "and 1023 more of this kind, and 976 others, which are only counted"]
      ])
      yield* advance(10_000)
      yield* append("no json")
      assert.deepStrictEqual(told().slice(6), [["Value", 2_010, undefined]])
      assert.strictEqual((yield* table.stats).valueErrors, 2_011)
    }).pipe(capturing(lines))
  })
})
