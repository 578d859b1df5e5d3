/** The package as users get it: packed, and installed in an empty project outside of this one. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { DOWNLOAD_MILLIS } from "../support/patience.ts"
import { cached, fingerprint } from "../kafka/cache.ts"
import { run, type Output } from "../kafka/process.ts"
import { TestKafkaError } from "../kafka/TestKafkaError.ts"
import { otherMajor, packed, program } from "./v4/major.ts"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** Paths of all files in a directory, relative to it, with `/` between the names. */
export const filesIn = (directory: string): ReadonlyArray<string> =>
  fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"))
    .sort()

export interface Manifest {
  readonly version: string
  readonly license?: string
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>> | string | null>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
}

export const readJson = <A>(...at: ReadonlyArray<string>): A =>
  JSON.parse(fs.readFileSync(path.join(...at), "utf8")) as A

export const manifest = readJson<Manifest>(packed, "package.json")

/** The sources of the package, relative to `src`. */
export const sources = filesIn(path.join(root, "src")).filter((file) => !file.split("/").includes(otherMajor))

/** What can be imported that holds code: `effect-ktables`, `effect-ktables/Codec` and so on. */
export const doors: ReadonlyArray<string> = Object.entries(manifest.exports)
  .filter(([, target]) => target !== null && typeof target === "object")
  .map(([door]) => path.posix.join("effect-ktables", door))

const npmInstall = (directory: string, args: ReadonlyArray<string>): Effect.Effect<void, TestKafkaError> =>
  run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...args], {
    cwd: directory,
    timeout: DOWNLOAD_MILLIS
  }).pipe(
    Effect.asVoid,
    Effect.mapError((error) => new TestKafkaError({ ...error, reason: "download" }))
  )

// ---------------------------------------------------------------------------------------------------------------------
// made once
// ---------------------------------------------------------------------------------------------------------------------

/** What the package is made of. */
const ingredients = (): ReadonlyArray<string> => [
  ...["src", "docs"].flatMap((directory) =>
    filesIn(path.join(root, directory)).map((file) => path.join(root, directory, file))
  ),
  ...["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"].map((file) => path.join(root, file)),
  ...["package.json", "package-lock.json", "tsconfig.build.json"].map((file) => path.join(packed, file))
]

const TARBALL = "tarball-"
const OLD_MILLIS = 3 * 60 * 60 * 1_000

/** Those of other sources, and what was installed of them, go; not at once, as a run that began with them may be under way. */
const removeOldTarballs = (cache: string): void => {
  for (const name of fs.readdirSync(cache)) {
    const old = path.join(cache, name)
    const since = fs.statSync(old, { throwIfNoEntry: false })?.mtimeMs ?? Infinity
    if (name.startsWith(TARBALL) && since < Date.now() - OLD_MILLIS) {
      fs.rmSync(old, { recursive: true, force: true })
    }
  }
}

/** The package, built and packed from the sources as they are now. */
export const tarball: Effect.Effect<string, TestKafkaError> = Effect.suspend(() => {
  const name = TARBALL + fingerprint(...ingredients().flatMap((file) => [file, fs.readFileSync(file)]))
  return cached(
    name,
    (fresh) =>
      Effect.gen(function* () {
        removeOldTarballs(path.dirname(fresh))
        // which builds it
        yield* run("npm", ["pack", "--pack-destination", fresh], { cwd: packed })
      }),
    "package"
  ).pipe(Effect.map((directory) => path.join(directory, `effect-ktables-${manifest.version}.tgz`)))
})

const installInto = (directory: string, packages: ReadonlyArray<string>) =>
  npmInstall(directory, ["--prefix", directory, "--ignore-scripts", ...packages])

/** Programs from the registry that the package is tried with; the directory that they are installed in. */
export const tools = (name: string, packages: ReadonlyArray<string>): Effect.Effect<string, TestKafkaError> =>
  cached(`${name}-${fingerprint(...packages)}`, (fresh) => installInto(fresh, packages), "package")

/** The binary of that version of Node, as the package `node` of the registry would fetch it. */
export const nodeBinary = (version: string): Effect.Effect<string, TestKafkaError> => {
  const { arch, platform } = process
  const name = `${platform === "darwin" && arch === "arm64" ? "node-bin" : "node"}-${platform}-${arch}`
  return cached(
    `node-${version}`,
    (fresh) =>
      Effect.map(installInto(fresh, [`${name}@${version}`]), () => {
        fs.renameSync(path.join(fresh, "node_modules", name, "bin", "node"), path.join(fresh, "node"))
        // headers for compilers, half of it all
        fs.rmSync(path.join(fresh, "node_modules"), { recursive: true })
      }),
    "package"
  ).pipe(Effect.map((directory) => path.join(directory, "node")))
}

/** The binary of that version of Bun, as the package `bun` of the registry would link it when it is installed. */
export const bunBinary = (version: string): Effect.Effect<string, TestKafkaError> =>
  Effect.map(tools("bun", [`bun@${version}`]), (directory) => {
    const arch = process.arch === "arm64" ? "aarch64" : process.arch
    const [plain] = filesIn(path.join(directory, "node_modules", "@oven"))
      .filter((file) => file.startsWith(`bun-${process.platform}-${arch}`) && /\/bin\/bun(\.exe)?$/.test(file))
      // what is for musl or for older processors has a longer name
      .sort((a, b) => a.length - b.length)
    if (plain === undefined) throw new Error(`Bun has no binary for ${process.platform} on ${arch}`)
    return path.join(directory, "node_modules", "@oven", plain)
  })

// ---------------------------------------------------------------------------------------------------------------------
// a project of a user
// ---------------------------------------------------------------------------------------------------------------------

export interface ConsumerOptions {
  /** Range of Effect. Default: the version that is installed here. */
  readonly effect?: string
  /** More arguments of `npm install`. */
  readonly args?: ReadonlyArray<string>
}

export class Consumer extends Context.Service<
  Consumer,
  {
    readonly directory: string
    /** The package in it. */
    readonly installed: string
    readonly write: (file: string, text: string) => void
    /** Runs a program in it, by default with this Node. */
    readonly node: (
      args: ReadonlyArray<string>,
      binary?: string,
      env?: Readonly<Record<string, string>>
    ) => Effect.Effect<Output, TestKafkaError>
  }
>()("test/Consumer") {}

/** The oldest version that the range of the peer dependency has. */
export const oldestEffect = manifest.peerDependencies["effect"].replace("^", "")

/** The version of a package that is installed here. */
export const installedVersion = (name: string): string =>
  readJson<Manifest>(packed, "node_modules", name, "package.json").version

/** A project in which the package, and what comes with `args`, were installed; several test files take a copy of the same one. */
const installedOnce = (args: ReadonlyArray<string>): Effect.Effect<string, TestKafkaError> =>
  Effect.flatMap(tarball, (archive) =>
    cached(
      `${path.basename(path.dirname(archive))}-with-${fingerprint(...args)}`,
      (fresh) =>
        Effect.suspend(() => {
          const project = { name: "consumer", private: true, type: "module" }
          fs.writeFileSync(path.join(fresh, "package.json"), JSON.stringify(project))
          return npmInstall(fresh, [archive, ...args])
        }),
      "package"
    )
  )

const temporaryDirectory = Effect.acquireRelease(
  // with its real path, as bundlers and compilers report it
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-consumer-")))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
)

/** An empty project in which the package and Effect were installed, and nothing else. */
export const consumer = (options: ConsumerOptions = {}): Layer.Layer<Consumer, TestKafkaError> =>
  Layer.effect(
    Consumer,
    Effect.gen(function* () {
      const effect = `effect@${options.effect ?? installedVersion("effect")}`
      const project = yield* installedOnce([effect, ...(options.args ?? [])])
      const directory = yield* temporaryDirectory
      const write = (file: string, text: string) => {
        const at = path.join(directory, file)
        fs.mkdirSync(path.dirname(at), { recursive: true })
        fs.writeFileSync(at, text)
      }
      fs.cpSync(project, directory, { recursive: true, verbatimSymlinks: true })
      return {
        directory,
        installed: path.join(directory, "node_modules", "effect-ktables"),
        write,
        node: (args, binary = process.execPath, env = {}) => run(binary, args, { cwd: directory, env })
      }
    })
  )

/** Of the first run on a machine: what is downloaded is kept. */
export const setUp = { timeout: DOWNLOAD_MILLIS, excludeTestServices: true } as const

/** The text of a file in `consumer/`. */
export const fixture = (name: string): string =>
  fs.readFileSync(fileURLToPath(new URL(`consumer/${name}`, import.meta.url)), "utf8")

/** The program in JavaScript. */
export const programAs = (module: "ESNext" | "CommonJS"): string =>
  ts.transpileModule(program, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind[module] }
  }).outputText

const codecs = ["none", "gzip", "snappy", "lz4", "zstd"]

/** What it prints if all is well. */
export const outcome = {
  ...Object.fromEntries(codecs.map((compression, codec) => [compression, { read: true, codec }])),
  unreachable: "KafkaConnectionError Unreachable"
}
