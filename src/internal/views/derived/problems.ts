/** What is told of users' functions that throw. */
import type { TableFailure } from "../../../LiveTable.ts"
import type { DerivedProblem } from "../../../DerivedTable.ts"
import { Reports } from "../../table/publication/reports.ts"

/** The problems that a slow consumer keeps. */
const MAX_PROBLEMS = 1024

export class Problems {
  count = 0
  readonly reports = new Reports<DerivedProblem<unknown>, TableFailure>(MAX_PROBLEMS)

  /** The row of a key was left out. */
  add(key: unknown, cause: unknown): void {
    this.count++
    this.reports.push([{ key, cause }])
  }
}
