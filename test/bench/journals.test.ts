/** What the bench makes of the journals of a group's members: gaps, repeats, and who has which partition. */
import { describe, expect, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { effectsOf, isEven, journals, ownersWithin, recordsIn, type Work } from "../../bench/journals.ts"

/** Records of a partition, from an offset on, one every 10 ms, each worked on 1 ms after it was written. */
const steady = (member: string, partition: number, offset: number, from: number, count: number): ReadonlyArray<Work> =>
  Array.from({ length: count }, (_, i) => ({
    member,
    partition,
    offset: offset + i,
    time: from + 10 * i + 1,
    written: from + 10 * i
  }))

const owners = (...names: ReadonlyArray<string>) => new Map(names.map((name, partition) => [partition, name]))

describe("who owns what", () => {
  const works = [...steady("a", 0, 0, 0, 10), ...steady("a", 1, 0, 0, 5), ...steady("b", 1, 5, 50, 5)]

  it("is told by who has worked on it, in a time", () => {
    expect(ownersWithin(works, 0, 45)).toEqual(owners("a", "a"))
    expect(ownersWithin(works, 50, 100)).toEqual(owners("a", "b"))
    // nobody's while two have worked on it, or none
    expect(ownersWithin(works, 0, 100)).toEqual(owners("a"))
    expect(ownersWithin(works, 200, 300)).toEqual(new Map())
  })

  it("is even if each of the members has as many", () => {
    expect(isEven(owners("a", "b"), ["a", "b"], 2)).toBe(true)
    expect(isEven(owners("a", "a"), ["a", "b"], 2)).toBe(false)
    expect(isEven(owners("a", "b", "b", "c"), ["a", "b"], 4)).toBe(false)
    expect(isEven(owners("a"), ["a"], 2)).toBe(false)
  })
})

describe("what a rebalance did", () => {
  const phase = { from: 100, until: 300, ownersBefore: owners("a", "a"), ownersAfter: owners("a", "b") }

  it("is the longest time without work while there was some, and what was done twice, by partition", () => {
    const works = [
      ...steady("a", 0, 0, 0, 30),
      // b begins 80 ms later, before what a has done and not committed
      ...steady("a", 1, 0, 0, 12),
      ...Array.from({ length: 15 }, (_, i) => ({
        member: "b",
        partition: 1,
        offset: 10 + i,
        time: 191 + i,
        written: 100 + 10 * i
      }))
    ]
    expect(effectsOf(works, phase)).toEqual([
      { partition: 0, kept: true, gap: 1, repeats: 0, moved: 0 },
      { partition: 1, kept: false, gap: 80, repeats: 2, moved: 91 }
    ])
    expect(recordsIn(works)).toBe(30 + 25)
  })

  it("has no gap where nothing was written, and no repeats of other times", () => {
    const works = [
      ...steady("a", 0, 0, 0, 12),
      ...steady("a", 0, 5, 50, 2),
      ...steady("a", 0, 12, 280, 2),
      ...steady("a", 0, 12, 400, 2)
    ]
    const one = { ...phase, ownersBefore: owners("a"), ownersAfter: owners("a") }
    expect(effectsOf(works, one)).toEqual([{ partition: 0, kept: true, gap: 1, repeats: 0, moved: 0 }])
  })

  it("has moved a partition when nobody else works on it any more", () => {
    const works = [
      ...steady("a", 0, 0, 100, 2),
      ...steady("b", 0, 2, 120, 2),
      ...steady("a", 0, 4, 140, 1),
      ...steady("b", 0, 5, 150, 2)
    ]
    const one = { ...phase, ownersBefore: owners("a"), ownersAfter: owners("b") }
    expect(effectsOf(works, one).map(({ moved }) => moved)).toEqual([51])
  })
})

describe("journals", () => {
  it("are read as they grow, without a line that was not written to its end", () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-bench-"))
    const file = path.join(directory, "a")
    const all = journals()
    all.add("a", file)
    expect(all.read()).toEqual([])
    fs.appendFileSync(file, "3 7 1000.5 0000000000999000\n3 8 10")
    const first = { member: "a", partition: 3, offset: 7, time: 1000.5, written: 999 }
    expect(all.read()).toEqual([first])
    fs.appendFileSync(file, "01.5 0000000001000000\n4 1 2")
    expect(all.read()).toEqual([first, { member: "a", partition: 3, offset: 8, time: 1001.5, written: 1000 }])
    fs.rmSync(directory, { recursive: true })
  })
})
