/** Partitions that are to go on elsewhere as soon as they are assigned: where they would begin is not known by then. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { KafkaConsumer } from "../../src/index.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { numbers } from "../support/live.ts"
import { acquire, adjust, append, cluster, group, it, offsetsOf, open, protocols, quiet, topic } from "./onEmbedded.ts"

type Go = (
  consumer: KafkaConsumer.KafkaConsumer<string, string>,
  place: KafkaConsumer.TopicPartition
) => Effect.Effect<unknown, unknown>

/**
 * A member goes elsewhere with each partition that it hears that it is assigned: with the one of two that another member has
 * had. Gives the offsets of it that were done, and the one that is committed.
 */
const going = (protocol: (typeof protocols)[number], hasOffsets: boolean, options: { from?: "fail" }, go: Go) =>
  Effect.gen(function* () {
    const kafka = yield* cluster({ topics: { [topic]: { partitions: 2, configs: { "cleanup.policy": "delete" } } } })
    for (const partition of [0, 1]) yield* append(kafka, numbers(4), partition)
    if (hasOffsets) yield* (yield* open(kafka, "before", { protocol })).close
    for (const partition of [0, 1]) yield* append(kafka, numbers(6), partition)
    // Meanwhile it is not known where partitions begin.
    yield* kafka.intercept("OffsetFetch", (_, answer) => Effect.delay(answer, "1 second"))
    const other = yield* kafka.member(group, { topics: [topic], protocol })
    yield* asTimeGoesOn(other.joined)
    const consumer = yield* asTimeGoesOn(acquire(kafka, "ours", { protocol, ...options }))
    const mine = new Set<number>()
    const done: Array<readonly [partition: number, offset: number]> = []
    yield* Effect.forkScoped(
      Stream.runForEach(consumer.events, (event) =>
        event._tag === "Assigned"
          ? Effect.forEach(
              event.partitions,
              (place) => {
                mine.add(place.partition)
                return go(consumer, place)
              },
              { discard: true }
            )
          : Effect.void
      )
    )
    yield* quiet
    yield* Effect.forkScoped(
      consumer.runForEach(({ offset, partition }) => Effect.sync(() => void done.push([partition, offset])))
    )
    yield* adjust("1 minute")
    mine.clear()
    yield* other.leave
    yield* adjust("1 minute")
    assert.strictEqual(mine.size, 1)
    const ofIt = (all: ReadonlyArray<ReadonlyArray<number>>) =>
      all.flatMap(([partition, offset]) => (mine.has(partition) ? [offset] : []))
    return { done: ofIt(done), offsets: ofIt(yield* offsetsOf(kafka)) }
  })

for (const protocol of protocols) {
  describe(`a partition that is to go elsewhere once it is assigned: ${protocol}`, () => {
    it.effect("to an offset", () =>
      Effect.gen(function* () {
        const go: Go = (consumer, place) => consumer.seek({ ...place, offset: 7 })
        assert.deepStrictEqual(yield* going(protocol, true, {}, go), { done: [7, 8, 9], offsets: [10] })
        assert.deepStrictEqual(yield* going(protocol, false, {}, go), { done: [7, 8, 9], offsets: [10] })
      })
    )

    it.effect("back, before what the group has done", () =>
      Effect.gen(function* () {
        const went = yield* going(protocol, true, {}, (consumer, place) => consumer.seek({ ...place, offset: 2 }))
        assert.deepStrictEqual(went, { done: numbers(8, 2), offsets: [10] })
      })
    )

    it.effect("to a time", () =>
      Effect.gen(function* () {
        const went = yield* going(protocol, true, {}, (consumer, place) => consumer.seekToTime(1e15, [place]))
        assert.deepStrictEqual(went, { done: [], offsets: [10] })
      })
    )
  })
}
