/** The oracle of groups finds what a broken consumer does, each for what it is; and nothing where all is right. */
import { assert, describe, it } from "vitest"
import { invariants, type Violation } from "../oracle.ts"
import { numbers } from "../../support/live.ts"
import type { Course, Entry, Happening, Place, PlaceOffset, Written } from "./course.ts"
import { judge, longestSilence, missing } from "./oracle.ts"

const place: Place = { topic: "t", partition: 0 }
const KEYS = 2

const written: ReadonlyArray<Written> = numbers(6).map((offset) => ({
  ...place,
  offset,
  id: `r${offset}`,
  key: `k${offset % KEYS}`,
  life: 0
}))

/** Plays what members do, one thing after the other. */
class Play {
  readonly entries: Array<Entry> = []
  private calls = 0

  add(member: string, happening: Happening): void {
    this.entries.push({ ...happening, at: this.entries.length, member })
  }

  begin(member: string, offset: number): () => void {
    const call = this.calls++
    this.add(member, { _tag: "Began", call, ...place, offset, id: `r${offset}` })
    return () => this.add(member, { _tag: "Ended", call, isDone: true })
  }

  work(member: string, ...offsets: ReadonlyArray<number>): void {
    for (const offset of offsets) this.begin(member, offset)()
  }

  told(member: string, _tag: "Assigned" | "Revoked" | "Lost"): void {
    this.add(member, { _tag, partitions: [place] })
  }

  commit(member: string, offset: number, { isAccepted = true } = {}): void {
    const offsets: ReadonlyArray<PlaceOffset> = [{ ...place, offset }]
    this.add(member, { _tag: "Committing", offsets })
    if (!isAccepted) return
    this.add(member, { _tag: "Committed", offsets })
    this.add("reader", { _tag: "Seen", offsets })
  }

  course(committed = written.length): Course {
    return {
      written,
      entries: this.entries,
      committed: [{ ...place, offset: committed }],
      ends: [{ ...place, offset: written.length }],
      mayMissCommits: false,
      mayCutOff: false
    }
  }
}

const found = (course: Course): ReadonlyArray<Violation["invariant"]> => [
  ...new Set(judge(course).map(({ invariant }) => invariant))
]

/** A member works on half of it, and gives it up to another one; what is different is done by the broken one. */
const handedOver = (how: {
  readonly commitsAtDelivery?: boolean
  readonly acknowledgesAtOnce?: boolean
  readonly commitsAfterwards?: boolean
  readonly forgetsToCommit?: boolean
}): Course => {
  const play = new Play()
  play.told("a", "Assigned")
  play.work("a", 0, 1)
  const end = play.begin("a", 2)
  if (how.commitsAtDelivery === true) play.commit("a", 3)
  if (how.acknowledgesAtOnce === true) {
    play.commit("a", 2)
    play.told("a", "Revoked")
    play.told("b", "Assigned")
    play.work("b", 2)
    end()
  } else {
    end()
    if (how.forgetsToCommit !== true && how.commitsAfterwards !== true) play.commit("a", 3)
    play.told("a", "Revoked")
    if (how.commitsAfterwards === true) play.commit("a", 3)
    play.told("b", "Assigned")
    if (how.forgetsToCommit === true) play.work("b", 2)
  }
  play.work("b", 3, 4, 5)
  play.commit("b", 6)
  return play.course()
}

/** A member is lost in the middle of its work, which another one does again from what is committed on. */
const lost = (committed: number, again: ReadonlyArray<number>, tell = true): Course => {
  const play = new Play()
  play.told("a", "Assigned")
  play.work("a", 0, 1, 2)
  if (committed > 0) play.commit("a", committed)
  play.told("b", "Assigned")
  const end = play.begin("a", 3)
  play.work("b", ...again)
  end()
  if (tell) play.told("a", "Lost")
  play.commit("b", 6)
  return play.course()
}

describe("what is right", () => {
  it("a partition that is handed over in good order", () => {
    assert.deepStrictEqual(found(handedOver({})), [])
  })

  it("work that is done again, and goes on at the same time, as the member has lost it", () => {
    assert.deepStrictEqual(found(lost(2, [2, 3, 4, 5])), [])
  })

  it("work that its member was told to have lost in the middle of it, and that ended before it was interrupted", () => {
    const play = new Play()
    play.told("a", "Assigned")
    play.work("a", 0, 1)
    play.commit("a", 2)
    const end = play.begin("a", 2)
    play.told("a", "Lost")
    end()
    play.told("b", "Assigned")
    play.work("b", 2, 3, 4, 5)
    play.commit("b", 6)
    assert.deepStrictEqual(found(play.course()), [])
  })

  it("a member that was killed, and records that are not there any more", () => {
    const play = new Play()
    play.told("a", "Assigned")
    play.begin("a", 0)
    play.add("a", { _tag: "Gone" })
    play.add("test", { _tag: "Shortened", ...place, offset: 2 })
    play.told("b", "Assigned")
    play.work("b", 2, 3, 4, 5)
    play.commit("b", 6)
    assert.deepStrictEqual(found(play.course()), [])
  })
})

it("what is done behind a record whose work was cut off is done again only where that may be", () => {
  const play = new Play()
  play.told("a", "Assigned")
  play.begin("a", 0)
  play.work("a", 1)
  play.told("a", "Revoked")
  play.told("b", "Assigned")
  play.work("b", 0, 1, 2, 3, 4, 5)
  assert.include(found(play.course()), 22)
  assert.notInclude(found({ ...play.course(), mayCutOff: true }), 22)
})

describe("what is broken is found", () => {
  const broken: ReadonlyArray<readonly [string, Course, ReadonlyArray<Violation["invariant"]>]> = [
    ["commits when it is handed out", handedOver({ commitsAtDelivery: true }), [20]],
    ["acknowledges a revocation while work goes on", handedOver({ acknowledgesAtOnce: true }), [21, 22]],
    ["commits what it was told is revoked", handedOver({ commitsAfterwards: true }), [24]],
    ["gives up without having committed", handedOver({ forgetsToCommit: true }), [22]],
    ["works on with what it has lost, and is not told", lost(2, [2, 3, 4, 5], false), [21, 22]],
    ["does again what is committed", lost(3, [2, 3, 4, 5]), [22]],
    ["leaves a record out", lost(2, [2, 3, 5]), [20, 19]],
    ["works on records of a key in another order", lost(2, [5, 3, 2, 4]), [21]],
    ["is behind in the end", { ...handedOver({}), committed: [{ ...place, offset: 5 }] }, [23]]
  ]
  for (const [what, course, invariant] of broken) {
    it(`${what}: ${invariant.map((one) => invariants[one]).join("; ")}`, () => {
      assert.deepStrictEqual(found(course), invariant)
    })
  }

  it("works on two records of a key at the same time", () => {
    const play = new Play()
    play.told("a", "Assigned")
    const ends = [play.begin("a", 0), play.begin("a", 2)]
    for (const end of ends) end()
    play.work("a", 1, 3, 4, 5)
    assert.deepStrictEqual(found(play.course()), [21])
  })

  it("commits what was lost", () => {
    const play = new Play()
    play.told("a", "Assigned")
    play.work("a", 0, 1, 2, 3, 4, 5)
    play.told("a", "Lost")
    play.commit("a", 6, { isAccepted: false })
    assert.deepStrictEqual(found(play.course()), [24])
  })
})

it("tells what there is no evidence of, and how long heartbeats kept away", () => {
  const play = new Play()
  for (const _ of numbers(3)) play.add("a", { _tag: "Beat" })
  play.add("b", { _tag: "Beat" })
  play.add("a", { _tag: "Beat" })
  assert.strictEqual(longestSilence(play.entries, "a"), 2)
  assert.include(missing(play), 'only 0 of "Committed"')
})
