import { Balancing } from "./balancing.ts"
import { type Claims, NOBODY, Partitions, settleClaims } from "./claims.ts"
import {
  type Assignment,
  type Assignor,
  compareMembers,
  Gathering,
  type GroupMember,
  PARTITIONS_PER_STEP,
  type PartitionCounts,
  subscribersOf
} from "./members.ts"

/** Who is to have which partition in the end, and what is known of who has it now. */
export interface Plan {
  /** In the order that indexes of members are in. */
  readonly members: ReadonlyArray<GroupMember>
  readonly partitions: Partitions
  /** The index of the member that each partition is for; `NOBODY` where it has to wait. */
  readonly target: Int32Array
  readonly claims: Claims
}

/**
 * Where partitions are to be in the end: as even as subscriptions allow, with as few taken from their owners as that
 * needs. With what it gives, it gives the same again.
 */
export function* planOf(unordered: ReadonlyArray<GroupMember>, counts: PartitionCounts): Generator<void, Plan> {
  const members = [...unordered].sort(compareMembers)
  const topics = subscribersOf(members, counts)
  const partitions = new Partitions(topics)
  const claims = settleClaims(members, partitions)
  yield
  topics.forEach(({ subscribers }, place) => {
    const isSubscribed = new Set(subscribers)
    for (let p = partitions.firstOf[place]; p < partitions.firstOf[place + 1]; p++) {
      if (!isSubscribed.has(claims.owner[p])) claims.owner[p] = NOBODY
    }
  })
  yield
  const subscribers = topics.map((topic) => topic.subscribers)
  const target = yield* new Balancing(members.length, partitions, subscribers, claims.owner).run()
  return { members, partitions, target, claims }
}

/**
 * Withholds each partition that is to move while anybody still says that it is theirs: it is given to nobody in this
 * generation, in which its owner learns that it has to give it up, and to its new owner in the next one.
 */
export const withholdMoving = ({ claims, target, ...plan }: Plan): Plan => ({
  ...plan,
  claims,
  target: target.map((member, p) => (claims.isClaimed[p] === 1 && claims.owner[p] !== member ? NOBODY : member))
})

/** The plan as an assignment. */
export function* assignmentOf({ members, partitions, target }: Plan): Generator<void, Assignment> {
  const gathering = new Gathering(members)
  for (let place = 0; place < partitions.topics.length; place++) {
    const first = partitions.firstOf[place]
    for (let p = first; p < partitions.firstOf[place + 1]; p++) {
      if (target[p] !== NOBODY) gathering.add(target[p], partitions.topics[place].topic, p - first)
      if (p % PARTITIONS_PER_STEP === 0) yield
    }
  }
  return gathering.assignment
}

/** Leaves partitions where they are as far as that is even, and moves others in two generations. */
export const cooperativeSticky: Assignor = {
  name: "cooperative-sticky",
  isCooperative: true,
  *assign(members, counts) {
    const plan = yield* planOf(members, counts)
    return yield* assignmentOf(withholdMoving(plan))
  }
}
