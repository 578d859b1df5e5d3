// Compiles every TypeScript block of the README, of docs/ and of the doc comments, each as a module of its own, and runs
// those that a reader is told to run. docs-blocks.mjs says how a page tells what a block is.
import { execFile } from "node:child_process"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { blocksOf } from "./docs-blocks.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, ".cache", "docs-code")
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const filesIn = (folder, extension) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(extension))
    .map((name) => join(root, folder, name))

const fail = (message) => {
  console.error(message)
  process.exitCode = 1
}

let compiled = 0
const programs = []
let tested = false
for (const file of [join(root, "README.md"), ...filesIn("docs", ".md"), ...filesIn("src", ".ts")]) {
  const folder = join(out, relative(root, file).replaceAll(/[^a-zA-Z0-9]/g, "_"))
  mkdirSync(folder)
  let last
  for (const { language, line, lines, mark } of blocksOf(file)) {
    const at = `${relative(root, file)}:${line}`
    const name = /^file: (\S+)$/.exec(mark ?? "")?.[1]
    if (mark === "prints") programs.push({ at, file: last, lines: lines.filter((l) => !/^[$…] /.test(l)) })
    else if (mark === "tests") tested = true
    else if (mark !== undefined && name === undefined) fail(`${at}: nothing is known of "${mark}"`)
    if (language !== "ts") continue
    last = join(folder, name ?? `${line}.ts`)
    writeFileSync(last, [...lines, "export {}", ""].join("\n"))
    compiled++
  }
}

const tool = (...path) => join(root, "node_modules", ...path)
const run = (...args) =>
  new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, timeout: 300_000 }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, stdout, said: stdout + stderr })
    )
  })

const config = join(out, "tsconfig.json")
writeFileSync(
  config,
  JSON.stringify({
    extends: "../../tsconfig.json",
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, noEmit: true },
    include: ["**/*.ts", "../../src/internal/kafkajs/modules.d.ts"]
  })
)

const compile = async () => {
  const { failed, said } = await run(tool("typescript", "bin", "tsc"), "-p", out)
  if (failed) fail(said)
}

/** The first of these lines that is not in the output, in their order. */
const missing = (expected, output) => {
  let from = 0
  return expected.find((line) => {
    const pattern = line.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    const found = new RegExp(`^${pattern.join(".*")}$`, "m").exec(output.slice(from))
    if (found !== null) from += found.index + found[0].length
    return found === null
  })
}

const runPrograms = async () => {
  for (const { at, file, lines } of programs) {
    const { failed, said, stdout } = await run(tool("tsx", "dist", "cli.mjs"), "--tsconfig", config, file)
    const absent = missing(lines, stdout)
    if (failed) fail(`${at}: fails\n${said}`)
    else if (absent !== undefined) fail(`${at}: does not print "${absent}", but\n${stdout}`)
  }
}

const runTests = async () => {
  if (!tested) return
  writeFileSync(
    join(out, "vitest.config.mjs"),
    `export default {
  root: ${JSON.stringify(out)},
  resolve: { alias: { "effect-ktables": ${JSON.stringify(join(root, "src", "index.ts"))} } },
  test: { include: ["**/*.test.ts"], testTimeout: 60_000, pool: "threads", isolate: false, poolOptions: { threads: { singleThread: true } } }
}`
  )
  const { failed, said } = await run(tool("vitest", "vitest.mjs"), "run", "--config", join(out, "vitest.config.mjs"))
  if (failed) fail(said)
}

// the programs need one core, and so does the compiler
await Promise.all([compile(), runPrograms().then(runTests)])
console.log(
  `code in the docs: ${compiled} blocks compiled, ${programs.length} programs run${tested ? ", tests run" : ""}`
)
