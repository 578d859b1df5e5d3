/** The changes that a publication tells its subscribers and views. */
import type { TableChange } from "../../../TableChange.ts"

/** The changes since the last publication. */
export interface ChangeLog<Change> {
  /** The identity of each change's key, by which changes are conflated and delivered: see `keyId`. */
  readonly ids: Array<string>
  readonly changes: Array<Change>
}

/** A change of any table. */
export type AnyChange = TableChange<unknown, unknown>
