// The project's commands, for a machine that has Node and npm and nothing else: installs what is missing, then works.
// Plain JavaScript without dependencies, as there may be none yet.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [command, ...args] = process.argv.slice(2)
const bin = (name) => join(root, "node_modules", ".bin", name)

const run = (title, program, programArgs, env = {}) => {
  if (title !== undefined) console.log(`\n> ${title}`)
  const { error, status } = spawnSync(program, programArgs, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
    shell: process.platform === "win32" && program !== process.execPath
  })
  if (error !== undefined) throw error
  return status ?? 1
}

// Ctrl-C is the command's to answer, and this process waits for its last words.
process.on("SIGINT", () => {})

const must = (title, program, programArgs, env) => {
  const status = run(title, program, programArgs, env)
  if (status !== 0) process.exit(status)
}

/** Beside others: what it prints comes at its end, in one piece. */
const runBeside = (title, program, programArgs) =>
  new Promise((resolve, reject) => {
    const printed = []
    const child = spawn(program, programArgs, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32" && program !== process.execPath
    })
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => printed.push(chunk))
    child.on("error", reject)
    child.on("close", (code) => {
      process.stdout.write(`\n> ${title}\n${Buffer.concat(printed)}`)
      resolve(code ?? 1)
    })
  })

/** Rows of commands at the same time, each until one of its own fails. */
const mustAll = async (rows) => {
  const codes = await Promise.all(
    rows.map(async (row) => {
      let failed = 0
      for (const [title, program, programArgs] of row) failed ||= await runBeside(title, program, programArgs)
      return failed
    })
  )
  const failed = codes.find((code) => code !== 0)
  if (failed !== undefined) process.exit(failed)
}

const install = () => {
  const lock = join(root, "package-lock.json")
  const installed = join(root, "node_modules", ".package-lock.json")
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  must("npm ci (only the first time)", "npm", ["ci", "--no-audit", "--no-fund", "--prefer-offline"])
}

const build = () => {
  rmSync(join(root, "dist"), { recursive: true, force: true })
  must("build", bin("tsc"), ["-p", "tsconfig.build.json"])
}

/** Everything that can be checked without running it. */
const check = async () => {
  await mustAll([
    [["lint", bin("eslint"), ["."]]],
    [
      ["type-check", bin("tsc"), ["-p", "tsconfig.json"]],
      ["format", bin("prettier"), ["--check", "--log-level", "warn", "."]],
      ["links in the docs", process.execPath, ["scripts/docs-links.mjs"]],
      ["code in the docs", process.execPath, ["scripts/docs-code.mjs"]],
      ["API reference", process.execPath, ["scripts/docs-api.mjs", "--check"]]
    ]
  ])
  build()
  must("publint", bin("publint"), ["--strict"])
  must("are the types wrong?", bin("attw"), ["--pack", ".", "--profile", "esm-only"])
}

/** Runs the tests, one choice of them after the other, and ends with the runner's own counts on a line of their own. */
const test = (choices, env) => {
  const report = join(root, ".cache", "test-report.json")
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
  mkdirSync(dirname(report), { recursive: true })
  let [failure, passed, failed, skipped] = [0, 0, 0, 0]
  for (const which of choices) {
    rmSync(report, { force: true })
    const status = run(`tests ${which.join(" ")}`, bin("vitest"), ["run", ...reporters, ...which], env)
    if (!existsSync(report)) process.exit(status === 0 ? 1 : status)
    const counts = JSON.parse(readFileSync(report, "utf8"))
    failure ||= status
    passed += counts.numPassedTests
    failed += counts.numFailedTests
    skipped += counts.numPendingTests + counts.numTodoTests
  }
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(failure)
}

// What needs no broker first, and quickly. Of what needs one, most of the time is spent on waiting: two files at a time,
// however many cores there are, as they share the broker. Faults have promises about time, and the machine to themselves.
const withoutBroker = ["--project", "units", "--project", "isolated", "--maxWorkers=100%"]
const allTests = [withoutBroker, ["--project", "systems", "--maxWorkers=2"], ["--project", "faults"]]

const commands = {
  install: () => {},
  build,
  check,
  demo: () => process.exit(run(undefined, process.execPath, ["--import", "tsx", "examples/demo.ts", ...args])),
  docs: () => process.exit(run(undefined, process.execPath, ["scripts/docs-api.mjs"])),
  kafka: () => process.exit(run(undefined, bin("tsx"), ["scripts/kafka.ts", ...args])),
  bench: () => process.exit(run(undefined, bin("tsx"), ["bench/run.ts", ...args])),
  // what needs no broker; with --changed, what a change touches
  quick: () => test([[...withoutBroker, ...args]]),
  // with arguments: only the tests that they name
  test: async () => {
    if (args.length > 0) test([args])
    await check()
    test(allTests)
  },
  // more seeds, longer loads, longer sequences than in all the tests; what the environment says counts first
  "test:faults": () => {
    const more = { FAULT_ROUNDS: "5", FAULT_LOAD: "500", FAULT_STEPS: "15" }
    const random = [
      "recordBatch/java",
      "recordBatch/mutations",
      "recordBatch/randomBytes",
      "embedded/tableModel",
      "table/randomFaults",
      "table/state"
    ]
    test([["test/faults", "test/soak", ...random.map((name) => `test/${name}`), ...args]], { ...more, ...process.env })
  },
  // small bugs put into a folder of src/internal, one at a time: does a test notice?
  mutate: () => process.exit(run(undefined, process.execPath, ["scripts/mutate/mutate.mjs", ...args])),
  // faults at random for so many minutes
  soak: () => {
    const [minutes = "10", ...rest] = args
    test([["test/soak", ...rest]], { SOAK_MINUTES: minutes })
  }
}

if (!Object.hasOwn(commands, command)) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join("|")}`)
  process.exit(2)
}
install()
await commands[command]()
