/** Brokers that tell a client to wait. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { FetchResponse } from "../../src/KafkaProtocol.ts"
import { fetched, topic, withTopic } from "../support/answers.ts"
import type { FakeCluster } from "../support/FakeCluster.ts"
import { BEGIN, it, MAX_WAIT, pass, watch } from "./support.ts"

const address = (cluster: FakeCluster, node = 0): string => {
  const { host, port } = cluster.cluster.brokerOf(node)
  return `${host}:${port}`
}

/** An answer that has nothing new, and says how long to wait. */
const telling = (detail: unknown, throttleMillis: number) =>
  Effect.map(fetched(detail, { highWatermark: 0, lastStableOffset: 0 }), (answer): FetchResponse => ({
    ...answer,
    throttleMillis
  }))

describe("a broker that tells to wait", () => {
  it.effect("for less than a second is obeyed, and nothing is told of it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.before = (request, _, detail) => (request === "Fetch" ? telling(detail, 999) : undefined)
      const watched = yield* watch(cluster)
      yield* pass(2_000)
      assert.deepStrictEqual(
        watched.requests("Fetch").map(({ at }) => at),
        [0, 999, 1_998]
      )
      assert.deepStrictEqual(watched.waits, [])
      assert.deepInclude(watched.partition(), { connected: true, throttledUntil: undefined })
      assert.isUndefined(watched.source.lastFailure())
    })
  )

  it.effect("for longer is obeyed, and told once, until it does so no more", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      cluster.before = (request, _, detail) => (request === "Fetch" ? telling(detail, 1_000) : undefined)
      const watched = yield* watch(cluster)
      assert.deepStrictEqual(watched.waits, [`${address(cluster)} throttles for 1000`])
      for (const p of [0, 1]) {
        assert.deepInclude(watched.partition(p), { connected: false, throttledUntil: BEGIN + 1_000 })
      }
      const failure = watched.source.lastFailure()
      assert.include(failure?.message, "THROTTLING_QUOTA_EXCEEDED")
      assert.include(failure?.message, "told to wait for 1000 ms")
      assert.deepInclude(failure, { topic, broker: address(cluster), request: "Fetch" })
      yield* pass(1_999)
      assert.deepStrictEqual(
        watched.requests("Fetch").map(({ at }) => at),
        [0, 1_000]
      )
      assert.lengthOf(watched.waits, 1)
      assert.deepInclude(watched.partition(1), { connected: false, throttledUntil: BEGIN + 2_000 })
      let answers = 1
      cluster.before = (request, _, detail) =>
        request === "Fetch" ? (answers-- > 0 ? telling(detail, 0) : Effect.never) : undefined
      yield* pass(1)
      assert.isUndefined(watched.source.lastFailure())
      assert.deepInclude(watched.partition(0), { connected: true, throttledUntil: undefined })
      assert.deepInclude(watched.partition(1), { connected: true, throttledUntil: undefined })
    })
  )

  it.effect("says so of a topic only if that is the only one that is read from it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.createTopic("other")
      const watched = yield* watch(cluster)
      yield* watched.all.follow("other")
      yield* pass(MAX_WAIT)
      cluster.before = (request, _, detail) => (request === "Fetch" ? telling(detail, 5_000) : undefined)
      yield* pass(MAX_WAIT)
      const failure = watched.source.lastFailure()
      assert.deepInclude(failure, { codeName: "THROTTLING_QUOTA_EXCEEDED", broker: address(cluster) })
      assert.isUndefined((failure as { topic?: string }).topic)
    })
  )

  it.effect("for long a second time is told a second time", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const script = [5_000, 0, 7_000]
      cluster.before = (request, _, detail) => {
        if (request !== "Fetch") return undefined
        const millis = script.shift()
        return millis === undefined ? Effect.never : telling(detail, millis)
      }
      const watched = yield* watch(cluster)
      yield* pass(5_000)
      assert.deepStrictEqual(watched.waits, [
        `${address(cluster)} throttles for 5000`,
        `${address(cluster)} throttles for 7000`
      ])
      assert.deepStrictEqual(
        watched.requests("Fetch").map(({ at }) => at),
        [0, 5_000, 5_000]
      )
      assert.strictEqual(watched.partition().throttledUntil, BEGIN + 12_000)
    })
  )

  it.effect("is waited for whatever else happens, but only as long as it leads anything", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2, 2)
      cluster.moveLeader(topic, 1, 1)
      cluster.before = (request, node, detail) =>
        request === "Fetch" && node === 0 ? telling(detail, 50_000) : undefined
      const watched = yield* watch(cluster)
      const ofThis = () => watched.requests("Fetch").filter(({ node }) => node === 0)
      assert.lengthOf(ofThis(), 1)
      // news of the other partition wake it, and it goes on waiting
      for (let i = 0; i < 3; i++) {
        cluster.moveLeader(topic, 1, 1)
        watched.source.refresh()
        yield* pass(3_000)
      }
      assert.lengthOf(ofThis(), 1)
      assert.strictEqual(watched.partition(0).throttledUntil, BEGIN + 50_000)
      assert.isUndefined(watched.partition(1).throttledUntil)
      assert.isTrue(watched.partition(1).connected)
      cluster.moveLeader(topic, 1, 0)
      watched.source.refresh()
      yield* pass(1_000)
      assert.isUndefined(watched.partition(0).throttledUntil)
      // it leads again, and is asked at once
      cluster.before = () => undefined
      cluster.moveLeader(topic, 0, 0)
      watched.source.refresh()
      yield* pass(1_000)
      assert.lengthOf(ofThis(), 2)
      yield* pass(MAX_WAIT)
      assert.isUndefined(watched.source.lastFailure())
      assert.isTrue(watched.partition(0).connected)
    })
  )

  it.effect("and then leads nothing any more stands in nobody's way", () =>
    Effect.gen(function* () {
      const cluster = withTopic(1, 2)
      cluster.before = (request, node, detail) =>
        request === "Fetch" && node === 0 ? telling(detail, 50_000) : undefined
      const watched = yield* watch(cluster)
      assert.isDefined(watched.source.lastFailure())
      cluster.moveLeader(topic, 1)
      watched.source.refresh()
      yield* pass(1_000)
      assert.isUndefined(watched.source.lastFailure())
    })
  )
})

describe("an Effect of the driver that ends by interruption", () => {
  it.effect("ends the source, as a defect does", () =>
    Effect.gen(function* () {
      for (const where of ["Metadata", "Fetch"] as const) {
        const cluster = withTopic()
        cluster.before = (request) => (request === where ? Effect.interrupt : undefined)
        const watched = yield* watch(cluster)
        const ended = yield* Effect.exit(watched.source.broken)
        assert.isTrue(Exit.hasInterrupts(ended), where)
      }
    })
  )
})
