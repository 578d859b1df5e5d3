/** Which broker coordinates which key, as those of Kafka that lead the partitions of an internal topic. */
import { COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR } from "../../protocol/codes.ts"

/** How many partitions Kafka's internal topics have by default. */
const PARTITIONS = 50

/** A text's hash as Java has it. */
const hash = (text: string): number => {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0
  return hash
}

/** The partition that a key belongs to, as Kafka computes it. */
export const partitionOf = (key: string): number => {
  const n = hash(key)
  return (n === -0x8000_0000 ? 0 : Math.abs(n)) % PARTITIONS
}

interface Lead {
  /** Node id; -1 if there is none. */
  readonly leader: number
  /** Until when the leader does not know what there is, in milliseconds since the epoch. */
  readonly loadedAt: number
}

export class Coordinators {
  private readonly leads: Array<Lead>

  constructor(private readonly nodes: number) {
    this.leads = Array.from({ length: PARTITIONS }, (_, partition) => ({ leader: partition % nodes, loadedAt: 0 }))
  }

  /** Node id; -1 if there is none. */
  of(key: string): number {
    return this.leads[partitionOf(key)].leader
  }

  /** The code by which a broker refuses to answer for a key; `undefined` if it answers. */
  check(key: string, node: number, now: number): number | undefined {
    const { leader, loadedAt } = this.leads[partitionOf(key)]
    if (leader !== node) return NOT_COORDINATOR
    return now < loadedAt ? COORDINATOR_LOAD_IN_PROGRESS : undefined
  }

  /** Lets a broker coordinate a key, and all others of its partition, which it has loaded at a time. */
  move(key: string, leader: number, loadedAt: number): number {
    const partition = partitionOf(key)
    this.leads[partition] = { leader, loadedAt }
    return partition
  }

  /** A broker has stopped: the next one that runs takes over. Which partitions have another leader now. */
  stopped(node: number, isRunning: (node: number) => boolean): ReadonlySet<number> {
    const others = Array.from({ length: this.nodes - 1 }, (_, i) => (node + 1 + i) % this.nodes)
    const next = others.find(isRunning) ?? -1
    return this.replace(node, next)
  }

  /** A broker has started: it takes over what nobody leads. */
  started(node: number): ReadonlySet<number> {
    return this.replace(-1, node)
  }

  private replace(from: number, to: number): ReadonlySet<number> {
    const moved = new Set<number>()
    this.leads.forEach(({ leader }, partition) => {
      if (leader !== from) return
      this.leads[partition] = { leader: to, loadedAt: 0 }
      moved.add(partition)
    })
    return moved
  }
}
