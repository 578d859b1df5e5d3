/**
 * Programs of ours that tests start as processes of their own, each as one file of plain JavaScript with this project's sources
 * in it. Node starts that in a third of the time that it takes where each module is compiled as it is imported.
 */
import { build } from "esbuild"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { packages } from "./effect/v4/packages.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const texts = new Map<string, Promise<string>>()

/** What is of a package stays an import. */
const textOf = async (file: string): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    alias: { "effect-ktables": path.join(root, "src") },
    // where packages are is told by where the program lies, and not by these
    tsconfigRaw: {}
  })
  return outputFiles[0].text
}

/** The compiled program of a source file, until the scope ends. It lies where it finds its major of Effect. */
export const compiled = (source: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const text = yield* Effect.promise(() => {
      const known = texts.get(source) ?? textOf(source)
      texts.set(source, known)
      return known
    })
    const directory = path.join(root, packages, ".cache", "programs")
    const name = `${path.basename(source, ".ts")}-${randomBytes(5).toString("hex")}.mjs`
    const file = path.join(directory, name)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        fs.mkdirSync(directory, { recursive: true })
        fs.writeFileSync(file, text)
      }),
      () => Effect.sync(() => fs.rmSync(file, { force: true }))
    )
    return file
  })
