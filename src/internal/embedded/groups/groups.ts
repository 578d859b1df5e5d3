/** The groups of a cluster: what their coordinators know, which broker that is, and who waits for its answers. */
import { Signal } from "../../signal.ts"
import { Coordinators, partitionOf } from "./coordinators.ts"
import { GroupStore } from "./groupStore.ts"
import type { GroupSettings } from "./settings.ts"
import type { TopicCatalog } from "./topicCatalog.ts"
import type { Ending } from "./transaction.ts"

export class Groups {
  readonly store: GroupStore
  readonly leads: Coordinators
  private readonly signals = new Map<string, Signal>()

  constructor(catalog: TopicCatalog, nodes: number, settings: GroupSettings) {
    this.store = new GroupStore(catalog, settings)
    this.leads = new Coordinators(nodes)
  }

  /** Is notified when something has changed that may matter to who waits for an answer about this group. */
  signalOf(groupId: string): Signal {
    let signal = this.signals.get(groupId)
    if (signal === undefined) this.signals.set(groupId, (signal = new Signal()))
    return signal
  }

  /** Lets another broker coordinate a group, which knows what there is from `loadedAt` on. */
  move(groupId: string, node: number, loadedAt: number): void {
    this.reload(new Set([this.leads.move(groupId, node, loadedAt)]), loadedAt)
  }

  nodeStopped(node: number, isRunning: (node: number) => boolean, now: number): void {
    this.reload(this.leads.stopped(node, isRunning), now)
  }

  nodeStarted(node: number, now: number): void {
    this.reload(this.leads.started(node), now)
  }

  /** A transaction has ended in which offsets of a group are. */
  endTransaction(groupId: string, { committed, producerId }: Ending): void {
    this.store.entries.get(groupId)?.offsets.endTransaction(producerId, committed)
    this.store.commits.endTransaction(groupId, producerId, committed)
    this.signalOf(groupId).notify()
  }

  private reload(partitions: ReadonlySet<number>, now: number): void {
    for (const entry of this.store.entries.values()) {
      if (!partitions.has(partitionOf(entry.id))) continue
      entry.reload(now)
      this.signalOf(entry.id).notify()
    }
  }
}
