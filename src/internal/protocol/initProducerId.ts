import { type Api, KIB } from "./api.ts"
import { undivided } from "./parts.ts"

/**
 * Asks for a producer id: any broker gives a new one, and the coordinator of a transactional id gives that of this id.
 *
 * @since 0.2.0
 * @category requests
 */
export interface InitProducerIdRequest {
  /**
   * The transactional id, under which open transactions of an earlier producer are ended, and how long a transaction
   * may stay open, in milliseconds; `undefined` for a producer without transactions.
   */
  readonly transactional: { readonly id: string; readonly timeoutMillis: number } | undefined
  /**
   * The producer id and epoch that the producer has already, for the next epoch of the same id (Kafka 2.5 and later): a
   * producer that another one of the same transactional id has replaced is refused. Default: none.
   */
  readonly current?: { readonly producerId: bigint; readonly producerEpoch: number }
}

/**
 * A producer id.
 *
 * @since 0.1.0
 * @category answers
 */
export interface InitProducerIdResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** The id; negative if there is none. */
  readonly producerId: bigint
  /** The epoch of the id, from 0; negative if there is none. */
  readonly producerEpoch: number
}

/** What Kafka's own producer sends without a transactional id, as there is nothing to time out then. */
const TRANSACTION_TIMEOUT_MILLIS = 0x7fff_ffff

/** From this version on, a producer may name the id that it has. */
const BY_PRODUCER = 3

/** Asks for the id of an idempotent producer, with transactions or without. */
export const initProducerId: Api<InitProducerIdRequest, InitProducerIdResponse> = {
  key: 22,
  name: "InitProducerId",
  // Version 6 is about transactions in two phases, and is not settled in Kafka 4.1.
  versions: { min: 1, max: 5 },
  minVersion: ({ current }) => (current === undefined ? 0 : BY_PRODUCER),
  flexible: (version) => version >= 2,
  maxAnswerBytes: 64 * KIB,
  // transactional_id: nullable string, transaction_timeout_ms: int32, producer_id: int64 (v3+),
  // producer_epoch: int16 (v3+); the last two to keep an id that one has
  encode: (version, { current, transactional }, writer) => {
    writer.nullableString(transactional?.id)
    writer.int32(transactional?.timeoutMillis ?? TRANSACTION_TIMEOUT_MILLIS)
    if (version >= BY_PRODUCER) {
      writer.int64(current?.producerId ?? -1)
      writer.int16(current?.producerEpoch ?? -1)
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
