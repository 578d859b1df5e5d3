/** Work that takes longer than the group waits for a member. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { eventually } from "../../support/live.ts"
import type { Scenario } from "../rows.ts"
import { longestSilence } from "./oracle.ts"
import { inBoth } from "./trial.ts"
import { firstTakes } from "./works.ts"

export const scenarios: ReadonlyArray<Scenario> = [
  ...inBoth("the work on a record takes longer than the session", [["long", "member"]], () => {
    // Longer than a busy machine keeps heartbeats from being sent.
    const sessionMillis = 8_000
    let over = 0
    const long = Effect.andThen(
      Effect.sleep(sessionMillis + 1_500),
      Effect.sync(() => void over++)
    )
    return {
      mayLose: false,
      sessionMillis,
      work: (short, name) => (name === "one" ? firstTakes(long, short) : short),
      fault: ({ entries, members: [one] }) =>
        Effect.gen(function* () {
          yield* eventually(
            Effect.sync(() => over),
            (count) => count > 0
          )
          assert.isBelow(longestSilence(entries, one.name), sessionMillis)
        })
    }
  }),

  ...inBoth("the work on a record takes longer than the revoke timeout", [["revoked", "member"]], () => {
    const released = Effect.runSync(Deferred.make<void>())
    return {
      options: () => ({ revokeTimeout: 700 }),
      mayCutOff: true,
      mayLose: false,
      work: (short, name) => (name === "one" ? firstTakes(Deferred.await(released), short) : short),
      fault: ({ members, open, owned, told }) =>
        Effect.gen(function* () {
          const guests = [yield* open("guest one"), yield* open("guest two")]
          // Nothing of what it has begun ends before.
          yield* told(members[0].name, "Revoked")
          yield* Deferred.succeed(released, undefined)
          yield* owned([...members, ...guests], 4)
        })
    }
  })
]
