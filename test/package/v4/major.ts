/** The package for Effect 4, and what it is tried with. */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const project = fileURLToPath(new URL("../../..", import.meta.url))

/** Where it is packed. */
export const packed = path.join(project, "effect4")

/** Sources of this folder are not in it. */
export const otherMajor = "v3"

/** What comes with Effect. */
export const withEffect: ReadonlyArray<string> = []

/** What a program may use beside Effect, and a line that imports of it. */
export const platform = {
  packages: ["@effect/platform-node"],
  imports: 'export { NodeHttpServer, NodeRuntime } from "@effect/platform-node"',
  wrong: 'import { NodeRuntime } from "@effect/platform-node"\nexport const wrong: number = NodeRuntime.runMain\n'
}

/** A program as a user writes one. */
export const program = fs.readFileSync(new URL("program.ts", import.meta.url), "utf8")

/** The libraries of TypeScript that its types need, those of browsers among them, as Effect itself names some of theirs. */
export const libraries = ["ES2022", "DOM"]
