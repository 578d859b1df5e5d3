/** The example of OpenTelemetry: what it prints, and what a collector gets of it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Http from "node:http"
import { assert } from "vitest"
import { listening } from "../real/support.ts"
import { test } from "../support/live.ts"
import { start } from "./program.ts"

const spans = ["KafkaTable.make", "KafkaTableWriter.make", "KafkaTableWriter.setMany", "reserve"]
const metrics = [
  "kafka_table_entries",
  "kafka_table_records_applied_total",
  "kafka_table_catch_up_seconds",
  "kafka_writer_writes_total",
  "stock_stale_millis"
]

test("examples/open-telemetry.ts prints its spans and metrics", () =>
  Effect.gen(function* () {
    const program = yield* start("open-telemetry.ts")
    assert.strictEqual(yield* program.ended, 0, program.output())
    const output = program.output()
    for (const name of spans) assert.match(output, new RegExp(`^${name} \\d+ ms {.*}$`, "m"))
    assert.lengthOf(output.match(/^reserve \d+ ms .*\n {2}KafkaTable\.awaitPosition \d+ ms .*$/gm) ?? [], 3, output)
    for (const name of metrics) assert.match(output, new RegExp(`^${name}({.*})? [\\d.]+$`, "m"))
    assert.include(output, `kafka_table_entries{topic="examples.stock"} 2\n`)
    assert.include(output, `kafka_writer_writes_total{topic="examples.stock",outcome="acknowledged"} 5\n`)
  }))

// ---------------------------------------------------------------------------------------------------------------------
// a collector
// ---------------------------------------------------------------------------------------------------------------------

const Named = Schema.Struct({ name: Schema.String })
const Traces = Schema.Struct({
  resourceSpans: Schema.Array(
    Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Named) })) })
  )
})
const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({ scopeMetrics: Schema.Array(Schema.Struct({ metrics: Schema.Array(Named) })) })
  )
})

test("examples/open-telemetry.ts --otlp sends them to a collector", () =>
  Effect.gen(function* () {
    const requests: Array<{ readonly path: string | undefined; readonly body: string }> = []
    const { address } = yield* listening(() =>
      Http.createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => (body += text))
        request.on("end", () => {
          requests.push({ path: request.url, body })
          response.writeHead(200, { "content-type": "application/json" }).end("{}")
        })
      })
    )
    const program = yield* start("open-telemetry.ts", ["--otlp", `http://${address}`])
    assert.strictEqual(yield* program.ended, 0, program.output())
    assert.strictEqual(program.output(), "")

    const bodies = (path: string) => requests.filter((one) => one.path === path).map(({ body }) => body)
    const sentSpans = bodies("/v1/traces")
      .map((body) => Schema.decodeUnknownSync(Traces)(JSON.parse(body)))
      .flatMap((_) => _.resourceSpans)
      .flatMap((_) => _.scopeSpans)
      .flatMap((_) => _.spans.map(({ name }) => name))
    assert.includeMembers(sentSpans, spans)
    assert.lengthOf(
      sentSpans.filter((name) => name === "KafkaTable.awaitPosition"),
      3
    )
    const sentMetrics = bodies("/v1/metrics")
      .map((body) => Schema.decodeUnknownSync(Metrics)(JSON.parse(body)))
      .flatMap((_) => _.resourceMetrics)
      .flatMap((_) => _.scopeMetrics)
      .flatMap((_) => _.metrics.map(({ name }) => name))
    assert.includeMembers(sentMetrics, metrics)
  }))
