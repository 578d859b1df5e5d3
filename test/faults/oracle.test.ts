/** The oracle finds what it is for: a sound history passes, and each way of breaking it is named. */
import { assert, describe, it } from "vitest"
import type { ReadRecord } from "../kafka/records.ts"
import type { Held, Operation, Sighting } from "./history.ts"
import { differences, lastWriteWins, missing, processViolations, union, violations, type Evidence } from "./oracle.ts"

const record = (
  offset: number,
  key: string,
  value: string | null,
  options: { readonly partition?: number; readonly timestamp?: number; readonly id?: string } = {}
): ReadRecord => ({
  partition: options.partition ?? 0,
  offset,
  timestamp: options.timestamp ?? offset,
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers: options.id === undefined ? [] : [{ key: "op", value: Buffer.from(options.id) }]
})

const write = (
  id: string,
  key: string,
  value: string | null,
  offset: number,
  rest: Partial<Operation> = {}
): Operation => ({
  id,
  writer: "w",
  key,
  value,
  calledAt: offset * 10,
  endedAt: offset * 10 + 5,
  outcome: { _tag: "Acknowledged", partition: 0, offset },
  ...rest
})

const saw = (offset: number, key: string, value: string | null, partition = 0): Sighting => ({
  key,
  value,
  partition,
  offset
})

const log = [
  record(0, "a", "1 x"),
  record(1, "b", "2 x"),
  record(2, "a", "3 x"),
  record(3, "b", null, { id: "4" }),
  record(5, "c", "5 x")
]
const operations = [
  write("1", "a", "1 x", 0),
  write("2", "b", "2 x", 1),
  write("3", "a", "3 x", 2),
  write("4", "b", null, 3),
  write("5", "c", "5 x", 5, { outcome: { _tag: "Unknown" } }),
  write("6", "c", "6 x", 6, { outcome: { _tag: "Failed", reason: "Timeout" } }),
  write("7", "c", "7 x", 7, { outcome: { _tag: "Unknown" } })
]
const sightings = [saw(0, "a", "1 x"), saw(1, "b", "2 x"), saw(2, "a", "3 x"), saw(3, "b", null), saw(5, "c", "5 x")]
const content: ReadonlyArray<Held> = [
  { key: "a", value: "3 x", partition: 0, offset: 2 },
  { key: "c", value: "5 x", partition: 0, offset: 5 }
]
const sound: Evidence = {
  log,
  operations,
  sightings: new Map([["table", sightings]]),
  starts: [
    {
      table: "table",
      targets: new Map([[0, 2]]),
      positions: new Map([[0, 3]]),
      content: [
        { key: "b", value: "2 x", partition: 0, offset: 1 },
        { key: "a", value: "3 x", partition: 0, offset: 2 }
      ]
    }
  ],
  reads: [
    { table: "table", positions: new Map([[0, 1]]), content: [{ key: "a", value: "1 x", partition: 0, offset: 0 }] }
  ],
  barriers: [{ table: "table", targets: new Map([[0, 3]]), positions: new Map([[0, 3]]) }],
  contents: new Map([["table", content]]),
  recoveredMillis: 9_000
}

const changed = (id: string, rest: Partial<Operation>): Partial<Evidence> => ({
  operations: operations.map((one) => (one.id === id ? { ...one, ...rest } : one))
})
const seeing = (...all: ReadonlyArray<Sighting>): Partial<Evidence> => ({ sightings: new Map([["table", all]]) })
const holding = (...all: ReadonlyArray<Held>): Partial<Evidence> => ({ contents: new Map([["table", all]]) })
const reading = (...all: ReadonlyArray<Held>): Partial<Evidence> => ({ reads: [{ ...sound.reads[0], content: all }] })
const starting = (rest: object): Partial<Evidence> => ({ starts: [{ ...sound.starts[0], ...rest }] })

describe("the oracle", () => {
  it("finds nothing in a sound history", () => {
    assert.deepStrictEqual(violations(sound), [])
  })

  const broken: ReadonlyArray<readonly [string, number, RegExp, Partial<Evidence>]> = [
    ["a key is missing in the table", 1, /c: only in the log/, holding(content[0])],
    [
      "a deleted key is in the table",
      1,
      /b: only in the table/,
      holding(...content, { ...content[0], key: "b", offset: 1 })
    ],
    ["an old value is in the table", 1, /a: 1 of 0:0/, holding({ ...content[0], value: "1 x", offset: 0 }, content[1])],
    ["a wrong value at the right place", 1, /a: 9 of 0:2/, holding({ ...content[0], value: "9 x" }, content[1])],
    ["recovery took too long", 1, /after 10001 ms/, { recoveredMillis: 10_001 }],
    [
      "an acknowledged write is nowhere",
      2,
      /where nothing is/,
      changed("3", { outcome: { _tag: "Acknowledged", partition: 0, offset: 4 } })
    ],
    [
      "an acknowledged write is not at its position",
      2,
      /where 2 is/,
      changed("3", { outcome: { _tag: "Acknowledged", partition: 0, offset: 1 } })
    ],
    ["an acknowledged write has another value in the log", 2, /another key or value/, changed("3", { value: "3 y" })],
    ["an acknowledged write has another key in the log", 2, /another key or value/, changed("3", { key: "b" })],
    ["an acknowledged tombstone is a value in the log", 2, /another key or value/, changed("2", { value: null })],
    [
      "a write is in the log twice",
      2,
      /2 times/,
      { everything: [...log, record(6, "d", "x", { id: "7" }), record(7, "d", "x", { id: "7" })] }
    ],
    [
      "a write comes before one that was acknowledged before it was called",
      2,
      /3 had ended before 1 was called/,
      changed("3", { calledAt: -20, endedAt: -10 })
    ],
    [
      "a write comes before an unknown one of the same writer that had ended before",
      2,
      /3 had ended before 1 was called/,
      changed("3", { calledAt: -20, endedAt: -10, outcome: { _tag: "Unknown" } })
    ],
    [
      "a failed write is in the log",
      3,
      /5 failed with Timeout/,
      changed("5", { outcome: { _tag: "Failed", reason: "Timeout" } })
    ],
    ["a value was seen that is not in the log", 4, /not in the log/, seeing(saw(4, "a", "9 x"))],
    ["another value was seen than the log has", 4, /where the log has a: 1/, seeing(saw(0, "a", "9 x"))],
    ["another key was seen than the log has", 4, /where the log has a: 1/, seeing(saw(0, "b", "1 x"))],
    ["a step back was seen", 4, /after 3 of 0:2/, seeing(saw(2, "a", "3 x"), saw(0, "a", "1 x"))],
    ["a value was seen twice", 4, /after 3 of 0:2/, seeing(saw(2, "a", "3 x"), saw(2, "a", "3 x"))],
    ["a deletion was seen that is a value in the log", 4, /seen as deleted/, seeing(saw(2, "a", null))],
    ["it was called caught up below the target", 5, /at 3, the target was 4/, starting({ targets: new Map([[0, 4]]) })],
    ["a partition was not read at all", 5, /partition 1 at 0/, starting({ targets: new Map([[1, 1]]) })],
    [
      "a write ended in nothing that a writer says",
      11,
      /^5 never ended, or died$/,
      changed("5", { outcome: undefined })
    ],
    [
      "a partition has content before it has a position",
      9,
      /^table at 1:0: z: only in the table, 1 of 1:0$/,
      reading(sound.reads[0].content[0], { key: "z", value: "1 x", partition: 1, offset: 0 })
    ],
    [
      "it was caught up without all of its content",
      9,
      /b: only in the log/,
      starting({ content: [sound.starts[0].content[1]] })
    ],
    ["a read was half-empty", 9, /table at 0:1: a: only in the log/, reading()],
    [
      "a barrier ended too early",
      10,
      /at 2, the target was 3/,
      { barriers: [{ ...sound.barriers[0], positions: new Map([[0, 2]]) }] }
    ],
    ["a read was ahead of its positions", 9, /a: 3 of 0:2 in the table/, reading({ ...content[0] })]
  ]
  for (const [name, invariant, what, change] of broken) {
    it(`finds that ${name}`, () => {
      const found = violations({ ...sound, ...change })
      assert.deepStrictEqual([...new Set(found.map((one) => one.invariant))], [invariant])
      assert.match(found.map((one) => one.what).join("\n"), what)
    })
  }

  it("takes no offence at what is allowed", () => {
    // an unknown write of another writer may be appended late
    const late = changed("3", { writer: "other", calledAt: -20, endedAt: -10, outcome: { _tag: "Unknown" } })
    assert.deepStrictEqual(violations({ ...sound, ...late }), [])
    // a subscriber need not see everything
    assert.deepStrictEqual(violations({ ...sound, ...seeing(saw(2, "a", "3 x")) }), [])
    // a key whose record was removed from the log vanishes without a record for that
    const removed = { ...seeing(saw(0, "a", "1 x"), saw(0, "a", null)), log: log.slice(2), everything: log }
    assert.deepStrictEqual(violations({ ...sound, ...removed, starts: [], contents: new Map() }), [])
    // and is gone from a read, or is not yet
    const gone = { ...reading(), log: log.slice(2), everything: log }
    assert.deepStrictEqual(violations({ ...sound, ...gone, starts: [] }), [])
    // the value of one partition comes back when that of another one, which had outweighed it, has an older successor
    const grown = [
      record(0, "x", "old", { timestamp: 50 }),
      record(0, "x", "new", { partition: 1, timestamp: 60 }),
      record(1, "x", "late", { partition: 1, timestamp: 40 })
    ]
    const nothing = { operations: [], starts: [], reads: [], barriers: [], contents: new Map() }
    const back = { ...nothing, ...seeing(saw(0, "x", "old"), saw(0, "x", "new", 1), saw(0, "x", "old")) }
    assert.deepStrictEqual(violations({ ...sound, ...back, log: grown }), [])
  })

  it("names a few of many violations of a kind", () => {
    const found = violations({
      ...sound,
      contents: new Map([["table", []]]),
      log: Array.from({ length: 50 }, (_, i) => record(i, `k${i}`, "x"))
    })
    const named = found.filter(({ invariant }) => invariant === 1).map(({ what }) => what)
    assert.deepStrictEqual(named, [
      ...[0, 1, 2, 3, 4].map((i) => `table: k${i}: only in the log, x of 0:${i}`),
      "and more"
    ])
  })

  it("finds what is wrong with the process", () => {
    const left = { millisToClose: 100, connections: 0, fibers: 0, timers: 0 }
    assert.deepStrictEqual(processViolations({ complaints: [], left, idleCpu: 0.01 }), [])
    const found = processViolations({
      complaints: ["a warning"],
      left: { millisToClose: 5_001, connections: 1, fibers: 2, timers: 3 },
      idleCpu: 0.9
    })
    assert.deepStrictEqual(
      found.map(({ invariant, what }) => [invariant, what]),
      [
        [6, "a warning"],
        [7, "closing took 5001 ms"],
        [7, "1 connections are left"],
        [7, "2 fibers are left"],
        [7, "3 timers are left"],
        [8, "90.0 % of a core with nothing to do"]
      ]
    )
  })

  it("says of what there is no evidence", () => {
    assert.deepStrictEqual(missing(sound), [])
    const unacknowledged = operations.filter(({ outcome }) => outcome?._tag !== "Acknowledged")
    for (const [what, change] of [
      ["acknowledged writes", { operations: unacknowledged }],
      ["barriers", { barriers: [] }],
      ["tables", { sightings: new Map() }],
      ["sightings of table", seeing()],
      ["the start of table", { starts: [] }],
      ["reads of table", { reads: [] }],
      ["the content of table in the end", { contents: new Map() }]
    ] as const) {
      assert.deepStrictEqual(missing({ ...sound, ...change }), [`no evidence: ${what}`])
    }
  })
})

describe("the fold of a log", () => {
  const shown = (records: ReadonlyArray<ReadRecord>, positions?: ReadonlyMap<number, number>) =>
    [...lastWriteWins(records, positions)].map(([key, { value }]) => `${key}=${value?.toString() ?? ""}`)

  it("is the last write of each key, without what is deleted, as far as the positions", () => {
    assert.deepStrictEqual(shown(log), ["a=3 x", "c=5 x"])
    assert.deepStrictEqual(shown(log, new Map([[0, 3]])), ["a=3 x", "b=2 x"])
    assert.deepStrictEqual(shown(log, new Map()), [])
    assert.deepStrictEqual(shown([...log].reverse()), ["c=5 x", "a=3 x"])
  })

  it("takes the newest by timestamp of several partitions, of each of them the last", () => {
    const grown = [
      record(0, "a", "old", { timestamp: 50 }),
      record(1, "a", "last of 0", { timestamp: 10 }),
      record(0, "a", "of 1", { partition: 1, timestamp: 20 }),
      record(2, "b", "of 0", { timestamp: 30 }),
      record(1, "b", null, { partition: 1, timestamp: 30 })
    ]
    assert.deepStrictEqual(shown(grown), ["a=of 1"])
  })

  it("of several readings includes what was removed since", () => {
    const later = [...log.slice(3), record(6, "d", "1")]
    assert.deepStrictEqual(
      union(log, later).map((one) => one.offset),
      [0, 1, 2, 3, 5, 6]
    )
    assert.deepStrictEqual(differences(content, lastWriteWins(log)), [])
  })
})
