/** Catalogs of those who may only read: see the contract for what real brokers allow. */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Catalog, Codec, KafkaClient } from "../../src/index.ts"
import { test } from "../support/live.ts"
import { catalogOn, KEYS, part, Part, problemsOf, skus, stocks, withKafka } from "./support.ts"

const readOnly = { readOnly: true } as const

/** Codes of Kafka for what somebody may not do. */
const [TOPIC_DENIED, CLUSTER_DENIED] = [29, 31]

describe("a catalog that is read-only", () => {
  test("asks for nothing but what it reads, follows the log, and refuses to write, typed", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const writer = yield* catalogOn(yield* client, "t")
        yield* writer.insert(part("a", "ACME", "eu", 1))
        const reader = yield* kafka.client({ clientId: "reader" })
        const asked = new Set<string>()
        for (const request of ["CreateTopics", "InitProducerId", "Produce", "DescribeConfigs"] as const) {
          yield* kafka.intercept(request, (call, answer) => {
            if (call.clientId === "reader") asked.add(request)
            return answer
          })
        }
        const parts = yield* catalogOn(reader, "t", readOnly)
        assert.deepStrictEqual(skus(yield* parts.query({ vendor: "acme" })), ["a"])
        yield* writer.insert(part("b", "ACME", "eu", 2))
        yield* parts.barrier()
        assert.deepStrictEqual(stocks(yield* parts.query({ vendor: "acme" })), [1, 2])
        const log = yield* kafka.log("t")
        const refused = yield* Effect.flip(parts.insert(part("c", "ACME", "eu")))
        assert.deepInclude(refused, { _tag: "KafkaCatalogReadOnlyError", topic: "t", operation: "insert" })
        assert.strictEqual(
          refused.message,
          `A catalog that is read-only has no insert: topic "t". Nothing was written. Acquire it without readOnly, with the right to write its topic.`
        )
        const kept = yield* Effect.flip(parts.delete({ vendor: "acme" }))
        assert.deepInclude(kept, { _tag: "KafkaCatalogReadOnlyError", topic: "t", operation: "delete" })
        assert.deepStrictEqual(problemsOf(yield* Effect.flip(parts.delete({}))), ["filter"])
        assert.deepStrictEqual(yield* kafka.log("t"), log)
        // its table asks for what the topic's retention is, as any table does
        assert.isTrue([...asked].every((request) => request === "DescribeConfigs"))
      })
    ))

  test("is acquired without the right to write, where another one is not", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const writer = yield* catalogOn(yield* client, "t")
        yield* writer.insert(part("a", "ACME", "eu", 1))
        yield* kafka.inject({ _tag: "ErrorCode", code: CLUSTER_DENIED }, { request: "InitProducerId" })
        yield* kafka.inject({ _tag: "ErrorCode", code: TOPIC_DENIED }, { request: "Produce" })
        const parts = yield* catalogOn(yield* client, "t", readOnly)
        assert.strictEqual(yield* parts.size, 1)
        const denied = yield* Effect.flip(catalogOn(yield* client, "t"))
        assert.deepInclude(denied, { _tag: "KafkaBrokerError", reason: "Unauthorized", request: "InitProducerId" })
        // it has no option idempotent
        assert.include(denied.message, "unless it is readOnly")
        assert.notInclude(denied.message, "idempotent: false")
      })
    ))

  test("creates no topic, locks no log, and is refused one of other keys", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        const missing = yield* Effect.flip(catalogOn(yield* client, "missing", readOnly))
        assert.deepInclude(missing, { _tag: "KafkaTopicError", reason: "NotFound" })
        assert.isFalse((yield* kafka.topics).has("missing"))
        yield* kafka.createTopic("empty")
        const parts = yield* catalogOn(yield* client, "empty", readOnly)
        assert.deepStrictEqual([yield* parts.size, yield* kafka.log("empty")], [0, []])
        const keys = { rowKey: "sku", indexKeys: ["vendor"] } as const
        const other = (options: Catalog.CatalogSettings) =>
          Effect.flatMap(client, (own) =>
            Catalog.make(keys, { topic: "empty", value: Codec.json(Part), ...options }).pipe(
              Effect.provideService(KafkaClient.KafkaClient, own)
            )
          )
        yield* (yield* other({})).insert(part("a", "ACME", "eu"))
        const locked = yield* Effect.flip(catalogOn(yield* client, "empty", readOnly))
        assert.deepInclude(locked, { _tag: "KafkaCatalogLockedError", locked: keys, configured: KEYS })
        assert.strictEqual(yield* (yield* other(readOnly)).size, 1)
      })
    ))

  test("has options of writing, which it needs not, and none of a topic that is created or checked", () =>
    withKafka((kafka, client) =>
      Effect.gen(function* () {
        yield* kafka.createTopic("t")
        const shared = { compression: "gzip", log: "forever", deliveryTimeout: "5 seconds", ...readOnly } as const
        yield* catalogOn(yield* client, "t", { ...shared, ensureTopic: false })
        const topicSettings = { partitions: 3 }
        const error = yield* Effect.flip(catalogOn(yield* client, "t", { ...shared, ensureTopic: true, topicSettings }))
        assert.deepStrictEqual(problemsOf(error), ["ensureTopic", "topicSettings"])
        const wrong = yield* Effect.flip(catalogOn(yield* client, "t", { readOnly: "yes" } as never))
        assert.deepStrictEqual(problemsOf(wrong), ["readOnly"])
      })
    ))
})
