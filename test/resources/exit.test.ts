/** A process that has closed what it opened ends by itself. */
import * as Effect from "effect/Effect"
import { createServer, type AddressInfo, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { assert } from "vitest"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { run } from "../kafka/process.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"
import { compiled } from "../support/programs.ts"
import type { Secured } from "./leaving.ts"

const leaving = fileURLToPath(new URL("leaving.ts", import.meta.url))

/**
 * Of ten milliseconds each. One that is kept alive is so for ever, or until a timeout of ten seconds and more: that is a
 * thousand of them.
 */
const EXIT_LIMIT_TICKS = 300

type How = (typeof ways)[number]
const ways = ["live", "waiting", "early"] as const

/** How many ticks it took from the closing until it was gone. */
const left = (brokers: ReadonlyArray<string>, topic: string, how: How, secured?: Secured) =>
  Effect.map(
    Effect.flatMap(compiled(leaving), (program) =>
      run(process.execPath, [
        program,
        brokers.join(","),
        topic,
        how,
        secured === undefined ? "" : JSON.stringify(secured)
      ])
    ),
    ({ stderr, stdout }) => {
      assert.strictEqual(stderr, "")
      assert.match(stdout.toString(), /^\d+$/)
      return Number(stdout.toString())
    }
  )

/** Takes connections, and never says a word. */
const silentBroker = Effect.map(
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => sockets.add(socket.on("error", () => {})))
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      server.listen(0, "127.0.0.1", () => {
        resume(Effect.succeed({ port: (server.address() as AddressInfo).port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ),
  ({ port }) => [`127.0.0.1:${port}`]
)

realKafka("a process that has closed its scope ends by itself", { java: true }, () => {
  for (const how of ways) {
    test(how, () =>
      Effect.gen(function* () {
        const { adminBrokers, brokers } = yield* sharedKafka
        const topic = topicName()
        const java = yield* JavaClient.make(adminBrokers)
        yield* java.createTopic(topic, { partitions: 2, configs: { "cleanup.policy": "compact" } })
        assert.isBelow(yield* left(brokers, topic, how), EXIT_LIMIT_TICKS)
      })
    )
  }

  test("with TLS and sessions that end", () =>
    Effect.gen(function* () {
      const [username, password, topic] = ["alice", "secret", topicName()]
      const { adminBrokers, brokers, tls } = yield* KafkaCluster.make({
        listener: "sasl_ssl",
        users: { [username]: password },
        config: { "connections.max.reauth.ms": "2000" }
      })
      if (tls === undefined) return assert.fail("no TLS")
      const java = yield* JavaClient.make(adminBrokers)
      yield* java.createTopic(topic, { configs: { "cleanup.policy": "compact" } })
      for (const how of ways) {
        assert.isBelow(yield* left(brokers, topic, how, { ca: tls.ca, username, password }), EXIT_LIMIT_TICKS, how)
      }
    }))

  test("early, and no broker answers", () =>
    Effect.gen(function* () {
      assert.isBelow(yield* left(yield* silentBroker, "none", "early"), EXIT_LIMIT_TICKS)
    }))
})
