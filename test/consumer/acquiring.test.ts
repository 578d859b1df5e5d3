/** Groups that do not take a consumer in: at once and typed, if that does not pass by itself, and without asking on and on. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EmbeddedKafka, KafkaProtocol } from "../../src/index.ts"
import { connected } from "../embedded/support.ts"
import { asTimeGoesOn } from "../support/asTimeGoesOn.ts"
import { facts } from "../support/live.ts"
import { acquire, adjust, append, cluster, group, it, open, type Options, protocols, topic } from "./onEmbedded.ts"

const refusedBy = (
  kafka: EmbeddedKafka.EmbeddedKafka,
  options: Options
): Effect.Effect<Readonly<Record<string, unknown>>, unknown, Scope.Scope> =>
  Effect.map(Effect.flip(asTimeGoesOn(acquire(kafka, "ours", options))), facts)

/** Somebody of another kind is in the group: a worker of Kafka Connect. */
const withWorker = Effect.gen(function* () {
  const kafka = yield* cluster()
  const connection = yield* connected(kafka)
  const joining: KafkaProtocol.JoinGroupRequest = {
    groupId: group,
    sessionTimeoutMillis: 600_000,
    rebalanceTimeoutMillis: 60_000,
    memberId: "",
    instanceId: undefined,
    protocolType: "connect",
    protocols: [{ name: "compatible", metadata: new Uint8Array(0) }],
    reason: undefined
  }
  const { memberId } = yield* connection.request("JoinGroup", joining)
  const { generation } = yield* connection.request("JoinGroup", { ...joining, memberId })
  const synced = yield* connection.request("SyncGroup", {
    groupId: group,
    generation,
    memberId,
    instanceId: undefined,
    protocolType: "connect",
    protocolName: "compatible",
    assignments: [],
    rebalanceTimeoutMillis: 60_000
  })
  assert.strictEqual(synced.errorCode, 0)
  return kafka
})

describe("a group that does not take a consumer in", () => {
  for (const protocol of protocols) {
    it.effect(`as it is of another kind: Inconsistent, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* withWorker
        let asked = 0
        for (const request of ["JoinGroup", "ConsumerGroupHeartbeat"] as const) {
          yield* kafka.intercept(request, (_, answer) =>
            Effect.andThen(
              Effect.sync(() => void asked++),
              answer
            )
          )
        }
        const error = yield* refusedBy(kafka, { protocol, startTimeout: "2 minutes" })
        assert.deepInclude(error, { _tag: "KafkaGroupError", reason: "Inconsistent", group })
        // In the consumer protocol it may be that the group goes over a moment later.
        assert.isAtMost(asked, protocol === "classic" ? 2 : 100)
      })
    )

    it.effect(`as it is full: Full, ${protocol}`, () =>
      Effect.gen(function* () {
        const kafka = yield* cluster({ groups: { maxSize: 1 } })
        yield* (yield* kafka.member(group, { topics: [topic], protocol })).joined
        assert.deepInclude(yield* refusedBy(kafka, { protocol }), { _tag: "KafkaGroupError", reason: "Full", group })
      })
    )
  }

  it.effect("as the brokers do not have its protocol: Unsupported", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { consumerProtocol: false } })
      const error = yield* refusedBy(kafka, { protocol: "consumer" })
      assert.deepInclude(error, { _tag: "KafkaGroupError", reason: "Unsupported", group })
    })
  )
})

describe("a static member of the consumer protocol whose predecessor was killed", () => {
  it.effect("waits until the session of that is over, and has its partitions then", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster({ groups: { sessionTimeout: "30 seconds" } })
      const options = { protocol: "consumer", instanceId: "i" } as const
      const first = yield* open(kafka, "first", options)
      yield* append(kafka, ["a"])
      yield* adjust("10 seconds")
      yield* first.kill
      yield* append(kafka, ["b"])
      const second = yield* open(kafka, "second", options)
      yield* adjust("1 minute")
      assert.deepStrictEqual([first.done, second.done], [["a"], ["b"]])
      assert.deepInclude(yield* second.health, { _tag: "Steady" })
    })
  )

  it.effect("is refused while that is there: Fenced", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const options = { protocol: "consumer", instanceId: "i" } as const
      const first = yield* open(kafka, "first", options)
      const error = yield* refusedBy(kafka, { ...options, startTimeout: "2 minutes" })
      assert.deepInclude(error, { _tag: "KafkaGroupError", reason: "Fenced", group })
      yield* append(kafka, ["a"])
      yield* adjust("10 seconds")
      assert.deepStrictEqual(first.done, ["a"])
    })
  )
})
