import { type Api, KIB } from "./api.ts"
import { undivided } from "./parts.ts"

/**
 * A producer id: a new one of any broker, or that of a transactional id, of its coordinator.
 *
 * @since 0.2.0
 * @category requests
 */
export interface InitProducerIdRequest {
  /** Under which transactions of a producer before this one are ended; `undefined` for a producer without any. */
  readonly transactional: { readonly id: string; readonly timeoutMillis: number } | undefined
}

/**
 * @since 0.1.0
 * @category answers
 */
export interface InitProducerIdResponse {
  readonly errorCode: number
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** Without a transactional id there is nothing to time out; what Kafka's own producer sends then. */
const TRANSACTION_TIMEOUT_MILLIS = 0x7fff_ffff

/** An id for an idempotent producer, with transactions or without. */
export const initProducerId: Api<InitProducerIdRequest, InitProducerIdResponse> = {
  key: 22,
  name: "InitProducerId",
  versions: { min: 1, max: 4 },
  flexible: (version) => version >= 2,
  maxAnswerBytes: 64 * KIB,
  // transactional_id: nullable string, transaction_timeout_ms: int32, producer_id: int64 (v3+),
  // producer_epoch: int16 (v3+); the last two to keep an id that one has
  encode: (version, { transactional }, writer) => {
    writer.nullableString(transactional?.id)
    writer.int32(transactional?.timeoutMillis ?? TRANSACTION_TIMEOUT_MILLIS)
    if (version >= 3) {
      writer.int64(-1)
      writer.int16(-1)
    }
    writer.tags()
  },
  // throttle_time_ms: int32, error_code: int16, producer_id: int64, producer_epoch: int16
  decode: (_version, reader) => {
    reader.int32()
    const errorCode = reader.int16()
    const producerId = reader.bigint64()
    const producerEpoch = reader.int16()
    reader.tags()
    return { errorCode, producerId, producerEpoch }
  },
  parts: undivided<InitProducerIdRequest, InitProducerIdResponse>({
    topicOf: () => undefined,
    refuse: (_request, errorCode) => ({ errorCode, producerId: -1n, producerEpoch: -1 })
  })
}
