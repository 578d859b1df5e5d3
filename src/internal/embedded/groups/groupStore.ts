/** All groups that there are, which every request about one begins with. */
import { Commits } from "./commits.ts"
import { type GroupConfigs, GroupEntry } from "./groupEntry.ts"
import type { GroupSettings } from "./settings.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

export class GroupStore {
  readonly entries = new Map<string, GroupEntry>()
  readonly commits = new Commits()
  /** What the configuration of groups says, where that is not what the brokers' says. */
  readonly configs = new Map<string, GroupConfigs>()
  private ids = 0

  constructor(
    readonly catalog: TopicCatalog,
    readonly settings: GroupSettings
  ) {}

  /** The group, after all that was due for it; `undefined` if there is none. */
  find(groupId: string, now: number, inclusive = false): GroupEntry | undefined {
    const entry = this.entries.get(groupId)
    entry?.run(now, { inclusive })
    if (entry?.isGone !== true) return entry
    this.entries.delete(groupId)
    return undefined
  }

  findOrMake(groupId: string, now: number): GroupEntry {
    const found = this.find(groupId, now)
    if (found !== undefined) return found
    const entry = new GroupEntry(groupId, this.catalog, this.settings, this.configs, now)
    this.entries.set(groupId, entry)
    return entry
  }

  /** All groups, after all that was due. */
  all(now: number): ReadonlyArray<GroupEntry> {
    return [...this.entries.keys()].flatMap((id) => this.find(id, now, true) ?? [])
  }

  /** When the next thing is due for a group; infinite if nothing is. */
  dueAt(groupId: string): number {
    return this.entries.get(groupId)?.timers.next ?? Number.POSITIVE_INFINITY
  }

  /** A member id that nobody has. Ids are the same in every run, as a test may look at them. */
  readonly newMemberId = (prefix?: string): string => {
    const id = `00000000-0000-4000-8000-${(++this.ids).toString(16).padStart(12, "0")}`
    return prefix === undefined ? id : `${prefix}-${id}`
  }

  /** A topic is gone, and what was committed of it goes with it. */
  topicDeleted(topic: string): void {
    for (const { offsets } of this.entries.values()) offsets.deleteTopic(topic)
  }
}
