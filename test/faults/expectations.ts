/** What several scenarios expect. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { eventually } from "../support/live.ts"
import type { World } from "./trial.ts"

/** The table has lost a broker, and says so; its content is there. */
export const saysThatItIsLost = ({ table }: World): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* eventually(table.freshness, ({ connected, lastFailure }) => !connected && lastFailure !== undefined)
    const at = table.unsafeSnapshot().version
    yield* eventually(table.freshness, ({ staleMillis }) => (staleMillis ?? 0) > 700)
    assert.isAbove(table.unsafeSnapshot().size, 0)
    assert.isAtLeast(table.unsafeSnapshot().version, at)
  })

/** It was never anything but caught up. */
export const staysCaughtUp = ({ statuses, table }: World): Effect.Effect<void> =>
  Effect.map(table.stats, ({ rebuilds }) => {
    assert.deepStrictEqual([...new Set(statuses)], ["CaughtUp"])
    assert.strictEqual(rebuilds, 0)
  })
