/**
 * Partitions by their leaders. The keys are texts, as a broker chooses the node ids that it names, and the hash of a
 * number in a `Map` has no secret in it: thousands of ids that were chosen for that would all lie in one place.
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

/** Groups partitions by their leaders, in their order. */
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

/** The partitions of one leader, in their order. */
export const ledBy = <A>(led: ByLeader<A>, leader: number): ReadonlyArray<A> => led.get(nodeKey(leader)) ?? NONE
