// The same sources for both majors of Effect. They are written for Effect 4. What Effect 3 has under another name comes
// from src/internal/effect/v3/shims, what is different from a folder `v3` beside the `v4` that stands in the sources.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where all of the project is for Effect 3, its tests included. */
export const effect3 = join(root, "build", "effect-3")

/** The shims of modules of Effect in a folder, by the name that these are imported by. */
const shimsIn = (folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((file) => {
      const name = file.slice(0, -".ts".length)
      return [name === "index" ? "effect" : name.startsWith("@") ? name : `effect/${name}`, `${folder}/${file}`]
    })

/** What the package has, and what only its tests need. */
const own = shimsIn("src/internal/effect/v3/shims")
const shimsOfPackage = new Map(own)
const shimsOfTests = new Map([...own, ...shimsIn("test/support/effect/v3/shims")])

const pathTo = (file, other) => {
  const path = relative(dirname(file), other)
  return path.startsWith(".") ? path : `./${path}`
}

/** `import { Effect, type Scope } from "effect"` with a line for each name that comes from a shim. */
const fromShims = (file, shims, names) => {
  const all = names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
  const isShimmed = (name) => shims.has(`effect/${name.replace("type ", "")}`)
  const lines = all.filter(isShimmed).map((name) => {
    const type = name.startsWith("type ") ? "type " : ""
    const module = name.slice(type.length)
    return `import ${type}* as ${module} from "${pathTo(file, shims.get(`effect/${module}`))}"`
  })
  const others = all.filter((name) => !isShimmed(name))
  return [...lines, ...(others.length === 0 ? [] : [`import { ${others.join(", ")} } from "effect"`])].join("\n")
}

/** A file's text with its imports as they are for Effect 3. */
export const forEffect3 = (file, text) => {
  const shims = file.startsWith("src/") ? shimsOfPackage : shimsOfTests
  return text
    .replaceAll(/^import \{([^}]+)\} from "effect"$/gm, (_, names) => fromShims(file, shims, names))
    .replaceAll(/(\bfrom |\bimport\(|\bimport )"([^"]+)"/g, (_, before, source) => {
      const shim = shims.get(source)
      const other = shim === undefined ? source.replaceAll(/^(\..*)\/v4\//g, "$1/v3/") : pathTo(file, shim)
      return `${before}"${other}"`
    })
}

const isOf = (major, file) => file.split("/").includes(major)

/** Copies a folder of the project but for what is of the other major. */
const copy = (folder, target, other, text) => {
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    const file = join(relative(root, entry.parentPath), entry.name)
    if (!entry.isFile() || isOf(other, file)) continue
    const copied = join(target, file)
    mkdirSync(dirname(copied), { recursive: true })
    if (/\.m?ts$/.test(file)) writeFileSync(copied, text(file, readFileSync(join(root, file), "utf8")))
    else cpSync(join(root, file), copied)
  }
}

export const copyForEffect3 = (folder, target) =>
  copy(folder, target, "v4", (file, text) => (isOf("v3", file) ? text : forEffect3(file, text)))

/** What is packed beside the code. */
export const packedBeside = ["docs", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"]

/** What all programs for Effect 3 need: the sources, the examples, and the packages. */
const layOutExamples = (target, folders) => {
  rmSync(target, { recursive: true, force: true })
  for (const folder of ["src", "test", "examples", ...folders]) copyForEffect3(folder, target)
  // the examples that are written for Effect 3, in the places of those for Effect 4
  cpSync(join(root, "examples", "effect-3"), join(target, "examples"), { recursive: true })
  rmSync(join(target, "examples", "effect-3"), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"))
  cpSync(join(root, "package.json"), join(target, "package.json"))
  const tsconfig = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"))
  for (const name of Object.keys(tsconfig.compilerOptions.paths)) {
    if (!name.startsWith("effect-ktables")) delete tsconfig.compilerOptions.paths[name]
  }
  writeFileSync(join(target, "tsconfig.json"), JSON.stringify(tsconfig, undefined, 2))
}

/** Makes build/effect-3, or another folder: sources, tests, examples, bench and scripts. */
export const makeEffect3 = (target = effect3) => {
  layOutExamples(target, ["bench", "scripts"])
  mkdirSync(join(root, ".cache"), { recursive: true })
  symlinkSync(join(root, ".cache"), join(target, ".cache"))
  for (const name of packedBeside) cpSync(join(root, name), join(target, name), { recursive: true })
  cpSync(join(root, "vitest.choices.ts"), join(target, "vitest.choices.ts"))
  cpSync(join(root, "vitest.effect3.config.ts"), join(target, "vitest.config.ts"))
}

/** Makes a folder with the examples for Effect 3 alone: build/effect-3 may be running tests. */
export const makeExamplesEffect3 = (target) => layOutExamples(target, [])

/**
 * Puts the sources of both packages where they are built, and what else is packed with them: that of Effect 3 is made of
 * the project's own package.json, that of Effect 4 of the one in effect4.
 */
export const layOutPackages = () => {
  const effect4 = join(root, "effect4")
  for (const directory of [root, effect4]) rmSync(join(directory, "dist"), { recursive: true, force: true })
  copyForEffect3("src", join(root, "dist"))
  copy("src", join(effect4, "dist"), "v3", (_, text) => text)
  for (const name of packedBeside) {
    rmSync(join(effect4, name), { recursive: true, force: true })
    cpSync(join(root, name), join(effect4, name), { recursive: true })
  }
}
