/** What the requests about groups have in common. */
import {
  GROUP_SUBSCRIBED_TO_TOPIC,
  TOPIC_AUTHORIZATION_FAILED,
  UNKNOWN_TOPIC_ID,
  UNKNOWN_TOPIC_OR_PARTITION,
  UNSTABLE_OFFSET_COMMIT
} from "./codes.ts"

/**
 * A member of a group, as it names itself to the coordinator.
 *
 * @since 0.4.0
 * @category models
 */
export interface GroupMember {
  readonly groupId: string
  /** Generation of the group in the classic protocol, epoch of the member in the consumer protocol; -1 for neither. */
  readonly generation: number
  /** Empty for none. */
  readonly memberId: string
  /** The id of a static member (Kafka 2.3 and later); `undefined` for a dynamic one. */
  readonly instanceId: string | undefined
}

/**
 * The answer to a request that is done, or refused, as a whole.
 *
 * @since 0.4.0
 * @category answers
 */
export interface CodeResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
}

/** The first version of each request that can name a static member by its instance id. */
export const STATIC_MEMBERS = { JoinGroup: 5, SyncGroup: 3, Heartbeat: 3, LeaveGroup: 3, OffsetCommit: 7 } as const

const OF_PARTITIONS: ReadonlySet<number> = new Set([
  UNKNOWN_TOPIC_OR_PARTITION,
  TOPIC_AUTHORIZATION_FAILED,
  GROUP_SUBSCRIBED_TO_TOPIC,
  UNSTABLE_OFFSET_COMMIT,
  UNKNOWN_TOPIC_ID
])

/**
 * Whether a coordinator says this of single partitions in an answer that has room for a code of the whole group, too.
 */
export const isOfPartition = (code: number): boolean => OF_PARTITIONS.has(code)
