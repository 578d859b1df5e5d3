import { ClassicGroup } from "./classicGroup.ts"
import { abandon, load } from "./loading.ts"
import { Offsets } from "./offsets.ts"
import { forgetOld } from "./retention.ts"
import type { GroupSettings } from "./settings.ts"
import { Timers } from "./timers.ts"

/** One group as its coordinator keeps it: who is in it, what it has committed, and what is due at some time. */
export class GroupEntry {
  readonly timers = new Timers()
  readonly offsets = new Offsets()
  group: ClassicGroup
  /** Neither members nor offsets are left. */
  isGone = false

  constructor(
    readonly id: string,
    private readonly settings: GroupSettings,
    now: number
  ) {
    this.group = new ClassicGroup(id, this.timers, settings, now)
  }

  /** Lets happen what was due. */
  run(now: number, options: { readonly inclusive: boolean }): void {
    if (this.timers.run(now, options)) this.changed(now)
  }

  /** Another broker takes over, and knows the group from the log. */
  reload(now: number): void {
    abandon(this.group)
    this.timers.clearAll()
    this.group = load(this.id, this.group.saved, this.timers, this.settings, now)
    this.changed(now)
  }

  /** After the group has changed, other offsets may be old, and at other times. */
  changed(now: number, retention = this.settings.offsetsRetentionMillis): void {
    const { isGone, next } = forgetOld(this.group, this.offsets, retention, now)
    this.isGone = isGone
    if (isGone || next === Number.POSITIVE_INFINITY) this.timers.clear("retention")
    else this.timers.set("retention", next, () => {})
  }

  /** After an offset was committed. It is younger than all others, so that they say when to look. */
  committed(now: number): void {
    if (!this.timers.has("retention")) this.changed(now)
  }
}
