import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { it } from "./support/ManualClock.ts"
import { failureOf } from "./support/exits.ts"
import { loggingTo, type LogLine } from "./support/effect/v4/logs.ts"
import { hasEnded } from "../src/internal/effect/v4/fibers.ts"
import { KafkaClient, KafkaTopic } from "../src/index.ts"
import { connectionError, FakeCluster, type Request } from "./support/FakeCluster.ts"

const topic = "registry"

/** `ensure`, and what it logged. */
const ensure = (cluster: FakeCluster, settings: KafkaTopic.TopicSettings = {}) =>
  Effect.gen(function* () {
    const lines: Array<LogLine> = []
    const exit = yield* KafkaTopic.ensure({ topic, ...settings }).pipe(
      Effect.provide(Layer.effect(KafkaClient.KafkaClient, cluster.client)),
      loggingTo((line) => lines.push(line)),
      Effect.exit
    )
    return { exit, lines }
  })

const outcome = (cluster: FakeCluster, settings: KafkaTopic.TopicSettings = {}) =>
  Effect.flatMap(ensure(cluster, settings), ({ exit, lines }) => Effect.map(exit, (result) => ({ ...result, lines })))

/** Level and words of log lines. */
const said = (lines: ReadonlyArray<LogLine>) => lines.map(({ level, message }) => [level, message])

const existing = (policy: string): FakeCluster => {
  const cluster = new FakeCluster()
  cluster.createTopic(topic, 1, { "cleanup.policy": policy, "segment.ms": "1000" })
  return cluster
}

const answering = (cluster: FakeCluster, request: Request, answer: object): FakeCluster => {
  cluster.before = (asked) => (asked === request ? Effect.succeed(answer) : undefined)
  return cluster
}

const asked = (cluster: FakeCluster, request: Request) =>
  cluster.requests.filter((one) => one.request === request).length

const refusal = (errorCode: number, errorMessage?: string) => ({ errorCode, errorMessage, configs: [] })

describe("a missing topic", () => {
  it.effect("is created, compacted, with the broker's defaults", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      const requests: Array<unknown> = []
      cluster.before = (request, _, detail) => {
        if (request === "CreateTopics") requests.push(detail)
        return undefined
      }
      const { lines, ...result } = yield* outcome(cluster)
      assert.deepStrictEqual(result, { topic, outcome: "created", policy: "compact" })
      assert.deepStrictEqual(requests, [
        {
          topic,
          partitions: -1,
          replicationFactor: -1,
          configs: { "cleanup.policy": "compact" },
          timeoutMillis: 10_000
        }
      ])
      assert.deepStrictEqual(
        lines.map(({ annotations, level }) => ({ annotations, level })),
        [{ level: "INFO", annotations: { package: "effect-ktables", module: "KafkaTopic", topic } }]
      )
    })
  )

  it.effect("with what was declared; compaction stays unless another policy is named", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      const details: Array<unknown> = []
      cluster.before = (request, _, detail) => {
        if (request === "CreateTopics") details.push(detail)
        return undefined
      }
      yield* outcome(cluster, { partitions: 3, replicationFactor: 1, configs: { "segment.ms": "100" } })
      assert.deepInclude(details[0] as object, {
        partitions: 3,
        replicationFactor: 1,
        configs: { "cleanup.policy": "compact", "segment.ms": "100" }
      })
      assert.strictEqual(
        (yield* outcome(new FakeCluster(), { configs: { "cleanup.policy": "delete" } })).policy,
        "delete"
      )
    })
  )

  it.effect("creation lost to somebody else counts as existing", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.before = (request) => {
        if (request === "CreateTopics") cluster.createTopic(topic)
        return undefined
      }
      assert.strictEqual((yield* outcome(cluster)).outcome, "verified")
    })
  )

  it.effect("is waited for until brokers show it with its leaders", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      cluster.before = (request) =>
        request === "CreateTopics"
          ? Effect.sync(() => {
              cluster.createTopic(topic)
              cluster.moveLeader(topic, -1)
              return { errorCode: 0, errorMessage: undefined }
            })
          : undefined
      const fiber = yield* Effect.forkChild(outcome(cluster))
      yield* TestClock.adjust(3_000)
      assert.isFalse(hasEnded(fiber))
      cluster.moveLeader(topic, 0)
      yield* TestClock.adjust(1_000)
      assert.strictEqual((yield* Fiber.join(fiber)).outcome, "created")
    })
  )

  it.effect("that never shows is a retriable error after 10 seconds", () =>
    Effect.gen(function* () {
      const cluster = answering(new FakeCluster(), "CreateTopics", { errorCode: 0, errorMessage: undefined })
      const fiber = yield* Effect.forkChild(Effect.flip(outcome(cluster)))
      // it asks as long as there is time for one more try
      yield* TestClock.adjust(9_800)
      assert.isFalse(hasEnded(fiber))
      yield* TestClock.adjust(200)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "Incomplete")
      assert.isTrue((error as { retriable: boolean }).retriable)
    })
  )

  // another controller is looked for a few times, where one is none; all else is the cluster's answer
  for (const [code, reason, tag, times] of [
    [29, "Unauthorized", "KafkaTopicError", 1],
    [31, "Unauthorized", "KafkaTopicError", 1],
    [38, "Rejected", "KafkaTopicError", 1],
    [44, "Rejected", "KafkaTopicError", 1],
    [7, "Unavailable", "KafkaBrokerError", 1],
    [41, "Unavailable", "KafkaBrokerError", 4]
  ] as const) {
    it.effect(`creation refused with error code ${code}: ${reason}, in the broker's words`, () =>
      Effect.gen(function* () {
        const cluster = answering(new FakeCluster(), "CreateTopics", refusal(code, "since I say so"))
        const fiber = yield* Effect.forkChild(Effect.flip(outcome(cluster)))
        yield* TestClock.adjust("1 second")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.reason, reason)
        assert.include(error.message, "since I say so")
        assert.strictEqual(asked(cluster, "CreateTopics"), times)
      })
    )
  }
})

describe("a broker without defaults", () => {
  for (const code of [37, 38]) {
    it.effect(`refuses with error code ${code}, and what to set is told; but not where it was set`, () =>
      Effect.gen(function* () {
        const cluster = answering(new FakeCluster(), "CreateTopics", refusal(code, "must be larger than 0."))
        const error = yield* Effect.flip(outcome(cluster))
        assert.include(error.message, "Kafka before 2.4 wants both partitions and replicationFactor to be set")
        assert.include(error.message, "must be larger than 0.")
        const other = yield* Effect.flip(outcome(cluster, { partitions: 1, replicationFactor: 3 }))
        assert.notInclude(other.message, "before Kafka 2.4")
      })
    )
  }
})

describe("a topic that exists", () => {
  for (const policy of ["compact", "compact,delete", "delete, compact"]) {
    it.effect(`with the policy "${policy}" is verified`, () =>
      Effect.gen(function* () {
        const cluster = existing(policy)
        const { lines, ...result } = yield* outcome(cluster, { onPolicyMismatch: "fail" })
        assert.deepStrictEqual(result, { topic, outcome: "verified", policy })
        // says that retention still evicts, unless that was declared
        const evicts =
          `cleanup.policy is "${policy}": compacted, but keys that are not written for retention.ms ` +
          "are still evicted"
        assert.deepStrictEqual(said(lines), policy === "compact" ? [] : [["INFO", evicts]])
        const declared = yield* outcome(cluster, { configs: { "cleanup.policy": "compact,delete" } })
        assert.deepStrictEqual(said(declared.lines), [])
        assert.strictEqual(asked(cluster, "CreateTopics"), 0)
      })
    )
  }

  it.effect("warn: one warning that keys will be evicted", () =>
    Effect.gen(function* () {
      const { lines, ...result } = yield* outcome(existing("delete"))
      assert.deepStrictEqual(result, { topic, outcome: "mismatch", policy: "delete" })
      assert.deepStrictEqual(
        lines.map(({ level }) => level),
        ["WARN"]
      )
      assert.include(lines[0].message, `cleanup.policy is "delete", not "compact": keys will be EVICTED by retention`)
    })
  )

  it.effect("fail: a typed error with both policies", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(outcome(existing("delete"), { onPolicyMismatch: "fail" }))
      assert.deepInclude(error, { reason: "PolicyMismatch", topic, expected: "compact", actual: "delete" })
    })
  )

  it.effect("reconcile: sets the policy, keeps the rest, and confirms", () =>
    Effect.gen(function* () {
      const cluster = existing("delete")
      const { lines, ...result } = yield* outcome(cluster, { onPolicyMismatch: "reconcile" })
      assert.deepStrictEqual(result, { topic, outcome: "reconciled", policy: "compact" })
      assert.deepStrictEqual(cluster.topics.get(topic)!.configs, { "cleanup.policy": "compact", "segment.ms": "1000" })
      assert.deepStrictEqual(said(lines), [["INFO", `cleanup.policy was "delete", and is "compact" now`]])
    })
  )

  it.effect("reconcile: refused, or without effect", () =>
    Effect.gen(function* () {
      const refused = answering(existing("delete"), "IncrementalAlterConfigs", refusal(29, "no ALTER_CONFIGS"))
      const error = yield* Effect.flip(outcome(refused, { onPolicyMismatch: "reconcile" }))
      assert.strictEqual(error.reason, "Unauthorized")
      assert.include(error.message, "no ALTER_CONFIGS")
      const ignored = answering(existing("delete"), "IncrementalAlterConfigs", refusal(0))
      const fiber = yield* Effect.forkChild(Effect.flip(outcome(ignored, { onPolicyMismatch: "reconcile" })))
      yield* TestClock.adjust(9_800)
      assert.isFalse(hasEnded(fiber))
      yield* TestClock.adjust(200)
      assert.deepInclude(yield* Fiber.join(fiber), { reason: "PolicyMismatch", expected: "compact", actual: "delete" })
    })
  )

  it.effect("a declared policy without compaction is the caller's choice: not checked", () =>
    Effect.gen(function* () {
      const cluster = existing("compact")
      const { lines, ...result } = yield* outcome(cluster, {
        configs: { "cleanup.policy": "delete" },
        onPolicyMismatch: "reconcile"
      })
      assert.deepStrictEqual(result, { topic, outcome: "skipped", policy: undefined })
      assert.strictEqual(
        lines.length + asked(cluster, "DescribeConfigs") + asked(cluster, "IncrementalAlterConfigs"),
        0
      )
    })
  )

  it.effect("configs that may not be read: an info, or an error where a check was asked for", () =>
    Effect.gen(function* () {
      const cluster = answering(existing("delete"), "DescribeConfigs", refusal(29))
      const { lines, ...result } = yield* outcome(cluster)
      assert.deepStrictEqual(result, { topic, outcome: "unreadable", policy: undefined })
      assert.deepStrictEqual(
        lines.map(({ level }) => level),
        ["INFO"]
      )
      for (const onPolicyMismatch of ["fail", "reconcile"] as const) {
        const error = yield* Effect.flip(outcome(cluster, { onPolicyMismatch }))
        assert.strictEqual(error.reason, "Unauthorized")
        assert.include(error.message, "DESCRIBE_CONFIGS")
      }
      assert.strictEqual(asked(cluster, "IncrementalAlterConfigs"), 0)
    })
  )

  it.effect("is fine without the right to create one, and may be forbidden to describe", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* outcome(answering(existing("compact"), "CreateTopics", refusal(29)))).outcome,
        "verified"
      )
      const hidden = answering(existing("compact"), "Metadata", {
        brokers: [],
        controllerId: -1,
        topics: [{ errorCode: 29, name: topic, id: undefined, partitions: [] }]
      })
      const error = yield* Effect.flip(outcome(hidden))
      assert.deepInclude(error, { _tag: "KafkaTopicError", reason: "Unauthorized" })
    })
  )

  it.effect("one attempt: what may pass is for the caller to retry", () =>
    Effect.gen(function* () {
      const cluster = existing("compact")
      cluster.before = (request) => (request === "Metadata" ? Effect.fail(connectionError("Closed")) : undefined)
      const error = yield* Effect.flip(outcome(cluster))
      assert.strictEqual(error._tag, "KafkaConnectionError")
      assert.strictEqual(asked(cluster, "Metadata"), 1)
    })
  )
})

describe("options", () => {
  it.effect("all problems are named at once, and nothing is sent", () =>
    Effect.gen(function* () {
      const cluster = new FakeCluster()
      const bad: object = {
        topic: "",
        partitions: 0,
        replicationFactor: 1.5,
        configs: { "cleanup.policy": " ", "segment.ms": 5 },
        onPolicyMismatch: "shrug",
        policy: "compact"
      }
      const { exit } = yield* ensure(cluster, bad)
      const error = failureOf(exit)
      if (error._tag !== "KafkaInvalidOptionsError") return assert.fail(error._tag)
      assert.deepStrictEqual(error.problems.map(({ option }) => option).sort(), [
        "configs.cleanup.policy",
        "configs.segment.ms",
        "onPolicyMismatch",
        "partitions",
        "policy",
        "replicationFactor",
        "topic"
      ])
      assert.strictEqual(cluster.requests.length, 0)
    })
  )
})
