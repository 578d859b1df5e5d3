/** Brings a member of the consumer protocol closer to its target: it gives up what is not in it, and only then gets more. */
import type { ConsumerMember, Reconciling } from "./consumerMember.ts"
import { filtered, NO_PARTITIONS, type PartitionSet, together, within, without } from "./partitionSets.ts"

export const reconcile = (member: ConsumerMember, reconciling: Reconciling): void => {
  if (member.isReconciledTo(reconciling.targetEpoch)) return
  if (member.state !== "Unrevoked") return next(member, member.epoch, reconciling)
  if (ownsAny(reconciling.owned, member.revoking)) return
  next(member, member.epoch + 1, reconciling)
}

/** Who does not say what it owns may still own all of it. */
const ownsAny = (owned: PartitionSet | undefined, some: PartitionSet): boolean =>
  owned === undefined || within(owned, some).size > 0

const next = (member: ConsumerMember, epoch: number, { isHeld, owned, target, targetEpoch }: Reconciling): void => {
  const kept = within(member.assigned, target)
  const revoking = without(member.assigned, kept)
  const wanted = without(target, kept)
  const free = filtered(wanted, (topicId, partition) => !isHeld(topicId, partition))
  member.previousEpoch = member.epoch
  if (revoking.size > 0 && ownsAny(owned, revoking)) {
    member.state = "Unrevoked"
    member.epoch = epoch
    member.assigned = kept
    member.revoking = revoking
    return
  }
  member.state = without(wanted, free).size > 0 ? "Unreleased" : "Stable"
  member.epoch = targetEpoch
  member.assigned = together(kept, free)
  member.revoking = NO_PARTITIONS
}
