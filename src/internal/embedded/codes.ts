/** Kafka's error codes, as far as this cluster gives them, and what carries one. */
import { brokerError } from "../protocol/errorCodes.ts"
import type { RecordError } from "../../KafkaProtocol.ts"
import type { BrokerError } from "../../KafkaError.ts"

export const OFFSET_OUT_OF_RANGE = 1
export const CORRUPT_MESSAGE = 2
export const UNKNOWN_TOPIC_OR_PARTITION = 3
export const LEADER_NOT_AVAILABLE = 5
export const NOT_LEADER_OR_FOLLOWER = 6
export const MESSAGE_TOO_LARGE = 10
export const INVALID_TOPIC_EXCEPTION = 17
export const NOT_ENOUGH_REPLICAS = 19
export const INVALID_REQUIRED_ACKS = 21
export const INVALID_TIMESTAMP = 32
export const TOPIC_ALREADY_EXISTS = 36
export const INVALID_PARTITIONS = 37
export const INVALID_REPLICATION_FACTOR = 38
export const INVALID_CONFIG = 40
export const POLICY_VIOLATION = 44
export const OUT_OF_ORDER_SEQUENCE_NUMBER = 45
export const INVALID_PRODUCER_EPOCH = 47
export const INVALID_TXN_STATE = 48
export const TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
export const FENCED_LEADER_EPOCH = 74
export const UNKNOWN_LEADER_EPOCH = 75
export const ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
export const INVALID_RECORD = 87
export const UNKNOWN_TOPIC_ID = 100
export const BROKER_ID_NOT_REGISTERED = 102

/** What a broker will not do. A value, not a throw: whoever asked turns it into an answer or a failure. */
export class Refused {
  readonly code: number
  readonly detail: string | undefined
  constructor(code: number, detail?: string) {
    this.code = code
    this.detail = detail
  }

  toError(request: string, topic?: string, partition?: number): BrokerError {
    return brokerError({ code: this.code, request, topic, partition, detail: this.detail })
  }
}

/** Some records of a batch are wrong: the one refusal of a write whose words a broker hands on to the client. */
export class RecordsRefused extends Refused {
  override readonly detail: string
  readonly recordErrors: ReadonlyArray<RecordError>
  constructor(code: number, detail: string, recordErrors: ReadonlyArray<RecordError>) {
    super(code)
    this.detail = detail
    this.recordErrors = recordErrors
  }
}

export const isRefused = (value: unknown): value is Refused => value instanceof Refused
