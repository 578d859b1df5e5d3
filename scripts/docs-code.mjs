// Compiles every TypeScript block of the README, of docs/ and of the doc comments, each as a module of its own, and runs
// those that a reader is told to run: on Effect 4, and on Effect 3 where a block is for both, as it stands.
// docs-blocks.mjs says how a page tells what a block is.
import { execFile } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { blocksOf } from "./docs-blocks.mjs"
import { copyForEffect3 } from "./majors.mjs"
import { newNode, tsc } from "./running.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, ".cache", "docs-code")
rmSync(out, { recursive: true, force: true })

const filesIn = (folder, extension) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(extension))
    .map((name) => join(root, folder, name))

const fail = (message) => {
  console.error(message)
  process.exitCode = 1
}

/** A major of Effect: where its blocks lie, which sources and packages they import, and by what their tests are run. */
const majors = [
  {
    major: 4,
    directory: join(out, "effect-4"),
    sources: join(root, "src"),
    packages: join(root, "effect4", "node_modules"),
    vitest: () => [newNode(), join(root, "effect4", "node_modules", "vitest", "vitest.mjs")],
    plugins: `[{
    name: "effect-4",
    enforce: "pre",
    resolveId(source, importer) {
      if (!/^(effect|@effect\\/[^/]+|vitest)(\\/|$)/.test(source)) return null
      if (importer?.includes("node_modules") === true) return null
      return this.resolve(source, ${JSON.stringify(join(root, "effect4", "package.json"))}, { skipSelf: true })
    }
  }]`
  },
  {
    major: 3,
    directory: join(out, "effect-3"),
    sources: join(out, "effect-3", "src"),
    packages: join(root, "node_modules"),
    vitest: () => [process.execPath, join(root, "node_modules", "vitest", "vitest.mjs")],
    plugins: "[]"
  }
].map((one) => ({
  ...one,
  config: join(one.directory, "tsconfig.json"),
  files: new Map(),
  programs: [],
  tested: false
}))
const [effect4, effect3] = majors

// ---------------------------------------------------------------------------------------------------------------------
// what is in the pages
// ---------------------------------------------------------------------------------------------------------------------

const folderOf = (file) => relative(root, file).replaceAll(/[^a-zA-Z0-9]/g, "_")

for (const file of [join(root, "README.md"), ...filesIn("docs", ".md"), ...filesIn("src", ".ts")]) {
  let last
  for (const { language, line, lines, marks } of blocksOf(file)) {
    const at = `${relative(root, file)}:${line}`
    if (marks.unknown !== undefined) fail(`${at}: nothing is known of "${marks.unknown}"`)
    for (const one of majors) {
      if (marks.major !== undefined && marks.major !== one.major) continue
      if (marks.prints) one.programs.push({ at, file: last, lines: lines.filter((l) => !/^[$…] /.test(l)) })
      if (marks.tests) one.tested = true
      if (language !== "ts") continue
      const folder = folderOf(marks.page === undefined ? file : join(root, "docs", marks.page))
      last = join(folder, marks.file ?? `${line}.ts`)
      one.files.set(last, [...lines, "export {}", ""].join("\n"))
    }
  }
}

/** What is for Effect 4 only, as it imports what is. */
const isOfEffect4 = (name, text) =>
  [...text.matchAll(/from "(\.[^"]+)"/g)]
    .map(([, path]) => join(dirname(name), path))
    .some((imported) => effect4.files.has(imported) && !effect3.files.has(imported))
for (let before = Infinity; before > effect3.files.size;) {
  before = effect3.files.size
  for (const [name, text] of effect3.files) if (isOfEffect4(name, text)) effect3.files.delete(name)
}

for (const { config, directory, files, sources } of majors) {
  for (const [name, text] of files) {
    mkdirSync(join(directory, dirname(name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  const paths = { "effect-ktables": [join(sources, "index.ts")], "effect-ktables/*": [join(sources, "*.ts")] }
  const ofRoot = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")).compilerOptions.paths
  const ofEffect = Object.entries(ofRoot).map(([name, found]) => [name, found.map((path) => join(root, path))])
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: {
        noUnusedLocals: false,
        noUnusedParameters: false,
        noEmit: true,
        paths: sources === effect4.sources ? { ...Object.fromEntries(ofEffect), ...paths } : paths
      },
      include: ["**/*.ts", join(root, "src/internal/kafkajs/modules.d.ts")]
    })
  )
}
copyForEffect3("src", effect3.directory)

// ---------------------------------------------------------------------------------------------------------------------
// compiled and run
// ---------------------------------------------------------------------------------------------------------------------

/** How long is waited for a program or a test. */
const HUNG_MILLIS = 300_000

const run = (program, ...args) =>
  new Promise((resolve) => {
    execFile(program, args, { cwd: root, timeout: HUNG_MILLIS }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, stdout, said: stdout + stderr })
    )
  })

const compile = async ({ config, major }) => {
  const { failed, said } = await run(process.execPath, tsc, "-p", config)
  if (failed) fail(`on Effect ${major}:\n${said}`)
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

/** The programs in plain JavaScript, which Node starts in a third of the time, below the packages that they import. */
const compiledPrograms = async ({ directory, packages, sources }, programs) => {
  const outdir = join(packages, ".cache", "docs-code")
  rmSync(outdir, { recursive: true, force: true })
  await build({
    entryPoints: [...new Set(programs.map(({ file }) => join(directory, file)))],
    outdir,
    outbase: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    alias: { "effect-ktables": sources },
    tsconfigRaw: {}
  })
  return (file) => join(outdir, file.replace(/\.ts$/, ".mjs"))
}

const runPrograms = async (one) => {
  const { files, major } = one
  const programs = one.programs.filter(({ file }) => files.has(file))
  const compiled = await compiledPrograms(one, programs)
  for (const { at, file, lines } of programs) {
    const { failed, said, stdout } = await run(process.execPath, compiled(file))
    const absent = missing(lines, stdout)
    if (failed) fail(`${at}: fails on Effect ${major}\n${said}`)
    else if (absent !== undefined) fail(`${at}: does not print "${absent}" on Effect ${major}, but\n${stdout}`)
  }
}

const runTests = async ({ directory, major, plugins, sources, tested, vitest }) => {
  if (!tested) return
  const config = join(directory, "vitest.config.mjs")
  writeFileSync(
    config,
    `export default {
  root: ${JSON.stringify(directory)},
  plugins: ${plugins},
  resolve: { alias: { "effect-ktables": ${JSON.stringify(join(sources, "index.ts"))} } },
  test: { include: ["**/*.test.ts"], testTimeout: ${HUNG_MILLIS}, pool: "threads", maxWorkers: 1, minWorkers: 1, isolate: false }
}`
  )
  const { failed, said } = await run(...vitest(), "run", "--config", config)
  if (failed) fail(`on Effect ${major}:\n${said}`)
}

const runAll = async (one) => {
  await runPrograms(one)
  await runTests(one)
}

// the programs need one core, and so does the compiler
await Promise.all([compile(effect4).then(() => compile(effect3)), runAll(effect4).then(() => runAll(effect3))])
const counts = majors.map(({ files, major }) => `${files.size} blocks on Effect ${major}`)
console.log(`code in the docs: ${counts.join(", ")}; ${effect4.programs.length} programs and the pages' tests run`)
