// Writes and reads over TLS with a password, and is refused without the authority or with another password. Arguments:
// brokers, with commas between, a user and the password; the authority comes in a variable. Prints JSON.
import { Effect, Layer, Redacted } from "effect"
import { Codec, KafkaClient, KafkaTable, KafkaTableWriter } from "effect-ktables"

class Names extends KafkaTable.Tag("app/Names")() {}
class NamesWriter extends KafkaTableWriter.Tag("app/NamesWriter")() {}

const [brokers, username, password] = process.argv.slice(2)

const greeting = (ca, secret) => {
  const sasl = { mechanism: "SCRAM-SHA-512", username, password: Redacted.make(secret) }
  const topic = { topic: "names", value: Codec.utf8 }
  const Kafka = KafkaClient.layer({ brokers: brokers.split(","), tls: ca === undefined ? true : { ca }, sasl })
  const Tables = Layer.mergeAll(KafkaTable.layer(Names, topic), KafkaTableWriter.layer(NamesWriter, topic))
  return Effect.gen(function* () {
    const names = yield* Names
    const writer = yield* NamesWriter
    yield* names.awaitPosition(yield* writer.set("a", "b"))
    return names.unsafeSnapshot().getOrUndefined("a")
  }).pipe(
    Effect.provide(Tables.pipe(Layer.provide(Kafka))),
    Effect.catchTag("KafkaConnectionError", (error) => Effect.succeed(error.reason))
  )
}

const { KAFKA_CA: ca } = process.env
const outcomes = {
  right: await Effect.runPromise(greeting(ca, password)),
  withoutAuthority: await Effect.runPromise(greeting(undefined, password)),
  withAnotherPassword: await Effect.runPromise(greeting(ca, "another"))
}
console.log(`\n${JSON.stringify(outcomes)}`)
