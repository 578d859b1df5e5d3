/** What has become of what rode along, as plain data, and the verdict on it by the committed logs. Pure functions. */
import type { ReadRecord } from "../../kafka/records.ts"
import type { Held } from "../history.ts"
import { differences, Findings, lastWriteWins, type Violation } from "../oracle.ts"
import { judgeCatalog, type CatalogEvidence } from "./catalogOracle.ts"
import { judgeExpiring, type TimedRead } from "./expiring.ts"

/** The topics besides that of the table. */
export type Topics = Readonly<Record<"groups" | "catalog", string>>

export const topicsBeside = (topic: string): Topics => ({ groups: `${topic}-groups`, catalog: `${topic}-catalog` })

/** The committed logs, as an independent client reads them. */
export interface Logs {
  readonly table: ReadonlyArray<ReadRecord>
  readonly groups: ReadonlyArray<ReadRecord>
  readonly catalog: ReadonlyArray<ReadRecord>
}

export interface Evidence {
  /** What was found wrong at some moment: it needs no log to be judged. */
  readonly found: ReadonlyArray<Violation>
  /** What there is no evidence of. */
  readonly gaps: ReadonlyArray<string>
  readonly groups: ReadonlyArray<Held>
  readonly catalog: CatalogEvidence
  readonly expiring: ReadonlyArray<TimedRead>
}

/** `everything` is the table's log with what was removed from it meanwhile. */
export const judge = (
  { catalog, expiring, found, groups }: Evidence,
  logs: Logs,
  everything: ReadonlyArray<ReadRecord> = logs.table
): ReadonlyArray<Violation> => {
  const findings = new Findings()
  for (const what of differences(groups, lastWriteWins(logs.groups))) findings.add(17, `groups: ${what}`)
  judgeCatalog(catalog, logs.catalog, findings)
  judgeExpiring(expiring, logs.table, everything, findings)
  return [...found, ...findings.list]
}

export const missing = ({ gaps }: Evidence): ReadonlyArray<string> => gaps.map((what) => `no evidence: ${what}`)
