/** One consumer at random: whatever its user asks of it, what is promised holds. The name of a test has its seed. */
import { it } from "@effect/vitest"
import { describe } from "vitest"
import { isLongRun, ofRounds } from "../support/rounds.ts"
import { live } from "./useLife.ts"

const STEPS = 80

describe("the use of a consumer at random", () => {
  for (let n = 0; n < ofRounds(4, 200); n++) {
    const seed = isLongRun ? Math.floor(Math.random() * 2 ** 31) : n
    it.live(`has each record once, and commits what is done: ${seed}`, () => live(seed, STEPS))
  }
})
