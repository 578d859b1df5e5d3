/** The calls of handlers, and who owned what: what the entries of a course say, put together. */
import { textOf, type Course, type Place, type Written } from "./course.ts"

/** A call of a member's handler. */
export interface Call {
  readonly member: string
  readonly record: Written
  /** Numbers of entries, as what happens before another thing has the smaller one. */
  readonly beganAt: number
  /** `undefined` while it has not ended, or where the process was killed in it. */
  endedAt: number | undefined
  isDone: boolean
}

/** A change of who owns a partition. */
interface Change {
  readonly at: number
  readonly isLoss: boolean
}

/** What members were told of their partitions. */
export class Ownership {
  private readonly changes = new Map<string, Array<Change>>()

  constructor({ entries }: Course) {
    const known = new Map<string, Set<string>>()
    for (const [at, entry] of entries.entries()) {
      switch (entry._tag) {
        case "Assigned":
        case "Revoked":
        case "Lost":
          for (const place of entry.partitions) {
            this.note(entry.member, textOf(place), { at, isLoss: entry._tag === "Lost" })
            const places = known.get(entry.member) ?? new Set()
            known.set(entry.member, places.add(textOf(place)))
          }
          break
        case "Gone":
          for (const place of known.get(entry.member) ?? []) this.note(entry.member, place, { at, isLoss: true })
          break
      }
    }
  }

  private note(member: string, place: string, change: Change): void {
    const key = `${member} ${place}`
    this.changes.set(key, [...(this.changes.get(key) ?? []), change])
  }

  /** Whether what the member had of this at that time ended by a loss. */
  isLostAfter(member: string, place: Place, at: number): boolean {
    return this.after(member, place, at)?.isLoss === true
  }

  /** When it ended that the member had this; `undefined` if it had it to the end. */
  changedAfter(member: string, place: Place, at: number): number | undefined {
    return this.after(member, place, at)?.at
  }

  private after(member: string, place: Place, at: number): Change | undefined {
    return this.changes.get(`${member} ${textOf(place)}`)?.find((change) => change.at > at)
  }
}

/** All calls, in the order of their beginnings. */
export const callsOf = ({ entries, written }: Course): ReadonlyArray<Call> => {
  const byId = new Map(written.map((record) => [record.id, record]))
  const all: Array<Call> = []
  const open = new Map<string, Call>()
  for (const [at, entry] of entries.entries()) {
    if (entry._tag === "Began") {
      const record = byId.get(entry.id)
      // What was read and never written is found elsewhere: no call is about it.
      if (record === undefined) throw new Error(`nobody has written ${entry.id}`)
      const call: Call = { member: entry.member, record, beganAt: at, endedAt: undefined, isDone: false }
      open.set(`${entry.member} ${entry.call}`, call)
      all.push(call)
    } else if (entry._tag === "Ended") {
      const call = open.get(`${entry.member} ${entry.call}`)!
      call.endedAt = at
      call.isDone = entry.isDone
    }
  }
  return all
}
