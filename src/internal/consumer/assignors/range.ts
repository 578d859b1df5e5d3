import { type Assignor, compareMembers, Gathering, PARTITIONS_PER_STEP, subscribersOf } from "./members.ts"

/**
 * Gives each subscriber of a topic a range of its partitions, the first ones one more where they do not come out even.
 * So partitions of the same number in topics of the same size go to the same member.
 */
export const range: Assignor = {
  name: "range",
  isCooperative: false,
  *assign(unordered, counts) {
    const members = [...unordered].sort(compareMembers)
    const gathering = new Gathering(members)
    let steps = 0
    for (const { count, subscribers, topic } of subscribersOf(members, counts)) {
      const each = Math.floor(count / subscribers.length)
      const withOneMore = count % subscribers.length
      let partition = 0
      for (let i = 0; i < subscribers.length; i++) {
        const end = partition + each + (i < withOneMore ? 1 : 0)
        for (; partition < end; partition++) {
          gathering.add(subscribers[i], topic, partition)
          if (++steps % PARTITIONS_PER_STEP === 0) yield
        }
      }
    }
    return gathering.assignment
  }
}
