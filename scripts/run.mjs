// The project's commands, for a machine that has Node and npm and nothing else: installs what is missing, then works.
// Plain JavaScript without dependencies, as there may be none yet.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join, relative } from "node:path"
import { effect3, layOutPackages, makeEffect3, makeExamplesEffect3, packedBeside } from "./majors.mjs"
import { must, newNode, root, run, runNamed, runQuietly, sideBySide, tsc } from "./running.mjs"

const [command, ...args] = process.argv.slice(2)
const node = process.execPath
const bin = (name) => join(root, "node_modules", ".bin", name)

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
const build = async () => {
  const made = join(root, ".cache", "built")
  const now = fingerprint()
  const entries = ["dist", "effect4/dist"].map((folder) => join(root, folder, "index.js"))
  if (existsSync(made) && readFileSync(made, "utf8") === now && entries.every(existsSync)) return
  rmSync(made, { force: true })
  layOutPackages()
  const compile = (directory) => () =>
    runQuietly(`build of ${directory}`, node, [tsc, "-p", join(directory, "tsconfig.build.json")])
  const status = await sideBySide([[compile("effect4")], [compile(".")]])
  if (status !== 0) process.exit(status)
  mkdirSync(dirname(made), { recursive: true })
  writeFileSync(made, now)
}

const dryRun = ["ci", "--dry-run", "--prefer-offline", "--loglevel=error"]

/** Everything that can be checked without running it, of what is built and of the copy for Effect 3: rows of commands. */
const checks = [
  [
    ["lint", bin("oxlint"), ["--type-aware", "--report-unused-disable-directives", "--deny-warnings", "--format=unix"]],
    ["lint of the rooms", bin("eslint"), ["src"]],
    ["package-lock.json is that of package.json", "npm", dryRun],
    ["the same for Effect 4", "npm", [...dryRun, "--prefix", "effect4"]],
    ...["effect4", "."].flatMap((directory) => [
      [`publint of ${directory}`, bin("publint"), [directory, "--strict"]],
      [`are the types of ${directory} wrong?`, bin("attw"), ["--pack", directory, "--profile", "esm-only"]]
    ])
  ],
  [
    ["type-check", node, [tsc, "-p", "tsconfig.json"]],
    ["type-check on Effect 3", node, [tsc, "-p", join(effect3, "tsconfig.json")]],
    ["format", bin("prettier"), ["--check", "--log-level", "warn", "."]],
    ["links in the docs", node, ["scripts/docs-links.mjs"]],
    ["code in the docs", node, ["scripts/docs-code.mjs"]],
    ["API reference", node, ["scripts/docs-api.mjs", "--check"]]
  ]
]

const check = async () => {
  const started = Date.now()
  const failed = []
  const checked = (command) => async () => {
    const status = await runQuietly(...command)
    if (status !== 0) failed.push(command[0])
    return status
  }
  const status = await sideBySide(checks.map((row) => row.map(checked)))
  return { status, failed, time: `${seconds(started)} s: what is checked without running it` }
}

/** What is checked and tested is made of the sources as they are now. */
const prepare = async () => {
  makeEffect3()
  await build()
}

const seconds = (started) => Math.round((Date.now() - started) / 1000)

/** On which major of Effect tests are run, and by what. */
const majors = {
  4: {
    // otherwise vitest would bundle its configuration first, and itself with it
    run: () => [newNode(), join(effect4, "node_modules", "vitest", "vitest.mjs"), "--configLoader=native"],
    workers: (count) => [`--maxWorkers=${count}`]
  },
  3: {
    run: () => [node, join(root, "node_modules", "vitest", "vitest.mjs"), "--root", effect3],
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

/** Tests of one choice: a major of Effect, and arguments of its runner. `begin` starts the runner. */
const runTests = async ([major, ...which], begin) => {
  const started = Date.now()
  const name = `Effect ${major}: ${which.join(" ")}`
  const report = join(mkdtempSync(join(root, ".cache", "test-report-")), "report.json")
  const [program, ...runner] = majors[major].run()
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`]
  const status = await begin(name, program, [...runner, "run", ...reporters, ...which])
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined
  rmSync(dirname(report), { recursive: true })
  return {
    status: counts === undefined ? status || 1 : status,
    time: `${seconds(started)} s: ${name}`,
    failed: counts === undefined ? [`${name}: the runner tells nothing`] : failures(major, counts),
    counts
  }
}

/**
 * Ends with how long each part took, the names of what failed, and the runner's own counts of all tests on a line of their
 * own.
 */
const tell = (parts) => {
  const sum = (count) => parts.reduce((all, { counts }) => all + (counts === undefined ? 0 : count(counts)), 0)
  const passed = sum(({ numPassedTests }) => numPassedTests)
  const failed = sum(({ numFailedTests }) => numFailedTests)
  const skipped = sum(({ numPendingTests, numTodoTests }) => numPendingTests + numTodoTests)
  const names = parts.flatMap((part) => part.failed)
  console.log(["", ...parts.map(({ time }) => time)].join("\n"))
  if (names.length > 0) console.log(["", "failed:", ...names].join("\n"))
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(parts.find(({ status }) => status !== 0)?.status ?? 0)
}

/** Runs tests of one choice. */
const test = async (choice, env) => {
  makeEffect3()
  tell([await runTests(choice, (name, ...command) => run(`tests on ${name}`, ...command, env))])
}

/** Parts that may run at the same time, and what all of them told. */
class Parts {
  told = []

  /** A part: `run` gives what it tells. */
  of = (run) => async () => {
    const told = await run()
    this.told.push(told)
    return told.status
  }

  tests = (name, choice) => this.of(() => runTests(choice, (_, ...command) => runNamed(name, ...command)))

  /** What needs no broker: the contract waits, while others compute. */
  units = (major, workers, which = []) => {
    const choice = [major, "--project", "units", "--project", "isolated", ...majors[major].workers(workers), ...which]
    return this.tests(`units ${major}`, choice)
  }
}

/**
 * Of the tests of systems, those of Effect 3: a smoke on a real Kafka, and what users run and install. What bundlers make
 * of a package is tried with the one for Effect 4.
 */
const onEffect3 = [
  "contract/v3",
  "examples",
  "package/bun.test",
  "package/contents",
  "package/nodes",
  "package/types"
].map((name) => `test/${name}`)

/** Of what needs no broker, what is quick on Effect 3: all faces are seen by the contract, and codecs are that major's own. */
const quickOnEffect3 = ["client", "codec", "contract", "events", "feed", "groups", "kafkajs", "producer", "writer"].map(
  (name) => `test/${name}/`
)

/**
 * Runs all there is, part by part. Each part keeps the machine busy by itself: half of the time of its tests is spent on
 * waiting, for brokers, for clocks, for other processes, so that twice as many files are under way as there are cores. With
 * other parts beside it, what has promises about time would not keep them.
 */
const testAll = async () => {
  await prepare()
  const parts = new Parts()
  const workers = 2 * availableParallelism()
  // Those that share the broker are five, however many cores there are: most of the time they wait for it, and for processes.
  const systems = (major) => [major, "--project", "systems", ...majors[major].workers(5)]
  const faults = (major) => [major, "--project", "faults"]
  // What these are about happens in other processes, but for the smoke: each of their own loads the modules once.
  const shared = "--poolOptions.forks.isolate=false"
  await sideBySide([
    [
      parts.of(check),
      parts.units(4, workers),
      parts.units(3, workers),
      parts.tests("systems 4", systems(4)),
      parts.tests("systems 3", [...systems(3), shared, ...onEffect3]),
      parts.tests("faults 4", faults(4)),
      parts.tests("faults 3", [...faults(3), "test/faults/v3"])
    ]
  ])
  tell(parts.told)
}

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
  return run(undefined, node, ["--import", "tsx", "examples/demo.ts", ...own], {}, cwd)
}

const commands = {
  install: () => {},
  build,
  check: async () => {
    await prepare()
    const { failed, status } = await check()
    if (failed.length > 0) console.log(["", "failed:", ...failed].join("\n"))
    process.exit(status)
  },
  demo: () => process.exit(demo()),
  docs: () => process.exit(run(undefined, node, ["scripts/docs-api.mjs"])),
  kafka: () => process.exit(run(undefined, bin("tsx"), ["scripts/kafka.ts", ...args])),
  bench: () => process.exit(run(undefined, bin("tsx"), ["bench/run.ts", ...args])),
  "bench:views": async () => {
    await build()
    process.exit(run(undefined, node, ["bench/views/run.mjs", ...args]))
  },
  // what needs no broker; with --changed, what a change touches, on Effect 4: git knows nothing of the copy for Effect 3
  quick: async () => {
    if (args.includes("--changed")) await test([4, "--project", "units", "--project", "isolated", ...args])
    makeEffect3()
    const parts = new Parts()
    const workers = availableParallelism() + 1
    const on3 = args.length > 0 ? args : quickOnEffect3
    await sideBySide([[parts.units(4, workers, args)], [parts.units(3, workers, on3)]])
    tell(parts.told)
  },
  // with arguments: only the tests that they name; on Effect 3 after --effect-3
  test: () => (args.length > 0 ? test(chosen(args)) : testAll()),
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
      "real/retention",
      "table/randomFaults",
      "table/state"
    ]
    return test([4, "test/faults", "test/soak", ...longer.map((name) => `test/${name}`), ...args], {
      ...more,
      ...process.env
    })
  },
  // small bugs put into a folder of src/internal, one at a time: does a test notice? What tries them knows vitest 3 only
  mutate: () => {
    const target = join(root, "build", "mutate-effect-3")
    makeEffect3(target)
    process.exit(run(undefined, node, [join(target, "scripts", "mutate", "mutate.mjs"), ...args]))
  },
  // faults at random for so many minutes
  soak: () => {
    const [minutes = "10", ...rest] = args
    return test([4, "test/soak", ...rest], { SOAK_MINUTES: minutes })
  }
}

if (!Object.hasOwn(commands, command)) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join("|")}`)
  process.exit(2)
}
install()
await commands[command]()
