/** What the topics of one producer have in common. */
import type { Brokers } from "./brokers.ts"
import type { Identities } from "./identities.ts"
import type { Queue } from "./queue.ts"
import type { SendingClock } from "./sendingClock.ts"
import type { SendSettings } from "../options/sending.ts"

export interface Shared {
  readonly settings: SendSettings
  readonly clock: SendingClock
  readonly queue: Queue
  readonly identities: Identities
  readonly brokers: Brokers
  /** A number from 0 up to 1, which tells with which partition of a topic records without a key begin. */
  readonly random: number
}

/** What was counted of one topic, or of all of them. */
export interface SendCounts {
  /** Records that were to be written. Those that were withdrawn while they waited for room are not counted. */
  writes: number
  acknowledged: number
  /** Records that are certainly not in the log. */
  failed: number
  /** Records that ended as `UnknownOutcome`. */
  unknown: number
  /** Produce requests in which the topic had a part, repetitions included. */
  requests: number
  /** Bytes of record batches in those requests. */
  bytes: number
}

export const noCounts = (): SendCounts => ({
  writes: 0,
  acknowledged: 0,
  failed: 0,
  unknown: 0,
  requests: 0,
  bytes: 0
})

export const addCounts = (sum: SendCounts, counts: SendCounts): void => {
  sum.writes += counts.writes
  sum.acknowledged += counts.acknowledged
  sum.failed += counts.failed
  sum.unknown += counts.unknown
  sum.requests += counts.requests
  sum.bytes += counts.bytes
}

/** Records that have not ended yet: accepted, or waiting for room. */
export const pendingOf = ({ acknowledged, failed, unknown, writes }: SendCounts): number =>
  writes - acknowledged - failed - unknown
