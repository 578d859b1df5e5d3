/**
 * A table and its writer by one definition: for who does not want to name both, and to say twice what is in the topic.
 *
 * The class is the table's name in the context, as one of `KafkaTable.Tag` is. Its types come from the codecs, and it has
 * the table's layer, the writer's name, and the writer's layer on it.
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Codec, KafkaClient, TableDefinition } from "effect-ktables"
 *
 * class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}
 *
 * class Services extends TableDefinition.Service<Services>()("app/Services", {
 *   topic: "my.registry",
 *   value: Codec.json(Service),
 *   indexes: (index) => ({ host: index.hash((service) => service.host) })
 * }) {}
 *
 * const program = Effect.gen(function* () {
 *   const services = yield* Services
 *   const writer = yield* Services.Writer
 *   const at = yield* writer.set("billing", new Service({ host: "b1", port: 8080 }))
 *   yield* services.awaitPosition(at)
 *   yield* Effect.log(yield* services.by("host").get("b1"))
 * })
 *
 * export const main = program.pipe(
 *   Effect.provide(Layer.mergeAll(Services.layer, Services.Writer.layer)),
 *   Effect.provide(KafkaClient.layer({ brokers: ["localhost:9092"] }))
 * )
 * ```
 *
 * Who only reads imports `KafkaTable` instead, and loads nothing of writers.
 *
 * @since 0.4.0
 * @module
 */
import type * as Context from "effect/Context"
import type * as Layer from "effect/Layer"
import type { KafkaClient } from "./KafkaClient.ts"
import * as KafkaTable from "./KafkaTable.ts"
import * as KafkaTableWriter from "./KafkaTableWriter.ts"
import type { Builder, Indexes } from "./TableIndex.ts"

// ---------------------------------------------------------------------------------------------------------------------
// options
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What is in a topic, and how its table and its writer do their work: the options of both. What both have (`metadataMaxAge`,
 * `logValues`) is for both.
 *
 * @since 0.4.0
 * @category options
 */
export type ServiceOptions<K, V, Ix extends Indexes = {}> = KafkaTable.KafkaTableOptions<K, V> &
  KafkaTableWriter.WriterSettings & {
    /** The indexes of the table, by name: see `TableIndex`. Default: none. */
    readonly indexes?: (index: Builder<K, V>) => Ix
  }

/**
 * @since 0.4.0
 * @category options
 */
export interface TopicOption {
  /** Default: that of the definition. */
  readonly topic?: string
}

// ---------------------------------------------------------------------------------------------------------------------
// models
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What who needs the writer of a definition needs, in the types of Effects and Layers.
 *
 * @since 0.4.0
 * @category models
 */
export interface Writer<in out Self> {
  /** Tells the writer of one definition from that of another, for the compiler: there is no such value. */
  readonly writerOf: (self: Self) => Self
}

/**
 * The name of a definition's writer in the context, with its layers.
 *
 * @since 0.4.0
 * @category tags
 */
export interface WriterClass<Self, Id extends string, K, V> extends Context.ServiceClass<
  Writer<Self>,
  Id,
  KafkaTableWriter.KafkaTableWriter<K, V>
> {
  /** The writer, by the definition: see `KafkaTableWriter.make`. */
  readonly layer: Layer.Layer<Writer<Self>, KafkaTableWriter.AcquireError, KafkaClient>
  /** The writer's layer with settings that are known later: see `ServiceClass`. */
  readonly layerWith: (
    settings: KafkaTableWriter.WriterSettings & TopicOption
  ) => Layer.Layer<Writer<Self>, KafkaTableWriter.AcquireError, KafkaClient>
}

/**
 * The name of a definition's table in the context, with its layers and its writer. It can be given wherever a class of
 * `KafkaTable.Tag` can.
 *
 * @since 0.4.0
 * @category tags
 */
export interface ServiceClass<Self, Id extends string, K, V, Ix extends Indexes = {}> extends KafkaTable.TagClass<
  Self,
  Id,
  K,
  V,
  Ix
> {
  /** The table, by the definition: see `KafkaTable.make`. */
  readonly layer: Layer.Layer<Self, KafkaTable.AcquireError, KafkaClient>
  /**
   * The same with settings that are known later, each in the place of the definition's one.
   *
   * ```ts
   * import { Schema } from "effect"
   * import { Codec, TableDefinition } from "effect-ktables"
   *
   * class Flags extends TableDefinition.Service<Flags>()("app/Flags", {
   *   topic: "flags",
   *   value: Codec.json(Schema.Boolean)
   * }) {}
   *
   * const topic = process.env["FLAGS_TOPIC"] ?? "flags"
   *
   * export const table = Flags.layerWith({ topic, catchUpTimeout: "2 minutes", onCatchUpTimeout: "fail" })
   * export const writer = Flags.Writer.layerWith({ topic, compression: "zstd" })
   * ```
   */
  readonly layerWith: (
    settings: KafkaTable.TableSettings & TopicOption
  ) => Layer.Layer<Self, KafkaTable.AcquireError, KafkaClient>
  /** The writer of the same topic: a service of its own, as not everybody who reads may write. */
  readonly Writer: WriterClass<Self, `${Id}/Writer`, K, V>
}

// ---------------------------------------------------------------------------------------------------------------------
// constructors
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A class that defines a table and its writer. Keys are text where there is no codec for them.
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Codec, TableDefinition } from "effect-ktables"
 *
 * class Prices extends TableDefinition.Service<Prices>()("app/Prices", {
 *   topic: "prices",
 *   key: Codec.tuple({ shop: Codec.utf8, article: Codec.int32 }),
 *   value: Codec.json(Schema.Struct({ cents: Schema.Int })),
 *   topicSettings: { partitions: 6 },
 *   compression: "zstd"
 * }) {}
 *
 * export { Prices }
 * ```
 *
 * @since 0.4.0
 * @category tags
 */
export const Service =
  <Self>() =>
  <const Id extends string, V, K = string, Ix extends Indexes = {}>(
    id: Id,
    options: ServiceOptions<K, V, Ix>
  ): ServiceClass<Self, Id, K, V, Ix> => {
    const { indexes = () => ({}) as Ix, ...topic } = options
    const table = KafkaTable.Tag(id)<Self, K, V>().withIndexes(indexes)
    const writer = KafkaTableWriter.Tag(`${id}/Writer`)<Writer<Self>, K, V>()
    // A type of which it is not known whether it asks for a codec of keys does not survive being taken apart.
    const withSettings = (settings: object) => ({ ...topic, ...settings }) as unknown as ServiceOptions<K, V, Ix>
    const tableWith = (settings: object) => KafkaTable.layer(table, withSettings(settings))
    const writerWith = (settings: object) => KafkaTableWriter.layer(writer, withSettings(settings))
    return Object.assign(table, {
      layer: tableWith({}),
      layerWith: tableWith,
      Writer: Object.assign(writer, { layer: writerWith({}), layerWith: writerWith })
    })
  }
