import type { TransactionalProducer } from "./addPartitionsToTxn.ts"
import { type Api, KIB } from "./api.ts"
import type { CodeResponse } from "./groupMember.ts"
import { undivided } from "./parts.ts"

/**
 * Adds the offsets of a group to a transaction, before any is committed in it. From transactions of version 2 on, brokers
 * do that by themselves.
 *
 * @since 0.4.0
 * @category requests
 */
export interface AddOffsetsToTxnRequest extends TransactionalProducer {
  readonly groupId: string
}

/** Adds the offsets of a group to a transaction. */
export const addOffsetsToTxn: Api<AddOffsetsToTxnRequest, CodeResponse> = {
  key: 25,
  name: "AddOffsetsToTxn",
  versions: { min: 1, max: 3 },
  flexible: (version) => version >= 3,
  maxAnswerBytes: 64 * KIB,
  // transactional_id: string, producer_id: int64, producer_epoch: int16, group_id: string
  encode: (_version, request, writer) => {
    writer.string(request.transactionalId)
    writer.int64(request.producerId)
    writer.int16(request.producerEpoch)
    writer.string(request.groupId)
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16
  decode: (_version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    reader.tags()
    return { errorCode }
  },
  parts: undivided<AddOffsetsToTxnRequest, CodeResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode })
  })
}
