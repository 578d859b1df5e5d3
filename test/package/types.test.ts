/** The packed package's types in a project of its user, checked as strictly as the user likes. */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import * as path from "node:path"
import { blocksOf } from "../../scripts/docs-blocks.mjs"
import { Consumer, consumer, doors, installedVersion, root, setUp, tools } from "./consumer.ts"
import { libraries, platform, program } from "./v4/major.ts"

/** The oldest whose own types are enough for those of Effect, the oldest that checks them too, the newest there is. */
const oldest = "5.4.5"
const oldestThatChecksAll = "5.7.3"
const newest = "7.0.2"

const compiler = (version: string) =>
  Effect.map(tools(`typescript-${version}`, [`typescript@${version}`]), (directory) =>
    path.join(directory, "node_modules", "typescript", "bin", "tsc")
  )

const project = Layer.effectDiscard(
  Effect.gen(function* () {
    const { write } = yield* Consumer
    write("doors.ts", doors.map((door, index) => `export * as door${index} from "${door}"\n`).join(""))
    yield* Effect.forEach([oldest, oldestThatChecksAll, newest], compiler)
  })
).pipe(Layer.provideMerge(consumer({ args: ["@types/node@20"] })))

/** Compiles, with declarations: what users export has to have types that they can name. */
const compile = (version: string, options: Readonly<Record<string, unknown>>, text = program) =>
  Effect.gen(function* () {
    const { directory, node, write } = yield* Consumer
    fs.rmSync(path.join(directory, "out"), { recursive: true, force: true })
    write("program.ts", text)
    const compilerOptions = {
      target: "ES2022",
      lib: libraries,
      module: "NodeNext",
      types: ["node"],
      strict: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      declaration: true,
      outDir: "out",
      ...options
    }
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["program.ts", "doors.ts"] }))
    yield* node([yield* compiler(version), "-p", "."])
    return fs.readFileSync(path.join(directory, "out", "program.d.ts"), "utf8")
  })

const nodeNext = { module: "NodeNext", moduleResolution: "NodeNext", exactOptionalPropertyTypes: true }
const bundler = { module: "ESNext", moduleResolution: "Bundler", exactOptionalPropertyTypes: false }

layer(project, setUp)("types", (it) => {
  it.effect.each([nodeNext, bundler])(`TypeScript ${newest}, $moduleResolution`, (options) =>
    Effect.gen(function* () {
      const declarations = yield* compile(newest, options)
      expect(declarations).toContain("Layer.Layer<Services | ServicesWriter, ")
      expect(declarations).toContain("Layer.Layer<Routes | TableDefinition.Writer<Routes>, ")
      expect(declarations).not.toMatch(/\bany\b|internal|\/dist\//)
    })
  )

  it.effect(`TypeScript ${oldestThatChecksAll}`, () => compile(oldestThatChecksAll, nodeNext))

  it.effect(`TypeScript ${oldest}, without checking libraries`, () =>
    compile(oldest, { ...nodeNext, skipLibCheck: true })
  )

  it.effect("a program that is wrong does not compile", () =>
    Effect.gen(function* () {
      const wrong = program.replace("port: 8080", 'port: "8080"')
      expect(wrong).not.toBe(program)
      const { message } = yield* Effect.flip(compile(newest, { ...nodeNext, skipLibCheck: true }, wrong))
      expect(message).toMatch(/program\.ts\(\d+,\d+\): error TS2322: Type 'string' is not assignable to type 'number'/)
    })
  )
})

/** What the page tells its reader to install, with what it says of `@effect/platform-node`. */
const started = Layer.effectDiscard(
  Effect.gen(function* () {
    const { write } = yield* Consumer
    const page = blocksOf(path.join(root, "docs", "getting-started.md"))
    const config = page.find(({ language, lines }) => language === "json" && lines.join("").includes("compilerOptions"))
    write("tsconfig.json", config!.lines.join("\n"))
    write(
      "program.ts",
      `${platform.imports}
${program}`
    )
  })
).pipe(
  Layer.provideMerge(
    consumer({
      args: [
        ...[`typescript@${newest}`, "@types/node@20", "@types/ws"],
        ...platform.packages.map((name) => `${name}@${installedVersion(name)}`)
      ]
    })
  )
)

layer(started, setUp)("the tsconfig.json of docs/getting-started.md", (it) => {
  it.effect("compiles a program with packages of Effect for Node, libraries checked", () =>
    Effect.gen(function* () {
      const { directory, node, write } = yield* Consumer
      // one error of our own, to see that the compiler looked at all
      write("wrong.ts", platform.wrong)
      const tsc = path.join(directory, "node_modules", "typescript", "bin", "tsc")
      const { message } = yield* Effect.flip(node([tsc, "-p", ".", "--pretty", "false"]))
      expect(message.match(/^.*error TS\d+/gm)).toEqual(["wrong.ts(2,14): error TS2322"])
    })
  )
})
