// The project's commands, for a machine that has Node and npm and nothing else: installs what is missing, then works.
// Plain JavaScript without dependencies, as there may be none yet.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { effect3, layOutPackages, makeEffect3, makeExamplesEffect3, packedBeside } from "./majors.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [command, ...args] = process.argv.slice(2)
const bin = (name) => join(root, "node_modules", ".bin", name)

const run = (title, program, programArgs, env = {}, cwd = root) => {
  if (title !== undefined) console.log(`\n> ${title}`)
  const { error, status } = spawnSync(program, programArgs, {
    cwd,
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

const installIn = (directory, title) => {
  const lock = join(directory, "package-lock.json")
  const installed = join(directory, "node_modules", ".package-lock.json")
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  // Effect 4's test tools want a newer Node than this may be: they are run by the one that is installed with them.
  must(title, "npm", ["ci", "--prefix", directory, "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"])
}

const effect4 = join(root, "effect4")

const install = () => {
  installIn(root, "npm ci (only the first time)")
  installIn(effect4, "npm ci for Effect 4 (only the first time)")
}

/** Of all that both packages are made of. */
const fingerprint = () => {
  const manifests = ["package.json", "package-lock.json", "tsconfig.build.json"]
  const made = ["src", ...packedBeside, ...manifests, ...manifests.map((name) => join("effect4", name))]
  const hash = createHash("sha256")
  for (const name of [...made, "tsconfig.json", "scripts/majors.mjs"]) {
    const isFolder = statSync(join(root, name)).isDirectory()
    const within = isFolder ? readdirSync(join(root, name), { recursive: true }).sort() : [""]
    for (const file of within.map((one) => join(name, one))) {
      if (statSync(join(root, file)).isFile()) hash.update(`${file}\n`).update(readFileSync(join(root, file)))
    }
  }
  return hash.digest("hex")
}

/**
 * Both packages: `dist` for Effect 3, `effect4/dist` for Effect 4. What is there and made of the same sources stays, as
 * who packs them builds them, too, and others may be running them.
 */
const build = () => {
  const made = join(root, ".cache", "built")
  const now = fingerprint()
  const entries = ["dist", "effect4/dist"].map((folder) => join(root, folder, "index.js"))
  if (existsSync(made) && readFileSync(made, "utf8") === now && entries.every(existsSync)) return
  rmSync(made, { force: true })
  layOutPackages()
  must("build for Effect 4", bin("tsc"), ["-p", "effect4/tsconfig.build.json"])
  must("build for Effect 3", bin("tsc"), ["-p", "tsconfig.build.json"])
  mkdirSync(dirname(made), { recursive: true })
  writeFileSync(made, now)
}

/** Everything that can be checked without running it. */
const check = async () => {
  makeEffect3()
  const installs = ["ci", "--dry-run", "--prefer-offline", "--loglevel=error"]
  await mustAll([
    [
      ["lint", bin("eslint"), ["."]],
      ["package-lock.json is that of package.json", "npm", installs],
      ["the same for Effect 4", "npm", [...installs, "--prefix", "effect4"]]
    ],
    [
      ["type-check", bin("tsc"), ["-p", "tsconfig.json"]],
      ["type-check on Effect 3", bin("tsc"), ["-p", join(effect3, "tsconfig.json")]],
      ["format", bin("prettier"), ["--check", "--log-level", "warn", "."]],
      ["links in the docs", process.execPath, ["scripts/docs-links.mjs"]],
      ["code in the docs", process.execPath, ["scripts/docs-code.mjs"]],
      ["API reference", process.execPath, ["scripts/docs-api.mjs", "--check"]]
    ]
  ])
  build()
  for (const directory of ["effect4", "."]) {
    must(`publint of ${directory}`, bin("publint"), [directory, "--strict"])
    must(`are the types of ${directory} wrong?`, bin("attw"), ["--pack", directory, "--profile", "esm-only"])
  }
}

/** The Node that Effect 4's test tools run on: one that runs TypeScript, as their configuration is. */
const newNode = () =>
  process.features.typescript ? process.execPath : join(effect4, "node_modules", ".bin", "node")

/** On which major of Effect tests are run, and by what. */
const majors = {
  4: {
    // otherwise vitest would bundle its configuration first, and itself with it
    run: () => [newNode(), join(effect4, "node_modules", "vitest", "vitest.mjs"), "--configLoader=native"],
    workers: (count) => [`--maxWorkers=${count}`]
  },
  3: {
    run: () => [process.execPath, join(root, "node_modules", "vitest", "vitest.mjs"), "--root", effect3],
    // vitest 3 ends a thread above its least number while it gives it a file
    workers: (count) => [`--minWorkers=${count}`, `--maxWorkers=${count}`]
  }
}

/** What failed, of the runner's own report, a line each: the file, the test, and the first line of why. */
const failures = (major, { testResults }) =>
  testResults.flatMap(({ assertionResults, message, name, status }) => {
    const file = `Effect ${major}: ${relative(major === 3 ? effect3 : root, name)}`
    const failed = assertionResults.filter((result) => result.status === "failed")
    return failed.length === 0 && status === "failed"
      ? [`${file}: ${firstLine(message)}`]
      : failed.map(({ failureMessages, fullName }) => `${file}: ${fullName}: ${firstLine(failureMessages.join())}`)
  })

/** A message's first line, cut off where it is very long. */
const firstLine = (message) => message.split("\n", 1)[0].slice(0, 300)

/**
 * Runs the tests, one choice of them after the other, and ends with how long each took, the names of what failed, and the
 * runner's own counts on a line of their own. A choice is a major of Effect, and arguments of its runner.
 */
const test = (choices, env) => {
  const report = join(root, ".cache", "test-report.json")
  mkdirSync(dirname(report), { recursive: true })
  makeEffect3()
  let [failure, passed, failed, skipped] = [0, 0, 0, 0]
  const [times, names] = [[], []]
  for (const [major, ...which] of choices) {
    const started = Date.now()
    rmSync(report, { force: true })
    const [program, ...runner] = majors[major].run()
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
    const status = run(
      `tests on Effect ${major}: ${which.join(" ")}`,
      program,
      [...runner, "run", ...reporters, ...which],
      env
    )
    if (!existsSync(report)) process.exit(status === 0 ? 1 : status)
    const counts = JSON.parse(readFileSync(report, "utf8"))
    times.push(`${Math.round((Date.now() - started) / 1000)} s: Effect ${major}: ${which.join(" ")}`)
    names.push(...failures(major, counts))
    failure ||= status
    passed += counts.numPassedTests
    failed += counts.numFailedTests
    skipped += counts.numPendingTests + counts.numTodoTests
  }
  console.log(["", ...times].join("\n"))
  if (names.length > 0) console.log(["", "failed:", ...names].join("\n"))
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(failure)
}

// What needs no broker first, and quickly. Half of the time of all these tests is spent on waiting: for brokers, for clocks,
// for other processes. So twice as many files are under way as there are cores; those that share the broker are four,
// however many cores there are. Faults have promises about time, and the machine to themselves.
// Effect 3 has all that needs no broker, and of the rest what the two majors could differ in.
const withoutBroker = (major) => [
  ...[major, "--project", "units", "--project", "isolated"],
  ...majors[major].workers(2 * availableParallelism())
]
const systems = (major) => [major, "--project", "systems", ...majors[major].workers(4)]
const faults = ["--project", "faults"]
const allTests = [
  withoutBroker(4),
  withoutBroker(3),
  systems(4),
  [...systems(3), "test/contract/real", "test/examples", "test/package", "test/real/table"],
  [4, ...faults],
  [3, ...faults, "test/faults/v3"]
]

/** Arguments of which the first may say on which major: 4, if it does not. */
const chosen = ([first, ...rest]) => (first === "--effect-3" ? [3, ...rest] : [4, first, ...rest])

/** The demo, on the major of Effect that `--effect` says: 4, if nothing does. Its other arguments are its own. */
const demo = () => {
  const at = args.findIndex((arg) => arg === "--effect" || arg.startsWith("--effect="))
  const [option = "--effect=4", next] = at === -1 ? [] : args.slice(at)
  const isTwo = option === "--effect"
  const major = isTwo ? next : option.slice("--effect=".length)
  if (!Object.hasOwn(majors, major ?? "")) {
    console.error(`--effect is 4 or 3, and not ${major ?? "nothing"}`)
    process.exit(2)
  }
  const own = at === -1 ? args : args.toSpliced(at, isTwo ? 2 : 1)
  const cwd = major === "3" ? join(root, "build", "demo-effect-3") : root
  if (major === "3") makeExamplesEffect3(cwd)
  return run(undefined, process.execPath, ["--import", "tsx", "examples/demo.ts", ...own], {}, cwd)
}

const commands = {
  install: () => {},
  build,
  check,
  demo: () => process.exit(demo()),
  docs: () => process.exit(run(undefined, process.execPath, ["scripts/docs-api.mjs"])),
  kafka: () => process.exit(run(undefined, bin("tsx"), ["scripts/kafka.ts", ...args])),
  bench: () => process.exit(run(undefined, bin("tsx"), ["bench/run.ts", ...args])),
  "bench:views": async () => {
    await build()
    process.exit(run(undefined, process.execPath, ["bench/views/run.mjs", ...args]))
  },
  // what needs no broker; with --changed, what a change touches, on Effect 4: git knows nothing of the copy for Effect 3
  quick: () =>
    test([[...withoutBroker(4), ...args], ...(args.includes("--changed") ? [] : [[...withoutBroker(3), ...args]])]),
  // with arguments: only the tests that they name; on Effect 3 after --effect-3
  test: async () => {
    if (args.length > 0) test([chosen(args)])
    await check()
    test(allTests)
  },
  // more seeds, longer loads, longer sequences, more versions of Kafka in full than in all the tests; what the environment
  // says counts first
  "test:faults": () => {
    const more = { FAULT_ROUNDS: "5", FAULT_LOAD: "500", FAULT_STEPS: "15" }
    const longer = [
      "contract/versions",
      "recordBatch/java",
      "recordBatch/mutations",
      "recordBatch/randomBytes",
      "embedded/tableModel",
      "table/randomFaults",
      "table/state"
    ]
    test([[4, "test/faults", "test/soak", ...longer.map((name) => `test/${name}`), ...args]], {
      ...more,
      ...process.env
    })
  },
  // small bugs put into a folder of src/internal, one at a time: does a test notice? What tries them knows vitest 3 only
  mutate: () => {
    const target = join(root, "build", "mutate-effect-3")
    makeEffect3(target)
    process.exit(run(undefined, process.execPath, [join(target, "scripts", "mutate", "mutate.mjs"), ...args]))
  },
  // faults at random for so many minutes
  soak: () => {
    const [minutes = "10", ...rest] = args
    test([[4, "test/soak", ...rest]], { SOAK_MINUTES: minutes })
  }
}

if (!Object.hasOwn(commands, command)) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join("|")}`)
  process.exit(2)
}
install()
await commands[command]()
