/** Groups for tests of assignors, and what to know of what they are given. */
import type {
  Assignment,
  Assignor,
  GroupMember,
  PartitionCounts
} from "../../../src/internal/consumer/assignors/members.ts"
import type { TopicPartitions } from "../../../src/internal/protocol/consumerProtocol.ts"

/** Runs all steps. */
export const run = <A>(steps: Iterator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

export const member = (memberId: string, rest: Partial<GroupMember> = {}): GroupMember => ({
  memberId,
  instanceId: undefined,
  topics: ["topic"],
  owned: [],
  generation: -1,
  ...rest
})

export const assign = (assignor: Assignor, members: ReadonlyArray<GroupMember>, counts: PartitionCounts) =>
  run(assignor.assign(members, counts))

/** Each partition as text. */
export const names = (list: ReadonlyArray<TopicPartitions>): ReadonlyArray<string> =>
  list.flatMap(({ partitions, topic }) => partitions.map((partition) => `${topic}-${partition}`))

export const textOf = (assignment: Assignment): Readonly<Record<string, string>> =>
  Object.fromEntries([...assignment].map(([id, list]) => [id, names(list).join(" ")]))

/** Who has each partition. Throws if two members have one. */
export const ownersOf = (assignment: Assignment): ReadonlyMap<string, string> => {
  const owners = new Map<string, string>()
  for (const [id, list] of assignment) {
    for (const name of names(list)) {
      if (owners.has(name)) throw new Error(`${name} is assigned to ${owners.get(name)} and ${id}`)
      owners.set(name, id)
    }
  }
  return owners
}

/** All partitions of topics that somebody is subscribed to. */
export const allOf = (members: ReadonlyArray<GroupMember>, counts: PartitionCounts): ReadonlyArray<string> =>
  [...counts]
    .filter(([topic]) => members.some(({ topics }) => topics.includes(topic)))
    .flatMap(([topic, count]) => Array.from({ length: count }, (_, partition) => `${topic}-${partition}`))

export const sizesOf = (assignment: Assignment): ReadonlyArray<number> =>
  [...assignment.values()].map((list) => names(list).length).sort((a, b) => a - b)

/** How many partitions are with another member than the one that owned them. */
export const movesOf = (members: ReadonlyArray<GroupMember>, assignment: Assignment): number => {
  const owners = ownersOf(assignment)
  return members.flatMap(({ memberId, owned }) =>
    names(owned).filter((name) => owners.has(name) && owners.get(name) !== memberId)
  ).length
}

/** The members as they join the next time, with what they were given. */
export const owning = (
  members: ReadonlyArray<GroupMember>,
  assignment: Assignment,
  generation: number
): ReadonlyArray<GroupMember> => members.map((m) => ({ ...m, owned: assignment.get(m.memberId) ?? [], generation }))

/** In how many slices something is computed. How long that takes is measured by the bench. */
export const slicesOf = (steps: Iterator<void, unknown>): number => {
  let slices = 1
  while (steps.next().done !== true) slices++
  return slices
}
