/** Heartbeats depend on no work: they come as often while records take longer than a session, and while they are given up. */
import { assert, describe } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { adjust, append, cluster, group, it, offsetsOf, open, protocols, tagsOf, topic } from "./onEmbedded.ts"

const SESSION_MILLIS = 6_000

for (const protocol of protocols) {
  describe(`heartbeats: ${protocol}`, () => {
    it.effect("are never further apart than half a session, however long the work takes", () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ groups: { sessionTimeout: SESSION_MILLIS, heartbeatInterval: 2_000 } })
        const beats: Array<number> = []
        const name = protocol === "classic" ? "Heartbeat" : "ConsumerGroupHeartbeat"
        yield* kafka.intercept(name, ({ clientId }, answer) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            if (clientId === "ours") beats.push(now)
            return answer
          })
        )
        const member = yield* open(
          kafka,
          "ours",
          { protocol, ...(protocol === "classic" ? { sessionTimeout: SESSION_MILLIS } : {}) },
          { work: () => Effect.sleep("1 minute") }
        )
        yield* append(kafka, ["a", "b"])
        yield* adjust("50 seconds")
        // One that comes has to wait for nothing of that: there is one partition, and it stays where it is or is given up.
        const other = yield* kafka.member(group, { topics: [topic], protocol })
        yield* adjust("20 seconds")
        yield* other.leave
        yield* adjust("2 minutes")
        const gaps = beats.slice(1).map((at, i) => at - beats[i])
        assert.isAbove(beats.length, 60)
        assert.isAtMost(Math.max(...gaps), SESSION_MILLIS / 2)
        assert.notInclude(tagsOf(member), "Lost")
        assert.deepStrictEqual(member.done, ["a", "b"])
        assert.deepStrictEqual(yield* offsetsOf(kafka), [[0, 2]])
      })
    )
  })
}

describe("a heartbeat that fails", () => {
  for (const protocol of protocols) {
    it.effect(`is sent again soon, not after the interval: ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ groups: { heartbeatInterval: 3_000 } })
        const member = yield* open(kafka, "ours", { protocol })
        yield* adjust("20 seconds")
        const request = protocol === "classic" ? "Heartbeat" : "ConsumerGroupHeartbeat"
        let failed = 0
        yield* kafka.intercept(request, (_, answer) => Effect.tapError(answer, () => Effect.sync(() => void failed++)))
        yield* kafka.inject({ _tag: "Disconnect" }, { clientId: "ours", request, times: 2 })
        while (failed < 2) yield* adjust(100)
        yield* adjust("500 millis")
        assert.deepStrictEqual(yield* member.health, { _tag: "Steady" })
        assert.deepStrictEqual(tagsOf(member), ["CoordinatorLost", "CoordinatorFound"])
      })
    )
  }
})
