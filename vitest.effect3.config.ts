import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { fileURLToPath } from "node:url"
import { faults, isolated, units } from "./vitest.choices.ts"

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

export default defineConfig({
  test: {
    globalSetup: ["test/kafka/globalSetup.ts"],
    poolOptions: { threads: { isolate: false } },
    projects: [
      project({
        name: "units",
        include: units,
        exclude: [...configDefaults.exclude, ...isolated],
        pool: "threads"
      }),
      project({
        name: "isolated",
        include: isolated
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
