/** Work that takes longer than the group waits for a member. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import type { Scenario } from "../rows.ts"
import { longestSilence } from "./oracle.ts"
import { inBoth, SESSION_MILLIS } from "./trial.ts"
import { longOnce } from "./works.ts"

export const scenarios: ReadonlyArray<Scenario> = [
  ...inBoth("the work on a record takes longer than the session", [["long", "member"]], () => ({
    mayLose: false,
    work: (short, name) => (name === "one" ? longOnce(short, SESSION_MILLIS + 1_500, () => {}) : short),
    fault: ({ entries, members: [one] }) =>
      Effect.gen(function* () {
        // A rebalance waits for it, too.
        const isOver = () => entries.some(({ _tag, member }) => _tag === "Ended" && member === one.name)
        assert.isFalse(isOver())
        yield* Effect.sleep(SESSION_MILLIS + 2_000)
        assert.isBelow(longestSilence(entries, one.name), SESSION_MILLIS / 2)
      })
  })),

  ...inBoth("the work on a record takes longer than the revoke timeout", [["revoked", "member"]], () => ({
    options: () => ({ revokeTimeout: 700 }),
    mayLose: false,
    work: (short) => short,
    fault: ({ members, open, owned }) =>
      Effect.gen(function* () {
        const guests = [yield* open("guest one"), yield* open("guest two")]
        yield* owned([...members, ...guests], 4)
      })
  }))
]
