/**
 * Kafka's error codes that some code decides by, under Kafka's names. `errorCodes.ts` has all codes, and what each comes
 * down to.
 */

export const UNKNOWN_SERVER_ERROR = -1
export const NONE = 0
export const OFFSET_OUT_OF_RANGE = 1
export const CORRUPT_MESSAGE = 2
export const UNKNOWN_TOPIC_OR_PARTITION = 3
export const LEADER_NOT_AVAILABLE = 5
export const NOT_LEADER_OR_FOLLOWER = 6
export const REQUEST_TIMED_OUT = 7
export const MESSAGE_TOO_LARGE = 10
export const NETWORK_EXCEPTION = 13
export const COORDINATOR_NOT_AVAILABLE = 15
export const INVALID_TOPIC_EXCEPTION = 17
export const RECORD_LIST_TOO_LARGE = 18
export const NOT_ENOUGH_REPLICAS = 19
export const NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
export const INVALID_REQUIRED_ACKS = 21
export const CLUSTER_AUTHORIZATION_FAILED = 31
export const INVALID_TIMESTAMP = 32
export const UNSUPPORTED_VERSION = 35
export const TOPIC_ALREADY_EXISTS = 36
export const INVALID_PARTITIONS = 37
export const INVALID_REPLICATION_FACTOR = 38
export const INVALID_CONFIG = 40
export const NOT_CONTROLLER = 41
export const POLICY_VIOLATION = 44
export const OUT_OF_ORDER_SEQUENCE_NUMBER = 45
export const DUPLICATE_SEQUENCE_NUMBER = 46
export const INVALID_PRODUCER_EPOCH = 47
export const INVALID_TXN_STATE = 48
export const INVALID_PRODUCER_ID_MAPPING = 49
export const TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
export const KAFKA_STORAGE_ERROR = 56
export const UNKNOWN_PRODUCER_ID = 59
export const FENCED_LEADER_EPOCH = 74
export const UNKNOWN_LEADER_EPOCH = 75
export const OFFSET_NOT_AVAILABLE = 78
export const ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
export const INVALID_RECORD = 87
export const THROTTLING_QUOTA_EXCEEDED = 89
export const UNKNOWN_TOPIC_ID = 100
export const BROKER_ID_NOT_REGISTERED = 102
