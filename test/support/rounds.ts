/**
 * How much is tried of what is random or without end: `npm run test:faults` tries all of it, as often as `FAULT_ROUNDS`
 * says, and all other runs a part that takes seconds, of which Effect 3 has its share.
 */
import { share } from "./effect/v4/rounds.ts"

const given = process.env["FAULT_ROUNDS"]

export const isLongRun = given !== undefined

/** So many of them in most runs, and so many for each round of a long one. */
export const ofRounds = (few: number, all: number): number =>
  given === undefined ? Math.ceil(few * share) : all * Number(given)
