/** The fibers of a consumer, which work as long as it does: one that ends by a bug ends the consumer, and tells why. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { GroupError } from "../../KafkaError.ts"
import { inOneLine } from "../codec/schema/issue.ts"
import { type ConsumerParts, failConsumer } from "./parts.ts"

/** The error for what has ended without a typed failure, though the consumer is not closed. */
const defectOf = (group: string, cause: Cause.Cause<unknown>): GroupError => {
  const thrown = Cause.hasInterruptsOnly(cause) ? new Error("a part of it was interrupted") : Cause.squash(cause)
  return new GroupError({ reason: "Defect", group, detail: inOneLine(thrown), cause: thrown })
}

/** Runs a part of a consumer, and ends the consumer if that part ends by what it threw, or is interrupted before the close. */
export const guarded = <K, V, A>(
  parts: ConsumerParts<K, V>,
  run: Effect.Effect<A>,
  fail: (error: GroupError) => void = (error) => failConsumer(parts, error)
): Effect.Effect<A | void> =>
  Effect.catchCause(run, (cause) =>
    Effect.sync(() => {
      if (!(parts.isEnding && Cause.hasInterruptsOnly(cause))) fail(defectOf(parts.config.group, cause))
    })
  )
