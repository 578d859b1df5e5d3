/** The rows of a table of groups at one version, in slots of their own. */
import type { Prefix as KeyPrefix } from "../../codec/tuple.ts"
import type { SlotsParts } from "../../table/content/slots.ts"
import { ComputedSlots } from "./computedSlots.ts"
import { groupKeyPrefix } from "./groupKey.ts"

export class GroupSlots extends ComputedSlots<unknown, unknown> {
  constructor(parts: SlotsParts<unknown>) {
    super(parts, undefined)
  }

  override prefixOf(first: unknown): KeyPrefix {
    return groupKeyPrefix(first)
  }
}
