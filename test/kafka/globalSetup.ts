/**
 * One plain broker for all test files of a run, which starts when the first of them asks for it: a run that needs none
 * does not pay for it. Test files run in processes of their own, so they ask over HTTP.
 *
 * `KAFKA_BROKERS` names a cluster to use instead.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { TestProject } from "vitest/node"
import { hasJava, installJava } from "./java.ts"
import * as KafkaCluster from "./KafkaCluster.ts"
import { hasPython, installPython } from "./Librdkafka.ts"

export interface Shared {
  readonly brokers: ReadonlyArray<string>
  readonly adminBrokers: ReadonlyArray<string>
}

declare module "vitest" {
  export interface ProvidedContext {
    readonly kafka: {
      /** Where to ask for the shared broker. */
      readonly url: string
      readonly java: boolean
      readonly python: boolean
      /** Whether `KAFKA_BROKERS` is set. */
      readonly external: boolean
    }
  }
}

const external = (process.env["KAFKA_BROKERS"] ?? "")
  .split(",")
  .map((broker) => broker.trim())
  .filter((broker) => broker !== "")

/** Many tests are on this broker at a time: members of the consumer protocol have longer than elsewhere to come with a heartbeat. */
const config = { "group.consumer.session.timeout.ms": "8000" }

const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const java = hasJava()
  const python = hasPython()
  const missing = [
    ...(java ? [] : [`tests ${external.length === 0 ? "of" : "that start"} a real broker: ${installJava}`]),
    ...(python ? [] : [`tests of librdkafka: ${installPython}`])
  ]
  if (missing.length > 0) {
    process.stderr.write(
      `\n${missing.map((one) => `!! ${process.env["CI"] ? "WILL FAIL" : "SKIPPED"}: ${one}`).join("\n")}\n\n`
    )
  }

  const scope = Effect.runSync(Scope.make())
  const shared = Effect.runSync(
    Effect.cached(
      external.length > 0
        ? Effect.succeed<Shared>({ brokers: external, adminBrokers: external })
        : Scope.provide(KafkaCluster.make({ heapMb: 1024, config }), scope).pipe(
            Effect.map(({ brokers, adminBrokers }): Shared => ({ brokers, adminBrokers }))
          )
    )
  )
  const starts: Array<Fiber.Fiber<unknown, unknown>> = []
  const server = createServer((_request, response) => {
    starts.push(
      Effect.runFork(
        Effect.onExit(shared, (exit) =>
          Effect.sync(() => {
            response.statusCode = Exit.isSuccess(exit) ? 200 : 500
            response.end(Exit.isSuccess(exit) ? JSON.stringify(exit.value) : Cause.pretty(exit.cause))
          })
        )
      )
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("not listening on TCP")
  project.provide("kafka", { url: `http://127.0.0.1:${address.port}`, java, python, external: external.length > 0 })

  return async () => {
    server.close()
    server.closeAllConnections()
    await Effect.runPromise(Effect.andThen(Fiber.interruptAll(starts), Scope.close(scope, Exit.void)))
  }
}

export default setup
