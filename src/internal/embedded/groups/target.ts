/** Who is to have which partitions, by the assignors that brokers have: `uniform` and `range`. */
import { assignmentOf, planOf } from "../../consumer/assignors/cooperativeSticky.ts"
import type { Assignor, GroupMember } from "../../consumer/assignors/members.ts"
import { range } from "../../consumer/assignors/range.ts"
import { type PartitionSet, setOf } from "./partitionSets.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

/** The names of a broker's assignors, its favourite first. */
export const ASSIGNORS = ["uniform", "range"] as const

/** A member, as an assignor sees it. */
export interface Wanting {
  readonly memberId: string
  readonly instanceId: string | undefined
  readonly topics: Iterable<string>
  /** What it was to have so far. */
  readonly target: PartitionSet
}

export const targetOf = (
  members: Iterable<Wanting>,
  assignor: string,
  catalog: TopicCatalog
): ReadonlyMap<string, PartitionSet> => {
  const { topics } = catalog
  const counts = new Map([...topics.values()].map(({ name, partitions }) => [name, partitions.length]))
  const wanting = [...members].map(({ instanceId, memberId, target, topics }): GroupMember => ({
    memberId,
    instanceId,
    topics: [...topics],
    owned: [...target].flatMap(([id, partitions]) => {
      const topic = catalog.topicById(id)
      return topic === undefined ? [] : [{ topic: topic.name, partitions: [...partitions] }]
    }),
    generation: 0
  }))
  const assigned = assignor === "range" ? finished(range.assign(wanting, counts)) : finished(uniform(wanting, counts))
  return new Map(
    [...assigned].map(([memberId, list]) => [
      memberId,
      setOf(list.map(({ partitions, topic }) => ({ topicId: topics.get(topic)!.id, partitions })))
    ])
  )
}

function* uniform(members: Parameters<Assignor["assign"]>[0], counts: Parameters<Assignor["assign"]>[1]) {
  return yield* assignmentOf(yield* planOf(members, counts))
}

/** The result of all steps. */
const finished = <A>(steps: Iterator<void, A>): A => {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
