/** Groups of tests on a real broker, and how they get at it. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomBytes } from "node:crypto"
import { beforeAll, describe, inject, it } from "vitest"
import { DOWNLOAD_MILLIS } from "../support/patience.ts"
import { brokerJars, compiled, installJava } from "./java.ts"
import { installPython, packages } from "./Librdkafka.ts"
import { TestKafkaError } from "./TestKafkaError.ts"
import type { Version } from "./versions.ts"

export interface Needs {
  /** More than a broker: the Java client, Kafka's tools, or a cluster of its own. */
  readonly java?: boolean
  /** librdkafka */
  readonly python?: boolean
  /** A cluster of its own of this version; it wants `java`. */
  readonly version?: Version
}

/**
 * `describe` for tests that need a broker (any: `KAFKA_BROKERS` will do) and what else is named. Where that is missing
 * they are skipped, which the start of the run has said loudly; with `CI` in the environment they fail.
 */
export const realKafka: {
  (name: string, tests: () => void): void
  (name: string, needs: Needs, tests: () => void): void
} = (name: string, needs: Needs | (() => void), tests?: () => void): void => {
  const [wanted, body] = typeof needs === "function" ? [{}, needs] : [needs, tests ?? (() => {})]
  const { external, java, python } = inject("kafka")
  const missing =
    !java && (!external || wanted.java === true)
      ? installJava
      : !python && wanted.python === true
        ? installPython
        : undefined
  if (missing === undefined) {
    const prepared = Effect.all([
      java && (!external || wanted.java === true) ? compiled("JavaClient.java") : Effect.void,
      wanted.python === true ? packages : Effect.void,
      wanted.version === undefined ? Effect.void : brokerJars(wanted.version)
    ])
    describe(name, () => {
      // Downloads of the first run on a machine do not count as a test's time.
      beforeAll(() => Effect.runPromise(Effect.asVoid(prepared)), DOWNLOAD_MILLIS)
      body()
    })
  } else if (process.env["CI"]) {
    describe(name, () => {
      it("has what it needs", () => {
        throw new TestKafkaError({ reason: "missing_tool", message: missing })
      })
    })
  } else {
    describe.skip(name, body)
  }
}

const Shared = Schema.fromJsonString(
  Schema.Struct({ brokers: Schema.Array(Schema.String), adminBrokers: Schema.Array(Schema.String) })
)

/** The broker that all test files share: plain, one node. Starts it if nobody has asked before. */
export const sharedKafka: Effect.Effect<typeof Shared.Type, TestKafkaError> = Effect.tryPromise({
  try: async (signal) => {
    const response = await fetch(inject("kafka").url, { signal })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return Schema.decodeSync(Shared)(text)
  },
  catch: (cause) => new TestKafkaError({ reason: "start", message: `no shared broker: ${String(cause)}`, cause })
})

/** A topic's name that no other test has. */
export const topicName = (prefix = "test"): string => `${prefix}-${randomBytes(5).toString("hex")}`
