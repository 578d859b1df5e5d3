/**
 * What is made of a table, as lines of text: as it is shown, and as it has to be by one version of the tables that it is
 * made of. All of it is read in one step, so both are of the same moment.
 */
import * as Option from "effect/Option"
import type { TableSnapshot } from "../../../src/index.ts"
import {
  isJoined,
  joinedOf,
  otherKeyOf,
  SERIALS,
  sound,
  writtenIn,
  type Group,
  type Joined,
  type Share,
  type Views
} from "./made.ts"

type Entry = TableSnapshot.RecordEntry<string, string>

/** One version of the tables that all is made of. */
export interface Sources {
  readonly table: TableSnapshot.RecordSnapshot<string, string>
  readonly others: ReturnType<Views["others"]["unsafeSnapshot"]>
}

/** One version of everything, to be held: none of it changes. */
export interface Held extends Sources {
  readonly indexed: ReturnType<Views["indexed"]["unsafeSnapshot"]>
  readonly top: ReturnType<Views["top"]["unsafeCurrent"]>
  readonly some: ReturnType<Views["some"]["unsafeCurrent"]>
  readonly joined: ReturnType<Views["joined"]["unsafeSnapshot"]>
  readonly groups: ReturnType<Views["groups"]["unsafeSnapshot"]>
  readonly shares: ReturnType<Views["shares"]["unsafeSnapshot"]>
}

export const hold = ({ groups, indexed, joined, others, shares, some, table, top }: Views): Held => ({
  table: table.unsafeSnapshot(),
  others: others.unsafeSnapshot(),
  indexed: indexed.unsafeSnapshot(),
  top: top.unsafeCurrent(),
  some: some.unsafeCurrent(),
  joined: joined.unsafeSnapshot(),
  groups: groups.unsafeSnapshot(),
  shares: shares.unsafeSnapshot()
})

/** By what they are of. */
export type Lines = ReadonlyMap<string, string>

const line = ({ key, offset, partition, value }: Entry): string => `${key}@${partition}:${offset} ${value.length}`

const text = (entries: Iterable<Entry>): string => Array.from(entries, line).join("\n")

const inOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const bySize = (a: Entry, b: Entry): number => a.value.length - b.value.length || inOrder(a.key, b.key)

/** Which of several rows has a key of a unique index. */
const byAge = (a: Entry, b: Entry): number =>
  a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset

const WRITERS = ["patient", "hasty", "many", "prober", "nobody"]
const DIGITS = ["0", "1", "9"]

/** Rows in the order of their keys. It is done often, so values are made text as plainly as can be. */
const pairs = <V>(rows: Iterable<readonly [string, V]>, textOf: (value: V) => string): string =>
  Array.from(rows, ([key, value]) => `${key} ${textOf(value)}`)
    .sort(inOrder)
    .join("\n")

const joinedText = ({ other, serial, size, writer }: Joined): string => `${writer}-${serial} ${size} ${other}`

const groupText = ({ bytes, first, most, rows }: Group): string => `${rows} ${bytes} ${most} ${first}`

const shareText = ({ of, ...row }: Share): string =>
  `${joinedText(row)} of ${of === undefined ? "none" : groupText(of)}`

const membersText = (members: Iterable<readonly [string, string]>): string => [...members].sort().join(" ")

/** What is shown. */
export const shownLines = ({ groups, indexed, joined, others, shares, some, table, top }: Held): Lines => {
  const lines = new Map<string, string>()
  const serial = indexed.by("serial")
  const winners: Array<Entry> = []
  for (let i = 0; i < SERIALS; i++) Option.map(serial.get(i), (entry) => winners.push(entry))
  lines.set("versions", [table, indexed, top, some].map(({ version }) => version).join())
  lines.set("unique index", text(winners))
  lines.set("conflicts", text([...serial.conflicts()].sort(bySize)))
  for (const writer of WRITERS) lines.set(`hash index, ${writer}`, text(indexed.by("writer").get(writer)))
  for (const digit of DIGITS) lines.set(`multi index, ${digit}`, text(indexed.by("digit").get(digit)))
  const size = indexed.by("size")
  lines.set("sorted index", text(size.range({ gte: 30, lt: 150 })))
  lines.set("sorted index, count", `${size.count({ gt: 60 })} of ${size.size}`)
  lines.set("range of keys", text(table.range({ gte: "k1", lt: "k3" })))
  lines.set("query", text(indexed.query({ writer: "hasty", digit: "2", size: { gte: 20 } }, { orderBy: "size" })))
  lines.set("live query, top", text(top))
  lines.set("live query, some", text(some))
  lines.set("joined", pairs(joined, joinedText))
  lines.set("groups", pairs(groups, groupText))
  lines.set("shares", pairs(shares, shareText))
  lines.set("groups of others", pairs(others.toMap(), membersText))
  lines.set("sizes of others", `${others.size} in ${others.groupCount}`)
  return lines
}

/** The value of a function that may throw; `undefined` if it does. */
const attempt = <A>(f: () => A): A | undefined => {
  try {
    return f()
  } catch {
    return undefined
  }
}

/** What it has to be. */
export const rightLines = ({ others, table }: Sources): Lines => {
  const lines = new Map<string, string>()
  const rows = [...table.entries()]
  lines.set("versions", [table, table, table, table].map(({ version }) => version).join())

  const bySerial = new Map<number, Array<Entry>>()
  for (const entry of rows) {
    const serial = writtenIn(entry.value).serial % SERIALS
    const list = bySerial.get(serial)
    if (list === undefined) bySerial.set(serial, [entry])
    else list.push(entry)
  }
  for (const list of bySerial.values()) list.sort(byAge)
  const serials = [...bySerial].sort(([a], [b]) => a - b)
  lines.set("unique index", text(serials.map(([, [first]]) => first)))
  lines.set("conflicts", text(serials.flatMap(([, list]) => list.slice(1)).sort(bySize)))
  const writerOf = ({ value }: Entry) => attempt(() => sound(value).writer)
  for (const writer of WRITERS) lines.set(`hash index, ${writer}`, text(rows.filter((one) => writerOf(one) === writer)))
  for (const digit of DIGITS) lines.set(`multi index, ${digit}`, text(rows.filter(({ key }) => key.includes(digit))))

  const sized = rows.filter(({ value }) => value.length % 4 !== 0).sort(bySize)
  const withSize = (holds: (size: number) => boolean) => sized.filter(({ value }) => holds(value.length))
  lines.set("sorted index", text(withSize((size) => size >= 30 && size < 150)))
  lines.set("sorted index, count", `${withSize((size) => size > 60).length} of ${sized.length}`)
  const inRange = rows.filter(({ key }) => key >= "k1" && key < "k3")
  lines.set("range of keys", text(inRange.sort((a, b) => inOrder(a.key, b.key))))
  const asked = withSize((size) => size >= 20).filter((one) => writerOf(one) === "hasty" && one.key.includes("2"))
  lines.set("query", text(asked))
  // A live query with an order goes through it backwards, rows of the same size among them.
  lines.set(
    "live query, top",
    text(
      withSize((size) => size >= 40)
        .reverse()
        .slice(0, 15)
    )
  )
  lines.set("live query, some", text(rows.filter((one) => writerOf(one) === "patient" && one.key.includes("1"))))

  const otherRows = [...others.table]
  const otherValues = new Map(otherRows.map(([{ group, member }, value]) => [`${group}/${member}`, value]))
  const joined: Array<readonly [string, Joined]> = []
  for (const { key, value } of rows) {
    if (!isJoined(value)) continue
    const { group, member } = otherKeyOf(value)
    const row = attempt(() => joinedOf(value, otherValues.get(`${group}/${member}`)))
    if (row !== undefined) joined.push([key, row])
  }
  const groups = groupsOf(joined)
  lines.set("joined", pairs(joined, joinedText))
  lines.set("groups", pairs(groups, groupText))
  const shares = joined.map(([key, row]) => [key, { ...row, of: groups.get(row.writer) }] as const)
  lines.set("shares", pairs(shares, shareText))

  const members = new Map<string, Array<readonly [string, string]>>()
  for (const [{ group, member }, value] of otherRows) {
    const list = members.get(group)
    if (list === undefined) members.set(group, [[member, value]])
    else list.push([member, value])
  }
  lines.set("groups of others", pairs(members, membersText))
  lines.set("sizes of others", `${otherRows.length} in ${members.size}`)
  return lines
}

const groupsOf = (joined: ReadonlyArray<readonly [string, Joined]>): ReadonlyMap<string, Group> => {
  const groups = new Map<string, Group>()
  for (const [, { serial, size, writer }] of [...joined].sort(([a], [b]) => inOrder(a, b))) {
    const { bytes, first, most, rows } = groups.get(writer) ?? { rows: 0, bytes: 0, most: 0, first: serial }
    groups.set(writer, { rows: rows + 1, bytes: bytes + size, most: Math.max(most!, size), first })
  }
  return groups
}

/** Where what is shown is not what it has to be, in few words. */
export const mismatches = (shown: Lines, right: Lines): ReadonlyArray<string> =>
  Array.from(right).flatMap(([name, expected]) => {
    const actual = shown.get(name)
    return actual === expected ? [] : [`${name}: ${firstDifference(actual ?? "", expected)}`]
  })

const firstDifference = (actual: string, expected: string): string => {
  const [shown, right] = [actual.split("\n"), expected.split("\n")]
  const at = right.findIndex((one, i) => one !== shown[i])
  const i = at === -1 ? right.length : at
  return `${shown.length} rows where ${right.length} are right; row ${i} is "${shown[i] ?? ""}", right is "${right[i] ?? ""}"`
}
