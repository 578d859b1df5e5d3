/**
 * What a consumer and its membership of a group know of each other, whichever protocol the group speaks. The membership says
 * which partitions are this member's; the consumer works on them, and says when it has stopped to.
 */
import type * as Effect from "effect/Effect"
import type { ClientError, GroupError } from "../../../KafkaError.ts"
import type { LostReason, TopicPartition } from "../../../KafkaConsumer.ts"

/** Why a membership has ended by itself. */
export type MembershipFailure = GroupError | ClientError

/** Whoever works on the partitions of a member. Plain functions only take note. */
export interface Ownership {
  /** These are this member's from now on. */
  readonly assign: (partitions: ReadonlyArray<TopicPartition>) => void
  /**
   * Ends when these are worked on no more, and what was done is committed as far as possible, within the revoke timeout and
   * the time of a commit. They are this member's until then.
   */
  readonly revoke: (partitions: ReadonlyArray<TopicPartition>) => Effect.Effect<void>
  /** The topics of these are gone, which is told: nothing of them is committed any more. */
  readonly topicsGone: (partitions: ReadonlyArray<TopicPartition>) => Effect.Effect<void>
  /** These are not this member's any more: the work on them is interrupted, and nothing of them is committed. */
  readonly lose: (partitions: ReadonlyArray<TopicPartition>, reason: LostReason) => void
}

/** How a membership is, for the health of its consumer. */
export interface MembershipReports {
  /** It has joined, or joins, or its group rebalances. */
  readonly phase: (phase: "joining" | "rebalancing" | "steady") => void
  /** The coordinator cannot be asked, or refuses for missing rights; it is asked again. */
  readonly unavailable: (error: MembershipFailure) => void
  /** The coordinator has answered. */
  readonly available: () => void
}

/** Who commits, and in which generation: what a request about offsets says of its member. */
export interface Identity {
  readonly memberId: string
  /** Generation of the group, or epoch of the member. */
  readonly generation: number
  readonly instanceId: string | undefined
}

/** A member of a group. */
export interface Member {
  /** Joins the group, and stays in it until something fails that does not pass. */
  readonly run: Effect.Effect<never, MembershipFailure>
  /** Leaves the group, after `run` was interrupted. It is bounded, and fails never. */
  readonly leave: Effect.Effect<void>
  /** Who may commit at present; `undefined` while the coordinator would refuse a commit: it is to be tried later. */
  readonly identity: () => Identity | undefined
  /** Tells that the coordinator has refused a commit of this identity, by this code. */
  readonly refused: (identity: Identity, code: number) => void
  /** Tells that other topics are subscribed to, or that some of them have more partitions than before. */
  readonly topicsChanged: () => void
}
