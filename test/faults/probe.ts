import * as Effect from "effect/Effect"
import { Position } from "../../src/index.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import type { Load, Writer } from "./load.ts"
import type { Table } from "./Witness.ts"

/** Waits until a write to each partition, by a writer of its own, is visible. */
export const probe = (
  table: Table,
  load: Load,
  prober: Writer,
  partitions: ReadonlyArray<number>
): Effect.Effect<void, unknown> =>
  Effect.forEach(
    partitions,
    (partition) =>
      Effect.gen(function* () {
        while (true) {
          const { outcome } = yield* load.write(prober, "prober", `probe-${partition}`, { partition })
          if (outcome?._tag !== "Acknowledged") continue
          const { offset } = outcome
          const position = Position.make({ topic: table.topic, partition, offset })
          return yield* table.awaitPosition(position, { timeout: PATIENCE_MILLIS })
        }
      }),
    { concurrency: "unbounded", discard: true }
  ).pipe(
    Effect.timeoutOrElse({
      duration: PATIENCE_MILLIS,
      orElse: () => Effect.fail(new Error(`a write after the healing was not visible within ${PATIENCE_MILLIS} ms`))
    })
  )
