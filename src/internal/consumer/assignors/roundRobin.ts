import { type Assignor, compareMembers, Gathering, PARTITIONS_PER_STEP, subscribersOf } from "./members.ts"

/** Deals all partitions of all topics to the members in turn, passing over those that are not subscribed to the topic. */
export const roundRobin: Assignor = {
  name: "roundrobin",
  isCooperative: false,
  *assign(unordered, counts) {
    const members = [...unordered].sort(compareMembers)
    const gathering = new Gathering(members)
    let steps = 0
    let turn = 0
    for (const { count, subscribers, topic } of subscribersOf(members, counts)) {
      // The next subscriber from `turn` on; after the last one it is the first again.
      let next = subscribers.findIndex((subscriber) => subscriber >= turn)
      if (next === -1) next = 0
      for (let partition = 0; partition < count; partition++) {
        gathering.add(subscribers[next], topic, partition)
        turn = (subscribers[next] + 1) % members.length
        next = (next + 1) % subscribers.length
        if (++steps % PARTITIONS_PER_STEP === 0) yield
      }
    }
    return gathering.assignment
  }
}
