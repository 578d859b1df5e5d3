import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { assignmentOf, cooperativeSticky, planOf } from "../../../src/internal/consumer/assignors/cooperativeSticky.ts"
import type { Assignment, GroupMember, PartitionCounts } from "../../../src/internal/consumer/assignors/members.ts"
import type { TopicPartitions } from "../../../src/internal/protocol/consumerProtocol.ts"
import { randomOf } from "../../support/random.ts"
import { ofRounds } from "../../support/rounds.ts"
import { allOf, assign, slicesOf, member, movesOf, names, ownersOf, owning, run, sizesOf, textOf } from "./groups.ts"

const fixtures = JSON.parse(readFileSync(new URL("./fixtures.json", import.meta.url), "utf8")) as ReadonlyArray<{
  readonly counts: Readonly<Record<string, number>>
  readonly members: ReadonlyArray<GroupMember>
  readonly sticky: Readonly<Record<string, ReadonlyArray<TopicPartitions>>>
}>

/** Where partitions are to be in the end, before any of them is withheld. */
function* tending(members: ReadonlyArray<GroupMember>, counts: PartitionCounts): Generator<void, Assignment> {
  return yield* assignmentOf(yield* planOf(members, counts))
}

const tended = (members: ReadonlyArray<GroupMember>, counts: PartitionCounts): Assignment =>
  run(tending(members, counts))

const topic = (...partitions: ReadonlyArray<number>): ReadonlyArray<TopicPartitions> => [{ topic: "topic", partitions }]

const isEven = (members: ReadonlyArray<GroupMember>, assignment: Assignment): boolean => {
  // A partition may go from its member to all others that are subscribed to its topic, and so on.
  const owners = ownersOf(assignment)
  const topicsOf = new Map(members.map(({ memberId }) => [memberId, new Set<string>()]))
  for (const [name, id] of owners) topicsOf.get(id)!.add(name.slice(0, name.lastIndexOf("-")))
  const load = (id: string) => names(assignment.get(id)!).length
  return members.every(({ memberId }) => {
    const reached = new Set([memberId])
    for (const id of reached) {
      for (const { memberId: other, topics } of members) {
        if (topics.some((t) => topicsOf.get(id)!.has(t))) reached.add(other)
      }
    }
    return [...reached].every((id) => load(id) >= load(memberId) - 1)
  })
}

/** The fewest partitions that have to move so that the sizes of members with equal subscriptions differ by one at most. */
const fewestMoves = (members: ReadonlyArray<GroupMember>, total: number): number => {
  const each = Math.floor(total / members.length)
  const owned = members.map((m) => names(m.owned).length).sort((a, b) => b - a)
  return owned.reduce((moves, size, i) => moves + Math.max(0, size - (i < total % members.length ? each + 1 : each)), 0)
}

describe("claims", () => {
  const counts = new Map([["topic", 4]])

  it("a claim of an older generation yields to a newer one, whoever comes first", () => {
    const a = member("a", { owned: topic(0, 1), generation: 4 })
    const b = member("b", { owned: topic(0, 2), generation: 5 })
    assert.deepStrictEqual(textOf(assign(cooperativeSticky, [a, b], counts)), {
      a: "topic-1 topic-3",
      b: "topic-0 topic-2"
    })
    const [a2, b2] = [
      { ...a, generation: 5 },
      { ...b, generation: 4 }
    ]
    assert.deepStrictEqual(textOf(assign(cooperativeSticky, [a2, b2], counts)), {
      a: "topic-0 topic-1",
      b: "topic-2 topic-3"
    })
  })

  it("of two claims of one generation none counts, and nobody is given the partition while they stand", () => {
    const a = member("a", { owned: topic(0, 1), generation: 5 })
    const b = member("b", { owned: topic(0, 2), generation: 5 })
    assert.deepStrictEqual(textOf(assign(cooperativeSticky, [a, b], counts)), { a: "topic-1", b: "topic-2 topic-3" })
  })

  it("a third claim of a newer generation counts", () => {
    const a = member("a", { owned: topic(0), generation: 5 })
    const b = member("b", { owned: topic(0), generation: 5 })
    const c = member("c", { owned: topic(0), generation: 6 })
    assert.include(textOf(assign(cooperativeSticky, [a, b, c], counts))["c"], "topic-0")
    assert.include(textOf(assign(cooperativeSticky, [c, b, a], counts))["c"], "topic-0")
  })

  it("what is owned of a topic that has fewer partitions, is gone or not subscribed to, is dropped", () => {
    const owned = [...topic(0, 4, -1, 99), { topic: "gone", partitions: [0] }]
    const members = [member("a", { owned, generation: 1 }), member("b")]
    assert.deepStrictEqual(textOf(assign(cooperativeSticky, members, counts)), {
      a: "topic-0 topic-2",
      b: "topic-1 topic-3"
    })
    const other = member("a", { topics: ["other"], owned: topic(0, 1), generation: 1 })
    assert.deepStrictEqual(textOf(assign(cooperativeSticky, [other, member("b")], counts)), {
      a: "",
      b: "topic-2 topic-3"
    })
  })
})

describe("what moves", () => {
  it("waits for a generation in which its owner does not claim it any more", () => {
    const counts = new Map([["topic", 4]])
    const first = [member("a", { owned: topic(0, 1, 2, 3), generation: 1 }), member("b")]
    const given = assign(cooperativeSticky, first, counts)
    assert.deepStrictEqual(textOf(given), { a: "topic-0 topic-1", b: "" })
    const second = owning(first, given, 2)
    assert.deepStrictEqual(textOf(assign(cooperativeSticky, second, counts)), {
      a: "topic-0 topic-1",
      b: "topic-2 topic-3"
    })
  })

  it("is some of each topic, rather than all of one", () => {
    const topics = ["t", "u"]
    const owned = topics.map((name) => ({ topic: name, partitions: [0, 1, 2, 3] }))
    const members = [member("a", { topics, owned, generation: 1 }), member("b", { topics })]
    const counts = new Map([
      ["t", 4],
      ["u", 4]
    ])
    assert.deepStrictEqual(textOf(tended(members, counts)), { a: "t-0 t-1 u-0 u-1", b: "t-2 t-3 u-2 u-3" })
  })

  it("goes through a member in between, where the one with least is not subscribed to its topic", () => {
    const members = [
      member("a", { topics: ["t"], owned: [{ topic: "t", partitions: [0, 1, 2] }], generation: 1 }),
      member("b", { topics: ["t", "u"], owned: [{ topic: "u", partitions: [0, 1] }], generation: 1 }),
      member("c", { topics: ["u"] })
    ]
    const counts = new Map([
      ["t", 3],
      ["u", 2]
    ])
    const assignment = tended(members, counts)
    assert.deepStrictEqual(sizesOf(assignment), [1, 2, 2])
    assert.strictEqual(movesOf(members, assignment), 2)
  })
})

describe("beside Kafka's own", () => {
  it("it is as even, and moves no more", () => {
    for (const { counts, members, sticky } of fixtures) {
      const sizes = new Map(Object.entries(counts))
      const ours = tended(members, sizes)
      const theirs = new Map(Object.entries(sticky))
      // Kafka's own takes a member that is subscribed to nothing for one that is subscribed to what the others are.
      if (members.some(({ memberId, topics }) => topics.length === 0 && names(theirs.get(memberId)!).length > 0))
        continue
      const unevenness = (assignment: Assignment) => sizesOf(assignment).reduce((sum, size) => sum + size * size, 0)
      assert.isAtMost(unevenness(ours), unevenness(theirs))
      if (unevenness(ours) === unevenness(theirs)) {
        assert.isAtMost(movesOf(members, ours), movesOf(members, theirs))
      }
    }
  })
})

/** A group at random whose members come and go, and change what they are subscribed to. */
const life = (seed: number, isEqual: boolean) => {
  const random = randomOf(seed)
  const upTo = (n: number) => Math.floor(random() * n)
  const counts = new Map(Array.from({ length: 1 + upTo(4) }, (_, t) => [`t${t}`, 1 + upTo(9)]))
  const topics = () => [...counts.keys()].filter(() => isEqual || random() < 0.6)
  let made = 0
  const newcomer = () => member(`m${made++}`, { topics: topics() })
  let members: ReadonlyArray<GroupMember> = Array.from({ length: 1 + upTo(5) }, newcomer)
  return {
    counts,
    get members() {
      return members
    },
    keep: (given: Assignment, generation: number) => {
      members = owning(members, given, generation)
    },
    change: () => {
      const kept = members.filter(() => random() < 0.8)
      const joined = Array.from({ length: upTo(3) }, newcomer)
      members = [...joined, ...kept].map((m) => (random() < 0.1 ? { ...m, topics: topics() } : m))
      if (members.length === 0) members = [newcomer()]
      if (random() < 0.2) counts.set("t0", counts.get("t0")! + upTo(4) - 1)
    }
  }
}

describe.each([
  ["equal subscriptions", true],
  ["subscriptions at random", false]
] as const)("groups with %s", (_, isEqual) => {
  it("get each partition once, evenly, by as few moves as that needs, and the same again", () => {
    for (let seed = 0; seed < ofRounds(150, 5_000); seed++) {
      const group = life(seed, isEqual)
      for (let generation = 1; generation < 10; generation++) {
        const { counts, members } = group
        const assignment = tended(members, counts)
        const all = allOf(members, counts)
        assert.deepStrictEqual([...ownersOf(assignment).keys()].sort(), [...all].sort())
        assert.isTrue(isEven(members, assignment), `seed ${seed}`)
        if (isEqual) {
          const sizes = sizesOf(assignment)
          assert.isAtMost(sizes.at(-1)! - sizes[0], 1)
          const claimed = members.map((m) => ({
            ...m,
            owned: m.owned.map((o) => ({ ...o, partitions: o.partitions.filter((p) => p < counts.get(o.topic)!) }))
          }))
          assert.strictEqual(movesOf(members, assignment), fewestMoves(claimed, all.length), `seed ${seed}`)
        }
        group.keep(assignment, generation)
        assert.deepStrictEqual(textOf(tended(group.members, counts)), textOf(assignment), `seed ${seed}`)
        group.change()
      }
    }
  })

  it("reach that in two generations, and never own one twice", () => {
    for (let seed = 0; seed < ofRounds(150, 5_000); seed++) {
      const group = life(seed, isEqual)
      for (let generation = 1; generation < 30; generation += 3) {
        const { counts } = group
        const goal = tended(group.members, counts)
        for (let round = 0; round < 2; round++) {
          const before = group.members
          const given = assign(cooperativeSticky, before, counts)
          for (const [name, id] of ownersOf(given)) {
            const other = before.find((m) => m.memberId !== id && names(m.owned).includes(name))
            assert.isUndefined(other, `seed ${seed}: ${name} goes to ${id} while another has it`)
          }
          group.keep(given, generation + round)
        }
        const reached = assign(cooperativeSticky, group.members, counts)
        assert.deepStrictEqual(sizesOf(reached), sizesOf(goal))
        assert.deepStrictEqual(textOf(reached), textOf(owningText(group.members)), `seed ${seed}`)
        group.change()
      }
    }
  })
})

/** What members own, as an assignment. */
const owningText = (members: ReadonlyArray<GroupMember>): Assignment =>
  new Map(members.map(({ memberId, owned }) => [memberId, owned]))

describe("large groups", () => {
  const large = (subscriptions: (member: number) => ReadonlyArray<string>, counts: PartitionCounts) => {
    const members = Array.from({ length: 1_000 }, (_, i) => member(`member-${i}`, { topics: subscriptions(i) }))
    // All is with a tenth of the members when the others come.
    const few = members.filter((_, i) => i % 10 === 0)
    const given = tended(few, counts)
    return { members: owning(members, given, 1), counts }
  }

  const topics = Array.from({ length: 100 }, (_, i) => `topic-${i}`)
  const counts = new Map(topics.map((name) => [name, 100]))

  it.each([
    ["one subscription", large(() => topics, counts)],
    ["two subscriptions", large((i) => (i % 2 === 0 ? topics : topics.slice(0, 50)), counts)],
    ["a subscription each", large((i) => topics.filter((_, t) => (i * 7 + t * 13) % 3 > 0), counts)]
  ] as const)(
    "with %s, that move most of their partitions, take few slices, each of few steps",
    (_, { counts, members }) => {
      assert.isAtMost(slicesOf(tending(members, counts)), 200)
    }
  )
})
