import type { Scenario } from "../rows.ts"

/** The scenarios of these names, all of which there have to be. */
export const named = (scenarios: ReadonlyArray<Scenario>, names: ReadonlyArray<string>): ReadonlyArray<Scenario> =>
  names.map((name) => {
    const scenario = scenarios.find((one) => one.name === name)
    if (scenario === undefined) throw new Error(`no scenario is called "${name}"`)
    return scenario
  })
