import type { InitProducerIdResponse } from "../../KafkaClient.ts"
import { type Api, KIB } from "./api.ts"

/** Without a transactional id there is nothing to time out; what Kafka's own producer sends then. */
const TRANSACTION_TIMEOUT_MILLIS = 0x7fff_ffff

/** A new id for an idempotent producer without transactions. Any broker answers it. */
export const initProducerId: Api<undefined, InitProducerIdResponse> = {
  key: 22,
  name: "InitProducerId",
  versions: { min: 1, max: 4 },
  flexible: (version) => version >= 2,
  maxAnswerBytes: 64 * KIB,
  // transactional_id: nullable string, transaction_timeout_ms: int32, producer_id: int64 (v3+),
  // producer_epoch: int16 (v3+); the last two to keep an id that one has
  encode: (version, _request, writer) => {
    writer.nullString()
    writer.int32(TRANSACTION_TIMEOUT_MILLIS)
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
  }
}
