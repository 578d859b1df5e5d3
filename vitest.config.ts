import { fileURLToPath } from "node:url"
import { faults, isolated, longestFirst, project, units } from "./vitest.choices.ts"
import {
  configDefaults,
  defineConfig,
  type TestProjectInlineConfiguration
} from "./effect4/node_modules/vitest/dist/config.js"
import { BaseSequencer, type TestSpecification } from "./effect4/node_modules/vitest/dist/node.js"

const effect4 = fileURLToPath(new URL("./effect4/package.json", import.meta.url))

/** What lies outside of `effect4` has Effect 4 from there, as the tree above holds Effect 3. */
const fromEffect4: NonNullable<TestProjectInlineConfiguration["plugins"]>[number] = {
  name: "effect-4",
  enforce: "pre",
  resolveId(source, importer) {
    if (!/^(effect|@effect\/[^/]+|vitest)(\/|$)/.test(source)) return null
    return importer?.includes("node_modules") === true ? null : this.resolve(source, effect4, { skipSelf: true })
  }
}

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    return longestFirst(await super.sort(files))
  }
}

export default defineConfig({
  plugins: [fromEffect4],
  test: {
    globalSetup: ["test/kafka/globalSetup.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      project({
        name: "units",
        include: units,
        exclude: [...configDefaults.exclude, ...isolated, "test/**/v3/**"],
        pool: "threads",
        isolate: false
      }),
      project({
        name: "isolated",
        include: isolated
      }),
      project({
        name: "systems",
        include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
        exclude: [...configDefaults.exclude, ...units, ...faults, "test/**/v3/**", "examples/effect-3/**"]
      }),
      project({
        name: "faults",
        include: faults,
        exclude: [...configDefaults.exclude, "test/**/v3/**"],
        sequence: { groupOrder: 1 },
        maxWorkers: 3,
        isolate: false
      })
    ]
  }
})
