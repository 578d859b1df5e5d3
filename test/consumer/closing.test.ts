/** A consumer that is closed while it joins. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Codec, EmbeddedKafka, KafkaClient, KafkaConsumer } from "../../src/index.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { it } from "../support/ManualClock.ts"
import { turns } from "../support/turns.ts"

const topic = "t"
const group = "g"

const quiet = turns(40)

describe("a consumer that is closed while it joins", () => {
  it.effect("gives back the id that it is about to be given: nobody waits for it", () =>
    Effect.gen(function* () {
      const kafka = yield* EmbeddedKafka.make({ topics: { [topic]: {} } })
      const given: Array<string> = []
      const left: Array<string> = []
      yield* kafka.intercept("JoinGroup", (_, answer) =>
        Effect.tap(answer, ({ memberId }) => Effect.sync(() => given.push(memberId)))
      )
      yield* kafka.intercept("LeaveGroup", ({ request }, answer) =>
        Effect.andThen(
          Effect.sync(() => left.push(request.memberId)),
          answer
        )
      )
      yield* kafka.inject({ _tag: "Delay", millis: 1_000 }, { request: "JoinGroup" })
      const client = yield* kafka.client()
      const scope = yield* Scope.make()
      yield* Effect.forkChild(
        KafkaConsumer.make<string>({ group, subscribe: topic, value: Codec.utf8, startTimeout: 10 }).pipe(
          Effect.provideService(KafkaClient.KafkaClient, client),
          Scope.provide(scope)
        )
      )
      yield* quiet
      yield* TestClock.adjust(100)
      yield* quiet
      assert.deepStrictEqual(left, [])
      yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* quiet
      yield* TestClock.adjust(1_000)
      yield* quiet
      assert.strictEqual(given.length, 1)
      assert.deepStrictEqual(left, given)
    }).pipe(Effect.scoped, withoutLogs)
  )
})
