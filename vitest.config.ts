import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from "./effect4/node_modules/vitest/dist/config.js"

const src = fileURLToPath(new URL("./src", import.meta.url))
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

const project = (test: TestProjectInlineConfiguration["test"]): TestProjectInlineConfiguration => ({
  plugins: [fromEffect4],
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
    projects: [
      project({
        name: "units",
        include: units,
        exclude: [...configDefaults.exclude, ...isolated],
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
        exclude: [...configDefaults.exclude, ...units, ...faults]
      }),
      project({
        name: "faults",
        include: faults,
        sequence: { groupOrder: 1 },
        maxWorkers: 1,
        isolate: false
      })
    ]
  }
})
