/** The demo, as users run it, and what it draws. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { assert, describe, expect, it } from "vitest"
import { frame, toldLines, type Heading, type Scene } from "../../examples/demo/draw.ts"
import type { Told } from "../../examples/demo/narrator.ts"
import type { Picture } from "../../examples/demo/picture.ts"
import { Service } from "../../examples/demo/registry.ts"
import { duration, paint, wrap, type Line } from "../../examples/demo/text.ts"
import { KafkaClient, KafkaError } from "../../src/index.ts"
import { freePorts } from "../kafka/ports.ts"
import { realKafka, sharedKafka } from "../kafka/realKafka.ts"
import { eventually, test } from "../support/live.ts"
import { command, interrupted, quickCommand, root, start, startCommand } from "./program.ts"

// ---------------------------------------------------------------------------------------------------------------------
// what is drawn
// ---------------------------------------------------------------------------------------------------------------------

const chapters = [
  { title: "Services register", text: "Each is a record in a Kafka topic, written again twice a second." },
  { title: "A broker outage", text: "The table serves its last state, and says how stale that may be." }
]

const heading: Heading = { topic: "demo.registry", cluster: "a Kafka of tests", chapters, startedAt: 10_000 }

/** A service with heartbeats, heard from so long ago. */
const row = (key: string, millisAgo: number, heartbeats = 7) => ({
  key,
  value: new Service({ host: `${key}.internal`, port: 8080, heartbeats }),
  partition: 0,
  offset: 1042,
  timestamp: 22_000 - millisAgo,
  headers: []
})

const pictureOf = (rows: ReadonlyArray<ReturnType<typeof row>>, more: Partial<Picture> = {}): Picture => ({
  at: 22_000,
  snapshot: { size: rows.length, entries: () => rows.values() },
  status: { _tag: "CaughtUp" },
  freshness: {
    connected: true,
    lag: 0,
    lastFetchAt: 21_988,
    staleMillis: 12,
    lastFailure: undefined,
    throttledUntil: undefined,
    heldUpBy: []
  },
  stats: {
    entries: rows.length,
    applied: 0,
    tombstones: 0,
    keyless: 0,
    keyErrors: 0,
    valueErrors: 0,
    aborted: 0,
    evicted: 0,
    expired: 0,
    expiryErrors: 0,
    contestedKeys: 0,
    replayed: 0,
    catchUpMillis: 5,
    rebuilds: 0,
    reconnects: 0,
    subscribers: 0,
    partitions: []
  },
  ...more
})

const [register, outage] = chapters as [(typeof chapters)[0], (typeof chapters)[0]]

const told: ReadonlyArray<Told> = [
  { _tag: "Began", at: 10_000, chapter: register },
  { _tag: "Happened", at: 11_200, mark: "+", text: "billing registered" },
  { _tag: "Ended", at: 13_000, result: "2 services" },
  { _tag: "Began", at: 13_000, chapter: outage },
  { _tag: "Happened", at: 14_000, mark: "!", text: "the broker is stopped" }
]

const disconnected: Picture["freshness"] = {
  connected: false,
  lag: 0,
  lastFetchAt: 18_800,
  staleMillis: 3_200,
  lastFailure: new KafkaError.ConnectionError({ reason: "Unreachable", broker: "b:9092", request: "connect" }),
  throttledUntil: undefined,
  heldUpBy: []
}

const scene: Scene = {
  heading,
  told,
  picture: pictureOf([row("billing", 200), row("search", 3_400)], { freshness: disconnected })
}

const style = /\x1b\[\d+m/g

const plain = (lines: ReadonlyArray<Line>, columns: number): ReadonlyArray<string> =>
  lines.map((line) => paint(line, { columns, colors: false }).trimEnd())

describe("a frame of the demo", () => {
  it("shows where the story is, the table, how stale it is, and what happened", () => {
    expect(plain(frame(scene, { columns: 80, rows: 24 }), 80)).toEqual([
      "effect-ktables: a Kafka topic as a live, typed table in memory      12.0 s",
      "topic demo.registry on a Kafka of tests · Ctrl-C ends it",
      "",
      " ✓ 1 Services register   2 services",
      " › 2 A broker outage",
      "     The table serves its last state, and says how stale that may be.",
      "",
      "  SERVICE       ADDRESS                     HEARTBEATS   OFFSET    HEARD FROM",
      "● billing       billing.internal:8080                7    1,042     0.2 s ago",
      "○ search        search.internal:8080                 7    1,042     3.4 s ago",
      "",
      "",
      "",
      "  broker gone · up to 3.2 s stale · Unreachable · 2 keys",
      "",
      "  1.2 s  + billing registered",
      "  4.0 s  ! the broker is stopped"
    ])
  })

  it("fits any terminal, with and without colours", () => {
    const long: Scene = {
      ...scene,
      told: [
        ...told,
        ...Array.from({ length: 50 }, (_, n): Told => ({
          _tag: "Happened",
          at: 15_000,
          mark: ".",
          text: `${"word ".repeat(n)}${"x".repeat(n * 3)}`
        }))
      ],
      picture: pictureOf(Array.from({ length: 40 }, (_, n) => row(`service-with-a-long-name-${n}`, n * 100)))
    }
    for (const columns of [1, 2, 10, 30, 79, 80, 120, 300]) {
      for (const rows of [1, 2, 5, 10, 15, 20, 24, 50]) {
        for (const one of [scene, long]) {
          const lines = frame(one, { columns, rows })
          assert.isAtMost(lines.length, rows)
          for (const line of lines) {
            const text = paint(line, { columns, colors: false })
            assert.isAtMost(text.length, columns)
            assert.notInclude(text, "\x1b")
            assert.strictEqual(paint(line, { columns, colors: true }).replaceAll(style, ""), text)
          }
        }
      }
    }
  })

  it("keeps its parts where they are while they fill", () => {
    const stateAt = (one: Scene) =>
      plain(frame(one, { columns: 80, rows: 24 }), 80).findIndex((line) => line.includes("caught up"))
    const steps = told.map((_, n): Scene => ({ ...scene, told: told.slice(0, n), picture: pictureOf([row("a", 0)]) }))
    const many = { ...scene, picture: pictureOf(Array.from({ length: 9 }, (_, n) => row(`service-${n}`, 0))) }
    assert.strictEqual(new Set([...steps, many].map(stateAt)).size, 1)
  })

  it("leaves the table on a terminal of few lines", () => {
    const lines = plain(frame(scene, { columns: 40, rows: 8 }), 40)
    expect(lines[0]).toBe(" › 2 A broker outage")
    expect(lines[2]).toMatch(/^● billing/)
    expect(lines.at(-1)).toMatch(/^ {2}broker gone · up to 3\.2 s stale/)
  })

  it("shows the beginning of a large table, and how much more there is", () => {
    const rows = Array.from({ length: 20_004 }, (_, n) => row(`service-${n}`, 0, 0))
    const lines = plain(frame({ ...scene, picture: pictureOf(rows) }, { columns: 80, rows: 24 }), 80)
    expect(lines.filter((line) => line.includes("service-"))).toHaveLength(4)
    expect(lines).toContain("  … and 20,000 more")
    expect(lines).toContain("  caught up · lag 0 · broker answered 12 ms ago · 20,004 keys")
  })

  it("says when the table is not complete, or has failed", () => {
    const stateOf = (status: Picture["status"]) =>
      plain(frame({ ...scene, picture: pictureOf([row("a", 0)], { status }) }, { columns: 80, rows: 24 }), 80)[13]
    const progress = { done: 40, total: 100, percent: 40, recordsPerSecond: 10 }
    expect(stateOf({ _tag: "Loading", progress })).toMatch(/^ {2}loading, 40 % · lag 0/)
    const error = new KafkaError.TopicError({ reason: "Deleted", topic: "demo.registry" })
    expect(stateOf({ _tag: "Failed", error, healing: false })).toMatch(/^ {2}failed: KafkaTopicError Deleted · /)
  })
})

describe("the demo's text", () => {
  it("adds lines for each thing told", () => {
    const all = [...told, { _tag: "Looked", at: 22_000, picture: scene.picture } as const]
    expect(
      plain(
        all.flatMap((one) => toldLines(one, heading, 60)),
        60
      )
    ).toEqual([
      "",
      "1. Services register",
      "   Each is a record in a Kafka topic, written again twice a",
      "   second.",
      "  1.2 s  + billing registered",
      "",
      "   => 2 services",
      "",
      "2. A broker outage",
      "   The table serves its last state, and says how stale that",
      "   may be.",
      "  4.0 s  ! the broker is stopped",
      "",
      "     SERVICE       ADDRESS                     HEARTBEATS  …",
      "   ● billing       billing.internal:8080                7  …",
      "   ○ search        search.internal:8080                 7  …",
      "     broker gone · up to 3.2 s stale · Unreachable · 2 keys"
    ])
  })

  it("breaks lines between words", () => {
    expect(wrap("a bb ccc dddd", 4)).toEqual(["a bb", "ccc", "dddd"])
    expect(wrap("incomprehensible words", 5)).toEqual(["incomprehensible", "words"])
    expect(wrap("", 5)).toEqual([""])
  })

  it("writes times with the unit that fits", () => {
    expect([0.0004, 0.412, 4.12, 320.4, 4_100].map(duration)).toEqual(["0 µs", "412 µs", "4.1 ms", "320 ms", "4.1 s"])
  })

  it("styles what it is asked to style, and nothing else", () => {
    expect(paint(["a", ["red", "b"], "c"], { columns: 3, colors: true })).toBe("a\x1b[31mb\x1b[0mc")
    expect(paint(["a", ["red", "bc"], "d"], { columns: 3, colors: true })).toBe("a\x1b[31mb\x1b[0m…")
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// the demo as a process
// ---------------------------------------------------------------------------------------------------------------------

/** Starts it without pauses to read. */
const startFast = (...args: ReadonlyArray<string>) => start("demo.ts", ["--fast", ...args])

const quoted = (command: ReadonlyArray<string>): string => command.map((arg) => `'${arg}'`).join(" ")

/** What the story tells, in its order. `<time>` is any. */
const story = (topic: RegExp, outage: ReadonlyArray<RegExp>): ReadonlyArray<RegExp> => [
  /^effect-ktables: a Kafka topic as a live, typed table in memory$/,
  new RegExp(`^topic ${topic.source} on `),
  /^1\. Services register$/,
  /^ +<time> {2}\+ billing registered at billing\.internal:8080 \(offset 0\)$/,
  /^ +[●○] billing +billing\.internal:8080 +\d+ +\d+ +<time> ago$/,
  /^ +caught up · lag 0 · broker answered <time> ago · 3 keys$/,
  /^ {3}=> 3 services, \d+ records so far$/,
  /^2\. Read your own write$/,
  new RegExp(`set: acknowledged as ${topic.source}@0:\\d+ after <time>$`),
  /awaitPosition: the table was there <time> later$/,
  /get: gateway\.internal:8001, in <time>, without asking the broker$/,
  /100 of 100 reads saw their own write; medians: set <time>, awaitPosition/,
  /^3\. Poison records$/,
  /! KafkaPoisonRecordError, Value at offset \d+: port: Expected number, (got|actual) "ninety-two/,
  /! KafkaPoisonRecordError, Value at offset \d+: port: Expected a (value|number) between 1 and 65535,/,
  /! KafkaPoisonRecordError, Value at offset \d+: Invalid JSON: /,
  /get\("search"\): still search\.internal:9200,/,
  /^ +caught up · .* · 4 keys · 3 poison$/,
  /^ {3}=> 3 reported and skipped, the good value kept$/,
  /^4\. A service leaves$/,
  /\+ backup registered at backup\.internal:873 /,
  /watch\("backup"\): gone, known <time> after its delete was acknowledged$/,
  /^5\. A broker outage$/,
  ...outage,
  /^6\. A late replica catches up$/,
  /\+ 20,000 workers registered, acknowledged after <time>$/,
  /\+ a replica has replayed 20,\d\d\d records in <time>$/,
  /= the same 20,004 services in both tables$/,
  /^ {3}=> 20,\d\d\d records in <time>$/,
  /^7\. A rack goes down$/,
  /by\("host"\)\.get\("rack-7\.internal"\): 1,250 workers of 20,004 services, in <time>$/,
  /\. racks: rack-7\.internal has 1,250 workers$/,
  /\. racks: rack-7\.internal has 750 workers$/,
  /- racks: rack-7\.internal is gone$/,
  /= 18,750 workers in 15 racks, 18,750 in the table$/,
  /^ {3}=> 1,250 workers found in <time>, their rack gone with the last one$/
]

const embeddedStory = story(/demo\.registry/, [
  /! the broker is stopped$/,
  /! freshness: KafkaConnectionError, (Closed|Unreachable)$/,
  /get\("billing"\): billing\.internal:8080, up to <time> stale; \d heartbeats? waiting$/,
  /\. the broker is started again$/,
  /= current again <time> later, waiting heartbeats included; 0 writes lost$/,
  /^ {3}=> <time> stale, current again in <time>$/
])

/** Its chapters and what came out of them. */
const outline = embeddedStory.filter(({ source }) => /^\^(\d\\\.|.*=>)/.test(source))

const inOrder = (lines: ReadonlyArray<string>, facts: ReadonlyArray<RegExp>): void => {
  let at = 0
  for (const { source } of facts) {
    const fact = new RegExp(source.replaceAll("<time>", "[0-9.]+ (?:µs|ms|s)"))
    const found = lines.findIndex((line, index) => index >= at && fact.test(line))
    if (found === -1) assert.fail(`${source} is not in\n${lines.slice(at).join("\n")}`)
    at = found + 1
  }
}

/** `1.4 s` in milliseconds */
const millis = (text: string, unit: string): number => Number(text) * (unit === "s" ? 1_000 : 1)

describe("npm run demo", () => {
  test("tells its story on the embedded Kafka as plain lines", () =>
    Effect.gen(function* () {
      const demo = yield* startCommand(command("demo.ts", ["--fast"]))
      assert.strictEqual(yield* demo.ended, 0, demo.output())
      const { stderr, stdout } = demo.written
      expect(stderr).toBe("")
      assert.notInclude(stdout, "\x1b")
      const lines = stdout.split("\n")
      inOrder(lines, embeddedStory)
      expect(lines.at(-2)).toBe(
        "How this was written: examples/demo/registry.ts and story.ts. To write your own: README.md"
      )
      assert.isTrue(lines.some((line) => /- backup left \(tombstone at offset \d+\)$/.test(line)))
      assert.isAtMost(Math.max(...lines.map((line) => line.length)), 100)
      // the longer the outage, the staler
      const stale = [...stdout.matchAll(/up to ([0-9.]+) (ms|s) stale; /g)].map(([, n = "", unit = ""]) =>
        millis(n, unit)
      )
      assert.lengthOf(stale, 3)
      const [first = 0, second = 0, third = 0] = stale
      assert.isTrue(first >= 1_000 && second >= first + 900 && third >= second + 900, stale.join())
    }))

  test("ends by an interrupt in the middle of the outage, and not after it", () =>
    Effect.gen(function* () {
      const demo = yield* startFast()
      yield* demo.says("the broker is stopped")
      yield* demo.signal("SIGINT")
      expect(interrupted).toContain(yield* demo.ended)
      assert.notInclude(demo.output(), "the broker is started again")
      expect(demo.written.stderr).toBe("")
    }))

  test("ends quietly when nobody reads it any more", () =>
    Effect.gen(function* () {
      const demo = yield* startCommand(["sh", "-c", `${quoted(yield* quickCommand("demo.ts"))} | head -n 1`])
      assert.strictEqual(yield* demo.ended, 0, demo.output())
      expect(demo.written).toEqual({
        stdout: "effect-ktables: a Kafka topic as a live, typed table in memory\n",
        stderr: ""
      })
    }))

  test("says what can be asked of it, and why it cannot use a cluster", () =>
    Effect.gen(function* () {
      const [port] = yield* freePorts(1)
      const [help, typo, refused] = yield* Effect.forEach(
        [["--help"], ["--borkers", "b:9092"], ["--brokers", `127.0.0.1:${port}`]],
        (args) => start("demo.ts", args)
      )
      expect(yield* help.ended).toBe(0)
      expect(help.written.stdout).toMatch(/^usage: npm run demo -- /)
      expect(yield* typo.ended).toBe(1)
      expect(typo.written.stderr).toMatch(/Unknown option '--borkers'[^]*usage: npm run demo -- /)
      expect(yield* refused.ended).toBe(1)
      expect(refused.written.stdout).toBe("")
      expect(refused.written.stderr).toContain(`127.0.0.1:${port}`)
      expect(refused.written.stderr).toContain("ECONNREFUSED")
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// the demo on the other major
// ---------------------------------------------------------------------------------------------------------------------

const onMajors = [process.execPath, "scripts/run.mjs", "demo"]

// not in the copy of the project that is for Effect 3, which has none of what the command works on
describe.skipIf(!existsSync(`${root}/package-lock.json`))("npm run demo -- --effect", () => {
  test("3 tells the same story on Effect 3", () =>
    Effect.gen(function* () {
      const demo = yield* startCommand([...onMajors, "--fast", "--effect", "3"])
      assert.strictEqual(yield* demo.ended, 0, demo.output())
      expect(demo.written.stderr).toBe("")
      inOrder(demo.written.stdout.split("\n"), outline)
      const quiet = (folder: string) => readFileSync(`${root}/${folder}/demo/quiet.ts`, "utf8")
      expect(quiet("build/demo-effect-3/examples")).toBe(quiet("examples/effect-3"))
    }))

  test("says which majors there are", () =>
    Effect.gen(function* () {
      const demo = yield* startCommand([...onMajors, "--effect=5"])
      expect(yield* demo.ended).toBe(2)
      expect(demo.written.stderr).toBe("--effect is 4 or 3, and not 5\n")
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// the demo on a terminal
// ---------------------------------------------------------------------------------------------------------------------

/** util-linux's `script` gives it a terminal. */
const startOnTerminal = (env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(quickCommand("demo.ts", ["--fast"]), (quick) => {
    const shell = `stty columns 80 rows 24; exec ${quoted(quick)}`
    return startCommand(["script", "--quiet", "--return", "--command", shell, "/dev/null"], env)
  })

const hasTerminals = /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "")

const entered = "\x1b[?1049h\x1b[?25l"
const restored = "\x1b[?25h\x1b[?1049l"

describe.skipIf(!hasTerminals)("npm run demo on a terminal", () => {
  test("draws frames over each other, and leaves what was told", () =>
    Effect.gen(function* () {
      const begun = yield* Clock.currentTimeMillis
      const demo = yield* startOnTerminal()
      assert.strictEqual(yield* demo.ended, 0, demo.output())
      const seconds = ((yield* Clock.currentTimeMillis) - begun) / 1_000
      const [before = "", rest = ""] = demo.written.stdout.split(entered)
      const [drawn = "", kept = ""] = rest.split(restored)
      expect(before).toBe("")
      const frames = drawn.split("\x1b[H").slice(1)
      assert.isAbove(frames.length, 10)
      assert.isAtMost(frames.length, seconds * 10 + 1)
      for (const one of frames) assert.isAtMost(one.split("\r\n").length, 24)
      assert.isTrue(frames.some((one) => one.includes("broker gone")))
      assert.match(drawn, style)
      inOrder(kept.replaceAll(style, "").split("\r\n"), outline)
    }))

  test("does without colours where NO_COLOR is set, and gives the terminal back at Ctrl-C", () =>
    Effect.gen(function* () {
      const demo = yield* startOnTerminal({ NO_COLOR: "1" })
      yield* demo.says("broker gone")
      yield* demo.types("\x03")
      expect(interrupted).toContain(yield* demo.ended)
      const { stdout } = demo.written
      assert.isTrue(stdout.startsWith(entered))
      assert.notMatch(stdout, style)
      const last = stdout.lastIndexOf("\x1b")
      const kept = stdout.slice(stdout.lastIndexOf(restored))
      assert.include(kept, "the broker is stopped")
      assert.notInclude(kept, "the broker is started again")
      expect(last).toBe(stdout.lastIndexOf(restored) + restored.lastIndexOf("\x1b"))
    }))
})

// ---------------------------------------------------------------------------------------------------------------------
// the demo on a real Kafka
// ---------------------------------------------------------------------------------------------------------------------

realKafka("npm run demo -- --brokers", () => {
  test("tells the story on a topic of its own, and deletes that", () =>
    Effect.gen(function* () {
      const { brokers } = yield* sharedKafka
      const demo = yield* startFast("--brokers", brokers.join(","))
      assert.strictEqual(yield* demo.ended, 0, demo.output())
      const { stderr, stdout } = demo.written
      expect(stderr).toBe("")
      const lines = stdout.split("\n")
      inOrder(lines, [
        ...story(/demo\.registry\.\w+/, [/^ {3}=> left out: your broker is not ours to stop$/]),
        /^topic demo\.registry\.\w+ is deleted$/
      ])
      const topic = /^topic (\S+) on /m.exec(stdout)?.[1] ?? ""
      const client = yield* KafkaClient.make({ brokers })
      const gone = yield* eventually(Effect.exit(client.describeTopic(topic)), Exit.isFailure)
      expect((yield* Effect.flip(gone)).reason).toBe("NotFound")
    }))
})
