/**
 * Was a partition away from the head of its log for longer than that keeps tombstones? Then keys that were deleted
 * meanwhile may have left no trace, and it has to be replayed. How long they last is told by the topic's settings as they
 * are after the answer, so the broker that gave it is asked before it is handed on.
 */
import * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../../KafkaClient.ts"
import type { Arrival, Fetched, FetchedRecords } from "../../source/cursor.ts"
import type { PartitionState } from "./partition.ts"
import type { TopicSettings } from "./topicSettings.ts"

/** Tombstones last this long at least, whatever a topic says: they go with the second cleaning of a closed segment. */
const MIN_TOMBSTONES_MILLIS = 1_000

/** An absence after which deletions may have left no trace. */
export interface Stale {
  readonly behindMillis: number
  /** How long the topic keeps tombstones; `undefined`: nobody could be asked. */
  readonly retentionMillis: number | undefined
}

type Ageing = Pick<PartitionState<unknown, unknown>, "isReplayedForAge">

/** Was the partition away at all, when this was asked for? In the middle of a replay, that is for its end to say. */
const wasAway = ({ headAt, isComplete }: Arrival, askedAt: number): boolean =>
  askedAt - headAt > MIN_TOMBSTONES_MILLIS && isComplete

/** Asks for the topic's settings where they matter: to be run before an answer is taken on. `undefined`: they do not. */
export const askForRetention = (
  arrivals: ReadonlyArray<Arrival>,
  askedAt: number,
  connection: BrokerConnection,
  { settings, topic }: { readonly settings: TopicSettings; readonly topic: string }
): Effect.Effect<void> | undefined => {
  if (!arrivals.some((arrival) => wasAway(arrival, askedAt))) return undefined
  return Effect.matchEffect(connection.request("DescribeConfigs", { topic }), {
    // Who does not know this request never will. A connection that fails shows by the next one.
    onFailure: (error) => (error.reason === "UnsupportedVersion" ? settings.untold : Effect.void),
    onSuccess: (answer) => settings.learned(answer)
  })
}

/** Looks at what was fetched of a partition before it is applied. What is stale must not be: it would show what never was. */
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
  // A replay that takes longer than tombstones last cannot be helped by another one. And where the log has only become
  // shorter, nobody knows yet whether there is more.
  if (p.isReplayedForAge || (!records.isAtHead && records.records.length === 0)) return undefined
  p.isReplayedForAge = true
  return { behindMillis, retentionMillis }
}

/** How long the topic has kept tombstones since the head was reached last; `undefined`: nobody said so after the answer. */
const retentionFor = (
  { headAt }: FetchedRecords,
  { answeredAt }: Fetched,
  settings: TopicSettings
): number | undefined => (settings.askedAt >= answeredAt ? settings.lowestRetentionSince(headAt) : undefined)
