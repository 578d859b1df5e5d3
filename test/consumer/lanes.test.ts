/** Which records are worked on beside each other: those of different keys, and none that could be of the same one. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Codec, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { adjust, cluster, group, it, topic } from "./onEmbedded.ts"

/** The offsets of a log of these keys whose work has begun while none of it ends, eight at a time. */
const begun = <K>(
  keys: ReadonlyArray<string | Uint8Array | null>,
  key: Codec.Codec<K>,
  by?: (record: KafkaConsumer.Committable<K, string>) => string | number
) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    yield* kafka.append(
      topic,
      keys.map((one) => ({ key: one, value: "v" }))
    )
    const client = yield* kafka.client({ clientId: "ours" })
    const consumer = yield* asTimeGoesOn(
      KafkaConsumer.make<string, K>({ group, subscribe: topic, key, value: Codec.utf8, stopTimeout: 100 })
    ).pipe(Effect.provideService(KafkaClient.KafkaClient, client))
    const offsets: Array<number> = []
    yield* Effect.forkScoped(
      consumer.runForEach(
        ({ offset }) =>
          Effect.andThen(
            Effect.sync(() => void offsets.push(offset)),
            Effect.never
          ),
        by === undefined ? { concurrency: 8 } : { concurrency: 8, by }
      )
    )
    yield* adjust("1 second")
    return offsets.sort()
  })

const bytes = (...all: ReadonlyArray<number>) => new Uint8Array(all)

describe("records are worked on beside each other", () => {
  it.effect("that have other texts, numbers or bytes as their keys", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* begun(["a", "a", "b"], Codec.utf8), [0, 2])
      assert.deepStrictEqual(yield* begun(["1", "1", "2"], Codec.json(Schema.Number)), [0, 2])
      assert.deepStrictEqual(yield* begun([bytes(0, 255), bytes(0, 255), bytes(0, 254)], Codec.bytes), [0, 2])
    })
  )

  it.effect("but not those without keys, or with keys of which it cannot be told", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* begun([null, null], Codec.utf8), [0])
      assert.deepStrictEqual(yield* begun(['{"a":1}', '{"a":2}'], Codec.json(Schema.Struct({ a: Schema.Number }))), [0])
    })
  )

  it.effect("by what the caller says, whatever number that is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* begun(["a", "a", "b", "c"], Codec.utf8, ({ offset }) => offset % 2), [0, 1])
      assert.deepStrictEqual(yield* begun(["a", "b"], Codec.utf8, () => Number.NaN), [0])
      assert.deepStrictEqual(yield* begun(["a", "b"], Codec.utf8, ({ offset }) => -1 - offset), [0, 1])
    })
  )
})
