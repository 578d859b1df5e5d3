/** What the members of a group say they have worked on, record by record, and what that tells of a rebalance. */
import * as fs from "node:fs"

/** A record that a member has worked on. */
export interface Work {
  readonly member: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since the epoch, when it was worked on and when it was written. */
  readonly time: number
  readonly written: number
}

/** A member's journal, read as it grows: a line has partition, offset, time, and the time of writing in microseconds. */
const reader = (member: string, file: string) => {
  let position = 0
  let rest = ""
  return (): ReadonlyArray<Work> => {
    if (!fs.existsSync(file)) return []
    const handle = fs.openSync(file, "r")
    const bytes = Buffer.alloc(fs.fstatSync(handle).size - position)
    fs.readSync(handle, bytes, 0, bytes.length, position)
    fs.closeSync(handle)
    position += bytes.length
    const lines = (rest + bytes.toString()).split("\n")
    // a member may have been killed in the middle of a line
    rest = lines.pop() ?? ""
    return lines.map((line) => {
      const [partition = NaN, offset = NaN, time = NaN, micros = NaN] = line.split(" ").map(Number)
      return { member, partition, offset, time, written: micros / 1000 }
    })
  }
}

/** All journals together: `read` takes in what has been added. */
export const journals = () => {
  const readers: Array<() => ReadonlyArray<Work>> = []
  const all: Array<Work> = []
  return {
    add: (member: string, file: string): void => void readers.push(reader(member, file)),
    read: (): ReadonlyArray<Work> => {
      for (const read of readers) all.push(...read())
      return all
    }
  }
}

/** Who has worked on each partition in a time; a partition that several members have worked on is nobody's. */
export const ownersWithin = (works: ReadonlyArray<Work>, from: number, until: number): ReadonlyMap<number, string> => {
  const owners = new Map<number, string>()
  const shared = new Set<number>()
  for (const { member, partition, time } of works) {
    if (time < from || time > until) continue
    const owner = owners.get(partition)
    if (owner !== undefined && owner !== member) shared.add(partition)
    owners.set(partition, member)
  }
  for (const partition of shared) owners.delete(partition)
  return owners
}

/** Whether all partitions are evenly owned by these members. */
export const isEven = (
  owners: ReadonlyMap<number, string>,
  members: ReadonlyArray<string>,
  partitions: number
): boolean =>
  owners.size === partitions &&
  members.every(
    (member) => [...owners.values()].filter((owner) => owner === member).length === partitions / members.length
  )

/** A time in which members come or go. */
export interface Phase {
  readonly from: number
  readonly until: number
  readonly ownersBefore: ReadonlyMap<number, string>
  readonly ownersAfter: ReadonlyMap<number, string>
}

/** What a phase did to the work on a partition. */
export interface Effects {
  readonly partition: number
  /** Whether it stayed with its owner. */
  readonly kept: boolean
  /** The longest time without a record of it, while there was one to work on, in milliseconds. */
  readonly gap: number
  /** How many of its records were worked on that somebody had worked on before. */
  readonly repeats: number
  /** Milliseconds from the beginning until its new owner works on it, and nobody else does any more; 0 if it stayed. */
  readonly moved: number
}

export const effectsOf = (works: ReadonlyArray<Work>, phase: Phase): ReadonlyArray<Effects> => {
  const byTime = works.filter(({ time }) => time <= phase.until).sort((a, b) => a.time - b.time)
  return [...phase.ownersAfter].map(([partition, owner]) => {
    const seen = new Set<number>()
    const kept = phase.ownersBefore.get(partition) === owner
    let last = phase.from
    let gap = 0
    let repeats = 0
    let moved: number | undefined
    for (const { member, offset, partition: of, time, written } of byTime) {
      if (of !== partition) continue
      if (time >= phase.from) {
        if (seen.has(offset)) repeats++
        gap = Math.max(gap, time - Math.max(last, written))
        last = time
        if (member !== owner) moved = undefined
        else moved ??= time - phase.from
      }
      seen.add(offset)
    }
    return { partition, kept, gap, repeats, moved: kept ? 0 : (moved ?? 0) }
  })
}

/** How many different records were worked on. */
export const recordsIn = (works: ReadonlyArray<Work>): number =>
  new Set(works.map(({ offset, partition }) => `${partition}-${offset}`)).size
