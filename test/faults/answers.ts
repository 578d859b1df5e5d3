/** What brokers answer: wait, too large, too few replicas. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { topicName } from "../kafka/realKafka.ts"
import { eventually } from "../support/live.ts"
import { timed } from "../support/ownTime.ts"
import { staysCaughtUp } from "./expectations.ts"
import { compacted } from "./openings.ts"
import { firstErrorCode, NOT_ENOUGH_REPLICAS_AFTER_APPEND } from "./produceAnswer.ts"
import { Api } from "./Proxy.ts"
import { bothSides, type Scenario } from "./rows.ts"
import * as Trial from "./trial.ts"

export const scenarios: ReadonlyArray<Scenario> = [
  Trial.underLoad(
    "a write is appended, and answered as if too few replicas had it",
    [["replicas", "writer"]],
    ({ proxies: [proxy] }) => ({
      fault: () =>
        Effect.gen(function* () {
          const edit = (frame: Buffer) => {
            frame.writeInt16BE(NOT_ENOUGH_REPLICAS_AFTER_APPEND, firstErrorCode(frame))
            return true
          }
          const armed = yield* proxy.rule({ api: Api.Produce, fate: { _tag: "Corrupt", edit }, times: 20 })
          yield* eventually(Effect.sync(armed.hits), (hits) => hits === 20)
        }),
      then: staysCaughtUp
    })
  ),

  Trial.underLoad("a value that is too large", [["replicas", "writer"]], () => ({
    topic: { configs: { ...compacted, "max.message.bytes": "20000" } },
    fault: ({ busy, load, writers }) =>
      Effect.gen(function* () {
        const writer = writers.get("patient")!
        const [millis, error] = yield* timed(Effect.flip(writer.set("big", "x".repeat(50_000))))
        assert.strictEqual(error.reason, "TooLarge")
        assert.isBelow(millis, 5_000)
        yield* busy(50)
        // nobody else is refused for it
        const refused = load.operations.filter(
          ({ outcome }) => outcome?._tag === "Failed" && outcome.reason !== "Timeout"
        )
        assert.deepStrictEqual(refused, [])
      }),
    then: staysCaughtUp
  })),

  Trial.underLoad("quotas throttle tables and writers", bothSides("throttled"), ({ java, proxies: [proxy] }) => {
    // brokers judge by what a client id has done in ten seconds
    const clientId = topicName("throttled")
    const quota = (rate: number | null) =>
      java.alterQuota({ "client-id": clientId }, { consumer_byte_rate: rate, producer_byte_rate: rate })
    /** How often answers tell to wait, from now on. */
    const throttled = (api: number, millisIn: (answer: Buffer) => number) => {
      let times = 0
      const edit = (frame: Buffer) => {
        if (millisIn(frame) > 0) times++
        return false
      }
      return Effect.as(
        proxy.rule({ api, clientId, fate: { _tag: "Corrupt", edit } }),
        Effect.sync(() => times)
      )
    }
    return {
      client: { clientId },
      fault: ({ load, open, table }) =>
        Effect.gen(function* () {
          const begin = Effect.gen(function* () {
            // size, correlation id and tags come first; of a Produce, one byte of tags comes last
            const fetches = yield* throttled(Api.Fetch, (frame) => frame.readInt32BE(9))
            const writes = yield* throttled(Api.Produce, (frame) => frame.readInt32BE(frame.length - 5))
            const bytes = load.operations.reduce(
              (sum, { key, value }) => sum + key.length + (value?.length ?? 0) + 20,
              0
            )
            // a bit above what it was so far: nobody has to wait for long, but everybody for as long as this lasts
            yield* Effect.acquireRelease(quota(Math.ceil(bytes / 5)), () => Effect.orDie(quota(null)))
            const late = yield* open("late", { onCatchUpTimeout: "fail", fetch: { maxBytes: 5_000 } })
            for (const times of [fetches, writes]) yield* eventually(times, (count) => count > 0)
            // on a slow machine less was written, the quota is lower, and a wait of a second is told, as it should be
            const { lastFailure } = yield* late.freshness
            if (lastFailure !== undefined) assert.propertyVal(lastFailure, "codeName", "THROTTLING_QUOTA_EXCEEDED")
          })
          yield* Effect.scoped(begin)
          // the last verdict still stands
          yield* table.barrier({ timeout: "40 seconds" })
        }),
      then: (world) =>
        Effect.gen(function* () {
          yield* staysCaughtUp(world)
          assert.strictEqual((yield* world.table.stats).reconnects, 0)
          const failed = world.load.operations.filter(
            ({ outcome, writer }) => outcome !== undefined && outcome._tag !== "Acknowledged" && writer !== "hasty"
          )
          assert.deepStrictEqual(failed, [])
        })
    }
  })
]
