/** Which of the partitions that members say they own are theirs. */
import type { GroupMember } from "./members.ts"

/** All partitions of all topics that somebody is subscribed to, numbered from 0: by topic and partition. */
export class Partitions {
  readonly size: number
  /** The place of each topic, by its name. */
  readonly placeOf: ReadonlyMap<string, number>
  /** The number of the first partition of each topic, and of the one that would follow the last topic. */
  readonly firstOf: Int32Array
  readonly topics: ReadonlyArray<{ readonly topic: string; readonly count: number }>

  constructor(topics: ReadonlyArray<{ readonly topic: string; readonly count: number }>) {
    this.topics = topics
    this.placeOf = new Map(topics.map(({ topic }, place) => [topic, place]))
    this.firstOf = new Int32Array(topics.length + 1)
    for (let i = 0; i < topics.length; i++) this.firstOf[i + 1] = this.firstOf[i] + topics[i].count
    this.size = this.firstOf[topics.length]
  }
}

/** In place of the index of a member. */
export const NOBODY = -1

/** What is known of one partition's owners. */
export interface Claims {
  /** The member that owns each partition, or `NOBODY`. */
  readonly owner: Int32Array
  /** 1 for a partition that any member says it owns, whether that holds or not. */
  readonly isClaimed: Uint8Array
}

/**
 * Settles who owns what. A claim of a newer generation holds against an older one, which is that of a member that was
 * away meanwhile. Of several claims of one generation none holds, as nobody can tell which is true (KIP-792). What is
 * beyond a topic's partitions is no claim: the topic was deleted, or made anew with fewer.
 */
export const settleClaims = (members: ReadonlyArray<GroupMember>, partitions: Partitions): Claims => {
  const owner = new Int32Array(partitions.size).fill(NOBODY)
  const isClaimed = new Uint8Array(partitions.size)
  const generation = new Int32Array(partitions.size)
  for (let i = 0; i < members.length; i++) {
    for (const { partitions: claimed, topic } of members[i].owned) {
      const place = partitions.placeOf.get(topic)
      if (place === undefined) continue
      const first = partitions.firstOf[place]
      for (const partition of claimed) {
        if (partition < 0 || partition >= partitions.topics[place].count) continue
        const p = first + partition
        if (isClaimed[p] === 0 || members[i].generation > generation[p]) {
          owner[p] = i
          generation[p] = members[i].generation
        } else if (members[i].generation === generation[p] && owner[p] !== i) {
          owner[p] = NOBODY
        }
        isClaimed[p] = 1
      }
    }
  }
  return { owner, isClaimed }
}
