import { configDefaults, defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { faults, isolated, longestFirst, onEffect4, project, units } from "./vitest.choices.ts"

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    return longestFirst(await super.sort(files))
  }
}

export default defineConfig({
  test: {
    globalSetup: ["test/kafka/globalSetup.ts"],
    sequence: { sequencer: LongestFirst },
    poolOptions: { threads: { isolate: false } },
    projects: [
      project({
        name: "units",
        include: units,
        exclude: [...configDefaults.exclude, ...isolated, ...onEffect4],
        pool: "threads"
      }),
      project({
        name: "isolated",
        include: isolated,
        exclude: [...configDefaults.exclude, ...onEffect4]
      }),
      project({
        name: "systems",
        include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
        exclude: [...configDefaults.exclude, ...units, ...faults]
      }),
      project({
        name: "faults",
        include: faults,
        sequence: { groupOrder: 1 },
        poolOptions: { forks: { singleFork: true, isolate: false } }
      })
    ]
  }
})
