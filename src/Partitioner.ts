/**
 * Which partition a key belongs to.
 *
 * All writers of a topic must agree: a key that two of them send to two partitions has two histories, and the order
 * between them is lost. Take the one that the topic's other producers use.
 *
 * ```ts
 * import { Codec, KafkaTableWriter, Partitioner } from "effect-ktables"
 *
 * // librdkafka and all that is made of it (confluent-kafka for Python, Go and .NET) assign keys so
 * export const writer = KafkaTableWriter.make({
 *   topic: "my.registry",
 *   value: Codec.utf8,
 *   partitioner: Partitioner.crc32
 * })
 *
 * // a partitioner of one's own: a plain function of the key's bytes
 * export const byFirstByte: Partitioner.Partitioner = (key, partitionCount) => (key[0] ?? 0) % partitionCount
 * ```
 *
 * @since 0.1.0
 * @module
 */
import * as internal from "./internal/partitioner.ts"

/**
 * From the bytes of a key and the topic's number of partitions to a partition: an integer from 0 up to that number,
 * less one. It must depend on nothing else.
 *
 * @since 0.1.0
 * @category models
 */
export type Partitioner = (key: Uint8Array, partitionCount: number) => number

/**
 * What Kafka's Java clients do with keyed records, and so Kafka Streams and Connect; also kafkajs, and `murmur2` and
 * `murmur2_random` of librdkafka. The default.
 *
 * @since 0.1.0
 * @category partitioners
 */
export const murmur2: Partitioner = internal.murmur2

/**
 * `consistent` of librdkafka: what its clients (kcat, and those of Confluent for Python, Go, .NET) do with keyed records
 * unless told otherwise. Their default, `consistent_random`, sends empty keys anywhere; this one does not.
 *
 * @since 0.1.0
 * @category partitioners
 */
export const crc32: Partitioner = internal.crc32

/**
 * What Sarama and goka (Go) do with keyed records unless told otherwise; also `fnv1a` and `fnv1a_random` of librdkafka.
 *
 * @since 0.1.0
 * @category partitioners
 */
export const fnv1a: Partitioner = internal.fnv1a
