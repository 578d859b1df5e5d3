/**
 * A cluster with TLS and SASL, all of it from the environment:
 *
 *     export KAFKA_BROKERS=kafka-1:9093,kafka-2:9093
 *     export KAFKA_CA="$(cat ca.pem)"            # leave it out for a public authority
 *     export KAFKA_SASL_MECHANISM=SCRAM-SHA-512  # or SCRAM-SHA-256, or PLAIN
 *     export KAFKA_USERNAME=checkout
 *     export KAFKA_PASSWORD=...
 *     npx tsx examples/secure-cluster.ts
 *
 * It writes one entry, reads it back, removes it, and prints
 *
 *     written to examples.greetings@0:0
 *     checkout says hello
 *
 * or says what does not fit, and ends with exit code 1:
 *
 *     KafkaConnectionError: Authentication during SaslAuthenticate, broker kafka-1:9093 (...). Check the SASL ...
 *
 * The user needs READ, WRITE, CREATE and DESCRIBE_CONFIGS on the topic (`KAFKA_TOPIC`, or `examples.greetings`).
 */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Console, Effect, Layer, Option, Schema } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter } from "effect-ktables"

class Greetings extends KafkaTable.Tag("examples/Greetings")<Greetings, string, string>() {}
class GreetingsWriter extends KafkaTableWriter.Tag("examples/GreetingsWriter")<GreetingsWriter, string, string>() {}

const username = Config.NonEmptyString("KAFKA_USERNAME")

const Kafka = KafkaClient.layerConfig({
  brokers: Config.Array(Schema.String, "KAFKA_BROKERS"),
  clientId: Config.withDefault(Config.String("KAFKA_CLIENT_ID"), "secure-cluster"),
  tls: Config.String("KAFKA_CA").pipe(
    Config.map((ca): KafkaClient.TlsOptions => ({ ca })),
    Config.withDefault(true)
  ),
  sasl: {
    mechanism: Config.Literals(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], "KAFKA_SASL_MECHANISM"),
    username,
    password: Config.Redacted("KAFKA_PASSWORD") // and so in no log line, error, span or inspected object
  }
})

const Tables = Layer.unwrap(
  Effect.gen(function* () {
    const topic = yield* Config.withDefault(Config.String("KAFKA_TOPIC"), "examples.greetings")
    const greetings = { topic, value: Codec.json(Schema.String) }
    return Layer.merge(KafkaTable.layer(Greetings, greetings), KafkaTableWriter.layer(GreetingsWriter, greetings))
  })
)

const program = Effect.gen(function* () {
  const greetings = yield* Greetings
  const writer = yield* GreetingsWriter
  const user = yield* username

  const position = yield* writer.set(user, "hello")
  yield* greetings.awaitPosition(position)
  yield* Console.log(`written to ${position}`)
  yield* Console.log(`${user} says ${Option.getOrThrow(yield* greetings.get(user))}`)
  yield* writer.delete(user)
})

/** What an operator can mend is one line, and not a stack. */
const main = program.pipe(
  Effect.provide(Layer.provide(Tables, Kafka)),
  Effect.tapCause((cause) =>
    Effect.forEach(Cause.prettyErrors(cause), (error) => Console.error(String(error).replaceAll(/\s*\n\s*/g, " ")))
  )
)

NodeRuntime.runMain(main, { disableErrorReporting: true })
