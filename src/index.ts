/**
 * Records without a natural key, found by any of several fields.
 *
 * @since 0.5.0
 */
export * as Catalog from "./Catalog.ts"

/**
 * How a key or a value is bytes.
 *
 * @since 0.1.0
 */
export * as Codec from "./Codec.ts"

/**
 * A Kafka cluster in memory, for tests and for trying things out.
 *
 * @since 0.1.0
 */
export * as EmbeddedKafka from "./EmbeddedKafka.ts"

/**
 * The seam to Kafka: connections to brokers.
 *
 * @since 0.1.0
 */
export * as KafkaClient from "./KafkaClient.ts"

/**
 * Every failure, as tagged errors.
 *
 * @since 0.1.0
 */
export * as KafkaError from "./KafkaError.ts"

/**
 * Records to any topics.
 *
 * @since 0.2.0
 */
export * as KafkaProducer from "./KafkaProducer.ts"

/**
 * Kafka's requests and answers as plain data.
 *
 * @since 0.2.0
 */
export * as KafkaProtocol from "./KafkaProtocol.ts"

/**
 * A topic as a live table: the read side.
 *
 * @since 0.1.0
 */
export * as KafkaTable from "./KafkaTable.ts"

/**
 * A topic as a live table: the write side.
 *
 * @since 0.1.0
 */
export * as KafkaTableWriter from "./KafkaTableWriter.ts"

/**
 * Create a topic if it is missing, check its cleanup policy.
 *
 * @since 0.1.0
 */
export * as KafkaTopic from "./KafkaTopic.ts"

/**
 * What every live table can.
 *
 * @since 0.2.0
 */
export * as LiveTable from "./LiveTable.ts"

/**
 * Which partition a key belongs to.
 *
 * @since 0.1.0
 */
export * as Partitioner from "./Partitioner.ts"

/**
 * Where a record is.
 *
 * @since 0.1.0
 */
export * as Position from "./Position.ts"

/**
 * What happened to a key.
 *
 * @since 0.1.0
 */
export * as TableChange from "./TableChange.ts"

/**
 * Questions to a table other than by key.
 *
 * @since 0.5.0
 */
export * as TableIndex from "./TableIndex.ts"

/**
 * A table's content at one version.
 *
 * @since 0.1.0
 */
export * as TableSnapshot from "./TableSnapshot.ts"
