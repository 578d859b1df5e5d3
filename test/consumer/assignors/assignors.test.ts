import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { cooperativeSticky } from "../../../src/internal/consumer/assignors/cooperativeSticky.ts"
import type { Assignor, GroupMember } from "../../../src/internal/consumer/assignors/members.ts"
import type { TopicPartitions } from "../../../src/internal/protocol/consumerProtocol.ts"
import { range } from "../../../src/internal/consumer/assignors/range.ts"
import { roundRobin } from "../../../src/internal/consumer/assignors/roundRobin.ts"
import { randomOf } from "../../support/random.ts"
import { PARTITIONS_PER_STEP } from "../../../src/internal/consumer/assignors/members.ts"
import { allOf, assign, member, ownersOf, slicesOf, textOf } from "./groups.ts"

type Assigned = Readonly<Record<string, ReadonlyArray<TopicPartitions>>>

/** What Kafka's own assignors give, see Fixtures.java. */
const fixtures = JSON.parse(readFileSync(new URL("./fixtures.json", import.meta.url), "utf8")) as ReadonlyArray<{
  readonly counts: Readonly<Record<string, number>>
  readonly members: ReadonlyArray<GroupMember>
  readonly range: Assigned
  readonly roundrobin: Assigned
}>

describe("range and roundrobin", () => {
  it.each([
    ["range", range],
    ["roundrobin", roundRobin]
  ] as const)("%s gives what Kafka's own gives", (name, assignor) => {
    assert.isAbove(fixtures.length, 50)
    for (const fixture of fixtures) {
      const assignment = assign(assignor, fixture.members, new Map(Object.entries(fixture.counts)))
      assert.deepStrictEqual(Object.fromEntries(assignment), fixture[name])
    }
  })

  it("range gives the first members one more of each topic", () => {
    const members = [member("b"), member("a"), member("c", { topics: ["other", "topic"] })]
    const counts = new Map([
      ["topic", 5],
      ["other", 2]
    ])
    assert.deepStrictEqual(textOf(assign(range, members, counts)), {
      a: "topic-0 topic-1",
      b: "topic-2 topic-3",
      c: "other-0 other-1 topic-4"
    })
  })

  it("roundrobin goes on with the next member at the next topic", () => {
    const members = [member("b", { topics: ["t", "u"] }), member("a", { topics: ["t", "u"] })]
    const counts = new Map([
      ["t", 3],
      ["u", 2]
    ])
    assert.deepStrictEqual(textOf(assign(roundRobin, members, counts)), { a: "t-0 t-2 u-1", b: "t-1 u-0" })
  })

  it("static members come first, by their instance's id", () => {
    const members = [member("a"), member("z", { instanceId: "2" }), member("y", { instanceId: "1" })]
    assert.deepStrictEqual(textOf(assign(range, members, new Map([["topic", 3]]))), {
      y: "topic-0",
      z: "topic-1",
      a: "topic-2"
    })
  })
})

describe("all assignors", () => {
  const all: ReadonlyArray<readonly [string, Assignor]> = [range, roundRobin, cooperativeSticky].map((a) => [a.name, a])

  it.each(all)("%s: who is subscribed to nothing that there is, gets nothing", (_, assignor) => {
    const members = [member("a", { topics: ["missing", "empty"] }), member("b", { topics: [] })]
    assert.deepStrictEqual(textOf(assign(assignor, members, new Map([["empty", 0]]))), { a: "", b: "" })
    assert.strictEqual(assign(assignor, [], new Map([["topic", 3]])).size, 0)
  })

  it.each(all)("%s: a topic that is named twice counts once", (_, assignor) => {
    const members = [member("a", { topics: ["topic", "topic"] }), member("b")]
    const assignment = assign(assignor, members, new Map([["topic", 4]]))
    assert.deepStrictEqual([...ownersOf(assignment).values()].sort(), ["a", "a", "b", "b"])
  })

  it.each(all)("%s: the order of members and of their topics does not matter", (_, assignor) => {
    const random = randomOf(7)
    const shuffled = <A>(list: ReadonlyArray<A>): Array<A> =>
      list
        .map((a) => [random(), a] as const)
        .sort(([a], [b]) => a - b)
        .map(([, a]) => a)
    for (const { counts, members } of fixtures) {
      const sizes = new Map(Object.entries(counts))
      const other = shuffled(members).map((m) => ({ ...m, topics: shuffled(m.topics), owned: shuffled(m.owned) }))
      const expected = Object.fromEntries(assign(assignor, members, sizes))
      const others = new Map(shuffled(Object.entries(counts)))
      assert.deepStrictEqual(Object.fromEntries(assign(assignor, other, others)), expected)
    }
  })

  it.each(all)("%s gives each partition once, to a subscriber", (_, assignor) => {
    const random = randomOf(11)
    for (let n = 0; n < 200; n++) {
      const counts = new Map(Array.from({ length: 4 }, (_, t) => [`t${t}`, Math.floor(random() * 8)]))
      const members = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, i) =>
        member(`m${i}`, { topics: [...counts.keys()].filter(() => random() < 0.6) })
      )
      const owners = ownersOf(assign(assignor, members, counts))
      assert.deepStrictEqual([...owners.keys()].sort(), [...allOf(members, counts)].sort())
      for (const [name, id] of owners) {
        assert.include(members.find(({ memberId }) => memberId === id)!.topics, name.split("-")[0])
      }
    }
  })

  it.each(all)("%s assigns 10,000 partitions to 1,000 members in few slices, each of few partitions", (_, assignor) => {
    const topics = Array.from({ length: 100 }, (_, i) => `topic-${i}`)
    const counts = new Map(topics.map((topic) => [topic, 100]))
    const members = Array.from({ length: 1_000 }, (_, i) => member(`member-${i}`, { topics }))
    const slices = slicesOf(assignor.assign(members, counts))
    assert.isAtLeast(slices, 10_000 / PARTITIONS_PER_STEP)
    assert.isAtMost(slices, 20)
  })
})
