/** The partitioners of other clients, as they compute them. */
import type { Partitioner } from "../Partitioner.ts"
import { crc32 as crc32Hash } from "./recordBatch/checksum.ts"

/**
 * MurmurHash2 of 32 bits with the seed of Kafka's Java client, as a signed integer. Four bytes at a time,
 * little-endian; all arithmetic is modulo 2^32.
 */
export const murmur2Hash = (bytes: Uint8Array): number => {
  const length = bytes.length
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    let k = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = length - i
  if (rest === 3) {
    h ^= bytes[i + 2] << 16
  }
  if (rest >= 2) {
    h ^= bytes[i + 1] << 8
  }
  if (rest >= 1) {
    h = Math.imul(h ^ bytes[i], m)
  }
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}

/** The partitioner of Kafka's Java clients. */
export const murmur2: Partitioner = (key, partitionCount) => (murmur2Hash(key) & 0x7fffffff) % partitionCount

/** The partitioner of librdkafka, for records with a key. */
export const crc32: Partitioner = (key, partitionCount) => crc32Hash(key) % partitionCount

/** The partitioner of Sarama. */
export const fnv1a: Partitioner = (key, partitionCount) => {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) {
    hash = Math.imul(hash ^ key[i], 0x01000193)
  }
  // The hash is taken as signed, and the remainder's sign dropped.
  return Math.abs((hash | 0) % partitionCount)
}
