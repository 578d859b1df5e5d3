/** What happens to the coordinator of a group on a cluster of three nodes: another node takes over, and all may be away. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { eventually, numbers } from "../../support/live.ts"
import { client, type Lab } from "../lab.ts"
import type { Scenario } from "../rows.ts"
import { inBoth, type World } from "./trial.ts"

/** The topic of the offsets of groups, which has one partition here: who leads it is the coordinator of all groups. */
const OFFSETS = "__consumer_offsets"

/** The node that leads the offsets of groups, once there is one and it is not `former`. */
const coordinatorOf = ({ java, nodes }: Lab, former?: number) =>
  Effect.map(
    eventually(java.describeTopic(OFFSETS), ({ partitions: [{ leader }] }) => leader > 0 && leader !== former),
    ({ partitions: [{ leader }] }) => nodes.find(({ id }) => id === leader)!
  )

/** Waits until all nodes have what they should have. */
const inSync = ({ java }: Lab, topic: string) =>
  eventually(java.describeTopic(topic), ({ partitions }) => partitions.every(({ isr }) => isr.length === 3))

const healed = (lab: Lab, { topic }: World) =>
  Effect.forEach([OFFSETS, topic], (one) => inSync(lab, one), { discard: true })

export const scenarios: ReadonlyArray<Scenario> = [
  ...inBoth("the coordinator is killed, and another node takes over", [["crash", "member"]], (lab) => ({
    mayLose: false,
    fault: (world) =>
      Effect.gen(function* () {
        const coordinator = yield* coordinatorOf(lab)
        yield* coordinator.kill
        yield* coordinatorOf(lab, coordinator.id)
        yield* world.busy()
        yield* coordinator.start
        yield* healed(lab, world)
      })
  })),

  ...inBoth("the coordinator is frozen, and another node takes over", [["frozen", "member"]], (lab) => ({
    mayLose: false,
    fault: (world) =>
      Effect.gen(function* () {
        const coordinator = yield* coordinatorOf(lab)
        yield* Effect.scoped(
          Effect.gen(function* () {
            // Somebody waits for the others, and for an answer that never comes, when it happens.
            const joining = yield* Effect.forkScoped(world.open("guest"))
            yield* Effect.acquireRelease(coordinator.stop, () => Effect.orDie(coordinator.continue))
            // Java's client may be one of those that wait for the frozen node.
            const observer = yield* client(lab, "observer")
            const isElsewhere = (leader: number) => leader > 0 && leader !== coordinator.id
            yield* eventually(observer.describeTopic(OFFSETS), ({ partitions: [{ leader }] }) => isElsewhere(leader))
            const guest = yield* Fiber.join(joining)
            yield* eventually(guest.owned, (count) => count > 0)
            yield* world.owned([...world.members, guest], 4)
            yield* world.busy()
          })
        )
        yield* healed(lab, world)
      })
  })),

  ...inBoth("the coordinator moves to another node, again and again", [["crash", "member"]], (lab) => ({
    mayLose: false,
    fault: ({ busy, members, open, owned }) =>
      Effect.gen(function* () {
        const move = Effect.gen(function* () {
          const { id } = yield* coordinatorOf(lab)
          const replicas = numbers(3).map((i) => ((id + i) % 3) + 1)
          yield* lab.java.reassign(OFFSETS, [{ partition: 0, replicas }])
          yield* lab.java.electLeaders(OFFSETS, [0])
          yield* coordinatorOf(lab, id)
        })
        const all = [...members]
        for (const name of ["guest 1", "guest 2"]) {
          yield* move
          // Somebody joins at the new one, and what is committed there is found at the next one. That one knows of no
          // generation which had only begun: who joined it already has lost what it had before.
          const guest = yield* open(name)
          all.push(guest)
          yield* eventually(guest.owned, (count) => count > 0)
          yield* owned(all, 4)
          yield* busy(40)
        }
        yield* move
        yield* busy(40)
      })
  })),

  ...inBoth("all brokers are away, and come back", [["crash", "member"]], (lab) => ({
    mayLose: false,
    fault: (world) =>
      Effect.gen(function* () {
        yield* Effect.forEach(lab.nodes, ({ kill }) => kill, { concurrency: "unbounded", discard: true })
        yield* world.told(world.members[0].name, "CoordinatorLost")
        yield* Effect.forEach(lab.nodes, ({ start }) => start, { concurrency: "unbounded", discard: true })
        yield* world.told(world.members[0].name, "CoordinatorFound")
        yield* healed(lab, world)
      })
  }))
]
