import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { fileURLToPath } from "node:url"

const src = fileURLToPath(new URL("./src", import.meta.url))

const project = (test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration => ({
  resolve: {
    alias: [
      { find: /^effect-ktables$/, replacement: `${src}/index.ts` },
      { find: /^effect-ktables\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: { testTimeout: 60_000, hookTimeout: 120_000, ...test }
})

// on clusters of their own that are killed and frozen, with promises about time: after all others, one at a time
const faults = ["test/faults/**/*.test.ts", "test/soak/**/*.test.ts"]

export default defineConfig({
  test: {
    globalSetup: ["test/kafka/globalSetup.ts"],
    projects: [
      project({
        name: "tests",
        include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
        exclude: [...configDefaults.exclude, ...faults]
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
