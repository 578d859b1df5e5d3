/** Groups at random: whatever happens to them, what is promised holds. The name of a test has its seed. */
import { it } from "@effect/vitest"
import { describe } from "vitest"
import { isLongRun, ofRounds } from "../support/rounds.ts"
import { live } from "./groupLife.ts"

const STEPS = 100

describe("groups at random", () => {
  for (let n = 0; n < ofRounds(6, 200); n++) {
    const seed = isLongRun ? Math.floor(Math.random() * 2 ** 31) : n
    it.live(`work on each record, and commit what is done: ${seed}`, () => live(seed, STEPS))
  }
})
