/**
 * How records get into a log: batches that clients sent, after a leader's checks, and those that the cluster makes
 * itself.
 */
import type { AppendOptions, EmbeddedRecord } from "../../EmbeddedKafka.ts"
import type { RecordError } from "../../KafkaProtocol.ts"
import type { Position } from "../../Position.ts"
import { murmur2 } from "../partitioner.ts"
import * as position from "../position.ts"
import { LENGTH_END, MAGIC_AT, type BatchHeader } from "../recordBatch/batchHeader.ts"
import { codecs, type Codec } from "../recordBatch/compression.ts"
import { BatchCorruption } from "../recordBatch/corruption.ts"
import {
  BATCH_OVERHEAD,
  encodeBatch,
  estimateSize,
  stampLogAppendTime,
  type EncodableRecord,
  type TextOrBytes
} from "../recordBatch/encode.ts"
import { FetchedBatches, LARGEST_BATCH_BYTES } from "../recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../recordBatch/recordRanges.ts"
import { rewriteBatch } from "../recordBatch/rewrite.ts"
import type { Cluster, Partition, Topic } from "./cluster.ts"
import {
  CORRUPT_MESSAGE,
  INVALID_RECORD,
  INVALID_TIMESTAMP,
  isRefused,
  MESSAGE_TOO_LARGE,
  NOT_ENOUGH_REPLICAS,
  RecordsRefused,
  Refused,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED
} from "./codes.ts"
import { writeMarker } from "./marking.ts"
import { configOf, numberOf } from "./topicConfigs.ts"

/** The timestamp of a record whose sender gave it none. */
const NO_TIMESTAMP = -1

const nameOf = (partition: Partition): string => `${partition.topic.name}-${partition.number}`

const checkReplicas = (cluster: Cluster, partition: Partition): Refused | undefined => {
  const { needed, there } = cluster.insync(partition)
  if (there >= needed) return undefined
  const detail = `${there} replica(s) of ${nameOf(partition)} are in sync, min.insync.replicas asks for ${needed}`
  return new Refused(NOT_ENOUGH_REPLICAS, detail)
}

const checkSize = (partition: Partition, size: number): Refused | undefined => {
  const max = numberOf(partition.topic.configs, "max.message.bytes")
  if (size <= max) return undefined
  return new Refused(
    MESSAGE_TOO_LARGE,
    `The record batch size in the append to ${nameOf(partition)} is ${size} bytes which exceeds the maximum configured ` +
      `value of ${max}.`
  )
}

const keyless = (partition: Partition): string =>
  `Compacted topic cannot accept message without key in topic partition ${nameOf(partition)}`

const refusedRecords = (errors: ReadonlyArray<RecordError>): Refused => {
  const shown = errors
    .slice(0, 3)
    .map(({ batchIndex, message }) => `RecordError(batchIndex=${batchIndex}, message='${message}')`)
  return new RecordsRefused(
    INVALID_RECORD,
    `One or more records have been rejected due to ${errors.length} record errors in total, and only showing the ` +
      `first three errors at most: [${shown.join(", ")}]`,
    errors
  )
}

/** What is wrong with single records of a batch: all of them are named, and one is enough to refuse the batch. */
const checkRecords = (partition: Partition, ranges: RecordRanges, now: number): Refused | undefined => {
  const { configs, policies } = partition.topic
  const isCompacted = policies.includes("compact")
  const begin = now - numberOf(configs, "message.timestamp.before.max.ms")
  const end = now + numberOf(configs, "message.timestamp.after.max.ms")
  const checksTime = !usesAppendTime(partition.topic)
  const errors: Array<RecordError> = []
  let isOutOfTime = false
  for (let i = 0; i < ranges.count; i++) {
    const timestamp = ranges.timestamp[i]
    if (isCompacted && ranges.keyStart[i] < 0) {
      errors.push({ batchIndex: i, message: keyless(partition) })
    } else if (checksTime && timestamp !== NO_TIMESTAMP && (timestamp < begin || timestamp > end)) {
      isOutOfTime = true
      errors.push({
        batchIndex: i,
        message:
          `Timestamp ${timestamp} of message with offset ${i} is out of range. The timestamp should be within ` +
          `[${begin}, ${end}]`
      })
    }
  }
  if (errors.length === 0) return undefined
  return isOutOfTime
    ? new RecordsRefused(INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp", errors)
    : refusedRecords(errors)
}

/** The codec that a topic keeps a batch in. */
const codecFor = (topic: Topic, sent: Codec): Codec => {
  const wanted = configOf(topic.configs, "compression.type")
  if (wanted === "producer") return sent
  return codecs.find((codec) => codec === wanted) ?? "none"
}

const usesAppendTime = (topic: Topic): boolean => configOf(topic.configs, "message.timestamp.type") === "LogAppendTime"

// ---------------------------------------------------------------------------------------------------------------------
// what clients send
// ---------------------------------------------------------------------------------------------------------------------

/** One batch, whole and sound, as a client may send it; decodes its records into `ranges`. */
const readSent = (partition: Partition, sent: Buffer, ranges: RecordRanges): BatchHeader | Refused => {
  if (sent.length < BATCH_OVERHEAD || sent[MAGIC_AT] !== 2 || LENGTH_END + sent.readInt32BE(8) !== sent.length) {
    return new Refused(INVALID_RECORD, "A produce request holds exactly one record batch of magic 2 per partition")
  }
  try {
    const batches = new FetchedBatches(sent, 0, { checkCrcs: true, maxBatchBytes: LARGEST_BATCH_BYTES })
    const header = batches.next()!
    batches.decode(ranges)
    return header
  } catch (error) {
    if (!(error instanceof BatchCorruption)) throw error
    return new Refused(CORRUPT_MESSAGE, `Record is corrupt in topic partition ${nameOf(partition)}: ${error.detail}`)
  }
}

const checkHeader = (partition: Partition, header: BatchHeader): Refused | undefined => {
  const { baseOffset, baseSequence, lastOffsetDelta, producerId, recordCount } = header
  if (baseOffset !== 0) {
    const detail = `The baseOffset of the record batch in the append to ${nameOf(partition)} should be 0, but it is ${baseOffset}`
    return new Refused(INVALID_RECORD, detail)
  }
  if (header.isControl) {
    const detail = `Clients are not allowed to write control records in topic partition ${nameOf(partition)}`
    return new Refused(INVALID_RECORD, detail)
  }
  if (recordCount < 1 || lastOffsetDelta + 1 !== recordCount) {
    return new Refused(
      INVALID_RECORD,
      `Inconsistent batch offset range [0, ${lastOffsetDelta}] and count of records ${recordCount} in topic partition ` +
        nameOf(partition)
    )
  }
  if (producerId !== -1n && baseSequence < 0) {
    return new Refused(
      INVALID_RECORD,
      `Invalid sequence number ${baseSequence} in topic partition ${nameOf(partition)}`
    )
  }
  return undefined
}

/** Appends a batch that a client sent. The offset of its first record, which is the old one if it was there already. */
export const appendProduced = (
  cluster: Cluster,
  partition: Partition,
  sent: Buffer,
  options: {
    readonly now: number
    readonly acks: -1 | 1
    /** The code by which a batch of a transaction may not be appended; `undefined` if it may. Default: none may. */
    readonly verify?: (header: BatchHeader) => number | undefined
  }
): number | Refused => {
  const { topic } = partition
  const refused =
    (options.acks === -1 ? checkReplicas(cluster, partition) : undefined) ?? checkSize(partition, sent.length)
  if (refused !== undefined) return refused
  const ranges = new RecordRanges()
  const header = readSent(partition, sent, ranges)
  if (isRefused(header)) return header
  const { verify = () => TRANSACTIONAL_ID_AUTHORIZATION_FAILED } = options
  const unverified = header.isTransactional ? verify(header) : undefined
  if (unverified !== undefined) return new Refused(unverified)
  const wrong = checkHeader(partition, header)
  if (wrong !== undefined) return wrong
  const bad = checkRecords(partition, ranges, options.now)
  if (bad !== undefined) return bad
  const codec = codecFor(topic, codecs[header.codec])
  const kept = ranges.offsetDelta.subarray(0, ranges.count)
  const batch =
    codec === codecs[header.codec]
      ? Buffer.from(sent)
      : rewriteBatch({ batch: sent, header, records: ranges, kept, codec, deleteHorizon: undefined })
  if (header.producerId !== -1n) {
    const found = partition.log.producers.check(header)
    if (isRefused(found)) return found
    if (found !== undefined) return found.baseOffset
  }
  if (usesAppendTime(topic)) stampLogAppendTime(batch, options.now)
  const baseOffset = partition.log.append(batch)
  cluster.appended(partition)
  return baseOffset
}

// ---------------------------------------------------------------------------------------------------------------------
// what the cluster is given directly
// ---------------------------------------------------------------------------------------------------------------------

/** Whoever appends within a transaction. */
export class TransactionalProducer {
  readonly id: bigint
  readonly epoch = 0
  private readonly appendedTo = new Map<Partition, number>()

  constructor(id: bigint) {
    this.id = id
  }

  get partitions(): Iterable<Partition> {
    return this.appendedTo.keys()
  }

  nextSequence(partition: Partition): number {
    return this.appendedTo.get(partition) ?? 0
  }

  appended(partition: Partition, count: number): void {
    this.appendedTo.set(partition, this.nextSequence(partition) + count)
  }
}

type Appendable = EncodableRecord<TextOrBytes>

const noHeaders: Appendable["headers"] = []

const headersOf = (headers: EmbeddedRecord["headers"]): Appendable["headers"] => {
  if (headers === undefined) return noHeaders
  return isList(headers) ? headers.map(({ key, value }) => [key, value]) : Object.entries(headers)
}

const isList = (headers: object): headers is ReadonlyArray<unknown> => Array.isArray(headers)

const partitionOf = (key: TextOrBytes | null, count: number): number =>
  key === null || count === 1 ? 0 : murmur2(typeof key === "string" ? Buffer.from(key) : key, count)

/** The records of one partition on their way into batches, each as large as its topic lets it be. */
class Share {
  readonly partition: Partition
  readonly batches: Array<Buffer> = []
  /** How many records there are, those that are encoded already included. */
  count = 0
  private readonly codec: Codec
  private readonly producer: TransactionalProducer | undefined
  private readonly maxBytes: number
  private pending: Array<Appendable> = []
  private pendingBytes = BATCH_OVERHEAD

  constructor(partition: Partition, codec: Codec, producer: TransactionalProducer | undefined) {
    this.partition = partition
    this.codec = codec
    this.producer = producer
    this.maxBytes = numberOf(partition.topic.configs, "max.message.bytes")
  }

  add(record: Appendable): void {
    const size = estimateSize(record)
    if (this.pendingBytes + size > this.maxBytes) this.encode()
    this.pending.push(record)
    this.pendingBytes += size
    this.count++
  }

  encode(): void {
    const { count, partition, pending, producer } = this
    if (pending.length === 0) return
    this.batches.push(
      encodeBatch({
        records: pending,
        codec: this.codec,
        producerId: producer?.id ?? -1n,
        producerEpoch: producer?.epoch ?? -1,
        baseSequence: producer === undefined ? -1 : producer.nextSequence(partition) + count - pending.length,
        isTransactional: producer !== undefined
      })
    )
    this.pending = []
    this.pendingBytes = BATCH_OVERHEAD
  }
}

/** Appends all records or none. Their positions, in the order of the records. */
export const appendRecords = (
  cluster: Cluster,
  name: string,
  records: ReadonlyArray<EmbeddedRecord>,
  options: AppendOptions & { readonly now: number; readonly producer?: TransactionalProducer }
): ReadonlyArray<Position> | Refused => {
  const topic = cluster.topicNamed(name)
  if (isRefused(topic)) return topic
  const { now, partition, producer } = options
  const codec = codecFor(topic, options.compression ?? "none")
  const partitionCount = topic.partitions.length
  const isCompacted = topic.policies.includes("compact")
  const shares: Array<Share | undefined> = []
  const partitions = new Int32Array(records.length)
  for (let i = 0; i < records.length; i++) {
    const { headers, key, timestamp, value } = records[i]
    const number = partition ?? partitionOf(key, partitionCount)
    let share = shares[number]
    if (share === undefined) {
      const led = cluster.ledPartitionOf(name, number)
      if (isRefused(led)) return led
      const refused = checkReplicas(cluster, led)
      if (refused !== undefined) return refused
      shares[number] = share = new Share(led, codec, producer)
    }
    if (isCompacted && key === null) return refusedRecords([{ batchIndex: i, message: keyless(share.partition) }])
    share.add({
      key,
      value,
      timestamp: timestamp ?? now,
      headers: headersOf(headers)
    })
    partitions[i] = number
  }
  for (const share of shares) {
    share?.encode()
    const largest = Math.max(0, ...(share?.batches ?? []).map((batch) => batch.length))
    const refused = share === undefined ? undefined : checkSize(share.partition, largest)
    if (refused !== undefined) return refused
  }

  const nextOffsets = topic.partitions.map(({ log }) => log.endOffset)
  for (const share of shares) {
    if (share === undefined) continue
    for (const batch of share.batches) {
      if (usesAppendTime(topic)) stampLogAppendTime(batch, now)
      share.partition.log.append(batch)
    }
    producer?.appended(share.partition, share.count)
    cluster.advanceHighWatermark(share.partition)
  }
  // All batches are appended before any reader is woken.
  topic.changed.notify()
  return records.map((_, i) =>
    position.make({ topic: name, partition: partitions[i], offset: nextOffsets[partitions[i]]++ })
  )
}

/** Writes the markers that end a transaction. */
export const endTransaction = (
  cluster: Cluster,
  producer: TransactionalProducer,
  type: "commit" | "abort",
  now: number
): void => {
  for (const partition of producer.partitions) {
    // As since Kafka 4, the end of a transaction takes the producer's next epoch.
    const marker = { committed: type === "commit", producerId: producer.id, producerEpoch: producer.epoch + 1 }
    writeMarker(cluster, partition, marker, now)
  }
}
