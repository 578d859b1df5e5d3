// Makes build/effect-3 of the project: the same sources and tests for Effect 3, whose package is built and tested there.
// What Effect 3 has under another name comes from src/internal/effect/v3/shims, what is different from a folder `v3`
// beside the `v4` that stands in the sources.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(root, "build", "effect-3")
const shims = "src/internal/effect/v3/shims"

const shimmed = new Map(
  readdirSync(join(root, shims), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name === "index.ts" ? "effect" : `effect/${name.slice(0, -3)}`, `${shims}/${name}`])
)

const relativeTo = (file, other) => {
  const path = relative(dirname(file), other)
  return path.startsWith(".") ? path : `./${path}`
}

/** Imports of a file, as they are for Effect 3. */
const rewritten = (file, text) =>
  text.replaceAll(/(\bfrom |\bimport\(|\bimport )"([^"]+)"/g, (whole, before, source) => {
    const shim = shimmed.get(source)
    if (shim !== undefined) return `${before}"${relativeTo(file, shim)}"`
    return `${before}"${source.startsWith(".") ? source.replaceAll("/v4/", "/v3/") : source}"`
  })

const isOfEffect4 = (file) => /(^|\/)v4(\/|$)/.test(file)
const isOfEffect3 = (file) => /(^|\/)v3\//.test(file)

const copy = (folder) => {
  for (const name of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    const file = join(relative(root, name.parentPath), name.name)
    if (!name.isFile() || isOfEffect4(file)) continue
    mkdirSync(dirname(join(target, file)), { recursive: true })
    if (!/\.m?ts$/.test(file) || isOfEffect3(file)) cpSync(join(root, file), join(target, file))
    else writeFileSync(join(target, file), rewritten(file, readFileSync(join(root, file), "utf8")))
  }
}

rmSync(target, { recursive: true, force: true })
for (const folder of ["src", "test", "examples", "bench", "scripts"]) copy(folder)
for (const name of ["docs", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "tsconfig.build.json"]) {
  if (existsSync(join(root, name))) cpSync(join(root, name), join(target, name), { recursive: true })
}
symlinkSync(join(root, "node_modules"), join(target, "node_modules"))

const tsconfig = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"))
for (const name of Object.keys(tsconfig.compilerOptions.paths)) {
  if (!name.startsWith("effect-ktables")) delete tsconfig.compilerOptions.paths[name]
}
writeFileSync(join(target, "tsconfig.json"), JSON.stringify(tsconfig, undefined, 2))
