/** Keys of grouped tables are those of ktables, key for key and in both directions. */
import * as Effect from "effect/Effect"
import { assert, beforeAll, describe } from "vitest"
import { groupedKey } from "../../src/internal/grouped/groupedKey.ts"
import { hasPython } from "../kafka/Librdkafka.ts"
import * as Ktables from "../kafka/Ktables.ts"
import { test } from "../support/live.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"

const COUNT = ofRounds(100_000, 1_000_000)

/** What texts and keys are made of. */
const PIECES = [
  ..."abz019:+-_ \0\n",
  ...[
    "é",
    "e\u0301",
    "ключ",
    "😀",
    "👩‍👩‍👧",
    "\uFEFF",
    "\uFFFD",
    "\uFFFF",
    "\u{10FFFF}",
    "١",
    "１",
    "²",
    "\uD83D",
    "\uDE00"
  ],
  ...["0:", "1:", "12", "00", "__proto__"]
]

const texts = (seed: number) => {
  const random = randomOf(seed)
  const pick = <A>(list: ReadonlyArray<A>): A => list[Math.floor(random() * list.length)]
  const text = (pieces = PIECES) => Array.from({ length: Math.floor(random() * 6) }, () => pick(pieces)).join("")
  return { random, pick, text }
}

/** Groups and members of all kinds: empty ones, of digits only, with halves of characters. */
const pairs = (count: number): ReadonlyArray<readonly [string, string]> => {
  const { random, text } = texts(1)
  const one = () => (random() < 0.1 ? text([..."0123456789"]) : text())
  return Array.from({ length: count }, () => [one(), one()] as const)
}

/** Keys of which most have a length and a colon, which is nearly right, and some bytes that are no text. */
const keys = (count: number): ReadonlyArray<Buffer> => {
  const { pick, random, text } = texts(2)
  return Array.from({ length: count }, () => {
    const [head, rest] = [pick(["", "0", "00", "+1", "1_0", "07", "１", text([..."0123456789"])]), text()]
    const length = Array.from(rest).length
    const near = `${Math.max(0, length + Math.floor(random() * 4) - 2)}`
    const key = Buffer.from(`${random() < 0.7 ? near : head}${random() < 0.9 ? ":" : ""}${rest}`)
    if (random() < 0.1 && key.length > 0) key[Math.floor(random() * key.length)] = Math.floor(random() * 256)
    return key
  })
}

const encoded = ([group, member]: readonly [string, string]): Buffer | null => {
  try {
    return Buffer.from(groupedKey.encodeSync({ group, member }) as Uint8Array)
  } catch {
    return null
  }
}

const decoded = (key: Buffer): readonly [string, string] | null => {
  try {
    const { group, member } = groupedKey.decodeSync(key, 0, key.length) as { group: string; member: string }
    return [group, member]
  } catch {
    return null
  }
}

const hex = (key: Buffer | null) => key?.toString("hex") ?? null

const agree = <A>(name: string, ours: ReadonlyArray<A>, theirs: ReadonlyArray<A>, of: ReadonlyArray<unknown>) => {
  assert.strictEqual(theirs.length, of.length)
  const [one, other] = [ours, theirs].map((list) => list.map((found) => JSON.stringify(found)))
  const differing = of.flatMap((given, i) => (one[i] === other[i] ? [] : [[given, one[i], other[i]]]))
  assert.deepStrictEqual(differing.slice(0, 10), [], `${name}: ours, theirs`)
}

const needs = hasPython() || process.env["CI"] ? describe : describe.skip

needs("ktables 2.0", () => {
  beforeAll(() => Effect.runPromise(Effect.asVoid(Ktables.packages)), 900_000)

  test(`${COUNT} groups and members: the same keys, and the same back`, () =>
    Effect.gen(function* () {
      const given = pairs(COUNT)
      const ours = given.map(encoded)
      const theirs = yield* Ktables.encode(given)
      agree("encoded", ours.map(hex), theirs.map(hex), given)
      const written = ours.flatMap((key, i) => (key === null ? [] : [{ key, pair: given[i] }]))
      // halves of characters are not written, by either
      assert.isAbove(written.length, COUNT / 4)
      assert.isBelow(written.length, COUNT)
      const right = written.map(({ pair }) => pair)
      agree(
        "decoded by us",
        written.map(({ key }) => decoded(key)),
        right,
        right
      )
      agree("decoded by ktables", right, yield* Ktables.decode(written.map(({ key }) => key)), right)
    }))

  test(`${COUNT} keys of anybody: the same are foreign, the others are the same`, () =>
    Effect.gen(function* () {
      const given = keys(COUNT)
      const ours = given.map(decoded)
      agree("decoded", ours, yield* Ktables.decode(given), given.map(hex))
      const foreign = ours.filter((pair) => pair === null).length
      assert.isAbove(foreign, COUNT / 10)
      assert.isBelow(foreign, (COUNT * 9) / 10)
    }))

  test("lengths of thousands of digits, at which ktables' codec throws, are foreign to both", () =>
    Effect.gen(function* () {
      const given = [
        Buffer.from(`${"9".repeat(1_000_000)}:a`),
        Buffer.from(`${"9".repeat(5_000)}:${"a".repeat(6_000)}`),
        Buffer.from(`${"0".repeat(5_000)}:${"a".repeat(6_000)}`),
        Buffer.from(`5000:${"a".repeat(6_000)}`)
      ]
      const ours = given.map(decoded)
      agree(
        "decoded",
        ours,
        yield* Ktables.decode(given),
        given.map((key) => key.length)
      )
      assert.deepStrictEqual(
        ours.map((pair) => pair?.map((text) => text.length)),
        [undefined, undefined, undefined, [5_000, 1_000]]
      )
    }))
})
