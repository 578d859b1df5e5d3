/** Where the demo's topic lives: on a Kafka of its own in this process, or on yours. */
import { Console, Context, Effect, Layer } from "effect"
import { EmbeddedKafka, KafkaClient, type KafkaError } from "effect-ktables"
import { Kafka, logLevel } from "kafkajs"

export class Cluster extends Context.Service<
  Cluster,
  {
    readonly description: string
    /** A client with connections of its own, each time that it is provided. */
    readonly client: Layer.Layer<KafkaClient.KafkaClient, KafkaError.InvalidOptionsError>
    /** Its only broker, where that is ours to stop. */
    readonly broker?: {
      readonly stop: Effect.Effect<void, KafkaError.BrokerError>
      readonly start: Effect.Effect<void, KafkaError.BrokerError>
    }
    /** Leaves nothing behind. */
    readonly removeTopic: (topic: string) => Effect.Effect<void>
  }
>()("demo/Cluster") {}

const clientId = "effect-ktables-demo"

export const embedded: Layer.Layer<Cluster, KafkaError.InvalidOptionsError> = Layer.effect(
  Cluster,
  Effect.map(EmbeddedKafka.make({ nodes: 1 }), (kafka) => ({
    description: "a Kafka embedded in this process",
    client: kafka.layerClient({ clientId }),
    broker: { stop: kafka.stopNode(0), start: kafka.startNode(0) },
    removeTopic: () => Effect.void // it ends with the process
  }))
)

export const real = (brokers: ReadonlyArray<string>): Layer.Layer<Cluster> =>
  Layer.succeed(Cluster, {
    description: `your cluster at ${brokers.join(", ")}`,
    client: KafkaClient.layer({ brokers, clientId }),
    removeTopic: (topic) =>
      deleteTopic(brokers, topic).pipe(
        Effect.interruptible,
        Effect.timeout("30 seconds"),
        Effect.matchEffect({
          onFailure: () => Console.log(`topic ${topic} could not be deleted: please do`),
          onSuccess: () => Console.log(`topic ${topic} is deleted`)
        })
      )
  })

/** A table's client deletes no topics: by kafkajs itself. */
const deleteTopic = (brokers: ReadonlyArray<string>, topic: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() =>
      new Kafka({ brokers: [...brokers], clientId, logLevel: logLevel.NOTHING, connectionTimeout: 10_000 }).admin()
    ),
    (admin) =>
      Effect.andThen(
        Effect.tryPromise(() => admin.connect()),
        Effect.tryPromise(() => admin.deleteTopics({ topics: [topic] }))
      ),
    (admin) => Effect.ignore(Effect.tryPromise(() => admin.disconnect()))
  )
