/** Where each of those who are measured comes from: downloaded and built once, and how it is run then. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { cached, fingerprint } from "../test/kafka/cache.ts"
import { installJava } from "../test/kafka/java.ts"
import * as Ktables from "../test/kafka/Ktables.ts"
import * as Librdkafka from "../test/kafka/Librdkafka.ts"
import { run, type Output, type RunOptions } from "../test/kafka/process.ts"
import { TestKafkaError } from "../test/kafka/TestKafkaError.ts"
import { groupTasks, type Task } from "./workloads.ts"

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** A Node that can be given flags. */
  readonly node: boolean
  /** What an earlier commit cannot do yet. */
  readonly lacks?: ReadonlyArray<Task>
}

const peerFile = (...names: ReadonlyArray<string>): string =>
  path.join(fileURLToPath(new URL("./peers", import.meta.url)), ...names)

const projectRoot = fileURLToPath(new URL("..", import.meta.url))

const attempt = <A>(what: string, body: () => A): Effect.Effect<A, TestKafkaError> =>
  Effect.try({
    try: body,
    catch: (cause) => new TestKafkaError({ reason: "process", message: `cannot ${what}: ${String(cause)}`, cause })
  })

/** What is installed by these files, and named after their content. */
const installed = (
  name: string,
  files: ReadonlyArray<string>,
  build: (directory: string) => Effect.Effect<unknown, TestKafkaError>
): Effect.Effect<string, TestKafkaError> =>
  attempt(`read ${files.join(", ")}`, () => fingerprint(...files.map((file) => fs.readFileSync(file)))).pipe(
    Effect.flatMap((content) => cached(`${name}-${content}`, (directory) => Effect.asVoid(build(directory)), "bench"))
  )

const tool = (
  program: string,
  args: ReadonlyArray<string>,
  install: string,
  options: RunOptions = {}
): Effect.Effect<Output, TestKafkaError> => run(program, args, { timeout: "10 minutes", install, ...options })

// ---------------------------------------------------------------------------------------------------------------------
// Node
// ---------------------------------------------------------------------------------------------------------------------

const nodeCommand = (file: string, program = process.execPath, env: Record<string, string> = {}): Command => ({
  program,
  args: ["--expose-gc", file],
  env: { NODE_OPTIONS: "", ...env },
  node: true
})

/** On which major of Effect: each has a package of its own, which lies in this folder of the project. */
const packageFolders = { 3: ".", 4: "effect4" } as const

export type Major = keyof typeof packageFolders

/** The runner, where it finds the package by its own name above it. */
const runnerOf = (major: Major, root: string): Effect.Effect<Command, TestKafkaError> =>
  attempt("copy the runner", () => {
    const folder = path.join(root, packageFolders[major], "bench", "peers")
    const own = fs.readdirSync(peerFile("ours")).map((name) => path.join("ours", name))
    for (const file of [...own, "javascript.mjs", "consuming.mjs"]) {
      const copy = path.join(folder, file)
      if (copy === peerFile(file)) continue
      fs.mkdirSync(path.dirname(copy), { recursive: true })
      fs.copyFileSync(peerFile(file), copy)
    }
    return nodeCommand(path.join(folder, "ours", "run.mjs"))
  })

/** The package as users get it. */
export const ours = (major: Major) =>
  tool(process.execPath, [path.join(projectRoot, "scripts", "run.mjs"), "build"], "npm ci").pipe(
    Effect.andThen(runnerOf(major, projectRoot))
  )

/**
 * Where npm's `effect-ktables` of an earlier commit is, for one major of Effect: its sources, compiled by the compiler and with
 * the packages of today.
 */
const checkout = (ref: string, major: Major): Effect.Effect<string, TestKafkaError> =>
  Effect.gen(function* () {
    const git = (...args: ReadonlyArray<string>) => tool("git", args, "install git", { cwd: projectRoot })
    const commit = (yield* git("rev-parse", "--verify", `${ref}^{commit}`)).stdout.toString().trim()
    return yield* cached(
      `before-${commit}-effect-${major}`,
      (directory) =>
        Effect.gen(function* () {
          const archive = path.join(directory, "sources.tar")
          yield* git("archive", "-o", archive, commit)
          yield* tool("tar", ["-xf", archive, "-C", directory], "install tar")
          yield* attempt("remove the archive", () => fs.rmSync(archive))
          // the commits before Effect 4 have one package, and compile it where it lies
          const hasBoth = fs.existsSync(path.join(directory, packageFolders[4]))
          for (const folder of hasBoth ? Object.values(packageFolders) : [packageFolders[3]]) {
            yield* attempt("link the packages of today", () => {
              const modules = path.join(folder, "node_modules")
              fs.symlinkSync(path.join(projectRoot, modules), path.join(directory, modules))
            })
          }
          if (hasBoth) {
            const layOut = "import { layOutPackages } from './scripts/majors.mjs'; layOutPackages()"
            const inline = ["--input-type=module", "--eval", layOut]
            yield* tool(process.execPath, inline, "install Node", { cwd: directory })
          }
          const project = path.join(directory, packageFolders[major], "tsconfig.build.json")
          if (!fs.existsSync(project)) {
            return yield* new TestKafkaError({
              reason: "options",
              message: `${ref} has no package for Effect ${major}`
            })
          }
          const compiler = path.join(projectRoot, "node_modules", "typescript-7", "bin", "tsc")
          yield* tool(process.execPath, [compiler, "-p", project, "--noEmitOnError"], "npm ci")
        }),
      "bench"
    )
  })

/** What a commit cannot do that does not have this public module. */
const tasksOf: Readonly<Record<string, ReadonlyArray<Task>>> = {
  "KafkaConsumer.ts": groupTasks,
  "KafkaEvents.ts": ["publish"]
}

/** An earlier commit under the runner of today. */
export const before = (ref: string, major: Major) =>
  Effect.gen(function* () {
    const directory = yield* checkout(ref, major)
    const command = yield* runnerOf(major, directory)
    const lacks = Object.entries(tasksOf).flatMap(([module, tasks]) =>
      fs.existsSync(path.join(directory, "src", module)) ? [] : tasks
    )
    return { ...command, lacks }
  })

/** The version of the peer is the one that the project itself depends on, exactly. */
export const kafkajs = Effect.succeed(nodeCommand(peerFile("kafkajs", "run.mjs")))

/** It wants a newer Node than the project does: where ours is too old it gets one of its own, which is no disadvantage. */
const ownNode = { version: "24.21.0", atLeast: [22, 22] } as const

export const platformatic = Effect.gen(function* () {
  const definition = peerFile("platformatic", "package.json")
  const npm = "install npm"
  const install = (packages: ReadonlyArray<string>) => (directory: string) =>
    attempt("copy package.json", () => fs.copyFileSync(definition, path.join(directory, "package.json"))).pipe(
      Effect.andThen(
        tool("npm", ["install", "--prefix", directory, "--no-audit", "--no-fund", "--no-save", ...packages], npm)
      )
    )
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const tooOld = major < ownNode.atLeast[0] || (major === ownNode.atLeast[0] && minor < ownNode.atLeast[1])
  const platform = process.platform === "win32" ? "win" : process.platform
  const node = `node-${platform}-${process.arch}`
  const directory = yield* installed(
    tooOld ? `platformatic-node-${ownNode.version}` : "platformatic",
    [definition],
    install(tooOld ? [`${node}@${ownNode.version}`] : [])
  )
  const modules = path.join(directory, "node_modules")
  return nodeCommand(
    peerFile("platformatic", "run.mjs"),
    tooOld ? path.join(modules, node, "bin", "node") : process.execPath,
    { BENCH_MODULES: modules }
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// others
// ---------------------------------------------------------------------------------------------------------------------

/** A runner in Python, with the packages that it needs and what all of them share. */
const python = (
  name: string,
  packages: Effect.Effect<string, TestKafkaError>
): Effect.Effect<Command, TestKafkaError> =>
  Effect.map(packages, (directory) => ({
    program: "python3",
    args: [peerFile(name, "run.py")],
    env: { PYTHONPATH: [directory, peerFile()].join(path.delimiter), PYTHONDONTWRITEBYTECODE: "1" },
    node: false
  }))

export const ktables = python("ktables", Ktables.packages)

export const confluentKafka = python("confluent-kafka", Librdkafka.packages)

/** Of the version that ktables brings along. */
export const aiokafka = python("aiokafka", Ktables.packages)

export const streams = Effect.gen(function* () {
  const pom = peerFile("kafka-streams", "pom.xml")
  const source = peerFile("kafka-streams", "GlobalTable.java")
  const jars = yield* installed("kafka-streams", [pom], (directory) =>
    tool("mvn", ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${directory}`], installJava)
  )
  const libraries = path.join(jars, "*")
  const classes = yield* installed("kafka-streams-classes", [pom, source], (directory) =>
    tool("javac", ["-nowarn", "--release", "17", "-cp", libraries, "-d", directory, source], installJava)
  )
  return { program: "java", args: ["-cp", `${classes}${path.delimiter}${libraries}`, "GlobalTable"], node: false }
})

export const goka = Effect.gen(function* () {
  const directory = peerFile("goka")
  const files = ["main.go", "go.mod", "go.sum"].map((name) => path.join(directory, name))
  const binary = yield* installed("goka", files, (target) =>
    tool("go", ["build", "-o", path.join(target, "view"), "."], "install Go 1.21 or newer", { cwd: directory })
  )
  return { program: path.join(binary, "view"), args: [], node: false }
})

/** A program in C on the library that the Python package brings along: Python itself would be the limit otherwise. */
export const librdkafka = Effect.gen(function* () {
  const packages = yield* Librdkafka.packages
  const library = yield* attempt("find librdkafka", () => {
    const found = fs
      .readdirSync(packages, { recursive: true })
      .map(String)
      .find((name) => /(^|[\\/])librdkafka[^\\/]*\.(so|dylib)[^\\/]*$/.test(name))
    if (found === undefined) throw new Error(`no library in ${packages}`)
    return path.join(packages, found)
  })
  const source = peerFile("librdkafka", "consume.c")
  const directory = yield* installed(`librdkafka-${path.basename(packages)}`, [source], (target) =>
    tool(
      "cc",
      ["-O2", "-o", path.join(target, "consume"), source, library, `-Wl,-rpath,${path.dirname(library)}`],
      "install a C compiler"
    )
  )
  return { program: path.join(directory, "consume"), args: [], node: false }
})
