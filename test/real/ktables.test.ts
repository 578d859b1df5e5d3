/** Grouped tables are those of ktables: key for key, and table for table, in both directions. */
import * as Effect from "effect/Effect"
import { assert, beforeAll, describe } from "vitest"
import { groupedKey } from "../../src/internal/grouped/groupedKey.ts"
import { Codec, GroupedKafkaTable, GroupedKafkaTableWriter, KafkaTableWriter, KafkaTopic } from "../../src/index.ts"
import { after, type Writes } from "../grouped/support.ts"
import { hasPython } from "../kafka/Librdkafka.ts"
import * as Ktables from "../kafka/Ktables.ts"
import { realKafka, sharedKafka, topicName } from "../kafka/realKafka.ts"
import { shared, test } from "../support/live.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { withClient } from "./support.ts"

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

/** Those that UTF-8 has bytes for. */
const WELL_FORMED = PIECES.filter((piece) => Buffer.from(piece).toString() === piece)

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

realKafka("grouped tables, on one topic with those of ktables 2.0", { python: true }, () => {
  const kafka = shared(Effect.andThen(Ktables.packages, sharedKafka))

  /** Members with values, and deletions of some of them. */
  const membersOf = (seed: number, count: number): Writes => {
    const { pick, random, text } = texts(seed)
    const groups = ["", "billing", "😀", "12", "1:", ...Array.from({ length: 5 }, () => text(WELL_FORMED))]
    return Array.from({ length: count }, (_, i) => {
      const member = random() < 0.5 ? text(WELL_FORMED) : `${Math.floor(random() * 20)}`
      // a value without bytes is one, and no deletion
      return [pick(groups), member, random() < 0.3 ? null : random() < 0.1 ? "" : `${i} é`] as const
    })
  }

  /** What there is after that, in the order of Python's texts, which is that of code points. */
  const rightOf = (writes: Writes) => {
    const byText = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b))
    return Array.from(
      after(new Map(), writes),
      ([group, members]) => [group, Array.from(members).sort(byText)] as const
    ).sort(byText)
  }

  /** Our table of a topic, and theirs: both tell the same. Returns how many foreign keys they have counted. */
  const agreeOn = (topic: string, right: ReturnType<typeof rightOf>) =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const table = yield* withClient({ brokers })(GroupedKafkaTable.make({ topic, value: Codec.utf8 }))
      yield* table.barrier()
      const snapshot = table.unsafeSnapshot()
      const theirs = yield* Ktables.readGrouped(brokers[0], topic)
      assert.deepStrictEqual(theirs.groups, right)
      assert.strictEqual(snapshot.groupCount, right.length)
      for (const [group, members] of right) assert.deepStrictEqual(snapshot.group(group), new Map(members))
      return { ours: (yield* table.stats).keyErrors, theirs: theirs.foreign }
    })

  test("what ktables' writer writes is what both read", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const topic = topicName()
      const writes = membersOf(3, 300)
      yield* Ktables.writeGrouped(brokers[0], topic, writes)
      assert.deepStrictEqual(yield* agreeOn(topic, rightOf(writes)), { ours: 0, theirs: 0 })
    }))

  test("what our writer writes is what both read; foreign keys are counted alike", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const topic = topicName()
      const writes = membersOf(4, 300)
      const open = withClient({ brokers })
      const writer = yield* open(GroupedKafkaTableWriter.make({ topic, value: Codec.utf8 }))
      for (const [group, member, value] of writes) {
        yield* value === null ? writer.delete(group, member) : writer.set(group, member, value)
      }
      const plain = yield* open(KafkaTableWriter.make({ topic, value: Codec.utf8 }))
      const foreign = ["abc", "01:ab", "+1:a", "１:ab", "9:ab", "1_0:abcdefghijk"]
      yield* plain.setMany(foreign.map((key) => [key, "1"] as const))
      // tombstones of such keys are foreign, too
      yield* plain.deleteMany(foreign)
      const counted = yield* agreeOn(topic, rightOf(writes))
      assert.deepStrictEqual(counted, { ours: 2 * foreign.length, theirs: 2 * foreign.length })
    }))

  test("one topic of two writers, one after the other: the last one wins a member, whoever it was, as both hash alike", () =>
    Effect.gen(function* () {
      const { brokers } = yield* kafka
      const topic = topicName()
      yield* withClient({ brokers })(KafkaTopic.ensure({ topic, partitions: 5, replicationFactor: 1 }))
      const [first, second] = [membersOf(5, 100), membersOf(5, 130)]
      yield* Ktables.writeGrouped(brokers[0], topic, first)
      const writer = yield* withClient({ brokers })(GroupedKafkaTableWriter.make({ topic, value: Codec.utf8 }))
      const mine = second.map(([group, member, value]) => [group, member, value === null ? "back" : null] as const)
      for (const [group, member, value] of mine) {
        yield* value === null ? writer.delete(group, member) : writer.set(group, member, value)
      }
      yield* agreeOn(topic, rightOf([...first, ...mine]))
    }))
})
