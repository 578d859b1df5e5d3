import type { JoinGroupProtocol } from "../../../KafkaProtocol.ts"
import { NO_PARTITIONS, type PartitionSet } from "./partitionSets.ts"

/** The epoch with which a member joins, leaves, and leaves for a while. */
export const JOINING = 0
export const LEAVING = -1
export const AWAY = -2

/** What a coordinator knows of a member of a group of the consumer protocol. */
export class ConsumerMember {
  instanceId: string | undefined
  rackId: string | undefined
  clientId = ""
  rebalanceTimeout = 0
  /** The topics that it names. */
  names: ReadonlySet<string> = new Set()
  /** The expression that it is subscribed to besides; empty for none. */
  regex = ""
  /** The assignor that it wants; `undefined` if any will do. */
  assignor: string | undefined
  /** What it has joined with, if it speaks the classic protocol. */
  classic: { readonly sessionTimeout: number; readonly protocols: ReadonlyArray<JoinGroupProtocol> } | undefined
  epoch = JOINING
  previousEpoch = JOINING
  /**
   * `Stable`: it has what it is to have in its epoch. `Unrevoked`: it is to give something up first. `Unreleased`: it is
   * to have more than others have given up yet.
   */
  state: "Stable" | "Unrevoked" | "Unreleased" = "Stable"
  assigned = NO_PARTITIONS
  /** What it was told to give up, and has not said yet to have given up. */
  revoking = NO_PARTITIONS
  heardAt = 0

  constructor(readonly memberId: string) {}

  /** Whether it has all that the target of this epoch gives to it. */
  isReconciledTo(epoch: number): boolean {
    return this.state === "Stable" && this.epoch === epoch
  }

  /** The same member under another id, in the place of one that is away. */
  renamed(memberId: string): ConsumerMember {
    return Object.assign(new ConsumerMember(memberId), { ...this, memberId, epoch: JOINING, previousEpoch: JOINING })
  }
}

/** What reconciling looks at besides the member. */
export interface Reconciling {
  readonly target: PartitionSet
  readonly targetEpoch: number
  /** Whether any member has this partition, or has not given it up yet. */
  readonly isHeld: (topicId: string, partition: number) => boolean
  /** What the member says it owns; `undefined` if it does not say. */
  readonly owned: PartitionSet | undefined
}
