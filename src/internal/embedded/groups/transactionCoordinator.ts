/** The coordinator of all transactions. Plain and synchronous; what is due at some time lies in `timers`. */
import type {
  AddOffsetsToTxnRequest,
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
  CodeResponse,
  EndTxnRequest,
  EndTxnResponse,
  InitProducerIdRequest,
  InitProducerIdResponse,
  TopicPartition,
  TransactionVersion
} from "../../../KafkaProtocol.ts"
import {
  CONCURRENT_TRANSACTIONS,
  INVALID_PRODUCER_ID_MAPPING,
  INVALID_REQUEST,
  INVALID_TRANSACTION_TIMEOUT,
  NONE,
  OPERATION_NOT_ATTEMPTED,
  PRODUCER_FENCED,
  TRANSACTION_ABORTABLE,
  UNKNOWN_TOPIC_OR_PARTITION
} from "../../protocol/codes.ts"
import { isKnown, type TopicCatalog } from "./topicCatalog.ts"
import { Timers } from "./timers.ts"
import { type Ending, type Producer, TransactionalId } from "./transaction.ts"

export interface TransactionSettings {
  readonly version: TransactionVersion
  /** How long after the end of a transaction its markers are written, in milliseconds. */
  readonly markerDelayMillis: number
  /** The longest time that a producer may keep a transaction open, in milliseconds. */
  readonly maxTimeoutMillis: number
}

const refusedProducer = (errorCode: number): InitProducerIdResponse => ({
  errorCode,
  producerId: -1n,
  producerEpoch: -1
})

export class TransactionCoordinator {
  private readonly ids = new Map<string, TransactionalId>()
  private readonly timers = new Timers()

  constructor(
    private readonly catalog: TopicCatalog,
    private readonly settings: TransactionSettings,
    private readonly newProducerId: () => bigint,
    /** Writes the markers of a transaction that has ended. */
    private readonly mark: (ending: Ending, now: number) => void
  ) {}

  /** Lets happen what was due. */
  run(now: number): void {
    if (this.timers.next <= now) this.timers.run(now, { inclusive: true })
  }

  /** When the next thing is due; infinite if nothing is. */
  get dueAt(): number {
    return this.timers.next
  }

  // -------------------------------------------------------------------------------------------------------------------
  // producers
  // -------------------------------------------------------------------------------------------------------------------

  initProducerId(request: InitProducerIdRequest, now: number): InitProducerIdResponse {
    const { current, transactional } = request
    if (transactional === undefined) return { errorCode: NONE, producerId: this.newProducerId(), producerEpoch: 0 }
    const { id, timeoutMillis } = transactional
    if (id === "") return refusedProducer(INVALID_REQUEST)
    if (!(timeoutMillis > 0 && timeoutMillis <= this.settings.maxTimeoutMillis)) {
      return refusedProducer(INVALID_TRANSACTION_TIMEOUT)
    }
    let transaction = this.ids.get(id)
    if (transaction === undefined) {
      transaction = new TransactionalId(id, this.newProducerId(), this.newProducerId)
      this.ids.set(id, transaction)
    }
    if (transaction.state === "Ongoing") {
      const isStranger = current !== undefined && current.producerId !== transaction.producerId
      if (!isStranger) this.fence(transaction, now)
      return refusedProducer(isStranger ? PRODUCER_FENCED : CONCURRENT_TRANSACTIONS)
    }
    const refused = transaction.begin(timeoutMillis, current)
    return refused === undefined ? { errorCode: NONE, ...transaction.current } : refusedProducer(refused)
  }

  /** Aborts a transaction whose producer is to write no more. */
  private fence(transaction: TransactionalId, now: number): void {
    transaction.prepare(false, { hasNewEpoch: true })
    this.finish(transaction, now)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what belongs to transactions
  // -------------------------------------------------------------------------------------------------------------------

  addPartitions(request: AddPartitionsToTxnRequest, now: number): AddPartitionsToTxnResponse {
    const { partitions, transactionalId } = request
    const answer = (codeOf: (one: TopicPartition) => number) => ({
      partitions: partitions.map((one) => ({ topic: one.topic, partition: one.partition, errorCode: codeOf(one) }))
    })
    if (!partitions.every((one) => isKnown(this.catalog, one))) {
      return answer((one) => (isKnown(this.catalog, one) ? OPERATION_NOT_ATTEMPTED : UNKNOWN_TOPIC_OR_PARTITION))
    }
    const errorCode = this.add(transactionalId, request, { partitions, groups: [] }, now)
    return answer(() => errorCode)
  }

  addOffsets(request: AddOffsetsToTxnRequest, now: number): CodeResponse {
    const { groupId, transactionalId } = request
    return { errorCode: this.add(transactionalId, request, { partitions: [], groups: [groupId] }, now) }
  }

  /** Adds partitions and groups to a transaction, which begins with it if there is none. The code that is answered. */
  add(
    id: string,
    producer: Producer,
    {
      groups,
      partitions
    }: { readonly partitions: ReadonlyArray<TopicPartition>; readonly groups: ReadonlyArray<string> },
    now: number
  ): number {
    if (id === "") return INVALID_REQUEST
    const transaction = this.ids.get(id)
    const refused = transaction === undefined ? INVALID_PRODUCER_ID_MAPPING : transaction.check(producer)
    if (transaction === undefined || refused !== undefined) return refused ?? INVALID_PRODUCER_ID_MAPPING
    if (transaction.add(partitions, groups, now)) {
      this.timers.set(`timeout ${id}`, now + transaction.timeoutMillis, (at) => this.fence(transaction, at))
    }
    return NONE
  }

  /** The code by which something is refused that was to be added to a transaction before; 0 if it was. */
  verify(id: string, producer: Producer, has: (transaction: TransactionalId) => boolean): number {
    const transaction = this.ids.get(id)
    const refused = transaction === undefined ? INVALID_PRODUCER_ID_MAPPING : transaction.check(producer)
    if (transaction === undefined || refused !== undefined) return refused ?? INVALID_PRODUCER_ID_MAPPING
    return has(transaction) ? NONE : TRANSACTION_ABORTABLE
  }

  // -------------------------------------------------------------------------------------------------------------------
  // the end
  // -------------------------------------------------------------------------------------------------------------------

  endTxn(request: EndTxnRequest, now: number): EndTxnResponse {
    const { committed, transactionVersion, transactionalId } = request
    if (transactionalId === "") return { errorCode: INVALID_REQUEST, next: undefined }
    const transaction = this.ids.get(transactionalId)
    if (transaction === undefined) return { errorCode: INVALID_PRODUCER_ID_MAPPING, next: undefined }
    const code = transaction.checkEnd(request, transactionVersion, committed)
    const hasNewEpoch = transactionVersion === 2
    if (code === undefined) {
      transaction.prepare(committed, { hasNewEpoch })
      const { next } = transaction
      this.finish(transaction, now)
      return { errorCode: NONE, next: hasNewEpoch ? next : undefined }
    }
    return { errorCode: code, next: code === NONE && hasNewEpoch ? transaction.current : undefined }
  }

  private finish(transaction: TransactionalId, now: number): void {
    this.timers.clear(`timeout ${transaction.id}`)
    const { markerDelayMillis } = this.settings
    if (markerDelayMillis === 0) return this.mark(transaction.complete(), now)
    this.timers.set(`markers ${transaction.id}`, now + markerDelayMillis, (at) => this.mark(transaction.complete(), at))
  }
}
