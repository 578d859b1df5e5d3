/** Properties of fast-check are tried with few inputs, and with the same ones each time, so that results repeat. */
import type * as FastCheck from "fast-check"
import { vi } from "vitest"

const SEED = 1
const MOST_RUNS = 50

vi.mock("fast-check", async (importOriginal) => {
  const original = await importOriginal<typeof FastCheck>()
  original.configureGlobal({ seed: SEED })
  const assert = <Ts>(property: FastCheck.IRawProperty<Ts>, parameters: FastCheck.Parameters<Ts> = {}) =>
    original.assert(property, { ...parameters, seed: SEED, numRuns: Math.min(parameters.numRuns ?? 100, MOST_RUNS) })
  return { ...original, assert, default: { ...original.default, assert } }
})
