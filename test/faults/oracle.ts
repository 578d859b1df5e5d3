/** Judges what was written and seen by the committed log, as an independent client read it. Pure functions. */
import type { ReadRecord } from "../kafka/records.ts"
import { idOf, type Barrier, type Held, type Operation, type Read, type Sighting, type Start } from "./history.ts"

/** What holds after any fault; from the ninth on, what holds at every moment in between, too. */
export const invariants = {
  1: "within 10 s of healing the snapshot equals the last-write-wins fold of the committed log",
  2: "every acknowledged write is at its position, and no write is in the log twice",
  3: "no write that was reported as failed is in the log",
  4: "the values seen for a key are a subsequence of the log's order",
  5: "never caught up below the target of the start",
  6: "no uncaught exception, unhandled rejection or process warning",
  7: "closing is bounded and leaves nothing",
  8: "memory and idle CPU are as before",
  9: "whatever is read is complete as of the positions that the table names",
  10: "a barrier ends when every write is visible that was acknowledged before it was called",
  11: "a write ends in an acknowledgement or in a typed failure",
  12: "what is made of tables is that of one version of each, at every moment, and stays so where it is held",
  13: "what is told of it leads from each result to the next one",
  14: "a copy is the table at the version that it names, by whichever feed it goes on",
  15: "what a table is said to have shown before is what it showed",
  16: "a row is there until its time, and not longer",
  17: "groups, and records of a catalog, are those of the committed log",
  18: "of all inserts of an identity one counts, for everybody, until it is deleted",
  19: "the work on every record has succeeded at least once",
  20: "nothing is committed whose work had not succeeded before",
  21: "the work on records of one key is in the log's order, and does not overlap, unless their partition was lost",
  22: "nothing is done again but what was lost before it was committed",
  23: "within 10 s of healing all is done, and what is committed is the end",
  24: "a member commits nothing of a partition that it was told was revoked or lost",
  25: "heartbeats come in time, whatever the work does"
} as const

export interface Violation {
  readonly invariant: keyof typeof invariants
  readonly what: string
}

/** Named in full up to so many of a kind; a broken log breaks everything. */
const SHOWN = 5

/** What was found wrong. */
export class Findings {
  readonly list: Array<Violation> = []
  private readonly counts = new Map<keyof typeof invariants, number>()

  add(invariant: keyof typeof invariants, what: string): void {
    const count = (this.counts.get(invariant) ?? 0) + 1
    this.counts.set(invariant, count)
    if (count <= SHOWN) this.list.push({ invariant, what })
    else if (count === SHOWN + 1) this.list.push({ invariant, what: "and more" })
  }
}

const text = (bytes: Buffer | null): string | null => (bytes === null ? null : bytes.toString("utf8"))

export const placeOf = ({ offset, partition }: { readonly partition: number; readonly offset: number }): string =>
  `${partition}:${offset}`

const show = (value: string | null): string => (value === null ? "deleted" : value.split(" ", 1)[0])

/** A log as it was read at several times: what was removed from it later counts, too. */
export const union = (...logs: ReadonlyArray<ReadonlyArray<ReadRecord>>): ReadonlyArray<ReadRecord> => {
  if (logs.length === 1) return logs[0]
  const all = new Map<string, ReadRecord>()
  for (const log of logs) for (const record of log) all.set(placeOf(record), record)
  return [...all.values()].sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

/**
 * The content that the log stands for, of each partition as far as `positions` where they are given. Of each partition
 * the last record of a key counts; of several partitions (the topic grew) the newest by timestamp, then the higher one.
 */
export const lastWriteWins = (
  log: ReadonlyArray<ReadRecord>,
  positions?: ReadonlyMap<number, number>
): ReadonlyMap<string, ReadRecord> => {
  const last = new Map<string, Map<number, ReadRecord>>()
  for (const record of log) {
    const key = text(record.key)
    if (key === null) continue
    if (positions !== undefined && record.offset >= (positions.get(record.partition) ?? 0)) continue
    let ofKey = last.get(key)
    if (ofKey === undefined) last.set(key, (ofKey = new Map<number, ReadRecord>()))
    const before = ofKey.get(record.partition)
    if (before === undefined || before.offset < record.offset) ofKey.set(record.partition, record)
  }
  const content = new Map<string, ReadRecord>()
  for (const [key, ofKey] of last) {
    const [newest] = [...ofKey.values()].sort((a, b) => b.timestamp - a.timestamp || b.partition - a.partition)
    if (newest.value !== null) content.set(key, newest)
  }
  return content
}

/** Where a content differs from what is right. */
export const differences = (content: Iterable<Held>, right: ReadonlyMap<string, ReadRecord>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const keys = new Set<string>()
  for (const held of content) {
    keys.add(held.key)
    const record = right.get(held.key)
    if (record === undefined) found.push(`${held.key}: only in the table, ${show(held.value)} of ${placeOf(held)}`)
    else if (placeOf(record) !== placeOf(held) || text(record.value) !== held.value) {
      found.push(
        `${held.key}: ${show(held.value)} of ${placeOf(held)} in the table, ` +
          `${show(text(record.value))} of ${placeOf(record)} in the log`
      )
    }
  }
  for (const [key, record] of right) {
    if (!keys.has(key)) found.push(`${key}: only in the log, ${show(text(record.value))} of ${placeOf(record)}`)
  }
  return found
}

export interface Evidence {
  /** Of the end: what the tables must hold. */
  readonly log: ReadonlyArray<ReadRecord>
  /** What was ever committed, if some of it was removed since: `union` of several readings. */
  readonly everything?: ReadonlyArray<ReadRecord>
  readonly operations: ReadonlyArray<Operation>
  /** By the table's name: all that its subscriber saw, from its beginning. */
  readonly sightings: ReadonlyMap<string, ReadonlyArray<Sighting>>
  readonly starts: ReadonlyArray<Start>
  readonly reads: ReadonlyArray<Read>
  readonly barriers: ReadonlyArray<Barrier>
  /** By the table's name: what it held in the end, within the time that it had. */
  readonly contents: ReadonlyMap<string, ReadonlyArray<Held>>
  /** How long the slowest table needed to show a write that was made after the healing, in milliseconds. */
  readonly recoveredMillis?: number
}

export const RECOVERY_LIMIT_MILLIS = 10_000

/** Invariants 1 to 5, and 9 to 11. */
export const violations = (evidence: Evidence): ReadonlyArray<Violation> => {
  const found = new Findings()
  const everything = evidence.everything ?? evidence.log
  const byPlace = new Map(everything.map((record) => [placeOf(record), record]))

  const right = lastWriteWins(evidence.log)
  for (const [table, content] of evidence.contents) {
    for (const what of differences(content, right)) found.add(1, `${table}: ${what}`)
  }
  if (evidence.recoveredMillis !== undefined && evidence.recoveredMillis > RECOVERY_LIMIT_MILLIS) {
    found.add(1, `a write after the healing was visible only after ${Math.round(evidence.recoveredMillis)} ms`)
  }

  checkWrites(evidence.operations, everything, byPlace, found)
  for (const [table, sightings] of evidence.sightings) checkSightings(table, sightings, byPlace, found)

  for (const start of evidence.starts) {
    for (const what of behind(start)) found.add(5, what)
  }
  for (const barrier of evidence.barriers) for (const what of behind(barrier)) found.add(10, what)
  for (const read of [...evidence.starts, ...evidence.reads]) checkRead(read, evidence.log, everything, found)
  return found.list
}

const behind = ({ positions, table, targets }: Barrier): ReadonlyArray<string> =>
  [...targets].flatMap(([partition, target]) => {
    const position = positions.get(partition) ?? 0
    return position < target ? [`${table}: partition ${partition} at ${position}, the target was ${target}`] : []
  })

const checkRead = (
  read: Read,
  log: ReadonlyArray<ReadRecord>,
  everything: ReadonlyArray<ReadRecord>,
  found: Findings
): void => {
  for (const what of wrongIn(read, log, everything)) found.add(9, what)
}

type Rows = ReadonlyMap<string, ReadRecord>

/**
 * What is wrong in a read. A partition may be as the log was before some of it was removed, or as it is since: all of it,
 * either way. `expected` tells which rows of a log have to be there, where these are not all of them.
 */
export const wrongIn = (
  { content, positions, table }: Read,
  log: ReadonlyArray<ReadRecord>,
  everything: ReadonlyArray<ReadRecord>,
  expected: (rows: Rows) => Rows = (rows) => rows
): ReadonlyArray<string> => {
  const rights = (log === everything ? [everything] : [everything, log]).map((one) =>
    expected(lastWriteWins(one, positions))
  )
  // a partition that the table names no position of must have nothing in its content
  const partitions = new Set([...positions.keys(), ...content.map((held) => held.partition)])
  return Array.from(partitions).flatMap((partition) => {
    const isHere = (one: { readonly partition: number }) => one.partition === partition
    const held = content.filter(isHere)
    const wrong = rights.map((right) =>
      differences(held, new Map(Array.from(right).filter((entry) => isHere(entry[1]))))
    )
    return wrong.some((list) => list.length === 0)
      ? []
      : wrong[0].map((what) => `${table} at ${partition}:${positions.get(partition) ?? 0}: ${what}`)
  })
}

const checkWrites = (
  operations: ReadonlyArray<Operation>,
  log: ReadonlyArray<ReadRecord>,
  byPlace: ReadonlyMap<string, ReadRecord>,
  found: Findings
): void => {
  const places = new Map<string, Array<ReadRecord>>()
  for (const record of log) {
    const id = idOf(record)
    if (id === undefined) continue
    const list = places.get(id)
    if (list === undefined) places.set(id, [record])
    else list.push(record)
  }
  for (const { id, key, outcome, value } of operations) {
    const inLog = places.get(id) ?? []
    if (inLog.length > 1) found.add(2, `${id} is in the log ${inLog.length} times: ${inLog.map(placeOf).join(", ")}`)
    if (outcome?._tag === "Acknowledged") {
      const record = byPlace.get(placeOf(outcome))
      if (record === undefined) found.add(2, `${id} was acknowledged at ${placeOf(outcome)}, where nothing is`)
      else if (idOf(record) !== id) {
        found.add(2, `${id} was acknowledged at ${placeOf(outcome)}, where ${idOf(record) ?? "another record"} is`)
      } else if (text(record.key) !== key || text(record.value) !== value) {
        found.add(2, `${id} is at ${placeOf(outcome)} with another key or value`)
      }
    }
    if (outcome === undefined) found.add(11, `${id} never ended, or died`)
    if (outcome?._tag === "Failed" && inLog.length > 0) {
      found.add(3, `${id} failed with ${outcome.reason}, and is at ${inLog.map(placeOf).join(", ")}`)
    }
  }
  checkOrder(operations, places, found)
}

/**
 * A write that was called after another one of its key had ended comes after it in the log: whoever wrote them, if the
 * first was acknowledged; by the same writer, whatever the first ended in.
 */
const checkOrder = (
  operations: ReadonlyArray<Operation>,
  places: ReadonlyMap<string, ReadonlyArray<ReadRecord>>,
  found: Findings
): void => {
  const byKey = new Map<string, Array<{ readonly operation: Operation; readonly record: ReadRecord }>>()
  for (const operation of operations) {
    const record = places.get(operation.id)?.[0]
    if (record === undefined) continue
    const where = `${record.partition} ${operation.key}`
    const list = byKey.get(where)
    if (list === undefined) byKey.set(where, [{ operation, record }])
    else list.push({ operation, record })
  }
  for (const list of byKey.values()) {
    list.sort((a, b) => a.record.offset - b.record.offset)
    for (const [i, later] of list.entries()) {
      for (const earlier of list.slice(0, i)) {
        // `later` is behind `earlier` in the log: was it over before that one was called?
        const { operation: a } = later
        const { operation: b } = earlier
        if (a.outcome === undefined || a.endedAt >= b.calledAt) continue
        if (a.outcome._tag === "Acknowledged" || a.writer === b.writer) {
          found.add(2, `${a.id} had ended before ${b.id} was called, and comes after it in the log (${a.key})`)
        }
      }
    }
  }
}

const checkSightings = (
  table: string,
  sightings: ReadonlyArray<Sighting>,
  byPlace: ReadonlyMap<string, ReadRecord>,
  found: Findings
): void => {
  const last = new Map<string, Sighting>()
  const lastOfAll = new Map<string, Sighting>()
  for (const sighting of sightings) {
    const { key, partition, value } = sighting
    const where = `${partition} ${key}`
    const before = last.get(where)
    // what another partition's record had outweighed may outweigh that one's successor
    const isBack = before?.offset === sighting.offset && lastOfAll.get(key)?.partition !== partition
    lastOfAll.set(key, sighting)
    // a key that vanished since its record was removed has no record for that: it carries the place of the last one
    if (value === null && before !== undefined && before.offset === sighting.offset) continue
    const record = byPlace.get(placeOf(sighting))
    const seen = `${table}: ${key} was seen as ${show(value)} of ${placeOf(sighting)}`
    if (record === undefined) found.add(4, `${seen}, which is not in the log`)
    else if (text(record.key) !== key || text(record.value) !== value) {
      found.add(4, `${seen}, where the log has ${text(record.key) ?? "no key"}: ${show(text(record.value))}`)
    }
    if (before !== undefined && before.offset >= sighting.offset && !isBack) {
      found.add(4, `${seen}, after ${show(before.value)} of ${placeOf(before)}`)
    }
    last.set(where, sighting)
  }
}

/**
 * What there is no evidence of. Where nothing was written, seen or waited for, nothing is violated either, and that
 * would say nothing.
 */
export const missing = (evidence: Evidence): ReadonlyArray<string> => {
  const isOf = (table: string) => (one: { readonly table: string }) => one.table === table
  return [
    ...(evidence.operations.some(({ outcome }) => outcome?._tag === "Acknowledged") ? [] : ["acknowledged writes"]),
    ...(evidence.barriers.length > 0 ? [] : ["barriers"]),
    ...(evidence.sightings.size > 0 ? [] : ["tables"]),
    ...[...evidence.sightings].flatMap(([table, sightings]) => [
      ...(sightings.length > 0 ? [] : [`sightings of ${table}`]),
      ...(evidence.starts.some(isOf(table)) ? [] : [`the start of ${table}`]),
      ...(evidence.reads.some(isOf(table)) ? [] : [`reads of ${table}`]),
      ...(evidence.contents.has(table) ? [] : [`the content of ${table} in the end`])
    ])
  ].map((what) => `no evidence: ${what}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// the process
// ---------------------------------------------------------------------------------------------------------------------

/** Whatever the brokers do. */
export const CLOSE_LIMIT_MILLIS = 5_000

/** Of a core. An idle table takes less than a hundredth, a hot loop all of it; the rest is for a machine that is busy. */
export const IDLE_CPU_LIMIT = 0.25

export interface ProcessEvidence {
  /** Exceptions, rejections and warnings that nobody handled. */
  readonly complaints: ReadonlyArray<string>
  readonly left: {
    readonly millisToClose: number
    readonly connections: number
    readonly fibers: number
    readonly timers: number
  }
  /** Part of a core that the process took while everything was open, and nothing happened. */
  readonly idleCpu: number
}

/** Invariants 6 to 8; memory is for the whole of a run to say. */
export const processViolations = ({ complaints, idleCpu, left }: ProcessEvidence): ReadonlyArray<Violation> => {
  const found = new Findings()
  for (const complaint of complaints) found.add(6, complaint)
  if (left.millisToClose > CLOSE_LIMIT_MILLIS) found.add(7, `closing took ${Math.round(left.millisToClose)} ms`)
  for (const what of ["connections", "fibers", "timers"] as const) {
    if (left[what] > 0) found.add(7, `${left[what]} ${what} are left`)
  }
  if (idleCpu > IDLE_CPU_LIMIT) found.add(8, `${(idleCpu * 100).toFixed(1)} % of a core with nothing to do`)
  return found.list
}
