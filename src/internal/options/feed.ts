/** The options of a feed. */
import type * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { TableFeedOptions } from "../../TableFeed.ts"
import { checkOptions } from "./check.ts"
import { boolean, type Checked, integer, readSpec, type Spec } from "./spec.ts"

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
