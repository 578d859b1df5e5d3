/** Judges the course of a group. Pure functions. */
import { Findings, type Violation } from "../oracle.ts"
import { callsOf, Ownership, type Call } from "./calls.ts"
import { textOf, type Course, type Entry, type PlaceOffset } from "./course.ts"
import { DonePrefixes } from "./donePrefixes.ts"

const shown = ({ member, record }: Call): string => `${record.id} (${textOf(record)}:${record.offset}) by ${member}`

const placed = (at: PlaceOffset): string => `${textOf(at)}:${at.offset}`

/** Every record is done, and nothing is committed that is not. */
const judgeCommits = (course: Course, calls: ReadonlyArray<Call>, found: Findings): void => {
  const ends = new Map(calls.filter(({ isDone }) => isDone).map((call) => [call.endedAt, call]))
  const done = new DonePrefixes(course)
  const lives = new Map<string, number>()
  for (const [at, entry] of course.entries.entries()) {
    switch (entry._tag) {
      case "Ended": {
        const call = ends.get(at)
        if (call !== undefined) done.mark(call.record)
        break
      }
      case "Shortened":
        done.pass(entry)
        break
      case "Deleted": {
        const life = lives.get(entry.topic) ?? 0
        done.drop(entry.topic, life)
        lives.set(entry.topic, life + 1)
        break
      }
      case "Committing":
      case "Seen":
        for (const offset of entry.offsets) {
          if (done.covers(offset)) continue
          const how = entry._tag === "Seen" ? "is committed" : "is sent"
          found.add(20, `${placed(offset)} ${how} by ${entry.member}, and something below it is not done`)
        }
        break
    }
  }
  for (const place of done.missing) found.add(19, `${place} was never done`)
}

/** The first successes of a key's records are in their order, and its calls do not overlap. */
const judgeOrder = (calls: ReadonlyArray<Call>, ownership: Ownership, found: Findings): void => {
  const lanes = new Map<string, Array<Call>>()
  for (const call of calls) {
    const { record } = call
    const lane = `${textOf(record)} ${record.life} ${record.key}`
    lanes.set(lane, [...(lanes.get(lane) ?? []), call])
  }
  for (const all of lanes.values()) {
    const firsts = new Map<number, Call>()
    for (const call of all.filter(({ isDone }) => isDone).sort((a, b) => a.endedAt! - b.endedAt!)) {
      if (!firsts.has(call.record.offset)) firsts.set(call.record.offset, call)
    }
    let last: Call | undefined
    for (const call of firsts.values()) {
      if (last !== undefined && call.record.offset < last.record.offset) {
        found.add(21, `${shown(call)} was done after ${shown(last)}`)
      }
      last = call
    }
    for (const [i, call] of all.entries()) {
      for (const before of all.slice(Math.max(0, i - OVERLOOKED), i)) {
        if ((before.endedAt ?? Number.POSITIVE_INFINITY) < call.beganAt) continue
        const isLost = [before, call].some(({ beganAt, member, record }) =>
          ownership.isLostAfter(member, record, beganAt)
        )
        if (before.member === call.member || !isLost)
          found.add(21, `${shown(call)} began while ${shown(before)} went on`)
      }
    }
  }
}

/** How many calls of a key before another one are looked at for overlaps. */
const OVERLOOKED = 50

/** What is done again was lost before it was committed. */
const judgeRepeats = (course: Course, calls: ReadonlyArray<Call>, ownership: Ownership, found: Findings): void => {
  const accepted = new Map<string, Array<{ readonly at: number; readonly offset: number }>>()
  for (const [at, entry] of course.entries.entries()) {
    if (entry._tag !== "Committed") continue
    for (const { offset, ...place } of entry.offsets) {
      accepted.set(textOf(place), [...(accepted.get(textOf(place)) ?? []), { at, offset }])
    }
  }
  const isCommitted = ({ record }: Call, before: number): boolean =>
    (accepted.get(textOf(record)) ?? []).some(({ at, offset }) => at < before && offset > record.offset)

  const doneAt = new Map<string, number>()
  for (const { endedAt, isDone, record } of calls) {
    if (isDone) doneAt.set(record.id, Math.min(endedAt!, doneAt.get(record.id) ?? Number.POSITIVE_INFINITY))
  }
  /** When the time for the work is over, what is done behind a record that is not cannot be committed. */
  const isBehindCutOff = ({ endedAt, member, record }: Call): boolean => {
    const until = ownership.changedAfter(member, record, endedAt!) ?? Number.POSITIVE_INFINITY
    return course.written.some(
      (one) =>
        textOf(one) === textOf(record) &&
        one.offset < record.offset &&
        (doneAt.get(one.id) ?? Number.POSITIVE_INFINITY) > until
    )
  }
  const last = new Map<string, Call>()
  for (const call of calls.filter(({ isDone }) => isDone).sort((a, b) => a.endedAt! - b.endedAt!)) {
    const before = last.get(call.record.id)
    last.set(call.record.id, call)
    if (before === undefined) continue
    // It was begun by a member that has lost it since, and went on meanwhile elsewhere.
    if (ownership.isLostAfter(call.member, call.record, call.beganAt)) continue
    const isExcused =
      // From its beginning on: who is told of a loss in the middle of it may end it before it is interrupted.
      ownership.isLostAfter(before.member, before.record, before.beganAt) ||
      course.mayMissCommits ||
      (course.mayCutOff && isBehindCutOff(before))
    if (!isExcused) found.add(22, `${shown(call)} was done before by ${before.member}, which did not lose it`)
    else if (isCommitted(before, call.beganAt)) {
      found.add(22, `${shown(call)} was done before by ${before.member}, and that was committed`)
    }
  }
}

/** Who was told that a partition is not his any more commits nothing of it. */
const judgeFormerOwners = (entries: ReadonlyArray<Entry>, found: Findings): void => {
  const former = new Map<string, string>()
  for (const entry of entries) {
    if (entry._tag === "Assigned") {
      for (const place of entry.partitions) former.delete(`${entry.member} ${textOf(place)}`)
    } else if (entry._tag === "Revoked" || entry._tag === "Lost") {
      for (const place of entry.partitions) former.set(`${entry.member} ${textOf(place)}`, entry._tag)
    } else if (entry._tag === "Committing") {
      for (const offset of entry.offsets) {
        const how = former.get(`${entry.member} ${textOf(offset)}`)
        if (how !== undefined) found.add(24, `${placed(offset)} by ${entry.member}, which was told ${how}`)
      }
    }
  }
}

/** In the end, what is committed is where the logs end. */
export const unfinished = ({ committed, ends }: Pick<Course, "committed" | "ends">): ReadonlyArray<string> => {
  const offsets = new Map(committed.map((one) => [textOf(one), one.offset]))
  return ends.flatMap((end) => {
    const offset = offsets.get(textOf(end)) ?? 0
    return offset === end.offset ? [] : [`${textOf(end)} is committed up to ${offset}, and ends at ${end.offset}`]
  })
}

export const judge = (course: Course): ReadonlyArray<Violation> => {
  const found = new Findings()
  const calls = callsOf(course)
  const ownership = new Ownership(course)
  judgeCommits(course, calls, found)
  judgeOrder(calls, ownership, found)
  judgeRepeats(course, calls, ownership, found)
  judgeFormerOwners(course.entries, found)
  for (const what of unfinished(course)) found.add(23, what)
  return found.list
}

/** What there is no evidence of, without which the other findings mean little. */
export const missing = ({ entries }: Pick<Course, "entries">): ReadonlyArray<string> => {
  const count = (tag: Entry["_tag"]) => entries.filter(({ _tag }) => _tag === tag).length
  const wanted: ReadonlyArray<readonly [Entry["_tag"], number]> = [
    ["Ended", 200],
    ["Committing", 3],
    ["Committed", 3],
    ["Seen", 2],
    ["Assigned", 1],
    ["Beat", 1]
  ]
  return wanted.flatMap(([tag, least]) => (count(tag) < least ? [`only ${count(tag)} of "${tag}"`] : []))
}

/** The longest time between heartbeats of a member, in milliseconds. */
export const longestSilence = (entries: ReadonlyArray<Entry>, member: string): number => {
  const beats = entries.filter((entry) => entry._tag === "Beat" && entry.member === member).map(({ at }) => at)
  return Math.max(...beats.slice(1).map((at, i) => at - beats[i]))
}
