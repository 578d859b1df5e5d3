/** The life of a table's reader: it is run again where the restart policy says so, and everybody is told of its end. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import { DefectError } from "../../KafkaError.ts"
import type { TableFailure } from "../../LiveTable.ts"
import { settleDeferred } from "../effect/v4/deferred.ts"
import { begin, type Step } from "../effect/v4/schedule.ts"
import { annotateLogs } from "../log.ts"
import { endStreams, publishStatus, type TableParts } from "./reading/parts.ts"

/**
 * Runs what others may have written (a codec, a schedule, a driver) in a fiber of its own, and gives its exit. Such
 * code may fail, die, end by interruption, or interrupt the fiber that runs it: none of that is our own closing, which
 * interrupts the fiber that waits here.
 */
const isolated = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.flatMap(Effect.forkChild(effect), (fiber) =>
    Effect.onInterrupt(Fiber.await(fiber), () => Fiber.interrupt(fiber))
  )

/** The error for code, others' or ours, that ended without a typed failure. */
const defectOf = (topic: string, cause: Cause.Cause<unknown>, origin?: "restart"): DefectError =>
  new DefectError({
    topic,
    cause: Cause.hasInterruptsOnly(cause)
      ? new Error("it was interrupted, though the table is not closed")
      : Cause.squash(cause),
    ...(origin === undefined ? {} : { origin })
  })

/**
 * Turns every end that is no success into a typed failure: the failure where there is one, and otherwise a
 * `DefectError`. It does nothing when its own fiber is interrupted.
 */
export const withTypedDefects = <A, E>(topic: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | DefectError> =>
  Effect.catchCause(effect, (cause) =>
    Effect.fail(Option.getOrElse(Cause.findErrorOption(cause), () => defectOf(topic, cause)))
  )

/** Runs the reader until it has ended for good. `life` is one run of it, which reads until something ends it. */
export const supervise = <K, V>(
  parts: TableParts<K, V>,
  life: Effect.Effect<never, TableFailure>
): Effect.Effect<void> => {
  const { restart, topic } = parts.config
  let policy: Step<TableFailure> | undefined

  /** Waits as long as the restart policy says. Fails when the policy gives up. */
  const awaitRestart = (schedule: Schedule.Schedule<unknown, TableFailure>, failure: TableFailure) =>
    Effect.suspend(() => {
      if (policy !== undefined) return policy(failure)
      return Effect.flatMap(begin(schedule), (step) => {
        policy = step
        return step(failure)
      })
    })

  const run: Effect.Effect<void> = Effect.suspend(() =>
    Effect.gen(function* () {
      const ended = yield* isolated(life)
      // By its type, a life cannot end with a success.
      if (Exit.isSuccess(ended)) return
      const failure = Option.getOrElse(Cause.findErrorOption(ended.cause), () => defectOf(topic, ended.cause))
      const canRestart = parts.acquired && restart !== undefined
      yield* tellOfFailure(parts, failure, canRestart)
      if (!canRestart) return end(parts, failure)
      const decided = yield* isolated(awaitRestart(restart, failure))
      if (Exit.isSuccess(decided)) return yield* run
      if (Option.isSome(Cause.findErrorOption(decided.cause))) return end(parts, failure)
      const broken = defectOf(topic, decided.cause, "restart")
      yield* tellOfFailure(parts, broken, false)
      end(parts, broken)
    })
  )

  // The handler does not run when our own closing interrupts this fiber.
  return Effect.catchCause(run, (cause) => Effect.sync(() => end(parts, defectOf(topic, cause))))
}

/** Shows and logs a failure of the reader. `healing` says whether the reader may be run again. */
const tellOfFailure = <K, V>(parts: TableParts<K, V>, error: TableFailure, healing: boolean): Effect.Effect<void> =>
  Effect.suspend(() => {
    // A topic that is created again gives these offsets out once more, so they are no positions any more.
    if (error.reason === "Recreated" || error.reason === "Deleted") {
      for (const p of parts.partitions.values()) p.visible = undefined
    }
    if (healing) parts.restartsAfter = error
    publishStatus(parts, { _tag: "Failed", error, healing })
    // Before that, whoever acquires the table gets the error.
    if (!parts.acquired) return Effect.void
    return Effect.logError(
      `reading failed, the content stays as it is${healing ? ", the restart policy decides" : ""}: ${error.message}`
    ).pipe(annotateLogs("KafkaTable", { topic: parts.config.topic }))
  })

/** The reader has ended for good: whoever waits or listens is told, now and later. */
const end = <K, V>(parts: TableParts<K, V>, error: TableFailure): void => {
  publishStatus(parts, { _tag: "Failed", error, healing: false })
  endStreams(parts, error, error)
  settleDeferred(parts.failed, Exit.fail(error))
  settleDeferred(parts.ready, Exit.fail(error))
}
