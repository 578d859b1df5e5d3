/** What a partition knows of the producers that wrote to it, and Kafka's rules about their epochs and sequences. */
import type { BatchHeader } from "../recordBatch/batchHeader.ts"
import { INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, OUT_OF_ORDER_SEQUENCE_NUMBER, Refused } from "./codes.ts"

/** So many batches of a producer are known again when they come a second time. */
const REMEMBERED_BATCHES = 5

const MAX_SEQUENCE = 0x7fffffff

/** Sequences begin at 0 again after the last one. */
const advance = (sequence: number, by: number): number =>
  sequence > MAX_SEQUENCE - by ? by - (MAX_SEQUENCE - sequence) - 1 : sequence + by

interface RememberedBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
}

interface Producer {
  epoch: number
  /** The batches of this epoch, the oldest first. */
  recent: Array<RememberedBatch>
}

/** A batch that is in the log already, from this offset on. */
export interface Duplicate {
  readonly _tag: "Duplicate"
  readonly baseOffset: number
}

export class Producers {
  private readonly producers = new Map<bigint, Producer>()
  /** First offsets of the transactions that are open, by producer; the oldest first. */
  private readonly open = new Map<bigint, number>()

  /** May this batch be appended now? */
  check(header: BatchHeader): Duplicate | Refused | undefined {
    const producer = this.producers.get(header.producerId)
    if (producer === undefined) return undefined
    const { baseSequence, producerEpoch, producerId } = header
    const lastSequence = advance(baseSequence, header.lastOffsetDelta)
    if (producerEpoch === producer.epoch) {
      const known = producer.recent.find((b) => b.firstSequence === baseSequence && b.lastSequence === lastSequence)
      if (known !== undefined) return { _tag: "Duplicate", baseOffset: known.baseOffset }
    }
    if (producerEpoch < producer.epoch) {
      return new Refused(
        INVALID_PRODUCER_EPOCH,
        `Epoch of producer ${producerId} is ${producerEpoch}, which is smaller than the last seen epoch ${producer.epoch}`
      )
    }
    const last = producerEpoch > producer.epoch ? undefined : producer.recent.at(-1)
    const expected = last === undefined ? 0 : advance(last.lastSequence, 1)
    if (baseSequence !== expected) {
      return new Refused(
        OUT_OF_ORDER_SEQUENCE_NUMBER,
        `Out of order sequence number for producer ${producerId}: ${baseSequence} (incoming seq. number), ` +
          `${last?.lastSequence ?? -1} (current end sequence number)`
      )
    }
    if (this.open.has(producerId) && !header.isTransactional) {
      return new Refused(INVALID_TXN_STATE, `Expected transactional write from producer ${producerId}`)
    }
    return undefined
  }

  /** Takes note of a data batch that is in the log. */
  appended(header: BatchHeader): void {
    const { baseOffset, baseSequence, lastOffset, producerEpoch } = header
    const producer = this.producerOf(header)
    if (producer.recent.length === REMEMBERED_BATCHES) producer.recent.shift()
    producer.recent.push({
      firstSequence: baseSequence,
      lastSequence: advance(baseSequence, header.lastOffsetDelta),
      baseOffset,
      lastOffset
    })
    producer.epoch = producerEpoch
    if (header.isTransactional && !this.open.has(header.producerId)) this.open.set(header.producerId, baseOffset)
  }

  /** Takes note of a marker. Returns the first offset of the transaction that it ended, if there was one. */
  ended(header: BatchHeader): number | undefined {
    this.producerOf(header)
    const since = this.open.get(header.producerId)
    this.open.delete(header.producerId)
    return since
  }

  private producerOf(header: BatchHeader): Producer {
    let producer = this.producers.get(header.producerId)
    if (producer === undefined) {
      producer = { epoch: header.producerEpoch, recent: [] }
      this.producers.set(header.producerId, producer)
    } else if (producer.epoch !== header.producerEpoch) {
      producer.epoch = header.producerEpoch
      producer.recent = []
    }
    return producer
  }

  /** Whether a transaction of this producer, in this epoch of it, is open. */
  hasOpen(producerId: bigint, epoch: number): boolean {
    return this.open.has(producerId) && this.producers.get(producerId)?.epoch === epoch
  }

  /** Where the oldest transaction that is open begins. */
  get firstOpenOffset(): number | undefined {
    const [first] = this.open.values()
    return first
  }

  /** Is the transaction that this batch belongs to still open? */
  isOpen(header: BatchHeader): boolean {
    const since = this.open.get(header.producerId)
    return header.isTransactional && since !== undefined && since <= header.baseOffset
  }

  /** Does this batch, and no other, tell which epoch and sequence its producer has reached? */
  isLastOf(header: BatchHeader): boolean {
    const producer = this.producers.get(header.producerId)
    if (producer === undefined) return false
    const last = producer.recent.at(-1)
    if (last !== undefined) return header.lastOffset === last.lastOffset
    return header.isControl && header.producerEpoch === producer.epoch
  }
}
