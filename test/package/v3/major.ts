/** The package for Effect 3, and what it is tried with. */
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"

/** Where it is packed: the project's root, of which the tests for Effect 3 run in a copy. */
export const packed = fileURLToPath(new URL("../../../../..", import.meta.url))

/** Sources of this folder are not in it. */
export const otherMajor = "v4"

/** What comes with Effect. */
export const withEffect: ReadonlyArray<string> = ["@standard-schema/spec", "fast-check", "pure-rand"]

/** What a program may use beside Effect, and a line that imports of it. */
export const platform = {
  packages: ["@effect/platform", "@effect/platform-node"],
  imports: `export { HttpApi, HttpServer, KeyValueStore } from "@effect/platform"
export { NodeHttpServer, NodeRuntime } from "@effect/platform-node"`,
  wrong: 'import { HttpServer } from "@effect/platform"\nexport const wrong: number = HttpServer.serve\n'
}

/** A program as a user writes one. */
export const program = fs.readFileSync(new URL("program.ts", import.meta.url), "utf8")

/** The libraries of TypeScript that its types need. */
export const libraries = ["ES2022"]
