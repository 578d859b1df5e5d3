/**
 * How much is tried of what is random or without end: `npm run test:faults` tries all of it, as often as `FAULT_ROUNDS`
 * says, and all other runs a part that takes seconds.
 */
const given = process.env["FAULT_ROUNDS"]

export const isLongRun = given !== undefined

/** So many of them in most runs, and so many for each round of a long one. */
export const ofRounds = (few: number, all: number): number => (given === undefined ? few : all * Number(given))
