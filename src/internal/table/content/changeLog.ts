/** What a publication has changed, for those who listen. */
import type { TableChange } from "../../../TableChange.ts"

/** Changes since the last publication, each with its key's identity for those who conflate. */
export interface ChangeLog<Change> {
  readonly ids: Array<string>
  readonly changes: Array<Change>
}

/** What is known of any change. */
export type AnyChange = TableChange<unknown, unknown>
