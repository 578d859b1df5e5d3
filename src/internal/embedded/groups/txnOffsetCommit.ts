/** What a coordinator of groups answers to who commits offsets within a transaction. */
import type { OffsetCommitResponse, PartitionCode, TxnOffsetCommitRequest } from "../../../KafkaProtocol.ts"
import {
  CONCURRENT_TRANSACTIONS,
  COORDINATOR_NOT_AVAILABLE,
  ILLEGAL_GENERATION,
  INVALID_GROUP_ID,
  INVALID_PRODUCER_EPOCH,
  NONE,
  PRODUCER_FENCED,
  STALE_MEMBER_EPOCH,
  UNKNOWN_TOPIC_OR_PARTITION
} from "../../protocol/codes.ts"
import * as classic from "./classicRequests.ts"
import { checkEpoch } from "./consumerRequests.ts"
import type { GroupEntry } from "./groupEntry.ts"
import type { GroupStore } from "./groupStore.ts"
import { codeOfMetadata } from "./offsetRequests.ts"
import { isKnown } from "./topicCatalog.ts"
import type { TransactionCoordinator } from "./transactionCoordinator.ts"

export const txnOffsetCommit = (
  store: GroupStore,
  transactions: TransactionCoordinator,
  request: TxnOffsetCommitRequest,
  now: number
): OffsetCommitResponse => {
  const { groupId } = request
  const entry = store.find(groupId, now)
  const isAny = request.partitions.some((one) => isKnown(store.catalog, one))
  const refused = isAny
    ? ((groupId === "" ? INVALID_GROUP_ID : undefined) ??
      refusalOfProducer(entry, transactions, request, now) ??
      refusalOfMember(entry, request))
    : undefined
  const target = isAny && refused === undefined ? (entry ?? store.findOrMake(groupId, now)) : undefined
  const partitions = request.partitions.map((asked): PartitionCode => {
    const errorCode = isKnown(store.catalog, asked) ? (refused ?? codeOfMetadata(asked)) : UNKNOWN_TOPIC_OR_PARTITION
    if (errorCode === NONE) target?.offsets.commit(asked, now, request)
    return { topic: asked.topic, partition: asked.partition, errorCode }
  })
  store.commits.note(request, partitions, now)
  return { partitions }
}

/** Whether the transaction is that producer's, and the group belongs to it. */
const refusalOfProducer = (
  entry: GroupEntry | undefined,
  transactions: TransactionCoordinator,
  request: TxnOffsetCommitRequest,
  now: number
): number | undefined => {
  const { groupId, transactionVersion, transactionalId } = request
  if (entry?.offsets.isPendingOf(request) === true) return undefined
  const code =
    transactionVersion === 2
      ? transactions.add(transactionalId, request, { partitions: [], groups: [groupId] }, now)
      : transactions.verify(transactionalId, request, (transaction) => transaction.hasGroup(groupId))
  if (code === PRODUCER_FENCED) return INVALID_PRODUCER_EPOCH
  if (code === CONCURRENT_TRANSACTIONS && transactionVersion === 1) return COORDINATOR_NOT_AVAILABLE
  return code === NONE ? undefined : code
}

/** Whether the member is of the present generation. */
const refusalOfMember = (entry: GroupEntry | undefined, request: TxnOffsetCommitRequest): number | undefined => {
  const { generation, instanceId, memberId } = request
  if (entry === undefined) return generation < 0 ? undefined : ILLEGAL_GENERATION
  const { group } = entry
  if (group.type === "classic") return classic.checkCommit(group, request, { isTransactional: true })
  const isStranger = generation < 0 && (group.isEmpty || (memberId === "" && instanceId === undefined))
  const code = isStranger ? undefined : checkEpoch(group, memberId, generation)
  return code === STALE_MEMBER_EPOCH ? ILLEGAL_GENERATION : code
}
