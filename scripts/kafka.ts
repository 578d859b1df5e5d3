/**
 * A Kafka for development, in the foreground: `npm run kafka`, `npm run kafka -- --port 9092 --nodes 3`. Ctrl-C ends
 * it, and what was in it is gone.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import * as KafkaCluster from "../test/kafka/KafkaCluster.ts"
import { TestKafkaError } from "../test/kafka/TestKafkaError.ts"

const usage = "usage: npm run kafka -- [--port 9092] [--nodes 1|3]   (several nodes take the ports from --port on)"

const options = Effect.try({
  try: () => {
    const { values } = parseArgs({
      options: { port: { type: "string", default: "9092" }, nodes: { type: "string", default: "1" } }
    })
    const port = Number(values.port)
    const nodes = Number(values.nodes)
    if (!Number.isInteger(port) || port < 1 || port > 65_000) throw new Error(`not a port: ${values.port}`)
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > 9) throw new Error(`not a number of nodes: ${values.nodes}`)
    return { port, nodes }
  },
  catch: (cause) => new TestKafkaError({ reason: "options", message: `${String(cause)}\n${usage}`, cause })
})

const program = Effect.gen(function* () {
  const { nodes, port } = yield* options
  yield* Console.log("starting Kafka (the first time, its jars are downloaded)")
  const cluster = yield* KafkaCluster.make({
    nodes,
    heapMb: 1024,
    javaOptions: [],
    ports: Array.from({ length: nodes }, (_, index) => port + index)
  })
  yield* Console.log(
    [
      `Kafka is ready:  ${cluster.brokers.join(",")}`,
      "",
      `for tests:       KAFKA_BROKERS=${cluster.brokers.join(",")} npm test`,
      `its logs:        ${cluster.nodes.map((node) => node.logFile).join(" ")}`,
      "",
      "Ctrl-C ends it and removes its data."
    ].join("\n")
  )
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapErrorTag("TestKafkaError", (error) => Console.error(error.message))
)

NodeRuntime.runMain(program, { disableErrorReporting: true })
