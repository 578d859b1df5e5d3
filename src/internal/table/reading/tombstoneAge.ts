/**
 * Finds partitions that were away from the head of their log for longer than the topic keeps tombstones. Keys that were
 * deleted meanwhile may have left no trace, so such a partition has to be replayed. How long tombstones last is told by
 * the topic's settings as they are after the answer that ends the absence: the broker that gave the answer is asked for
 * them before the answer is handed on.
 */
import * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../../KafkaClient.ts"
import type { Arrival, Fetched, FetchedRecords } from "../../source/cursor.ts"
import type { PartitionState } from "./partition.ts"
import type { TopicSettings } from "./topicSettings.ts"

/**
 * Tombstones last this long at least, in milliseconds, whatever a topic says: they go with the second cleaning of a
 * closed segment.
 */
const MIN_TOMBSTONES_MILLIS = 1_000

/** An absence after which deletions may have left no trace. */
export interface Stale {
  readonly behindMillis: number
  /** How long the topic keeps tombstones; `undefined` if nobody could be asked. */
  readonly retentionMillis: number | undefined
}

type Ageing = Pick<PartitionState<unknown, unknown>, "isReplayedForAge">

/** Whether a partition was away at all when the answer was asked for. In the middle of a replay, its end decides. */
const wasAway = ({ headAt, isComplete }: Arrival, askedAt: number): boolean =>
  askedAt - headAt > MIN_TOMBSTONES_MILLIS && isComplete

/** Asks for the topic's settings, before an answer is handed on; `undefined` where they do not matter. */
export const askForRetention = (
  arrivals: ReadonlyArray<Arrival>,
  askedAt: number,
  connection: BrokerConnection,
  { settings, topic }: { readonly settings: TopicSettings; readonly topic: string }
): Effect.Effect<void> | undefined => {
  if (!arrivals.some((arrival) => wasAway(arrival, askedAt))) return undefined
  return Effect.matchEffect(connection.request("DescribeConfigs", { topic }), {
    // A broker without this request never has it. The failure of a connection shows by the next fetch.
    onFailure: (error) => (error.reason === "UnsupportedVersion" ? settings.untold : Effect.void),
    onSuccess: (answer) => settings.learned(answer)
  })
}

/**
 * Looks at what was fetched of a partition before it is applied, and returns the absence, if the partition is stale.
 * Then the records must not be applied, as the table would show what never was.
 */
export const foundStale = (
  p: Ageing,
  records: FetchedRecords,
  fetched: Fetched,
  settings: TopicSettings
): Stale | undefined => {
  const retentionMillis = retentionFor(records, fetched, settings)
  const behindMillis = fetched.askedAt - records.headAt
  const isLate = wasAway(records, fetched.askedAt) && (retentionMillis === undefined || behindMillis > retentionMillis)
  if (!isLate) {
    if (records.isAtHead) p.isReplayedForAge = false
    return undefined
  }
  // Another replay does not help against one that takes longer than tombstones last. And an answer that only says that
  // the log begins later than before does not tell whether there is more to read.
  if (p.isReplayedForAge || (!records.isAtHead && records.records.length === 0)) return undefined
  p.isReplayedForAge = true
  return { behindMillis, retentionMillis }
}

/**
 * How long the topic has kept tombstones since the head was last reached; `undefined` if nobody was asked after the
 * answer.
 */
const retentionFor = (
  { headAt }: FetchedRecords,
  { answeredAt }: Fetched,
  settings: TopicSettings
): number | undefined => (settings.askedAt >= answeredAt ? settings.lowestRetentionSince(headAt) : undefined)
