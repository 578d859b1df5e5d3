/** Judges what a catalog answered by its committed log, as an independent client read it. Pure functions. */
import type { ReadRecord } from "../../kafka/records.ts"
import { contentOf, isAsked, shown, type Row } from "../../catalog/naive.ts"
import type { Part } from "../../catalog/support.ts"
import type { Findings } from "../oracle.ts"
import type { CatalogOperation } from "./catalogs.ts"

export interface CatalogEvidence {
  readonly operations: ReadonlyArray<CatalogOperation>
  /** By the process's name: what it showed in the end. */
  readonly contents: ReadonlyMap<string, ReadonlyArray<string>>
}

const identityOf = ({ sku, vendor, zone }: Part): string => [sku, vendor.toLowerCase(), zone.toLowerCase()].join("/")

/** What both processes have to show. */
export const rightOf = (log: ReadonlyArray<ReadRecord>): ReadonlyArray<string> =>
  [...contentOf(log).values()].map(shown).sort()

export const judgeCatalog = (
  { contents, operations }: CatalogEvidence,
  log: ReadonlyArray<ReadRecord>,
  findings: Findings
): void => {
  const content = contentOf(log)
  const right = rightOf(log)
  for (const [name, rows] of contents) {
    const missing = right.filter((row) => !rows.includes(row))
    const foreign = rows.filter((row) => !right.includes(row))
    for (const row of missing) findings.add(17, `${name}: ${row} is only in the log`)
    for (const row of foreign) findings.add(17, `${name}: ${row} is only in the catalog`)
  }
  for (const { asked, by, outcome } of operations) {
    if (outcome === undefined) findings.add(11, `${asked._tag} of ${by} never ended, or died`)
  }
  const rows = new Map(Array.from(content.values(), (row) => [identityOf(row.part), row]))
  judgeInserts(operations, rows, findings)
  judgeDeletes(operations, rows, findings)
}

type Rows = ReadonlyMap<string, Row>

/** Each insert was answered with a record that somebody inserted, and that is there as long as nobody deletes it. */
const judgeInserts = (operations: ReadonlyArray<CatalogOperation>, rows: Rows, findings: Findings): void => {
  const byStock = insertsOf(operations)
  for (const { asked, by, calledAt, endedAt, outcome } of operations) {
    if (asked._tag !== "Insert" || outcome?._tag !== "Inserted") continue
    const identity = identityOf(asked.part)
    const { stock } = outcome.part
    const told = `${by} was told that ${identity} is ${stock}`
    const origin = byStock.get(stock)
    if (identityOf(outcome.part) !== identity || origin === undefined || origin.calledAt > endedAt) {
      findings.add(18, `${told}, which nobody had inserted`)
      continue
    }
    const mayBeDeleted = operations.some(
      (other) =>
        other.asked._tag === "Delete" &&
        isAsked(asked.part, other.asked.filter) &&
        // One that failed may go on.
        (other.endedAt > calledAt || other.outcome?._tag !== "Deleted")
    )
    const row = rows.get(identity)
    if (!mayBeDeleted && row?.part.stock !== stock) findings.add(18, `${told}, and it is ${row?.part.stock ?? "gone"}`)
  }
}

/** What was there before a delete is not there after it. */
const judgeDeletes = (operations: ReadonlyArray<CatalogOperation>, rows: Rows, findings: Findings): void => {
  const byStock = insertsOf(operations)
  for (const { asked, by, calledAt, outcome } of operations) {
    if (asked._tag !== "Delete" || outcome?._tag !== "Deleted") continue
    for (const [identity, { part }] of rows) {
      const origin = byStock.get(part.stock)
      if (!isAsked(part, asked.filter) || origin === undefined || origin.outcome?._tag !== "Inserted") continue
      if (origin.endedAt < calledAt) findings.add(18, `${identity} is ${part.stock}, which ${by} had deleted`)
    }
  }
}

/** The inserts by what they wrote, which no two of them have in common. */
const insertsOf = (operations: ReadonlyArray<CatalogOperation>): ReadonlyMap<number, CatalogOperation> =>
  new Map(
    operations.flatMap((operation) =>
      operation.asked._tag === "Insert" ? [[operation.asked.part.stock, operation] as const] : []
    )
  )
