/** What a coordinator knows of a transactional id, and what its producer may do next. */
import type { TopicPartition, TransactionVersion } from "../../../KafkaProtocol.ts"
import {
  CONCURRENT_TRANSACTIONS,
  INVALID_PRODUCER_ID_MAPPING,
  INVALID_TXN_STATE,
  NONE,
  PRODUCER_FENCED
} from "../../protocol/codes.ts"

/** The last epoch of a producer id: after it, the producer is given another id. */
const LAST_EPOCH = 0x7ffe

/** In place of an epoch. */
const NO_EPOCH = -1

/** In a `Prepare` state it is decided how the transaction ends, and its markers are not written yet. */
export type TransactionState =
  "Empty" | "Ongoing" | "PrepareCommit" | "PrepareAbort" | "CompleteCommit" | "CompleteAbort"

export interface Producer {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** How a transaction ends: what of it is to be marked, and in whose name. */
export interface Ending extends Producer {
  readonly committed: boolean
  readonly partitions: ReadonlyArray<TopicPartition>
  readonly groups: ReadonlyArray<string>
}

export class TransactionalId {
  state: TransactionState = "Empty"
  epoch = NO_EPOCH
  timeoutMillis = 0
  /** When its transaction began, in milliseconds since the epoch. */
  startedAt = 0
  private lastEpoch = NO_EPOCH
  private previousId = -1n
  private partitions = new Map<string, TopicPartition>()
  private groups = new Set<string>()
  /** The producer's next id, where its epochs are used up. */
  private nextId: bigint | undefined

  constructor(
    readonly id: string,
    public producerId: bigint,
    private readonly newProducerId: () => bigint
  ) {}

  get isPrepared(): boolean {
    return this.state === "PrepareCommit" || this.state === "PrepareAbort"
  }

  get current(): Producer {
    return { producerId: this.producerId, producerEpoch: this.epoch }
  }

  private get isExhausted(): boolean {
    return this.epoch >= LAST_EPOCH
  }

  // -------------------------------------------------------------------------------------------------------------------
  // producers
  // -------------------------------------------------------------------------------------------------------------------

  /** The code by which a producer is not let in; `undefined` if it has got its epoch. There is no transaction under way. */
  begin(timeoutMillis: number, expected: Producer | undefined): number | undefined {
    const isTheirs =
      expected === undefined ||
      this.epoch === NO_EPOCH ||
      expected.producerId === this.producerId ||
      (expected.producerId === this.previousId && expected.producerEpoch >= LAST_EPOCH)
    if (!isTheirs) return PRODUCER_FENCED
    if (this.isPrepared) return CONCURRENT_TRANSACTIONS
    const isNext = expected === undefined || expected.producerEpoch === this.epoch
    if (this.isExhausted && isNext) {
      this.rotate(this.newProducerId())
    } else if (isNext || this.epoch === NO_EPOCH) {
      this.lastEpoch = expected === undefined ? NO_EPOCH : this.epoch
      this.epoch++
    } else if (expected.producerEpoch !== this.lastEpoch) {
      return PRODUCER_FENCED
    }
    this.state = "Empty"
    this.timeoutMillis = timeoutMillis
    return undefined
  }

  private rotate(producerId: bigint): void {
    this.previousId = this.producerId
    this.producerId = producerId
    this.lastEpoch = this.epoch
    this.epoch = 0
  }

  /** The code by which something of this producer is refused; `undefined` if it may belong to the transaction. */
  check({ producerEpoch, producerId }: Producer): number | undefined {
    if (producerId !== this.producerId) return INVALID_PRODUCER_ID_MAPPING
    if (producerEpoch !== this.epoch) return PRODUCER_FENCED
    return this.isPrepared ? CONCURRENT_TRANSACTIONS : undefined
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what belongs to the transaction
  // -------------------------------------------------------------------------------------------------------------------

  hasPartition({ partition, topic }: TopicPartition): boolean {
    return this.state === "Ongoing" && this.partitions.has(`${topic.name}-${partition}`)
  }

  hasGroup(group: string): boolean {
    return this.state === "Ongoing" && this.groups.has(group)
  }

  /** Whether the transaction begins with it. */
  add(partitions: ReadonlyArray<TopicPartition>, groups: ReadonlyArray<string>, now: number): boolean {
    const begins = this.state !== "Ongoing"
    for (const one of partitions) this.partitions.set(`${one.topic.name}-${one.partition}`, one)
    for (const group of groups) this.groups.add(group)
    this.state = "Ongoing"
    if (begins) this.startedAt = now
    return begins
  }

  // -------------------------------------------------------------------------------------------------------------------
  // the end
  // -------------------------------------------------------------------------------------------------------------------

  /** The code that is answered to who ends it; `undefined` if it is to be ended now. */
  checkEnd(producer: Producer, version: TransactionVersion, committed: boolean): number | undefined {
    const { producerEpoch, producerId } = producer
    // With transactions of version 2, an end that was answered has begun another epoch: it may be asked for again.
    const isOverflow =
      version === 2 && producerId === this.previousId && producerEpoch === LAST_EPOCH && this.epoch === 0
    const isRetry = version === 2 && (isOverflow || this.epoch === producerEpoch + 1)
    const isDone = this.state === "CompleteCommit" || this.state === "CompleteAbort"
    if (producerId !== this.producerId && !isOverflow) return INVALID_PRODUCER_ID_MAPPING
    const isTheirs = this.isPrepared && version === 2 ? isRetry : producerEpoch === this.epoch || (isDone && isRetry)
    if (!isTheirs) return PRODUCER_FENCED
    if (this.state === "Ongoing") return undefined
    if (this.isPrepared) {
      return (this.state === "PrepareCommit") === committed ? CONCURRENT_TRANSACTIONS : INVALID_TXN_STATE
    }
    if (version === 1 || isRetry) {
      return isDone && (this.state === "CompleteCommit") === committed ? NONE : INVALID_TXN_STATE
    }
    return committed ? INVALID_TXN_STATE : undefined
  }

  /** Decides how it ends. With transactions of version 2, or for a producer that is to be fenced, another epoch begins. */
  prepare(committed: boolean, { hasNewEpoch }: { readonly hasNewEpoch: boolean }): void {
    this.state = committed ? "PrepareCommit" : "PrepareAbort"
    if (!hasNewEpoch) return
    if (this.isExhausted) this.nextId = this.newProducerId()
    this.lastEpoch = this.epoch
    this.epoch++
  }

  /** Ends it as was decided. What it was made of is to be marked. */
  complete(): Ending {
    const committed = this.state === "PrepareCommit"
    const ending = {
      ...this.current,
      committed,
      partitions: [...this.partitions.values()],
      groups: [...this.groups]
    }
    this.state = committed ? "CompleteCommit" : "CompleteAbort"
    this.partitions = new Map()
    this.groups = new Set()
    if (this.nextId !== undefined) {
      const lastEpoch = this.lastEpoch
      this.rotate(this.nextId)
      this.lastEpoch = lastEpoch
      this.nextId = undefined
    }
    return ending
  }

  /** What the producer goes on with after the end that was decided. */
  get next(): Producer {
    return this.nextId === undefined ? this.current : { producerId: this.nextId, producerEpoch: 0 }
  }
}
