/** Whatever is written: each version of a grouped table, held for ever, is what a map of maps has. */
import { assert, describe, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type FrozenGroups, Groups as View } from "../../src/internal/grouped/groups.ts"
import { afterEach } from "vitest"
import { settle } from "../support/answers.ts"
import { collect } from "../support/live.ts"
import { it } from "../support/ManualClock.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { after, type Groups, onCluster, open, plain, type Snapshot, write, type Writes } from "./support.ts"

const ROUNDS = ofRounds(4, 100)
const VERSIONS = 16

const names = ["", "a", "aa", "1", "1:", "😀", "é", "e\u0301", "\uFFFD", "__proto__", "constructor"]

/** The members of a group in an order of their own. */
const sorted = (members: ReadonlyMap<string, string> | undefined): ReadonlyArray<readonly [string, string]> =>
  [...(members ?? [])].sort()

/** That a snapshot is what it should be, in each way to ask it. */
const check = (snapshot: Snapshot, right: Groups): void => {
  assert.deepStrictEqual(plain(snapshot.toMap()), plain(right))
  assert.deepStrictEqual([...snapshot.groups()].sort(), [...right.keys()].sort())
  assert.deepStrictEqual([...snapshot.toMap().keys()], snapshot.groups())
  assert.strictEqual(snapshot.groupCount, right.size)
  let size = 0
  for (const group of [...names, ...right.keys(), "none"]) {
    const members = right.get(group) ?? new Map<string, string>()
    assert.deepStrictEqual(sorted(snapshot.group(group)), sorted(members))
    assert.deepStrictEqual(
      [snapshot.groupSize(group), snapshot.hasGroup(group)],
      [members.size, members.size > 0],
      group
    )
    for (const member of [...names, ...members.keys()]) {
      assert.strictEqual(snapshot.getOrUndefined(group, member), members.get(member))
      assert.strictEqual(snapshot.has(group, member), members.has(member))
    }
  }
  for (const members of right.values()) size += members.size
  assert.strictEqual(snapshot.size, size)
}

/** Writes of one version: a few members, all of some group, or so many that what was deleted is worth to be cleared. */
const writesOf = (random: () => number, before: Groups, version: number): Writes => {
  const pick = <A>(list: ReadonlyArray<A>): A => list[Math.floor(random() * list.length)]
  const value = () => (random() < 0.3 ? null : `${version}`)
  const kind = random()
  if (kind < 0.1) {
    return Array.from({ length: 1_500 }, (_, i) => [`many ${i % 30}`, `${i}`, `${version}`] as const)
  }
  if (kind < 0.25) {
    return [...before].flatMap(([group, members]) =>
      random() < 0.8 ? Array.from(members.keys(), (member) => [group, member, null] as const) : []
    )
  }
  if (kind < 0.4) {
    const group = pick(names)
    return Array.from(before.get(group)?.keys() ?? [], (member) => [group, member, null] as const)
  }
  return Array.from({ length: 1 + Math.floor(random() * 12) }, () => [pick(names), pick(names), value()] as const)
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe("each version of a grouped table", () => {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const partitions = 1 + (seed % 3)
    it.effect(`is what a map of maps has, for ever; so is what is seen of a group (${seed})`, () =>
      onCluster(
        (kafka) =>
          Effect.gen(function* () {
            const random = randomOf(seed)
            let right: Groups = new Map()
            const first = writesOf(random, right, 0)
            right = after(right, first)
            const writer = yield* open
            yield* write(kafka, writer, first)
            const table = yield* open
            const watched = new Map<string, ReadonlyArray<unknown>>()
            for (const group of names) {
              watched.set(group, yield* collect(Stream.map(table.watchGroup(group), sorted)))
            }
            yield* settle
            const expected = new Map(Array.from(names, (group) => [group, [sorted(right.get(group))]]))
            const held: Array<readonly [Snapshot, Groups]> = [[table.unsafeSnapshot(), right]]
            for (let version = 1; version < VERSIONS; version++) {
              const writes = writesOf(random, right, version)
              if (writes.length === 0) continue
              yield* write(kafka, table, writes)
              yield* settle
              const before = right
              right = after(before, writes)
              held.push([table.unsafeSnapshot(), right])
              const changed = writes.filter(([group, member]) =>
                [before, right].some((all) => all.get(group)?.has(member) === true)
              )
              for (const group of new Set(changed.map(([group]) => group))) {
                expected.get(group)?.push(sorted(right.get(group)))
              }
            }
            for (const [snapshot, content] of held) check(snapshot, content)
            // one that begins now is built of all rows at once, with the numbers that its table has
            const late = yield* open
            check(late.unsafeSnapshot(), right)
            for (const [group, seen] of watched) {
              assert.deepStrictEqual(seen.at(-1), sorted(right.get(group)))
              // a version of several partitions may come in parts
              if (partitions === 1) assert.deepStrictEqual(seen, expected.get(group))
            }
          }),
        partitions
      )
    )
  }

  it.effect("lasts when the table clears away what was deleted, and numbers its groups anew", () =>
    onCluster((kafka) =>
      Effect.gen(function* () {
        const move = vi.spyOn(View.prototype as unknown as { readonly move: (to: Int32Array) => unknown }, "move")
        const table = yield* open
        const all: Writes = Array.from({ length: 3_000 }, (_, i) => [`${i % 300}`, `${i}`, "1"] as const)
        const gone: Writes = all
          .filter(([group]) => Number(group) % 3 > 0)
          .map(([group, member]) => [group, member, null])
        const more: Writes = [...all.slice(0, 40), ["new", "1", "1"], ["1", "new", "1"]]
        const held: Array<readonly [Snapshot, Groups]> = []
        let right: Groups = new Map()
        for (const writes of [all, gone, more]) {
          yield* write(kafka, table, writes)
          yield* settle
          right = after(right, writes)
          held.push([table.unsafeSnapshot(), right])
        }
        assert.strictEqual(move.mock.calls.length, 1)
        for (const [snapshot, content] of held) check(snapshot, content)
        // it has let go of the groups that are gone, and not of those that came again
        const { names, numbers } = move.mock.contexts[0] as FrozenGroups<string>
        assert.deepStrictEqual([names.length, numbers.size], [right.size, right.size])
      })
    )
  )
})
