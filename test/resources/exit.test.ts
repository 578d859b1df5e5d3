/** A process that has closed what it opened ends by itself. */
import * as Effect from "effect/Effect"
import { createServer, type AddressInfo, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { assert } from "vitest"
import * as JavaClient from "../kafka/JavaClient.ts"
import { run } from "../kafka/process.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { test } from "../support/live.ts"

const program = fileURLToPath(new URL("leaving.ts", import.meta.url))

/** On a machine that is busy. One that is kept alive is so for ever, or until a timeout of ten seconds and more. */
const EXIT_LIMIT_MILLIS = 3_000

/** How long it took from the closing until it was gone. */
const left = (brokers: ReadonlyArray<string>, topic: string, how: "live" | "waiting" | "early") =>
  Effect.map(
    run(process.execPath, ["--import", "tsx", program, brokers.join(","), topic, how], { timeout: "30 seconds" }),
    ({ stderr, stdout }) => {
      assert.strictEqual(stderr, "")
      assert.match(stdout.toString(), /^\d+$/)
      return Number(stdout.toString())
    }
  )

/** Takes connections, and never says a word. */
const silentBroker = Effect.map(
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
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
  for (const how of ["live", "waiting", "early"] as const) {
    test(how, () =>
      Effect.gen(function* () {
        const { adminBrokers, brokers } = yield* sharedKafka
        const topic = topicName()
        const java = yield* JavaClient.make(adminBrokers)
        yield* java.createTopic(topic, { partitions: 2, configs: { "cleanup.policy": "compact" } })
        assert.isBelow(yield* left(brokers, topic, how), EXIT_LIMIT_MILLIS)
      })
    )
  }

  test("early, and no broker answers", () =>
    Effect.gen(function* () {
      assert.isBelow(yield* left(yield* silentBroker, "none", "early"), EXIT_LIMIT_MILLIS)
    }))
})
