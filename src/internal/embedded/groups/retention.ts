/** When committed offsets go that nobody is there to need. */
import type { ClassicGroup } from "./classicGroup.ts"
import type { ConsumerGroup } from "./consumerGroup.ts"
import type { Offsets, StoredOffset } from "./offsets.ts"

/** An empty group without offsets goes at the next time that a broker looks, which it does so often, in milliseconds. */
const CHECK_INTERVAL = 600_000

/** Since when an offset ages; `undefined` if it does not. */
const agesSince = (group: ClassicGroup | ConsumerGroup): ((stored: StoredOffset) => number) | undefined => {
  if (group.type === "consumer" || group.members.protocolType === undefined) return ({ committedAt }) => committedAt
  if (group.isEmpty) return () => group.since
  const isKnown = group.isOfConsumers && group.subscribed !== undefined
  return isKnown && group.state === "Stable" ? ({ committedAt }) => committedAt : undefined
}

/** What is left after old offsets were forgotten. */
export interface Kept {
  /** When to look again; infinite if there is no need to before the group changes. */
  readonly next: number
  /** Nothing is left, neither offsets nor members. */
  readonly isGone: boolean
}

/** Forgets the offsets that have become too old. */
export const forgetOld = (
  group: ClassicGroup | ConsumerGroup,
  offsets: Offsets,
  retention: number,
  now: number
): Kept => {
  const since = agesSince(group)
  let next = Number.POSITIVE_INFINITY
  let isForgotten = false
  for (const [topic, partition, stored] of since === undefined ? [] : [...offsets.all()]) {
    if (group.isSubscribedTo(topic) || offsets.isUnstable(topic, partition)) continue
    const at = since!(stored) + retention
    if (at > now) {
      next = Math.min(next, at)
      continue
    }
    offsets.delete(topic, partition)
    isForgotten = true
  }
  const isExpecting = group.type === "classic" && group.members.pending.size > 0
  if (!group.isEmpty || isExpecting || !offsets.isEmpty) return { next, isGone: false }
  const at = group.since + CHECK_INTERVAL
  return { next: at, isGone: isForgotten || at <= now }
}
