/** What is said of options of consumers that cannot work: all of it at once, before anything is asked of the brokers. */
import { assert, describe } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Codec, KafkaClient, KafkaConsumer, KafkaError } from "../../src/index.ts"
import { cluster, group, it, open, topic } from "./onEmbedded.ts"

class Orders extends KafkaConsumer.Tag("test/Orders")<Orders, string>() {}

/** What is wrong, by option, of a layer with these options. */
const problemsOf = (options: object) =>
  Effect.gen(function* () {
    const kafka = yield* cluster()
    let asked = 0
    const asking = <A, E>(answer: Effect.Effect<A, E>) =>
      Effect.andThen(
        Effect.sync(() => void asked++),
        answer
      )
    for (const name of ["Metadata", "FindCoordinator"] as const) {
      yield* kafka.intercept(name, (_, answer) => asking(answer))
    }
    const client = yield* kafka.client({ clientId: "ours" })
    const layer = KafkaConsumer.layer(Orders, { group, subscribe: topic, value: Codec.utf8, ...options })
    const built = yield* Effect.exit(
      Layer.build(layer.pipe(Layer.provide(Layer.succeed(KafkaClient.KafkaClient, client))))
    )
    assert.strictEqual(asked, 0)
    const error = Exit.isFailure(built) ? Cause.squash(built.cause) : undefined
    if (!(error instanceof KafkaError.InvalidOptionsError)) throw new Error(`nothing is wrong: ${String(error)}`)
    return Object.fromEntries(error.problems.map((one) => [one.option, one.problem]))
  })

const misuseOf = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.map(Effect.exit(call), (exit) => {
    const thrown = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    return thrown instanceof KafkaError.InvalidOptionsError ? thrown.problems.map(({ option }) => option) : []
  })

describe("options of a consumer", () => {
  it.effect("that are wrong are told all at once", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        group: "",
        subscribe: ["a b", "sh/op.*"],
        value: { decode: 1 },
        protocol: "share",
        assignor: "sticky",
        instanceId: "",
        sessionTimeout: -1,
        rebalanceTimeout: "soon",
        stopTimeout: Number.NaN,
        from: "beginning",
        commitInterval: "never",
        maxUncommitted: 0,
        onPoison: "ignore",
        isolation: "committed",
        checkCrcs: "yes",
        enableAutoCommit: false
      })
      const named = Object.keys(problems)
      for (const option of [
        "group",
        "subscribe[0]",
        "subscribe[1]",
        "value",
        "protocol",
        "assignor",
        "instanceId",
        "sessionTimeout",
        "rebalanceTimeout",
        "stopTimeout",
        "from",
        "commitInterval",
        "maxUncommitted",
        "onPoison",
        "isolation",
        "checkCrcs",
        "enableAutoCommit"
      ]) {
        assert.include(named, option)
      }
    })
  )

  it.effect("that contradict each other are told", () =>
    Effect.gen(function* () {
      const times = yield* problemsOf({
        sessionTimeout: "9 seconds",
        heartbeatInterval: "4 seconds",
        rebalanceTimeout: "10 seconds",
        revokeTimeout: "10 seconds"
      })
      assert.match(times.heartbeatInterval, /a third of sessionTimeout/)
      assert.match(times.revokeTimeout, /less than rebalanceTimeout/)
      const brokers = yield* problemsOf({
        protocol: "consumer",
        assignor: "range",
        sessionTimeout: "9 seconds",
        heartbeatInterval: "1 second"
      })
      assert.deepStrictEqual(Object.keys(brokers).sort(), ["assignor", "heartbeatInterval", "sessionTimeout"])
    })
  )

  it.effect("what has to be there and is not", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({ group: undefined, subscribe: [], value: undefined })
      assert.deepStrictEqual(Object.keys(problems).sort(), ["group", "subscribe", "value"])
    })
  )
})

describe("calls of a consumer that cannot be right, whatever the cluster is like", () => {
  it.effect("are the mistake of who calls, and change nothing", () =>
    Effect.gen(function* () {
      const kafka = yield* cluster()
      const { consumer } = yield* open(kafka, "ours")
      for (const offset of [-1, 1.5, Number.NaN]) {
        assert.deepStrictEqual(yield* misuseOf(consumer.seek({ topic, partition: 0, offset })), ["offset"])
        assert.deepStrictEqual(yield* misuseOf(consumer.seekToTime(offset)), ["timestamp"])
        const run = consumer.runForEach(() => Effect.void, { concurrency: offset })
        assert.deepStrictEqual(yield* misuseOf(run), ["concurrency"])
      }
      assert.deepInclude((yield* consumer.lag)[0], { topic, partition: 0, position: 0 })
    })
  )
})
