/**
 * Programs with the packed package in one file. Bundlers put all of it in but the packages that hold compiled code; those
 * are installed where the bundle runs.
 */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import * as path from "node:path"
import { Consumer, consumer, fixture, outcome, programAs, setUp, tools } from "./consumer.ts"

const bundlers = tools("bundlers", [
  "esbuild@0.28.2",
  "rolldown@1.3.2",
  "rollup@4.68.7",
  "@rollup/plugin-commonjs@29.0.3",
  "@rollup/plugin-json@6.1.0",
  "@rollup/plugin-node-resolve@16.0.3",
  "webpack@5.112.2"
])

/** kafkajs requires Node's modules, which a bundle in ES modules has no function for: what docs/installing.md says. */
const requireBanner = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);'

/** The arguments of Node that bundle from `entry` to `out`. `at` gives the path of a bundler's file. */
type Bundle = (entry: string, out: string, at: (...file: ReadonlyArray<string>) => string) => ReadonlyArray<string>

const esbuild =
  (...options: ReadonlyArray<string>): Bundle =>
  (entry, out, at) => [
    at("esbuild", "bin", "esbuild"),
    ...[entry, "--bundle", "--platform=node", "--log-level=warning", `--outfile=${out}`, ...options]
  ]

const esbuildModule = esbuild("--format=esm", `--banner:js=${requireBanner}`)

const rolldown: Bundle = (entry, out, at) => [
  at("rolldown", "bin", "cli.mjs"),
  ...[entry, "--platform=node", "--format=esm", `--file=${out}`]
]

/** Effect, which it takes long to parse, is left out of this one. */
const rollup: Bundle = (entry, out, at) => [
  at("rollup", "dist", "bin", "rollup"),
  ...["--plugin", "node-resolve={preferBuiltins:true,resolveOnly:['effect-ktables','kafkajs']}"],
  ...["--plugin", "commonjs", "--plugin", "json", "--silent", "--input", entry, "--format", "esm", "--file", out]
]

const webpack: Bundle = (entry, out, at) => ["webpack.mjs", `./${entry}`, out, at("..")]

const native = ["@antoniomuso", "@bokuweb", "@napi-rs", "@node-rs", "lz4-napi", "snappy"]

const project = Layer.effectDiscard(
  Effect.gen(function* () {
    const { directory, write } = yield* Consumer
    write("program.mjs", programAs("ESNext"))
    write("codec.mjs", 'import { Codec } from "effect-ktables"\nconsole.log(Codec.isCodec(Codec.utf8))\n')
    write("webpack.mjs", fixture("webpack.mjs"))
    for (const name of native) {
      const at = path.join("node_modules", name)
      fs.cpSync(path.join(directory, at), path.join(directory, "deployed", at), { recursive: true })
    }
    yield* bundlers
  })
).pipe(Layer.provideMerge(consumer()))

/** The text of a bundle, which is made when it is first asked for. */
const bundle = (how: Bundle, entry: string, out: string) =>
  Effect.gen(function* () {
    const { directory, node } = yield* Consumer
    const installed = yield* bundlers
    const at = path.join(directory, out)
    if (!fs.existsSync(at)) yield* node(how(entry, out, (...file) => path.join(installed, "node_modules", ...file)))
    return fs.readFileSync(at, "utf8")
  })

const run = (file: string) =>
  Effect.gen(function* () {
    const { node } = yield* Consumer
    const { stderr, stdout } = yield* node([file])
    expect(stderr).toBe("")
    return JSON.parse(stdout.toString()) as unknown
  })

/** Runs a bundle in another directory, while the packages that it was made of are not to be found. */
const runIn = (place: string, file: string) =>
  Effect.gen(function* () {
    const { directory } = yield* Consumer
    const [modules, away] = ["node_modules", "away"].map((name) => path.join(directory, name))
    fs.mkdirSync(path.join(directory, place), { recursive: true })
    fs.copyFileSync(path.join(directory, file), path.join(directory, place, file))
    return yield* Effect.acquireUseRelease(
      Effect.sync(() => fs.renameSync(modules, away)),
      () => run(path.join(place, file)),
      () => Effect.sync(() => fs.renameSync(away, modules))
    )
  })

layer(project, setUp)("bundles", (it) => {
  const kinds: ReadonlyArray<readonly [name: string, out: string, how: Bundle]> = [
    ["esbuild", "esbuild.mjs", esbuildModule],
    ["esbuild, minified, in CommonJS", "esbuild.cjs", esbuild("--format=cjs", "--minify")],
    ["rolldown", "rolldown.mjs", rolldown],
    ["webpack, in CommonJS", "webpack.cjs", webpack]
  ]

  it.effect.each(kinds)("%s", ([, out, how]) =>
    Effect.gen(function* () {
      yield* bundle(how, "program.mjs", out)
      expect(yield* runIn("deployed", out)).toEqual(outcome)
    })
  )

  it.effect("rollup", () =>
    Effect.gen(function* () {
      const text = yield* bundle(rollup, "program.mjs", "rollup.mjs")
      // in code, not in the examples of comments
      expect(text).not.toMatch(/^import .*['"](effect-ktables|kafkajs)/m)
      expect(yield* run("rollup.mjs")).toEqual(outcome)
    })
  )

  it.effect("without the packages of compiled code, what needs them is refused by name", () =>
    Effect.gen(function* () {
      yield* bundle(esbuildModule, "program.mjs", "esbuild.mjs")
      expect(yield* runIn("bare", "esbuild.mjs")).toMatchObject({
        none: { read: true },
        gzip: { read: true },
        snappy: { refused: expect.stringContaining("the package snappy cannot be loaded") as unknown },
        lz4: { refused: expect.stringContaining("the package lz4-napi cannot be loaded") as unknown }
      })
    })
  )

  it.effect.each([
    ["esbuild", esbuildModule],
    ["rolldown", rolldown]
  ] as const)("%s leaves out what is not used", ([name, how]) =>
    Effect.gen(function* () {
      const whole = yield* bundle(how, "program.mjs", `${name}.mjs`)
      const part = yield* bundle(how, "codec.mjs", `${name}-codec.mjs`)
      for (const left of [/KafkaJS/, /EmbeddedKafka/, /ListOffsets/]) {
        expect(whole).toMatch(left)
        expect(part).not.toMatch(left)
      }
      expect(part.length).toBeLessThan(whole.length / 2)
      expect(yield* runIn("bare", `${name}-codec.mjs`)).toBe(true)
    })
  )
})
