/** How much is done, by the environment: `npm test` does little of everything, `npm run test:faults` more of it. */

const number = (name: string, fallback: number): number => {
  const text = process.env[name]
  if (text === undefined || text === "") return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name} must be a whole number, is ${text}`)
  return value
}

/** Writes that are acknowledged before a fault, and again after it. */
export const LOAD = number("FAULT_LOAD", 150)

/** Faults of a random sequence. */
export const STEPS = number("FAULT_STEPS", 6)

const rounds = number("FAULT_ROUNDS", 1)

const first = number("SEED", 1)

/** `SEED` is the first one; `SEED=n` with one round replays that one. */
export const seeds: ReadonlyArray<number> = Array.from({ length: rounds }, (_, i) => first + i)

/** Whether all is tried that there is, and not only what `npm test` has time for: where rounds are asked for. */
export const isWhole = process.env["FAULT_ROUNDS"] !== undefined
