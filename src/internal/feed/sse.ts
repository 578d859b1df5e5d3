/** A feed's events as server-sent events: the text of `text/event-stream`. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { FeedEvent } from "../../FeedEvent.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { ServerSentEventsOptions } from "../../TableFeed.ts"
import { feedEvent, jsonOf } from "../effect/v4/tableSchemas.ts"
import { readHeartbeat } from "../options/feed.ts"

/**
 * The id is what a browser sends back when it connects again. After `Reset` it has to send none until it has got all: an
 * empty id has it forget the one before.
 */
const idOf = <K, V>(event: FeedEvent<K, V>): string => {
  // A feed that comes from elsewhere may have any token: one that is no line would be read as other fields.
  if (event._tag === "Live") return NO_LINE.test(event.token) ? "" : `id: ${event.token}\n`
  return event._tag === "Reset" ? "id:\n" : ""
}

/** What cannot be in an id, by the specification of server-sent events. */
const NO_LINE = /[\0\r\n]/

const HEARTBEAT = ": still here\n\n"

/** Server-sent events, and a comment whenever so much time has passed. */
export const toServerSentEvents = <K, V, KI, VI, E>(
  events: Stream.Stream<FeedEvent<K, V>, E>,
  options: ServerSentEventsOptions<K, V, KI, VI>
): Stream.Stream<string, E | Schema.SchemaError | InvalidOptionsError> =>
  Stream.unwrap(Effect.map(readHeartbeat(options), (everyMillis) => textsOf(events, options, everyMillis)))

const textsOf = <K, V, KI, VI, E>(
  events: Stream.Stream<FeedEvent<K, V>, E>,
  { key, value }: ServerSentEventsOptions<K, V, KI, VI>,
  everyMillis: number
): Stream.Stream<string, E | Schema.SchemaError> => {
  const encode = Schema.encodeEffect(jsonOf(feedEvent(key, value)))
  const texts = Stream.mapEffect(events, (event) =>
    Effect.map(encode(event), (json) => `${idOf(event)}event: ${event._tag}\ndata: ${JSON.stringify(json)}\n\n`)
  )
  // A tick comes at once.
  const beats = Stream.map(Stream.drop(Stream.tick(everyMillis), 1), () => HEARTBEAT)
  return Stream.merge(texts, beats, { haltStrategy: "left" })
}
