/**
 * The runner of mutants uses this instead of the project's `vitest.config.ts`: only the tests that `MUTATE_TESTS` names,
 * and no broker. Tests that ask for one are skipped.
 */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL("../..", import.meta.url))

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
    // See `runner.mjs`.
    poolOptions: { threads: { isolate: false } },
    // A mutant that makes a test wait for ever is noticed after this long.
    testTimeout: Number(process.env["MUTATE_TEST_TIMEOUT"]),
    hookTimeout: Number(process.env["MUTATE_TEST_TIMEOUT"])
  }
})
