/**
 * The runner of mutants uses this instead of the project's `vitest.config.ts`: only the tests that `MUTATE_TESTS` names,
 * and no broker. Tests that ask for one are skipped.
 */
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const root = fileURLToPath(new URL("../..", import.meta.url))

const longest = new Map<string, number>()

/** Files whose tests take the shortest time first: most mutants are noticed by many tests, and the first one ends the run. */
class ShortestFirst extends BaseSequencer {
  override sort(files: Array<TestSpecification>) {
    const cost = ({ moduleId, project }: TestSpecification) => {
      const key = `${project.name}:${relative(this.ctx.config.root, moduleId)}`
      const last = this.ctx.cache.getFileTestResults(key)?.duration ?? 0
      longest.set(key, Math.max(last, longest.get(key) ?? 0))
      return longest.get(key)!
    }
    const sorted = files.map((file) => [cost(file), file] as const).sort(([a], [b]) => a - b)
    return Promise.resolve(sorted.map(([, file]) => file))
  }
}

export default defineConfig({
  root,
  resolve: {
    alias: [
      { find: /^effect-ktables$/, replacement: `${root}/src/index.ts` },
      { find: /^effect-ktables\/(.*)$/, replacement: `${root}/src/$1.ts` }
    ]
  },
  test: {
    include: JSON.parse(process.env["MUTATE_TESTS"] ?? "[]") as Array<string>,
    // The mutated copy of the project lies in `.cache`, which vitest leaves out by default.
    exclude: ["**/node_modules/**"],
    setupFiles: [fileURLToPath(new URL("setup.ts", import.meta.url))],
    provide: { kafka: { url: "", java: false, python: false, external: false } },
    sequence: { sequencer: ShortestFirst },
    // See `runner.mjs`.
    poolOptions: { threads: { isolate: false } },
    // A mutant that makes a test wait for ever is noticed after this long.
    testTimeout: Number(process.env["MUTATE_TEST_TIMEOUT"]),
    hookTimeout: Number(process.env["MUTATE_TEST_TIMEOUT"])
  }
})
