/**
 * Puts small bugs (mutants) into a folder of `src/internal`, or into one file of `src`, one at a time, and looks whether
 * a test notices:
 *
 *     npm run mutate -- source                                  # a folder of src/internal
 *     npm run mutate -- src/internal/source/fetcher.ts          # a file
 *     npm run mutate -- source --concurrency 1 --fresh          # on one core, forgetting earlier runs
 *     npm run mutate -- source --static                         # and in what is computed while modules load
 *     npm run mutate -- src/internal/table/waiters.ts --tests waiters,told   # by these test files only: a lower bound, sooner
 *     npm run mutate -- table --sample 8                        # one mutant of eight, spread evenly: an estimate of the score
 *
 * It tries them in the copy of the project for Effect 3, as Stryker does not know the vitest that Effect 4 needs, and runs
 * only tests that need no broker, of those only the ones that reach the mutant. What it finds is kept, so that a second
 * run tries only what was changed since. Mutants that change nothing are listed, with the reason, in
 * `equivalent.json`; an entry there stands for each mutant of its file with this mutator and replacement in a line
 * that reads so.
 *
 * Stryker is installed into `.cache/mutate` when it is first needed: who installs the project does without.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { availableParallelism, loadavg } from "node:os"
import { basename, dirname, join, relative, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const installed = join(root, ".cache", "mutate")
const reports = join(root, ".cache", "mutation")

/** Tests to run for a folder, where these are not simply all of the folder's own. */
const TESTS = {
  // `java` needs a JVM, `randomBytes` and `mutations` try a million inputs.
  recordBatch: ["test/recordBatch/!(java|randomBytes|mutations).test.ts"],
  // The table's writer is a producer of one topic.
  producer: ["test/{producer,writer}/*.test.ts"],
  // `randomFaults` takes as long as most of the others together. What a table is to the views that are made of it, their tests
  // show: those of them that are about the table.
  table: [
    "test/table/!(randomFaults).test.ts",
    "test/views/{derivedAttaching,derivedFaults,derivedTables,givenUp,interrupted,tables}.test.ts"
  ],
  codec: ["test/codec/**/*.test.ts"]
}

const usage = () => {
  console.error(
    "usage: npm run mutate -- FOLDER|FILE [--concurrency N] [--fresh] [--static] [--tests A,B] [--sample N]"
  )
  process.exit(2)
}

const parseArguments = (given) => {
  const options = {
    what: undefined,
    concurrency: availableParallelism(),
    fresh: false,
    static: false,
    tests: undefined,
    sample: 1
  }
  for (let i = 0; i < given.length; i++) {
    if (given[i] === "--fresh") options.fresh = true
    else if (given[i] === "--static") options.static = true
    else if (given[i] === "--tests") options.tests = given[++i]?.split(",") ?? usage()
    else if (given[i] === "--sample") options.sample = Number(given[++i])
    else if (given[i] === "--concurrency") options.concurrency = Number(given[++i])
    else if (options.what === undefined && !given[i].startsWith("-")) options.what = given[i]
    else usage()
  }
  if (options.what === undefined || !(options.concurrency >= 1) || !(options.sample >= 1)) usage()
  return options
}

/** Which files are mutated, by which tests, and the name of the report. */
const target = (what) => {
  const folder = join(root, "src", "internal", what)
  if (!what.includes(".") && existsSync(folder)) {
    const tests = testsOf(what.split("/")[0])
    return { name: what.replaceAll("/", "-"), mutate: [`src/internal/${what}/**/*.ts`], tests }
  }
  const file = relative(root, resolve(root, what))
  if (!existsSync(join(root, file)) || !statSync(join(root, file)).isFile()) {
    console.error(`neither a folder of src/internal nor a file: ${what}`)
    process.exit(2)
  }
  const [, , within, ...rest] = file.split("/")
  const alone = basename(file, ".ts")
  const tests = rest.length > 0 ? testsOf(within) : [`test/${alone}.test.ts`]
  return { name: file.replaceAll("/", "-").replace(/\.ts$/, ""), mutate: [file], tests }
}

const testsOf = (folder) => TESTS[folder.split("/")[0]] ?? [`test/${folder}/**/*.test.ts`]

const install = () => {
  const lock = join(here, "package-lock.json")
  const copied = join(installed, "package-lock.json")
  if (existsSync(copied) && readFileSync(copied, "utf8") === readFileSync(lock, "utf8")) return
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed, { recursive: true })
  cpSync(join(here, "package.json"), join(installed, "package.json"))
  cpSync(lock, copied)
  console.log("\n> npm ci in .cache/mutate (only the first time)")
  // The runner's peer is the project's own vitest, which is found above the folder.
  const args = ["ci", "--legacy-peer-deps", "--no-audit", "--no-fund", "--prefer-offline"]
  const { status } = spawnSync("npm", args, { cwd: installed, stdio: "inherit", shell: process.platform === "win32" })
  if (status === 0) return
  rmSync(installed, { recursive: true, force: true })
  process.exit(status ?? 1)
}

// ---------------------------------------------------------------------------------------------------------------------
// the report
// ---------------------------------------------------------------------------------------------------------------------

const isAlive = ({ status }) => status === "Survived" || status === "NoCoverage"
const isDead = ({ status }) => status === "Killed" || status === "Timeout"

/** The text that a mutant replaces, and the line in which it begins. */
const replaced = (source, { location: { end, start } }) => {
  const lines = source.split("\n")
  const within = lines.slice(start.line - 1, end.line)
  const line = within[0].trim()
  within[within.length - 1] = within.at(-1).slice(0, end.column - 1)
  within[0] = within[0].slice(start.column - 1)
  return { line, text: within.join("\n") }
}

const oneLine = (text) => {
  const joined = text.replace(/\s+/g, " ")
  return joined.length <= 100 ? joined : `${joined.slice(0, 99)}…`
}

const percent = (killed, all) => (all === 0 ? "  –  " : `${((100 * killed) / all).toFixed(1).padStart(5)}`)

/** Prints the score by file, the survivors, and entries of the list of equivalents that are not so any more. */
const tell = ({ files }) => {
  const equivalents = JSON.parse(readFileSync(join(here, "equivalent.json"), "utf8"))
  const used = new Set()
  const survivors = []
  const rows = []
  let [killed, counted, equal] = [0, 0, 0]
  for (const [file, { mutants, source }] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const row = { file, killed: 0, counted: 0, equal: 0 }
    for (const mutant of mutants) {
      if (Number(mutant.id) % sample !== 0 || (!isAlive(mutant) && !isDead(mutant))) continue
      const { line, text } = replaced(source, mutant)
      const known = equivalents.find(
        (one) =>
          one.file === file &&
          one.mutator === mutant.mutatorName &&
          one.line === line &&
          one.replacement === mutant.replacement
      )
      if (known !== undefined) used.add(known)
      if (isDead(mutant)) {
        row.killed++
        row.counted++
        if (known !== undefined) console.log(`! listed as changing nothing, and noticed: ${file}: ${line}`)
      } else if (known !== undefined) {
        row.equal++
      } else {
        row.counted++
        survivors.push({ file, mutant, text })
      }
    }
    rows.push(row)
    killed += row.killed
    counted += row.counted
    equal += row.equal
  }
  console.log("\nnoticed  of        change nothing")
  const tellRow = (name, row) =>
    console.log(
      `${percent(row.killed, row.counted)} %  ${String(row.counted).padEnd(8)}  ${String(row.equal).padEnd(5)} ${name}`
    )
  for (const row of rows) tellRow(row.file, row)
  tellRow("in all", { killed, counted, equal })
  if (survivors.length > 0) console.log("\nnot noticed:")
  for (const { file, mutant, text } of survivors) {
    const { column, line } = mutant.location.start
    const how = mutant.status === "NoCoverage" ? " (reached by no test)" : ""
    const what = `${oneLine(text)} → ${oneLine(mutant.replacement ?? "")}`
    console.log(`${file}:${line}:${column} ${mutant.mutatorName}${how}: ${what}`)
  }
  for (const one of equivalents) {
    // A sample says nothing of those that are not in it.
    if (sample === 1 && files[one.file] !== undefined && !used.has(one))
      console.log(`! no mutant is so any more: ${one.file}: ${one.line}`)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const { concurrency, fresh, sample, static: withStatic, tests: only, what } = parseArguments(process.argv.slice(2))
const { mutate, name: whole, tests: all } = target(what)
const tests = only === undefined ? all : all.map((glob) => glob.replace(/[^/]*$/, `{${only.join(",")},}.test.ts`))
// What these few tests leave alive is not what all of them do.
const name = [whole, ...(only === undefined ? [] : ["by", ...only]), ...(sample === 1 ? [] : ["sample", sample])].join(
  "-"
)
install()
mkdirSync(reports, { recursive: true })
const sandbox = join(".cache", "mutation", `sandbox-${name}`)
rmSync(join(root, sandbox), { recursive: true, force: true })
const incrementalFile = join(reports, `${name}.incremental.json`)
if (fresh) rmSync(incrementalFile, { force: true })
process.chdir(root)
process.env["MUTATE_SAMPLE"] = String(sample)
process.env["MUTATE_TESTS"] = JSON.stringify(tests)
// On a machine that is busy with others' work a test takes longer, and notices nothing by that.
const busy = Math.max(1, loadavg()[0] / availableParallelism())
process.env["MUTATE_TEST_TIMEOUT"] = String(Math.round(20_000 * busy))
// What is random in tests of the project's own making repeats, too.
process.env["SEED"] ??= "1"

const packages = join(installed, "node_modules", "@stryker-mutator")
const { Stryker } = await import(pathToFileURL(join(packages, "core", "dist", "src", "index.js")).href)
const stryker = new Stryker({
  packageManager: "npm",
  testRunner: "vitest",
  plugins: [join(here, "runner.mjs"), join(here, "messages.mjs"), join(here, "survivors.mjs")],
  vitest: { configFile: relative(root, join(here, "vitest.config.ts")), related: false },
  mutate,
  ignorers: ["messages"],
  ignorePatterns: ["/.cache", "/dist", "/build"],
  coverageAnalysis: "perTest",
  // Constants of modules and such: each of them takes all tests, and modules that are loaded anew.
  ignoreStatic: !withStatic,
  // What is not in the sample is no result to be kept.
  incremental: sample === 1,
  incrementalFile,
  concurrency,
  // For mutants that loop for ever. What waits for ever is ended by the tests' own timeout.
  timeoutMS: Math.round(5_000 * busy),
  timeoutFactor: 2,
  tempDirName: sandbox,
  reporters: ["progress-append-only", "survivors", "json"],
  jsonReporter: { fileName: join(reports, `${name}.json`) },
  allowConsoleColors: false,
  logLevel: "warn"
})
await stryker.runMutationTest()
tell(JSON.parse(readFileSync(join(reports, `${name}.json`), "utf8")))
