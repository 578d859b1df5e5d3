import type { TransactionSettings } from "./transactionCoordinator.ts"

/** What a broker's configuration says of groups. */
export interface GroupSettings {
  /** How long a rebalance of a group that was empty waits for further members. */
  readonly initialRebalanceDelayMillis: number
  readonly minSessionTimeoutMillis: number
  readonly maxSessionTimeoutMillis: number
  /** The most members that a group may have. */
  readonly maxSize: number
  /** How long offsets are kept that nobody is there to need. */
  readonly offsetsRetentionMillis: number
  /** Whether there is the consumer protocol (KIP-848). */
  readonly consumerProtocol: boolean
  /** How long a member of the consumer protocol may not be heard of. */
  readonly sessionTimeoutMillis: number
  /** How often a member of the consumer protocol is to be heard of. */
  readonly heartbeatIntervalMillis: number
}

/** How long a new member may wait in a rebalance, in milliseconds. */
export const NEW_MEMBER_JOIN_TIMEOUT = 300_000

/** The most characters that may be kept with an offset. */
export const MAX_OFFSET_METADATA = 4096

export const DEFAULTS: GroupSettings = {
  initialRebalanceDelayMillis: 0,
  minSessionTimeoutMillis: 6_000,
  maxSessionTimeoutMillis: 1_800_000,
  maxSize: 2_147_483_647,
  offsetsRetentionMillis: 7 * 24 * 3_600_000,
  consumerProtocol: true,
  sessionTimeoutMillis: 45_000,
  heartbeatIntervalMillis: 5_000
}

export const TRANSACTION_DEFAULTS: TransactionSettings = {
  version: 2,
  markerDelayMillis: 0,
  maxTimeoutMillis: 900_000
}
