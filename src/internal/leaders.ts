/**
 * Partitions by their leaders. Brokers name the ids of brokers, and the hash of a number has no secret in it: by numbers,
 * thousands of ids that were chosen for it would be in one place of a `Map`, so these are by text.
 */

interface Led {
  /** Node id, -1 if there is none. */
  readonly leader: number
}

/** Partitions by the text key of their leader, in their original order. */
export type ByLeader<A> = ReadonlyMap<string, ReadonlyArray<A>>

/** A node id as a key. */
export const nodeKey = (nodeId: number): string => `n${nodeId}`

export const nodeKeys = (nodeIds: Iterable<number>): ReadonlySet<string> => new Set([...nodeIds].map(nodeKey))

export const byLeader = <A extends Led>(all: Iterable<A>): ByLeader<A> => {
  const led = new Map<string, Array<A>>()
  for (const one of all) {
    const key = nodeKey(one.leader)
    const others = led.get(key)
    if (others === undefined) led.set(key, [one])
    else others.push(one)
  }
  return led
}

const NONE: ReadonlyArray<never> = []

/** Those of one leader. */
export const ledBy = <A>(led: ByLeader<A>, leader: number): ReadonlyArray<A> => led.get(nodeKey(leader)) ?? NONE
