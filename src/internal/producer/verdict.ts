import type { WriteReason } from "../../KafkaError.ts"
import {
  CLUSTER_AUTHORIZATION_FAILED,
  DUPLICATE_SEQUENCE_NUMBER,
  INVALID_PRODUCER_EPOCH,
  INVALID_PRODUCER_ID_MAPPING,
  INVALID_RECORD,
  INVALID_TIMESTAMP,
  KAFKA_STORAGE_ERROR,
  MESSAGE_TOO_LARGE,
  NETWORK_EXCEPTION,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  NOT_LEADER_OR_FOLLOWER,
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  RECORD_LIST_TOO_LARGE,
  REQUEST_TIMED_OUT,
  UNKNOWN_PRODUCER_ID,
  UNKNOWN_SERVER_ERROR
} from "../protocol/codes.ts"
import { describeCode } from "../protocol/errorCodes.ts"

/**
 * What a broker's answer means for the batch that it is about.
 *
 * - `Acknowledged`: it is in the log.
 * - `Retry`: not now. `appended`: this attempt may be in the log nevertheless.
 * - `Renew`: the broker does not know this producer, or another sequence was due. Not in the log by this attempt.
 * - `TooLarge`: not in the log; its parts may fit.
 * - `BadRecords`: not in the log, because of some of its records; the others may be taken.
 * - `Refused`: not in the log, and not to be tried again.
 * - `Lost`: the broker cannot say, or cannot say where.
 */
export type Verdict =
  | { readonly _tag: "Acknowledged" }
  | { readonly _tag: "Retry"; readonly appended: boolean }
  | { readonly _tag: "Renew" }
  | { readonly _tag: "TooLarge" }
  | { readonly _tag: "BadRecords" }
  | { readonly _tag: "Refused"; readonly reason: WriteReason; readonly hint: string | undefined }
  | { readonly _tag: "Lost"; readonly detail: string }

/**
 * After these, the batch may have been appended all the same. A leader that is deposed while a batch waits for its
 * replicas says that it is none, and its successor may have the batch.
 */
const AMBIGUOUS = new Set([
  NOT_LEADER_OR_FOLLOWER,
  REQUEST_TIMED_OUT,
  NETWORK_EXCEPTION,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  KAFKA_STORAGE_ERROR
])

/** After these, the batch can only be taken under another identity. */
const NEEDS_IDENTITY = new Set([
  OUT_OF_ORDER_SEQUENCE_NUMBER,
  INVALID_PRODUCER_EPOCH,
  INVALID_PRODUCER_ID_MAPPING,
  UNKNOWN_PRODUCER_ID
])

/** What to tell somebody without the right to a producer id. Since Kafka 2.8 the right to write is enough (KIP-679). */
export const IDEMPOTENT_WRITE_HINT =
  "an idempotent writer needs WRITE on a topic, or before Kafka 2.8 IDEMPOTENT_WRITE on the cluster; or set idempotent: false"

/** Judges the error code of a batch. `idempotent` says whether the batch has a producer id and a sequence. */
export const judge = (code: number, idempotent: boolean): Verdict => {
  if (code === 0) return { _tag: "Acknowledged" }
  if (code === MESSAGE_TOO_LARGE || code === RECORD_LIST_TOO_LARGE) return { _tag: "TooLarge" }
  if (code === INVALID_RECORD || code === INVALID_TIMESTAMP) return { _tag: "BadRecords" }
  if (code === DUPLICATE_SEQUENCE_NUMBER) return { _tag: "Lost", detail: "it is in the log, but not known where" }
  if (code === UNKNOWN_SERVER_ERROR)
    return { _tag: "Lost", detail: "the broker failed in a way that it has no name for" }
  if (idempotent && NEEDS_IDENTITY.has(code)) return { _tag: "Renew" }
  const { reason, retriable } = describeCode(code)
  if (retriable) return { _tag: "Retry", appended: AMBIGUOUS.has(code) }
  return {
    _tag: "Refused",
    reason: reason === "Unauthorized" ? "Unauthorized" : "Rejected",
    hint: idempotent && code === CLUSTER_AUTHORIZATION_FAILED ? IDEMPOTENT_WRITE_HINT : undefined
  }
}
