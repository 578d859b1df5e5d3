/** Logs that are to be kept for ever, on topics that are there already. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Catalog, EmbeddedKafka } from "../../src/index.ts"
import { eventually, recordLogs, test } from "../support/live.ts"
import { catalogOn, part, withKafka } from "./support.ts"

const TOPIC_DENIED = 29

const KEPT = { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" }

const forever = (
  onPolicyMismatch: "warn" | "fail" | "reconcile",
  rest: Catalog.CatalogSettings = {}
): Catalog.CatalogSettings => ({ ...rest, log: "forever", topicSettings: { onPolicyMismatch } })

const configsOf = (kafka: EmbeddedKafka.EmbeddedKafka) => Effect.map(kafka.topics, (topics) => topics.get("t")!.configs)

describe("a log that is to be kept for ever, on a topic that is there", () => {
  for (const [name, configs] of [
    ["is compacted", { "cleanup.policy": "compact" }],
    ["is compacted, too", { ...KEPT, "cleanup.policy": "compact,delete" }],
    ["ends after some time", { ...KEPT, "retention.ms": "86400000" }],
    ["ends at some size", { ...KEPT, "retention.bytes": "1000000" }],
    ["says nothing of retention, which has an end by default", { "cleanup.policy": "delete" }]
  ] as const) {
    test(`that ${name}: told, refused, or changed, and nothing else with it`, () =>
      withKafka((kafka, client) =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          yield* kafka.createTopic("t", { configs: { ...configs, "segment.ms": "123456" } })
          const before = yield* configsOf(kafka)
          const warned = yield* catalogOn(yield* client, "t", forever("warn")).pipe(recordLogs(lines))
          yield* warned.insert(part("a", "ACME", "eu"))
          assert.isTrue(lines.some((line) => line.includes("WARN") && line.includes("not kept for ever")))
          assert.isFalse(lines.some((line) => line.includes("EVICTED")))
          const error = yield* Effect.flip(catalogOn(yield* client, "t", forever("fail")))
          assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "PolicyMismatch", topic: "t" })
          assert.include(error.message, "cleanup.policy=delete, retention.ms=-1, retention.bytes=-1")
          assert.include(error.message, "set these configs")
          assert.notInclude(error.message, "set cleanup.policy=compact")
          assert.deepStrictEqual(yield* configsOf(kafka), before)
          yield* catalogOn(yield* client, "t", forever("reconcile"))
          assert.deepStrictEqual(yield* configsOf(kafka), { ...before, ...KEPT })
          assert.strictEqual(yield* (yield* catalogOn(yield* client, "t", forever("fail"))).size, 1)
        })
      ))
  }

  test("that keeps all: taken as it is, whatever is to be done about others", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        yield* kafka.createTopic("t", { configs: KEPT })
        for (const how of ["warn", "fail", "reconcile"] as const) {
          yield* catalogOn(yield* client, "t", forever(how)).pipe(recordLogs(lines))
        }
        assert.isFalse(lines.some((line) => line.includes("WARN") || line.includes("the log was")))
      })
    ))

  test("whose configs may not be read: told, or refused where something was to be done about them", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        yield* kafka.createTopic("t", { configs: KEPT })
        yield* kafka.inject({ _tag: "ErrorCode", code: TOPIC_DENIED }, { request: "DescribeConfigs" })
        yield* catalogOn(yield* client, "t", forever("warn")).pipe(recordLogs(lines))
        assert.isTrue(lines.some((line) => line.includes("not checked that the log is kept for ever")))
        const error = yield* Effect.flip(catalogOn(yield* client, "t", forever("fail")))
        assert.strictEqual(error.reason, "Unauthorized")
      })
    ))

  test("whose configs may not be changed: refused, and left as they are", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        yield* kafka.createTopic("t")
        const before = yield* configsOf(kafka)
        yield* kafka.inject({ _tag: "ErrorCode", code: TOPIC_DENIED }, { request: "IncrementalAlterConfigs" })
        const error = yield* Effect.flip(catalogOn(yield* client, "t", forever("reconcile")))
        assert.strictEqual(error.reason, "Unauthorized")
        assert.deepStrictEqual(yield* configsOf(kafka), before)
      })
    ))

  test("a cluster may show only later what was set: waited for, so that whoever looks next finds it", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        yield* kafka.createTopic("t")
        const looks = { n: 0 }
        const asItWas = yield* (yield* client).describeConfigs("t")
        yield* kafka.intercept("DescribeConfigs", (_call, answer) =>
          looks.n++ < 4 ? Effect.as(answer, asItWas as never) : answer
        )
        const lines: Array<string> = []
        yield* catalogOn(yield* client, "t", forever("reconcile")).pipe(recordLogs(lines))
        assert.strictEqual(looks.n, 5)
        assert.isTrue(lines.some((line) => line.includes("the log was")))
        yield* catalogOn(yield* client, "t", forever("fail"))
      })
    ))

  test("that stays as it was, though the broker said that it had changed it: refused", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        yield* kafka.createTopic("t")
        yield* kafka.intercept("IncrementalAlterConfigs", () =>
          Effect.succeed({ errorCode: 0, errorMessage: undefined } as never)
        )
        const error = yield* Effect.flip(
          catalogOn(yield* client, "t", forever("reconcile", { catchUpTimeout: "500 millis" }))
        )
        assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "PolicyMismatch", topic: "t" })
      })
    ))

  test("when what goes wrong passes by itself, it is asked again; not longer than a table may take to catch up", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        yield* kafka.createTopic("t", { configs: KEPT })
        const flaky = yield* kafka.client({ clientId: "flaky", backoff: { initial: "10 millis", max: "20 millis" } })
        const hits = { n: 0 }
        yield* kafka.intercept("DescribeConfigs", (call, answer) =>
          call.clientId === "flaky" && hits.n++ < 5
            ? Effect.as(answer, { errorCode: 7, errorMessage: "", configs: [] } as never)
            : answer
        )
        yield* catalogOn(flaky, "t", forever("fail"))
        assert.isAbove(hits.n, 5)
        const { hits: refused } = yield* kafka.inject({ _tag: "Disconnect" }, { request: "DescribeConfigs" })
        const error = yield* Effect.flip(
          catalogOn(yield* client, "t", forever("fail", { catchUpTimeout: "500 millis" }))
        )
        assert.deepInclude(error, { _tag: "KafkaConnectionError", retriable: true })
        yield* eventually(refused, (count) => count > 1)
      })
    ))
})
