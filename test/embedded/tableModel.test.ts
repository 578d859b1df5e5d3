/** Tables and writers, and a simple model of what they are to show: `tableModel.ts`. `SEED` repeats a run. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { isLongRun, ofRounds } from "../support/rounds.ts"
import { carryOut, steps, type Variant } from "./tableModel.ts"

const RUNS = ofRounds(12, 50)
/** The same ones each time, unless all that there is is to be run. */
const seed = process.env["SEED"] ?? (isLongRun ? undefined : "1")

const property = (variant: Variant) => fc.asyncProperty(steps, (steps) => carryOut(steps, variant))

describe("tables, writers and a simple model of them", () => {
  it("show the same, whatever happens", async () => {
    await fc.assert(property({}), { numRuns: RUNS, ...(seed === undefined ? {} : { seed: Number(seed) }) })
  })
})

/** What each of them does wrong, and how it is found out. */
const broken: Readonly<Record<string, readonly [told: RegExp, variant: Variant]>> = {
  "a barrier that does not wait": [/AssertionError: . at .* is nothing, not \d/, { barrier: () => Effect.void }],
  "a subscription with a gap": [
    /AssertionError: \w+: (snapshot and changes|before)/,
    {
      subscribe: (table, strategy) =>
        Effect.map(table.subscribe({ strategy }), ({ changes, snapshot }) => ({
          snapshot,
          changes: Stream.drop(changes, 1)
        }))
    }
  ],
  "a subscription that tells a change twice": [
    /AssertionError: \w+: (before . of \d|. twice)/,
    {
      subscribe: (table, strategy) =>
        Effect.map(table.subscribe({ strategy }), ({ changes, snapshot }) => ({
          snapshot,
          changes: Stream.flatMap(changes, (change) => Stream.make(change, change))
        }))
    }
  ],
  "a reader of uncommitted records": [
    /AssertionError: nothing that may still be undone was read/,
    { settings: { isolation: "read_uncommitted" } }
  ],
  "a reader that looks at no checksums": [
    /AssertionError: . at .*=v\d+, not .*=v\d+/,
    { settings: { checkCrcs: false } }
  ],
  "a writer that repeats without numbers": [
    /AssertionError: a write is at the end of its partition/,
    { writer: { idempotent: false } }
  ],
  "a client that loses the list of aborted transactions": [
    /AssertionError: . at .* is \d\S+ of \d+=\w+, not /,
    {
      prepare: (kafka) =>
        kafka.intercept("Fetch", (_, answer) =>
          Effect.map(answer, ({ partitions, ...rest }) => ({
            ...rest,
            partitions: partitions.map((one) => ({ ...one, abortedTransactions: [] }))
          }))
        )
    }
  ],
  "a client that loses the first of several batches": [
    /AssertionError: . at .* is nothing, not \d/,
    {
      prepare: (kafka) =>
        kafka.intercept("Fetch", (_, answer) =>
          Effect.map(answer, ({ partitions, ...rest }) => ({
            ...rest,
            partitions: partitions.map((one) => {
              const first = one.records.length < 12 ? 0 : 12 + one.records.readInt32BE(8)
              return first >= one.records.length ? one : { ...one, records: one.records.subarray(first) }
            })
          }))
        )
    }
  ]
}

describe("the model finds", () => {
  for (const [name, [told, variant]] of Object.entries(broken)) {
    it(name, async () => {
      const found = await fc.check(property(variant), { numRuns: 60, seed: 1, endOnFailure: true })
      assert.isTrue(found.failed)
      // for what it does wrong, and for nothing else
      assert.match(String(found.errorInstance), told)
    })
  }

  it("the few steps that matter", async () => {
    const [, variant] = broken["a barrier that does not wait"]
    const { counterexample, failed } = await fc.check(property(variant), { seed: 3 })
    assert.isTrue(failed)
    assert.isAtMost(counterexample![0].length, 3)
  })
})
