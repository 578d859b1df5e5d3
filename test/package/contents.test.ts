/** What the packed package holds, and what its installation brings along. */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { builtinModules } from "node:module"
import * as os from "node:os"
import * as path from "node:path"
import ts from "typescript"
import {
  Consumer,
  consumer,
  filesIn,
  type Manifest,
  manifest,
  outcome,
  programAs,
  readJson,
  root,
  setUp,
  sources
} from "./consumer.ts"
import { withEffect } from "./v4/major.ts"

interface Lock {
  readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>
}

const lockOf = (directory: string) => readJson<Lock>(directory, "node_modules", ".package-lock.json")

const packagesOf = (directory: string): ReadonlyArray<string> =>
  Object.keys(lockOf(directory).packages).map((name) => name.slice("node_modules/".length))

/** What is compiled for a platform: one of each, or two where npm cannot tell the C libraries apart. */
const native = /^(@node-rs\/crc32|@napi-rs\/snappy|@antoniomuso\/lz4-napi)-[a-z0-9-]+$/

/** Each module is there in JavaScript, as types and as its source, with maps that lead to the source. */
const compiled = sources
  .filter((file) => !file.endsWith(".d.ts"))
  .flatMap((file) => [".js", ".js.map", ".d.ts", ".d.ts.map"].map((end) => file.replace(/\.ts$/, end)))

const wanted = [
  ...["package.json", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"],
  ...filesIn(path.join(root, "docs")).map((file) => `docs/${file}`),
  ...sources.map((file) => `dist/src/${file}`),
  ...compiled.map((file) => `dist/${file}`)
]

const sizeOf = (directory: string): number =>
  filesIn(directory).reduce((sum, file) => sum + fs.statSync(path.join(directory, file)).size, 0)

/** The packages that a module imports from, without its own. */
const importsOf = (file: string): ReadonlyArray<string> =>
  ts
    .preProcessFile(fs.readFileSync(file, "utf8"), true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => !name.startsWith("."))

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier

layer(consumer(), setUp)("the packed package", (it) => {
  it.effect("holds the modules with their types, maps and sources, the docs, and nothing else", () =>
    Effect.gen(function* () {
      const { installed } = yield* Consumer
      expect(filesIn(installed)).toEqual([...wanted].sort())
    })
  )

  it.effect("has a door for each public module, and each leads to a file", () =>
    Effect.gen(function* () {
      const { installed } = yield* Consumer
      const publicModules = sources.filter((file) => !file.includes("/")).map((file) => file.slice(0, -".ts".length))
      const { "./internal/*": internal, "./package.json": self, ...doors } = manifest.exports
      expect([internal, self]).toEqual([null, "./package.json"])
      expect(Object.keys(doors).sort()).toEqual(
        publicModules.map((name) => (name === "index" ? "." : `./${name}`)).sort()
      )
      for (const targets of Object.values(doors)) {
        // the types first: conditions are tried in order
        expect(Object.keys(targets ?? {})).toEqual(["types", "default"])
        for (const target of Object.values(targets ?? {})) {
          expect(fs.existsSync(path.join(installed, target)), target).toBe(true)
        }
      }
    })
  )

  it.effect("leads from its types and its code to the sources", () =>
    Effect.gen(function* () {
      const { installed } = yield* Consumer
      for (const file of compiled.filter((name) => name.endsWith(".map"))) {
        const at = path.join(installed, "dist", file)
        const { sourceRoot, sources: from } = readJson<{ sourceRoot: string; sources: ReadonlyArray<string> }>(at)
        const found = from.map((source) => path.resolve(path.dirname(at), sourceRoot, source))
        expect(found, file).toEqual([path.join(installed, "dist", "src", file.replace(/\.(d\.ts|js)\.map$/, ".ts"))])
        expect(fs.readFileSync(at.slice(0, -".map".length), "utf8")).toMatch(
          new RegExp(`//# sourceMappingURL=${path.basename(file).replaceAll(".", "\\.")}$`)
        )
      }
    })
  )

  it.effect("knows nothing of the machine that packed it", () =>
    Effect.gen(function* () {
      const { installed } = yield* Consumer
      const places = [root.replace(/[\\/]$/, ""), os.homedir(), os.tmpdir()].filter((place) => place.length > 1)
      // a path of its own, not the end of another one
      const patterns = places.map((place) => new RegExp(`(?<![\\w.-])${place.replaceAll(/[^\w/]/g, "\\$&")}[\\\\/]`))
      for (const [n, pattern] of patterns.entries()) expect(pattern.test(`from "file://${places[n]}/x"`)).toBe(true)
      for (const file of filesIn(installed)) {
        const text = fs.readFileSync(path.join(installed, file), "utf8")
        for (const pattern of patterns) expect(pattern.test(text), `${file}: ${pattern.source}`).toBe(false)
      }
    })
  )

  it.effect("imports only what it depends on", () =>
    Effect.gen(function* () {
      const { installed } = yield* Consumer
      const known = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }))
      for (const file of compiled.filter((name) => !name.endsWith(".map"))) {
        const strangers = importsOf(path.join(installed, "dist", file)).filter(
          (name) => !known.has(packageOf(name)) && !(name.startsWith("node:") && builtinModules.includes(name.slice(5)))
        )
        expect(strangers, file).toEqual([])
      }
    })
  )

  it.effect("runs nothing when it is installed, nor does what it depends on", () =>
    Effect.gen(function* () {
      const { directory } = yield* Consumer
      for (const script of ["preinstall", "install", "postinstall", "prepare"]) {
        expect(manifest.scripts).not.toHaveProperty(script)
      }
      const { packages } = lockOf(directory)
      expect(Object.keys(packages).filter((name) => packages[name].hasInstallScript === true)).toEqual([])
    })
  )

  it.effect("brings few packages along, all of them under the MIT license", () =>
    Effect.gen(function* () {
      const { directory } = yield* Consumer
      const names = packagesOf(directory)
      expect(names.filter((name) => !native.test(name)).sort()).toEqual(
        [
          ...["effect-ktables", ...Object.keys(manifest.dependencies)],
          // Effect and its own
          ...["effect", ...withEffect]
        ].sort()
      )
      const prebuilt = names.filter((name) => native.test(name))
      expect(prebuilt.length).toBeGreaterThanOrEqual(3)
      expect(prebuilt.length).toBeLessThanOrEqual(6)
      for (const name of names) {
        expect(readJson<Manifest>(directory, "node_modules", name, "package.json").license, name).toBe("MIT")
      }
    })
  )

  it.effect("is small, as are the packages that it brings along", () =>
    Effect.gen(function* () {
      const { directory, installed } = yield* Consumer
      const megabytes = (bytes: number) => Math.round(bytes / 100_000) / 10
      const own = megabytes(sizeOf(installed))
      const others = ["kafkajs", "snappy", "lz4-napi", "@node-rs", "@napi-rs", "@antoniomuso", "@bokuweb"]
        .map((name) => sizeOf(path.join(directory, "node_modules", name)))
        .reduce((sum, size) => sum + size, 0)
      // A third of it is code, a fifth its maps for debuggers, a quarter its sources, and the rest types and pages.
      expect(own).toBeLessThan(9)
      expect(megabytes(others)).toBeLessThan(12)
    })
  )

  // the last one, as it takes packages away
  it.effect("works where no native package can be loaded, but for snappy and lz4, which are refused by name", () =>
    Effect.gen(function* () {
      const { directory, node, write } = yield* Consumer
      for (const name of packagesOf(directory).filter((one) => native.test(one))) {
        fs.rmSync(path.join(directory, "node_modules", name), { recursive: true })
      }
      write("program.mjs", programAs("ESNext"))
      const { stderr, stdout } = yield* node(["program.mjs"])
      expect(stderr).toBe("")
      expect(JSON.parse(stdout.toString())).toEqual({
        ...outcome,
        snappy: { refused: expect.stringContaining("the package snappy cannot be loaded on this platform") as unknown },
        lz4: { refused: expect.stringContaining("the package lz4-napi cannot be loaded on this platform") as unknown }
      })
    })
  )
})
