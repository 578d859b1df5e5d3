import { configDefaults, defineConfig } from "vitest/config"
import { fileURLToPath } from "node:url"

const src = fileURLToPath(new URL("./src", import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-ktables$/, replacement: `${src}/index.ts` },
      { find: /^effect-ktables\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    // many minutes on clusters of their own: `npm run test:faults`, `npm run soak`
    exclude: [
      ...configDefaults.exclude,
      ...(process.env["FAULT_ROUNDS"] === undefined ? ["test/faults/**", "test/soak/**"] : [])
    ],
    globalSetup: ["test/kafka/globalSetup.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000
  }
})
