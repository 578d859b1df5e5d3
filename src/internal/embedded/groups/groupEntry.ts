import { ClassicGroup } from "./classicGroup.ts"
import { ConsumerGroup } from "./consumerGroup.ts"
import type { ConsumerMember } from "./consumerMember.ts"
import { abandon, load } from "./loading.ts"
import { downgrade, takenOverMembers, upgrade } from "./migration.ts"
import { Offsets } from "./offsets.ts"
import { forgetOld } from "./retention.ts"
import type { GroupSettings } from "./settings.ts"
import { Timers } from "./timers.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

export interface GroupConfigs {
  readonly sessionTimeoutMillis: number | undefined
  readonly heartbeatIntervalMillis: number | undefined
}

/** One group as its coordinator keeps it: who is in it, what it has committed, and what is due at some time. */
export class GroupEntry {
  readonly timers = new Timers()
  readonly offsets = new Offsets()
  group: ClassicGroup | ConsumerGroup
  /** Neither members nor offsets are left. */
  isGone = false

  constructor(
    readonly id: string,
    private readonly catalog: TopicCatalog,
    private readonly settings: GroupSettings,
    private readonly configs: ReadonlyMap<string, GroupConfigs>,
    now: number
  ) {
    this.group = this.newClassic(now)
  }

  /** Lets happen what was due. */
  run(now: number, options: { readonly inclusive: boolean }): void {
    if (this.timers.run(now, options)) this.changed(now)
    if (this.group.type === "consumer") this.group.resolveRegexes(now)
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

  // -------------------------------------------------------------------------------------------------------------------
  // the protocols
  // -------------------------------------------------------------------------------------------------------------------

  private newClassic(now: number): ClassicGroup {
    return new ClassicGroup(this.id, this.timers, this.settings, now)
  }

  private newConsumer(now: number): ConsumerGroup {
    return new ConsumerGroup(this.id, this.timers, this.catalog, (_, member, at) => this.fence([member], at), now)
  }

  /** The group for a member of the classic protocol that joins: one that is empty goes over to it. */
  forClassic(now: number): ClassicGroup | ConsumerGroup {
    if (this.group.type === "consumer" && this.group.isEmpty) {
      this.timers.clearAll()
      this.group = this.newClassic(now)
    }
    return this.group
  }

  /** The group for a member of the consumer protocol that joins; `undefined` if it cannot go over to that protocol. */
  forConsumer(now: number): ConsumerGroup | undefined {
    if (this.group.type === "consumer") return this.group
    const { group: classic } = this
    const members = classic.isEmpty ? [] : takenOverMembers(classic, this.catalog)
    if (members === undefined || members.length > this.settings.maxSize) return undefined
    this.timers.clearAll()
    const group = this.newConsumer(now)
    if (members.length > 0) upgrade(classic, group, members, now)
    this.group = group
    return group
  }

  /** Takes members of a group of the consumer protocol out. If only members of the classic one are left, it goes back to that. */
  fence(members: ReadonlyArray<ConsumerMember>, now: number): void {
    const { group } = this
    if (group.type !== "consumer") return
    const left = [...group.members.values()].filter((member) => !members.includes(member))
    if (left.length === 0 || left.some(({ classic }) => classic === undefined)) return group.remove(members, now)
    for (const { memberId } of members) group.members.delete(memberId)
    this.downgrade(now)?.prepareRebalance(now)
  }

  /** Takes a member out, as if its session were over. Whether there was one. */
  kick(memberId: string, now: number): boolean {
    const { group } = this
    const member = group.members.get(memberId)
    if (member === undefined) return false
    if (group.type === "classic") group.expel(memberId, now)
    else this.fence([group.members.get(memberId)!], now)
    this.changed(now)
    return true
  }

  /** Goes back to the classic protocol. */
  downgrade(now: number): ClassicGroup | undefined {
    const { group } = this
    if (group.type !== "consumer") return undefined
    this.timers.clearAll()
    const classic = this.newClassic(now)
    downgrade(group, classic, this.catalog, now)
    this.group = classic
    return classic
  }

  /** Another broker takes over, and knows the group from the log. All sessions begin anew. */
  reload(now: number): void {
    const { group, timers } = this
    if (group.type === "classic") abandon(group)
    timers.clearAll()
    if (group.type === "classic") this.group = load(this.id, group.saved, timers, this.settings, now)
    else group.reloaded((member) => member.classic?.sessionTimeout ?? this.sessionTimeout, now)
    this.changed(now)
  }

  get sessionTimeout(): number {
    return this.configs.get(this.id)?.sessionTimeoutMillis ?? this.settings.sessionTimeoutMillis
  }

  get heartbeatInterval(): number {
    return this.configs.get(this.id)?.heartbeatIntervalMillis ?? this.settings.heartbeatIntervalMillis
  }
}
