/**
 * Spans and metrics by OpenTelemetry: the library's own ones, and those of an application around it.
 *
 *     npx tsx examples/open-telemetry.ts                                 prints what it would export
 *     npx tsx examples/open-telemetry.ts --otlp http://localhost:4318    sends it to a collector (with the log lines)
 *     npx tsx examples/open-telemetry.ts --brokers localhost:9092        on a real Kafka instead of one in memory
 *
 * Without a collector, it prints first the spans and then the metrics:
 *
 *     KafkaTable.make 24 ms {"messaging.destination.name":"examples.stock"}
 *     reserve 3 ms {"product":"apple"}
 *       KafkaTable.awaitPosition 1 ms {"messaging.destination.name":"examples.stock"}
 *     kafka_table_entries{topic="examples.stock"} 2
 *     kafka_writer_writes_total{topic="examples.stock",outcome="acknowledged"} 5
 *     stock_stale_millis 12
 *
 * It needs `@effect/opentelemetry`, `@opentelemetry/sdk-metrics`, `@opentelemetry/sdk-trace-base` and their peers; to a
 * collector, `effect/observability` alone does.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { NodeRuntime } from "@effect/platform-node"
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Console, Effect, Layer, Metric, Option, References, Schedule, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter } from "effect-ktables"
import { parseArgs } from "node:util"

class Stock extends KafkaTable.Tag("examples/Stock")<Stock, string, number>() {}
class StockWriter extends KafkaTableWriter.Tag("examples/StockWriter")<StockWriter, string, number>() {}

// ---------------------------------------------------------------------------------------------------------------------
// the application
// ---------------------------------------------------------------------------------------------------------------------

/** `set` has no span of its own, as that would double its price: here is one around the whole of what is done. */
const reserve = (product: string) =>
  Effect.gen(function* () {
    const stock = yield* Stock
    const writer = yield* StockWriter
    const left = Option.getOrElse(yield* stock.get(product), () => 0)
    const position = yield* writer.set(product, left - 1)
    yield* stock.awaitPosition(position)
  }).pipe(Effect.withSpan("reserve", { attributes: { product } }))

const staleMillis = Metric.gauge("stock_stale_millis", { description: "How old the stock that is shown may be" })

/** The library's gauges stand still while a broker is away. This one does not: alert on it. */
const reportStaleness = Effect.gen(function* () {
  const stock = yield* Stock
  const freshness = yield* stock.freshness
  if (freshness.staleMillis !== undefined) yield* Metric.update(staleMillis, freshness.staleMillis)
})

const application = Effect.gen(function* () {
  yield* Effect.forkScoped(Effect.repeat(reportStaleness, Schedule.spaced("5 seconds")))
  const writer = yield* StockWriter
  yield* writer.setMany([
    ["apple", 10],
    ["pear", 20]
  ])
  yield* Effect.forEach(["apple", "apple", "pear"], reserve)
}).pipe(Effect.scoped)

// ---------------------------------------------------------------------------------------------------------------------
// telemetry, with a collector and without
// ---------------------------------------------------------------------------------------------------------------------

const resource = { serviceName: "stock", serviceVersion: "1.0.0" }

const toCollector = (baseUrl: string) => Layer.provide(Otlp.layerJson({ baseUrl, resource }), FetchHttpClient.layer)

const spans = new InMemorySpanExporter()
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const metricReader = new PeriodicExportingMetricReader({ exporter: metrics })

const inMemory = NodeSdk.layer(() => ({ resource, spanProcessor: new SimpleSpanProcessor(spans), metricReader }))

const print = Effect.gen(function* () {
  const inOrder = spans.getFinishedSpans().toSorted(({ startTime: a }, { startTime: b }) => a[0] - b[0] || a[1] - b[1])
  for (const { attributes, duration, name, parentSpanContext } of inOrder) {
    const millis = Math.round(duration[0] * 1e3 + duration[1] / 1e6)
    yield* Console.log(`${parentSpanContext ? "  " : ""}${name} ${millis} ms ${JSON.stringify(attributes)}`)
  }
  yield* Effect.promise(() => metricReader.forceFlush())
  for (const metric of metrics.getMetrics().flatMap((exported) => exported.scopeMetrics.flatMap((_) => _.metrics))) {
    if (metric.dataPointType !== DataPointType.SUM && metric.dataPointType !== DataPointType.GAUGE) continue
    for (const { attributes, value } of metric.dataPoints) {
      const labels = Object.entries(attributes).map(([key, label]) => `${key}="${String(label)}"`)
      yield* Console.log(`${metric.descriptor.name}${labels.length === 0 ? "" : `{${labels.join()}}`} ${value}`)
    }
  }
})

// ---------------------------------------------------------------------------------------------------------------------
// both
// ---------------------------------------------------------------------------------------------------------------------

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    otlp: { type: "string" },
    topic: { type: "string", default: "examples.stock" }
  }
})
const Kafka =
  values.brokers === undefined ? KafkaClient.layerMemory() : KafkaClient.layer({ brokers: values.brokers.split(",") })

const options = { topic: values.topic, value: Codec.json(Schema.Int) }
const Tables = Layer.merge(KafkaTable.layer(Stock, options), KafkaTableWriter.layer(StockWriter, options))

// Telemetry comes first, so that acquiring the table is traced, too.
const main =
  values.otlp === undefined
    ? Effect.andThen(application, print).pipe(Effect.provide(Tables), Effect.provide(inMemory))
    : application.pipe(Effect.provide(Tables), Effect.provide(toCollector(values.otlp)))

NodeRuntime.runMain(main.pipe(Effect.provide(Kafka), Effect.provideService(References.MinimumLogLevel, "Warn")))
