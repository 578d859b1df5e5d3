/** Scenarios as tests of a file, on a cluster that they share. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { flatMap } from "effect/Effect"
import { realKafka } from "../kafka/realKafka.ts"
import { shared, test } from "../support/live.ts"
import type { Lab } from "./lab.ts"
import * as report from "./report.ts"
import { rows, type Scenario } from "./rows.ts"
import { seeds } from "./settings.ts"

const labels = ({ covers }: Scenario): string => {
  const byRow = new Map<string, Array<string>>()
  for (const [row, side] of covers) byRow.set(rows[row].fault, [...(byRow.get(rows[row].fault) ?? []), side])
  return [...byRow].map(([fault, sides]) => `[${fault}: ${sides.join(", ")}]`).join(" ")
}

/** One test for each scenario and seed; its name says which rows it is about. */
export const runAll = (
  title: string,
  lab: Effect.Effect<Lab, unknown, Scope.Scope>,
  scenarios: ReadonlyArray<Scenario>
): void =>
  realKafka(title, { java: true }, () => {
    const made = shared(lab)
    report.atTheEnd(title)
    for (const scenario of scenarios) {
      for (const seed of seeds) {
        const name = seeds.length === 1 ? scenario.name : `${scenario.name} (${seed})`
        test(
          `${name} ${labels(scenario)}`.trimEnd(),
          () => flatMap(made, (lab) => scenario.run(lab, seed)),
          scenario.timeoutMillis
        )
      }
    }
  })
