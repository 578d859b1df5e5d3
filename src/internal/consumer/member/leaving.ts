/** How a member says its last word to the coordinator. */
import * as Effect from "effect/Effect"
import type { ClientError } from "../../../KafkaError.ts"

/** How long a member that leaves waits for what it has asked for, and for the answer, each, in milliseconds. */
export const LEAVE_MILLIS = 1_500

/**
 * Tells the coordinator that the member leaves, and tells it again if the connection breaks, or the coordinator is not ready,
 * for as long as there is time: otherwise the others wait for a session. To leave twice does no harm. The coordinator itself
 * pauses between attempts.
 */
export const sayUntilHeard = (say: Effect.Effect<unknown, ClientError>): Effect.Effect<void> =>
  Effect.ignore(Effect.timeoutOption(Effect.retry(say, { while: ({ retriable }) => retriable }), LEAVE_MILLIS))
