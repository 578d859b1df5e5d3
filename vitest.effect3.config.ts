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

// without a broker: a thread for each core, which loads the modules once for all of its files
const units = [
  "test/*.test.ts",
  "test/contract/embedded.test.ts",
  "test/{client,embedded,hostile,kafkajs,producer,protocol,recordBatch,source,table,writer}/**/*.test.ts"
]

// of these, what is about the loading of modules, and what measures a process of its own: its memory, its time
const isolated = [
  "test/table/unloadedCodec.test.ts",
  "test/recordBatch/{loading,compression,randomBytes}.test.ts",
  "test/kafkajs/frames.test.ts"
]

// on clusters of their own that are killed and frozen, with promises about time: after all others, one at a time
const faults = ["test/faults/**/*.test.ts", "test/soak/**/*.test.ts"]

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
