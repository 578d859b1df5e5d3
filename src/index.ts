/**
 * What the rows of a group come to.
 *
 * @since 0.4.0
 */
export * as Aggregate from "./Aggregate.ts"

/**
 * Records without a natural key, found by any of several fields.
 *
 * @since 0.4.0
 */
export * as Catalog from "./Catalog.ts"

/**
 * How a key or a value is bytes.
 *
 * @since 0.1.0
 */
export * as Codec from "./Codec.ts"

/**
 * Tables that are made of others.
 *
 * @since 0.4.0
 */
export * as DerivedTable from "./DerivedTable.ts"

/**
 * A Kafka cluster in memory, for tests and for trying things out.
 *
 * @since 0.1.0
 */
export * as EmbeddedKafka from "./EmbeddedKafka.ts"

/**
 * Topics of events.
 *
 * @since 0.4.0
 */
export * as EventStream from "./EventStream.ts"

/**
 * What a table tells a copy of it elsewhere, and that copy.
 *
 * @since 0.4.0
 */
export * as FeedEvent from "./FeedEvent.ts"

/**
 * A topic as a live table of groups with members: the read side.
 *
 * @since 0.4.0
 */
export * as GroupedKafkaTable from "./GroupedKafkaTable.ts"

/**
 * A topic as a live table of groups with members: the write side.
 *
 * @since 0.4.0
 */
export * as GroupedKafkaTableWriter from "./GroupedKafkaTableWriter.ts"

/**
 * The seam to Kafka: connections to brokers.
 *
 * @since 0.1.0
 */
export * as KafkaClient from "./KafkaClient.ts"

/**
 * Records of topics, shared among the members of a consumer group.
 *
 * @since 0.4.0
 */
export * as KafkaConsumer from "./KafkaConsumer.ts"

/**
 * Every failure, as tagged errors.
 *
 * @since 0.1.0
 */
export * as KafkaError from "./KafkaError.ts"

/**
 * Typed events: what a message says, by a Schema, with a name and a version.
 *
 * @since 0.4.0
 */
export * as KafkaEvent from "./KafkaEvent.ts"

/**
 * Publishing typed events, and subscribing to them.
 *
 * @since 0.4.0
 */
export * as KafkaEvents from "./KafkaEvents.ts"

/**
 * An operator's view of consumer groups.
 *
 * @since 0.4.0
 */
export * as KafkaGroups from "./KafkaGroups.ts"

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
 * Results of queries, kept up to date.
 *
 * @since 0.4.0
 */
export * as LiveQuery from "./LiveQuery.ts"

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
 * A table and its writer by one definition.
 *
 * @since 0.4.0
 */
export * as TableDefinition from "./TableDefinition.ts"

/**
 * A table told to readers elsewhere: browsers, other processes, caches.
 *
 * @since 0.4.0
 */
export * as TableFeed from "./TableFeed.ts"

/**
 * Questions to a table other than by key.
 *
 * @since 0.4.0
 */
export * as TableIndex from "./TableIndex.ts"

/**
 * A table's content at one version.
 *
 * @since 0.1.0
 */
export * as TableSnapshot from "./TableSnapshot.ts"
