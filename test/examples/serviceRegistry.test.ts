/** The service registry: processes that come, beat, go and are killed, and two that watch, on a real Kafka. */
import * as Effect from "effect/Effect"
import { hostname } from "node:os"
import { assert } from "vitest"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { interrupted, start } from "./program.ts"

realKafka("examples/service-registry.ts", () => {
  const key = (name: string, port: number) => `${name}@${hostname()}:${port}`

  test("two processes on one broker: one comes and goes, the other one sees it", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const to = ["--brokers", brokers.join(","), "--topic", topicName("registry")]
      const watcher = yield* start("service-registry.ts", ["watch", ...to])
      yield* watcher.says("0 services")

      const billing = yield* start("service-registry.ts", ["register", "billing", "8080", ...to])
      const search = yield* start("service-registry.ts", ["register", "search", "9200", ...to])
      yield* billing.says(`${key("billing", 8080)} is registered`)
      yield* search.says(`${key("search", 9200)} is registered`)
      yield* watcher.says(`+ ${key("billing", 8080)}`)
      yield* watcher.says(`+ ${key("search", 9200)}`)

      // one leaves in good order, the other one cannot
      yield* billing.signal("SIGINT")
      assert.include(interrupted, yield* billing.ended)
      assert.include(billing.output(), `${key("billing", 8080)} leaves`)
      yield* watcher.says(`- ${key("billing", 8080)}`)
      yield* search.signal("SIGKILL")
      assert.strictEqual(yield* search.ended, "SIGKILL")
      yield* watcher.says(`? ${key("search", 9200)} is silent`)

      // who comes later has the same registry
      const late = yield* start("service-registry.ts", ["watch", ...to])
      yield* late.says(/1 service\n {2}search@.*:9200 {3}\d+ s ago/)
      for (const one of [watcher, late]) {
        yield* one.signal("SIGTERM")
        assert.include(interrupted, yield* one.ended)
      }
      assert.strictEqual(watcher.output().match(/^[+-] .*$/gm)?.length, 3, watcher.output())
    }))

  test("what is not a port is refused, with a typed error", () =>
    Effect.gen(function* () {
      const program = yield* start("service-registry.ts", ["register", "billing", "99999"])
      assert.strictEqual(yield* program.ended, 1)
      assert.match(program.output(), /Expected a (value|number) between 1 and 65535/)
    }))
})
