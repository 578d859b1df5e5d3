/**
 * Kafka's error codes, <https://kafka.apache.org/protocol#protocol_error_codes>, as of Kafka 4.1, and what each comes
 * down to.
 */
import { BrokerError, type BrokerReason } from "../../KafkaError.ts"

/** Kafka's own clients ask again after these, on fresh metadata. */
const RETRY = true

const table: ReadonlyArray<readonly [code: number, name: string, reason: BrokerReason, retriable?: boolean]> = [
  [-1, "UNKNOWN_SERVER_ERROR", "Rejected"],
  [0, "NONE", "Rejected"],
  [1, "OFFSET_OUT_OF_RANGE", "OutOfRange"],
  [2, "CORRUPT_MESSAGE", "Unavailable", RETRY],
  [3, "UNKNOWN_TOPIC_OR_PARTITION", "NotFound", RETRY],
  [4, "INVALID_FETCH_SIZE", "Rejected"],
  [5, "LEADER_NOT_AVAILABLE", "Unavailable", RETRY],
  [6, "NOT_LEADER_OR_FOLLOWER", "Unavailable", RETRY],
  [7, "REQUEST_TIMED_OUT", "Unavailable", RETRY],
  [8, "BROKER_NOT_AVAILABLE", "Unavailable"],
  [9, "REPLICA_NOT_AVAILABLE", "Unavailable", RETRY],
  [10, "MESSAGE_TOO_LARGE", "Rejected"],
  [11, "STALE_CONTROLLER_EPOCH", "Unavailable"],
  [12, "OFFSET_METADATA_TOO_LARGE", "Rejected"],
  [13, "NETWORK_EXCEPTION", "Unavailable", RETRY],
  [14, "COORDINATOR_LOAD_IN_PROGRESS", "Unavailable", RETRY],
  [15, "COORDINATOR_NOT_AVAILABLE", "Unavailable", RETRY],
  [16, "NOT_COORDINATOR", "Unavailable", RETRY],
  [17, "INVALID_TOPIC_EXCEPTION", "Rejected"],
  [18, "RECORD_LIST_TOO_LARGE", "Rejected"],
  [19, "NOT_ENOUGH_REPLICAS", "Unavailable", RETRY],
  [20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "Unavailable", RETRY],
  [21, "INVALID_REQUIRED_ACKS", "Rejected"],
  [22, "ILLEGAL_GENERATION", "Rejected"],
  [23, "INCONSISTENT_GROUP_PROTOCOL", "Rejected"],
  [24, "INVALID_GROUP_ID", "Rejected"],
  [25, "UNKNOWN_MEMBER_ID", "Rejected"],
  [26, "INVALID_SESSION_TIMEOUT", "Rejected"],
  [27, "REBALANCE_IN_PROGRESS", "Rejected"],
  [28, "INVALID_COMMIT_OFFSET_SIZE", "Rejected"],
  [29, "TOPIC_AUTHORIZATION_FAILED", "Unauthorized"],
  [30, "GROUP_AUTHORIZATION_FAILED", "Unauthorized"],
  [31, "CLUSTER_AUTHORIZATION_FAILED", "Unauthorized"],
  [32, "INVALID_TIMESTAMP", "Rejected"],
  [33, "UNSUPPORTED_SASL_MECHANISM", "Rejected"],
  [34, "ILLEGAL_SASL_STATE", "Rejected"],
  [35, "UNSUPPORTED_VERSION", "Rejected"],
  [36, "TOPIC_ALREADY_EXISTS", "Rejected"],
  [37, "INVALID_PARTITIONS", "Rejected"],
  [38, "INVALID_REPLICATION_FACTOR", "Rejected"],
  [39, "INVALID_REPLICA_ASSIGNMENT", "Rejected"],
  [40, "INVALID_CONFIG", "Rejected"],
  [41, "NOT_CONTROLLER", "Unavailable", RETRY],
  [42, "INVALID_REQUEST", "Rejected"],
  [43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", "Rejected"],
  [44, "POLICY_VIOLATION", "Rejected"],
  [45, "OUT_OF_ORDER_SEQUENCE_NUMBER", "Rejected"],
  [46, "DUPLICATE_SEQUENCE_NUMBER", "Rejected"],
  [47, "INVALID_PRODUCER_EPOCH", "Rejected"],
  [48, "INVALID_TXN_STATE", "Rejected"],
  [49, "INVALID_PRODUCER_ID_MAPPING", "Rejected"],
  [50, "INVALID_TRANSACTION_TIMEOUT", "Rejected"],
  [51, "CONCURRENT_TRANSACTIONS", "Unavailable", RETRY],
  [52, "TRANSACTION_COORDINATOR_FENCED", "Rejected"],
  [53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "Unauthorized"],
  [54, "SECURITY_DISABLED", "Rejected"],
  [55, "OPERATION_NOT_ATTEMPTED", "Unavailable"],
  [56, "KAFKA_STORAGE_ERROR", "Unavailable", RETRY],
  [57, "LOG_DIR_NOT_FOUND", "Rejected"],
  [58, "SASL_AUTHENTICATION_FAILED", "Unauthorized"],
  [59, "UNKNOWN_PRODUCER_ID", "Rejected"],
  [60, "REASSIGNMENT_IN_PROGRESS", "Unavailable"],
  [61, "DELEGATION_TOKEN_AUTH_DISABLED", "Rejected"],
  [62, "DELEGATION_TOKEN_NOT_FOUND", "Rejected"],
  [63, "DELEGATION_TOKEN_OWNER_MISMATCH", "Rejected"],
  [64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", "Rejected"],
  [65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", "Unauthorized"],
  [66, "DELEGATION_TOKEN_EXPIRED", "Rejected"],
  [67, "INVALID_PRINCIPAL_TYPE", "Rejected"],
  [68, "NON_EMPTY_GROUP", "Rejected"],
  [69, "GROUP_ID_NOT_FOUND", "Rejected"],
  [70, "FETCH_SESSION_ID_NOT_FOUND", "Unavailable", RETRY],
  [71, "INVALID_FETCH_SESSION_EPOCH", "Unavailable", RETRY],
  [72, "LISTENER_NOT_FOUND", "Unavailable", RETRY],
  [73, "TOPIC_DELETION_DISABLED", "Rejected"],
  [74, "FENCED_LEADER_EPOCH", "Unavailable", RETRY],
  [75, "UNKNOWN_LEADER_EPOCH", "Unavailable", RETRY],
  [76, "UNSUPPORTED_COMPRESSION_TYPE", "Rejected"],
  [77, "STALE_BROKER_EPOCH", "Unavailable"],
  [78, "OFFSET_NOT_AVAILABLE", "Unavailable", RETRY],
  [79, "MEMBER_ID_REQUIRED", "Rejected"],
  [80, "PREFERRED_LEADER_NOT_AVAILABLE", "Unavailable", RETRY],
  [81, "GROUP_MAX_SIZE_REACHED", "Rejected"],
  [82, "FENCED_INSTANCE_ID", "Rejected"],
  [83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", "Unavailable", RETRY],
  [84, "ELECTION_NOT_NEEDED", "Unavailable", RETRY],
  [85, "NO_REASSIGNMENT_IN_PROGRESS", "Rejected"],
  [86, "GROUP_SUBSCRIBED_TO_TOPIC", "Rejected"],
  [87, "INVALID_RECORD", "Rejected"],
  [88, "UNSTABLE_OFFSET_COMMIT", "Unavailable", RETRY],
  [89, "THROTTLING_QUOTA_EXCEEDED", "Unavailable", RETRY],
  [90, "PRODUCER_FENCED", "Rejected"],
  [91, "RESOURCE_NOT_FOUND", "Rejected"],
  [92, "DUPLICATE_RESOURCE", "Rejected"],
  [93, "UNACCEPTABLE_CREDENTIAL", "Rejected"],
  [94, "INCONSISTENT_VOTER_SET", "Rejected"],
  [95, "INVALID_UPDATE_VERSION", "Rejected"],
  [96, "FEATURE_UPDATE_FAILED", "Rejected"],
  [97, "PRINCIPAL_DESERIALIZATION_FAILURE", "Rejected"],
  [98, "SNAPSHOT_NOT_FOUND", "Rejected"],
  [99, "POSITION_OUT_OF_RANGE", "Rejected"],
  [100, "UNKNOWN_TOPIC_ID", "NotFound", RETRY],
  [101, "DUPLICATE_BROKER_REGISTRATION", "Rejected"],
  [102, "BROKER_ID_NOT_REGISTERED", "Rejected"],
  [103, "INCONSISTENT_TOPIC_ID", "NotFound", RETRY],
  [104, "INCONSISTENT_CLUSTER_ID", "Rejected"],
  [105, "TRANSACTIONAL_ID_NOT_FOUND", "Rejected"],
  [106, "FETCH_SESSION_TOPIC_ID_ERROR", "Unavailable", RETRY],
  [107, "INELIGIBLE_REPLICA", "Rejected"],
  [108, "NEW_LEADER_ELECTED", "Unavailable"],
  [109, "OFFSET_MOVED_TO_TIERED_STORAGE", "Rejected"],
  [110, "FENCED_MEMBER_EPOCH", "Rejected"],
  [111, "UNRELEASED_INSTANCE_ID", "Rejected"],
  [112, "UNSUPPORTED_ASSIGNOR", "Rejected"],
  [113, "STALE_MEMBER_EPOCH", "Rejected"],
  [114, "MISMATCHED_ENDPOINT_TYPE", "Rejected"],
  [115, "UNSUPPORTED_ENDPOINT_TYPE", "Rejected"],
  [116, "UNKNOWN_CONTROLLER_ID", "Rejected"],
  [117, "UNKNOWN_SUBSCRIPTION_ID", "Rejected"],
  [118, "TELEMETRY_TOO_LARGE", "Rejected"],
  [119, "INVALID_REGISTRATION", "Rejected"],
  [120, "TRANSACTION_ABORTABLE", "Rejected"],
  [121, "INVALID_RECORD_STATE", "Rejected"],
  [122, "SHARE_SESSION_NOT_FOUND", "Unavailable", RETRY],
  [123, "INVALID_SHARE_SESSION_EPOCH", "Unavailable", RETRY],
  [124, "FENCED_STATE_EPOCH", "Rejected"],
  [125, "INVALID_VOTER_KEY", "Rejected"],
  [126, "DUPLICATE_VOTER", "Rejected"],
  [127, "VOTER_NOT_FOUND", "Rejected"],
  [128, "INVALID_REGULAR_EXPRESSION", "Rejected"],
  [129, "REBOOTSTRAP_REQUIRED", "Unavailable"],
  [130, "STREAMS_INVALID_TOPOLOGY", "Rejected"],
  [131, "STREAMS_INVALID_TOPOLOGY_EPOCH", "Rejected"],
  [132, "STREAMS_TOPOLOGY_FENCED", "Rejected"],
  [133, "SHARE_SESSION_LIMIT_REACHED", "Unavailable", RETRY]
]

/** What an error code means. */
export interface CodeDescription {
  /** Kafka's name, or `UNKNOWN_CODE_<n>`. */
  readonly name: string
  /** Whether Kafka's own clients ask again after this code. */
  readonly retriable: boolean
  readonly reason: BrokerReason
}

const descriptions: ReadonlyMap<number, CodeDescription> = new Map(
  table.map(([code, name, reason, retriable]) => [code, { name, retriable: retriable === RETRY, reason }])
)

/** A code of a broker newer than this table is taken as final: asking again about what nobody knows does not end. */
export const describeCode = (code: number): CodeDescription =>
  descriptions.get(code) ?? { name: `UNKNOWN_CODE_${code}`, retriable: false, reason: "Rejected" }

/** The error for an answer whose code is not 0. */
export const brokerError = (answer: {
  readonly code: number
  /** The request's name. */
  readonly request: string
  readonly broker?: string | undefined
  readonly topic?: string | undefined
  readonly partition?: number | undefined
  readonly group?: string | undefined
  readonly transactionalId?: string | undefined
  /** What the broker said, where it said something. */
  readonly detail?: string | undefined
}): BrokerError => {
  const { name, reason, retriable } = describeCode(answer.code)
  return new BrokerError({
    reason,
    code: answer.code,
    codeName: name,
    retriable,
    request: answer.request,
    ...(answer.broker === undefined ? {} : { broker: answer.broker }),
    ...(answer.topic === undefined ? {} : { topic: answer.topic }),
    ...(answer.partition === undefined ? {} : { partition: answer.partition }),
    ...(answer.group === undefined ? {} : { group: answer.group }),
    ...(answer.transactionalId === undefined ? {} : { transactionalId: answer.transactionalId }),
    ...(answer.detail === undefined ? {} : { detail: answer.detail })
  })
}
