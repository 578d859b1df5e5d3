/**
 * Was a partition away from the head of its log for longer than that keeps tombstones? Then keys that were deleted
 * meanwhile may have left no trace, and it has to be replayed. How long they last is told by the topic's settings as they
 * are after the answer, so the broker that gave it is asked before it is handed on.
 */
import * as Effect from "effect/Effect"
import type { BrokerConnection } from "../../../KafkaClient.ts"
import type { Fetched, FetchedRecords } from "../../source/cursor.ts"
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

type Ageing = Pick<PartitionState<unknown, unknown>, "openedAt" | "isReplayedForAge">

/** Has it been away at all, by an answer that has all that there was, or was there when it was opened? */
const wasAway = ({ headAt, isAtHead, isComplete, records }: FetchedRecords, { askedAt }: Fetched): boolean =>
  askedAt - headAt > MIN_TOMBSTONES_MILLIS && isComplete && (isAtHead || records.length > 0)

/** A replay that takes longer than tombstones last cannot be helped by another one. */
const isHelpless = (p: Ageing, { headAt }: FetchedRecords): boolean => p.isReplayedForAge && headAt <= p.openedAt

/** Asks for the topic's settings where they matter: to be run before the answer is handed on. `undefined`: they do not. */
export const askForRetention = (
  fetched: Fetched,
  connection: BrokerConnection,
  { settings, topic }: { readonly settings: TopicSettings; readonly topic: string },
  partitions: ReadonlyMap<number, Ageing>
): Effect.Effect<void> | undefined => {
  const matters = fetched.partitions.some((records) => {
    if (!wasAway(records, fetched)) return false
    const p = partitions.get(records.partition)
    return p === undefined || !isHelpless(p, records)
  })
  if (!matters) return undefined
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
  if (!wasAway(records, fetched) || isHelpless(p, records)) return undefined
  p.isReplayedForAge = false
  const behindMillis = fetched.askedAt - records.headAt
  // what is not known may be short
  const isKnown = settings.askedAt >= fetched.answeredAt
  const retentionMillis = isKnown ? settings.lowestRetentionSince(records.headAt) : undefined
  if (retentionMillis !== undefined && behindMillis <= retentionMillis) return undefined
  p.isReplayedForAge = true
  return { behindMillis, retentionMillis }
}
