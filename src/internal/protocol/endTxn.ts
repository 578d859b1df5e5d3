import type { TransactionalProducer } from "./addPartitionsToTxn.ts"
import { type Api, KIB } from "./api.ts"
import { undivided } from "./parts.ts"
import type { TransactionVersion } from "./txnOffsetCommit.ts"

/**
 * Ends a transaction: all of it counts from now on, or nothing.
 *
 * @since 0.4.0
 * @category requests
 */
export interface EndTxnRequest extends TransactionalProducer {
  readonly transactionVersion: TransactionVersion
  /** Whether it is committed, or aborted. */
  readonly committed: boolean
}

/**
 * What came of ending a transaction.
 *
 * @since 0.4.0
 * @category answers
 */
export interface EndTxnResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /**
   * The producer id and epoch of the next transaction, whose sequences begin at 0 again; `undefined` with transactions of
   * version 1, in which they stay.
   */
  readonly next: { readonly producerId: bigint; readonly producerEpoch: number } | undefined
}

/** The version in which each transaction has an epoch of its own. */
const OWN_EPOCH = 5

/** Ends a transaction. */
export const endTxn: Api<EndTxnRequest, EndTxnResponse> = {
  key: 26,
  name: "EndTxn",
  versions: { min: 1, max: OWN_EPOCH },
  minVersion: ({ transactionVersion }) => (transactionVersion === 2 ? OWN_EPOCH : 0),
  maxVersion: ({ transactionVersion }) => (transactionVersion === 2 ? OWN_EPOCH : OWN_EPOCH - 1),
  flexible: (version) => version >= 3,
  maxAnswerBytes: 64 * KIB,
  // transactional_id: string, producer_id: int64, producer_epoch: int16, committed: bool
  encode: (_version, request, writer) => {
    writer.string(request.transactionalId)
    writer.int64(request.producerId)
    writer.int16(request.producerEpoch)
    writer.boolean(request.committed)
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, producer_id: int64 (v5+), producer_epoch: int16 (v5+)
  decode: (version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    const producerId = version >= OWN_EPOCH ? reader.bigint64() : -1n
    const producerEpoch = version >= OWN_EPOCH ? reader.int16() : -1
    reader.tags()
    return { errorCode, next: producerId < 0n ? undefined : { producerId, producerEpoch } }
  },
  parts: undivided<EndTxnRequest, EndTxnResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode, next: undefined })
  })
}
