/** Two rounds of it, two minutes where more is tried, or as many as `npm run soak` was asked for. */
import * as Effect from "effect/Effect"
import { assert } from "vitest"
import { seeds } from "../faults/settings.ts"
import { realKafka } from "../kafka/realKafka.ts"
import { MIB } from "../support/garbage.ts"
import { test } from "../support/live.ts"
import { HUNG_MILLIS } from "../support/patience.ts"
import { isLongRun } from "../support/rounds.ts"
import { report, soak } from "./soak.ts"

const MINUTES = Number(process.env["SOAK_MINUTES"] ?? (isLongRun ? 2 : 0.6))
if (!(MINUTES > 0)) throw new Error(`minutes must be a number above 0, not ${process.env["SOAK_MINUTES"]}`)

/** From the first round to the last: compiled code, and what lives on, which does not grow. */
const GROWTH_LIMIT_BYTES = 32 * MIB

realKafka("faults at random for a while", { java: true }, () => {
  // one that is asked for by hand is another one each time
  const isByHand = process.env["SOAK_MINUTES"] !== undefined && process.env["SEED"] === undefined
  const seed = isByHand ? Math.floor(Math.random() * 1_000_000) : seeds[0]
  test(
    `nothing is wrong, and nothing grows (${seed})`,
    () =>
      Effect.gen(function* () {
        const print = (line: string) => process.stdout.write(`${line}\n`)
        const result = yield* soak({ minutes: MINUTES, seed, print })
        print(report(result, seed))
        assert.deepStrictEqual(result.wrong, [])
        assert.isBelow(result.samples.at(-1)!.bytes - result.samples[0].bytes, GROWTH_LIMIT_BYTES)
      }),
    MINUTES * 60_000 + HUNG_MILLIS
  )
})
