/** The options of a feed. */
import type * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { ServerSentEventsOptions, TableFeedOptions } from "../../TableFeed.ts"
import { checkOptions } from "./check.ts"
import { asGiven, boolean, type Checked, integer, millis, readSpec, type Spec } from "./spec.ts"

/** The table of them. */
export const FEED = {
  history: integer(10_000, 0),
  chunkSize: integer(1_000, 1),
  acrossProcesses: boolean(false)
} satisfies Spec<TableFeedOptions>

export type FeedSettings = Checked<typeof FEED>

/** Reads the options of the feed of a table of this topic. */
export const readFeedOptions = (
  topic: string,
  options: TableFeedOptions
): Effect.Effect<FeedSettings, InvalidOptionsError> =>
  checkOptions("TableFeed", (check) => readSpec(check, FEED, options), topic)

/** The table of the options of server-sent events. */
export const SERVER_SENT_EVENTS = {
  key: asGiven(),
  value: asGiven(),
  heartbeat: millis(15_000)
} satisfies Spec<ServerSentEventsOptions<unknown, unknown, unknown, unknown>>

/** How often a comment goes out. */
export const readHeartbeat = <K, V, KI, VI>(
  options: ServerSentEventsOptions<K, V, KI, VI>
): Effect.Effect<number, InvalidOptionsError> =>
  checkOptions("TableFeed.toServerSentEvents", (check) => readSpec(check, SERVER_SENT_EVENTS, options).heartbeatMillis)
