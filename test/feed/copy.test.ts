/** A copy shows one version, whatever it was told in between. */
import { assert, describe, it } from "@effect/vitest"
import { FeedEvent } from "../../src/index.ts"

type Event<K> = FeedEvent.FeedEvent<K, number>

const reset = { _tag: "Reset", size: 0 } as const
const resumed = { _tag: "Resumed" } as const
const entries = <K>(...pairs: ReadonlyArray<readonly [K, number]>): Event<K> => ({
  _tag: "Entries",
  entries: pairs.map(([key, value]) => ({ key, value }))
})
const live = (version: number) => ({ _tag: "Live", version, token: `token ${version}` }) as const
const changes = <K>(...all: ReadonlyArray<readonly [K, number | null]>): Event<K> => ({
  _tag: "Changes",
  changes: all.map(([key, value]) => (value === null ? { _tag: "Delete", key } : { _tag: "Upsert", key, value }))
})

const told = <K>(copy: FeedEvent.Copy<K, number>, ...events: ReadonlyArray<Event<K>>) =>
  events.map((event) => copy.apply(event))

describe("a copy", () => {
  it("shows what it was told with each Live, and nothing of it before", () => {
    const copy = FeedEvent.makeCopy<string, number>()
    assert.deepInclude(copy, { token: undefined, version: undefined, size: 0 })
    assert.deepStrictEqual(told(copy, reset, entries(["a", 1]), entries(["b", 2])), [false, false, false])
    assert.deepStrictEqual([...copy], [])
    assert.deepStrictEqual(told(copy, live(1), changes(["a", null], ["c", 3])), [true, false])
    assert.deepStrictEqual(
      [copy.get("a"), copy.has("a"), copy.get("c"), copy.has("c"), copy.size],
      [1, true, undefined, false, 2]
    )
    told(copy, changes(["b", 4], ["never there", null]), live(2))
    assert.deepStrictEqual(
      [...copy],
      [
        ["b", 4],
        ["c", 3]
      ]
    )
    assert.deepStrictEqual(copy.toMap(), new Map([...copy]))
    assert.deepInclude(copy, { token: "token 2", version: 2, size: 2 })
  })

  it("forgets what was cut off, whether it is told all again or only what it missed", () => {
    const copy = FeedEvent.makeCopy<string, number>()
    told(copy, reset, entries(["a", 1], ["b", 1]), live(1))
    told(copy, changes(["a", 2]), resumed, changes(["b", 2]), live(2))
    assert.deepStrictEqual(
      [...copy],
      [
        ["a", 1],
        ["b", 2]
      ]
    )
    told(copy, reset, entries(["x", 1]), resumed, live(3))
    assert.strictEqual(copy.get("a"), 1)
    told(copy, changes(["y", 1]), reset, entries(["z", 1]), live(4))
    assert.deepStrictEqual([...copy], [["z", 1]])
  })

  it("tells keys that are objects apart by their JSON, or as it is told to", () => {
    const keys = [{ id: 1 }, { id: 2 }, { id: 1 }]
    const copy = FeedEvent.makeCopy<{ readonly id: number }, number>()
    told(copy, reset, entries(...keys.map((key, i) => [key, i] as const)), live(1))
    assert.deepStrictEqual([copy.size, copy.get({ id: 1 }), copy.get({ id: 2 })], [2, 2, 1])
    const big = FeedEvent.makeCopy<{ readonly id: bigint }, number>({ identity: ({ id }) => id })
    told(big, reset, entries([{ id: 1n }, 1], [{ id: 1n }, 2]), live(1))
    assert.deepStrictEqual([big.size, big.get({ id: 1n })], [1, 2])
  })
})
