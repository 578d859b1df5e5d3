/** The example of TLS and SASL, on a real Kafka that has both. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka } from "../kafka/realKafka.ts"
import { shared, test } from "../support/live.ts"
import { start } from "./program.ts"

const password = "s3cret-of-checkout"

realKafka("examples/secure-cluster.ts", { java: true }, () => {
  const environment = shared(
    Effect.gen(function* () {
      const cluster = yield* KafkaCluster.make({ listener: "sasl_ssl", users: { checkout: password } })
      return {
        KAFKA_BROKERS: cluster.brokers.join(","),
        KAFKA_CA: cluster.tls?.ca ?? assert.fail("no TLS"),
        KAFKA_SASL_MECHANISM: "SCRAM-SHA-512",
        KAFKA_USERNAME: "checkout",
        KAFKA_PASSWORD: password
      }
    })
  )

  for (const mechanism of ["SCRAM-SHA-512", "PLAIN"]) {
    test(`${mechanism}: writes and reads over TLS`, () =>
      Effect.gen(function* () {
        const env = yield* environment
        const topic = `greetings-${mechanism}`
        const program = yield* start("secure-cluster.ts", [], {
          ...env,
          KAFKA_SASL_MECHANISM: mechanism,
          KAFKA_TOPIC: topic
        })
        assert.strictEqual(yield* program.ended, 0, program.output())
        assert.include(program.output(), `written to ${topic}@0:0\ncheckout says hello\n`)
        assert.notInclude(program.output(), password)
      }))
  }

  test("a wrong password, an unknown authority and a missing variable: one line each, without the secret", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const { KAFKA_CA: _ca, ...withoutAuthority } = env
      const { KAFKA_USERNAME: _user, ...withoutUser } = env
      const wrong = "n0t-the-password"
      const cases = [
        [{ ...env, KAFKA_PASSWORD: wrong }, /^KafkaConnectionError: Authentication /m],
        [withoutAuthority, /^KafkaConnectionError: Tls /m],
        [withoutUser, /^(Config)?Error: .*KAFKA_USERNAME/m]
      ] as const
      const refused = ([given, expected]: (typeof cases)[number]) =>
        Effect.gen(function* () {
          const program = yield* start("secure-cluster.ts", [], given)
          assert.strictEqual(yield* program.ended, 1, program.output())
          assert.match(program.output(), expected)
          for (const secret of [password, wrong]) assert.notInclude(program.output(), secret)
          assert.notMatch(program.output(), /^ +at /m)
        })
      yield* Effect.forEach(cases, refused, { concurrency: "unbounded" })
    }))
})
