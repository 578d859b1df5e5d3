/** Whether a client's batch belongs to a transaction that its coordinator knows. */
import type { ProduceRequest } from "../../KafkaProtocol.ts"
import { versionsFor } from "../protocol/api.ts"
import { apiOf } from "../protocol/apis.ts"
import type { BatchHeader } from "../recordBatch/batchHeader.ts"
import type { Cluster, Partition } from "./cluster.ts"
import {
  CONCURRENT_TRANSACTIONS,
  INVALID_PRODUCER_EPOCH,
  INVALID_TXN_STATE,
  NONE,
  NOT_ENOUGH_REPLICAS,
  PRODUCER_FENCED,
  TRANSACTION_ABORTABLE,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED
} from "./codes.ts"

/** The first version of Produce that knows `TRANSACTION_ABORTABLE`, and the one with which brokers add partitions themselves. */
const ABORTABLE = 11
const ADDS_PARTITIONS = 12

/** The code by which a batch is refused; `undefined` if it may be appended. */
export const verifyTransaction = (
  { transactionSettings, transactions: { coordinator } }: Cluster,
  { log, number, topic }: Partition,
  header: BatchHeader,
  request: ProduceRequest,
  now: number
): number | undefined => {
  const { transactionalId } = request
  if (transactionalId === undefined) return TRANSACTIONAL_ID_AUTHORIZATION_FAILED
  if (log.producers.hasOpen(header.producerId, header.producerEpoch)) return undefined
  const version = versionsFor(apiOf("Produce"), request).max
  const isAdded = transactionSettings.version === 2 && version >= ADDS_PARTITIONS
  const partition = { topic: { name: topic.name, id: topic.id }, partition: number }
  const code = isAdded
    ? coordinator.add(transactionalId, header, { partitions: [partition], groups: [] }, now)
    : coordinator.verify(transactionalId, header, (transaction) => transaction.hasPartition(partition))
  if (code === NONE) return undefined
  if (code === PRODUCER_FENCED) return INVALID_PRODUCER_EPOCH
  if (code === CONCURRENT_TRANSACTIONS && !isAdded) return NOT_ENOUGH_REPLICAS
  return code === TRANSACTION_ABORTABLE && version < ABORTABLE ? INVALID_TXN_STATE : code
}
