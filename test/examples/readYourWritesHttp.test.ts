/** Read your own writes over HTTP: two replicas in one process, and as the service that runs until it is ended. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { freePorts } from "../kafka/ports.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { interrupted, start } from "./program.ts"

/** How often the program is run until the replica that is read was behind. */
const RUNS = 10

const tells = (topicOf: () => string, argsOf: (topic: string) => ReadonlyArray<string> = () => []) =>
  Effect.gen(function* () {
    for (let run = 1; ; run++) {
      const topic = topicOf()
      const program = yield* start("read-your-writes-http.ts", argsOf(topic))
      assert.strictEqual(yield* program.ended, 0, program.output())
      const [first, second, third, fourth, end] = program.output().split("\n")
      assert.strictEqual(first, `PUT /prices/apple to replica 1: 204, kafka-position: ${topic}@0:0`)
      const counts = /^20 writes to replica 1, each read from replica 2: (\d+) stale without the header, 0 with it$/
      assert.match(second, counts)
      assert.strictEqual(third, "GET of a write that does not come: 504 KafkaWaitTimeoutError")
      assert.strictEqual(fourth, "GET with kafka-position: nonsense: 400")
      assert.strictEqual(end, "")
      // The table of the other replica is behind by up to 100 ms: that is what the header is for. A client on a busy machine may
      // take longer each time.
      const stale = Number(counts.exec(second)?.[1])
      assert.isAtMost(stale, 20)
      if (stale > 0) return
      assert.isBelow(run, RUNS, "no read was stale without the header")
    }
  })

test("examples/read-your-writes-http.ts: two replicas and a client", () => tells(() => "examples.prices"))

realKafka("on a real Kafka", () => {
  test("examples/read-your-writes-http.ts: two replicas and a client", () =>
    Effect.flatMap(sharedKafka, ({ brokers }) =>
      tells(
        () => topicName("prices"),
        (topic) => ["--brokers", brokers.join(","), "--topic", topic]
      )
    ))

  test("examples/read-your-writes-http.ts --port: two processes, with another client", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const topic = topicName("prices")
      const ports = yield* freePorts(2)
      const replicas = yield* Effect.forEach(
        ports,
        (port) =>
          Effect.gen(function* () {
            const args = ["--brokers", brokers.join(","), "--topic", topic, "--port", `${port}`]
            const program = yield* start("read-your-writes-http.ts", args)
            yield* program.says(`Listening on http://127.0.0.1:${port}`)
            return { program, url: `http://127.0.0.1:${port}/prices/apple` }
          }),
        { concurrency: "unbounded" }
      )
      const [one, two] = replicas
      const http = (url: string, init: RequestInit = {}) => Effect.promise(() => fetch(url, init))

      assert.strictEqual((yield* http(two.url)).status, 404)
      const written = yield* http(one.url, { method: "PUT", body: `{"cents":120}` })
      assert.strictEqual(written.status, 204)
      const position = written.headers.get("kafka-position") ?? assert.fail("no position")
      const read = yield* http(two.url, { headers: { "kafka-position": position } })
      assert.strictEqual(yield* Effect.promise(() => read.text()), `{"cents":120}`)

      const refused = yield* http(one.url, { method: "PUT", body: `{"cents":-1}` })
      assert.strictEqual(refused.status, 400)
      const elsewhere = yield* http(two.url, { headers: { "kafka-position": "another.topic@0:0" } })
      assert.strictEqual(elsewhere.status, 400)
      assert.include(yield* Effect.promise(() => elsewhere.text()), "KafkaInvalidOptionsError")

      for (const { program } of replicas) {
        yield* program.signal("SIGTERM")
        assert.include(interrupted, yield* program.ended, program.output())
      }
    }))
})
