/** A consumer to whose partitions nothing comes: it asks seldom, and nothing waits for that. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { numbers } from "../support/live.ts"
import { adjust, append, cluster, group, it, open, type Options, quiet, topic } from "./onEmbedded.ts"

/** A member of a cluster with two partitions, and how often it has fetched. */
const idle = (options: Options = {}) =>
  Effect.gen(function* () {
    const kafka = yield* cluster({ topics: { [topic]: { partitions: 2 } } })
    let fetches = 0
    yield* kafka.intercept("Fetch", (call, answer) => {
      if (call.clientId === "one") fetches++
      return answer
    })
    const member = yield* open(kafka, "one", options)
    yield* adjust("10 seconds")
    const inMinute = Effect.gen(function* () {
      const before = fetches
      yield* adjust("1 minute")
      return fetches - before
    })
    return { kafka, member, inMinute }
  })

describe("a consumer to whose partitions nothing comes", () => {
  it.effect("fetches every three seconds, and has what comes at once; then it asks more often for a while", () =>
    Effect.gen(function* () {
      const { inMinute, kafka, member } = yield* idle()
      assert.isAtMost(yield* inMinute, 20)
      yield* adjust("1 second")
      yield* append(kafka, ["a"], 1)
      yield* quiet
      assert.deepStrictEqual(member.done, ["a"])
      assert.isAtMost(yield* inMinute, 21)
    })
  )

  it.effect("waits no longer than it is told to where it waits for more than a byte", () =>
    Effect.gen(function* () {
      const { inMinute, kafka, member } = yield* idle({ fetch: { minBytes: 100_000 } })
      assert.isAtLeast(yield* inMinute, 119)
      yield* append(kafka, ["a"], 1)
      yield* adjust(500)
      assert.deepStrictEqual(member.done, ["a"])
    })
  )

  it.effect("goes on at once where it is told to go on elsewhere", () =>
    Effect.gen(function* () {
      const { kafka, member } = yield* idle()
      yield* append(kafka, numbers(3))
      yield* adjust("10 seconds")
      yield* member.consumer.seek({ topic, partition: 0, offset: 1 })
      yield* quiet
      assert.deepStrictEqual(member.done, ["0", "1", "2", "1", "2"])
    })
  )

  it.effect("reads at once what it is given", () =>
    Effect.gen(function* () {
      const { kafka, member } = yield* idle({ protocol: "consumer" })
      const other = yield* kafka.member(group, { topics: [topic], protocol: "consumer" })
      yield* adjust("20 seconds")
      const [{ partition }] = yield* other.assigned
      yield* append(kafka, ["a"], partition)
      yield* other.leave
      while (!(yield* member.owned).includes(partition)) yield* adjust(10)
      yield* adjust(10)
      assert.deepStrictEqual(member.done, ["a"])
    })
  )
})
