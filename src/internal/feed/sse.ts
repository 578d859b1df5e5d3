/** A feed's events as server-sent events: the text of `text/event-stream`. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { FeedEvent } from "../../FeedEvent.ts"
import { feedEvent, jsonOf } from "../effect/v4/tableSchemas.ts"

/**
 * The id is what a browser sends back when it connects again. After `Reset` it has to send none until it has got all: an
 * empty id has it forget the one before.
 */
const idOf = <K, V>(event: FeedEvent<K, V>): string => {
  // A feed that comes from elsewhere may have any token: one that is no line would be read as other fields.
  if (event._tag === "Live") return NO_LINE.test(event.token) ? "" : `id: ${event.token}\n`
  return event._tag === "Reset" ? "id:\n" : ""
}

// eslint-disable-next-line no-control-regex -- what cannot be in an id, by the specification of server-sent events
const NO_LINE = /[\0\r\n]/

const HEARTBEAT = ": still here\n\n"

/** Server-sent events, and a comment whenever so much time has passed. */
export const toServerSentEvents = <K, V, KI, VI, E>(
  events: Stream.Stream<FeedEvent<K, V>, E>,
  {
    heartbeat = "15 seconds",
    key,
    value
  }: {
    readonly key: Schema.Codec<K, KI>
    readonly value: Schema.Codec<V, VI>
    readonly heartbeat?: Duration.Input
  }
): Stream.Stream<string, E | Schema.SchemaError> => {
  const encode = Schema.encodeEffect(jsonOf(feedEvent(key, value)))
  const texts = Stream.mapEffect(events, (event) =>
    Effect.map(encode(event), (json) => `${idOf(event)}event: ${event._tag}\ndata: ${JSON.stringify(json)}\n\n`)
  )
  // A tick comes at once.
  const beats = Stream.map(Stream.drop(Stream.tick(heartbeat), 1), () => HEARTBEAT)
  return Stream.merge(texts, beats, { haltStrategy: "left" })
}
