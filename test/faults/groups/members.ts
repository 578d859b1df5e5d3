/** Members die, freeze, are cut off, and come and go. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { assert } from "vitest"
import { eventually, numbers } from "../../support/live.ts"
import type { Scenario } from "../rows.ts"
import type { Member } from "./member.ts"
import type { Other } from "./Other.ts"
import { inBoth, inGroup, SESSION_MILLIS, type World } from "./trial.ts"

/** Starts a member in a process of its own, and waits until it has its share, and works. */
const startOther = ({ busy, members, owned, start }: World) =>
  Effect.gen(function* () {
    const other = yield* start("other")
    yield* eventually(other.owned, (count) => count > 0)
    yield* eventually(other.entries, (entries) => entries.filter(({ _tag }) => _tag === "Ended").length > 20)
    yield* owned([...members, { owned: Effect.orDie(other.owned) }], 4)
    yield* busy(50)
    return other
  })

/** It has noticed that it lost what it had, has its share again, and works. */
const isBack = ({ busy, members, owned }: World, other: Other) =>
  Effect.gen(function* () {
    yield* eventually(other.entries, (entries) => entries.some(({ _tag }) => _tag === "Lost"))
    yield* eventually(other.owned, (count) => count > 0)
    yield* owned([...members, { owned: Effect.orDie(other.owned) }], 4)
    yield* busy(50)
  })

const closed = (member: Member) => Effect.map(member.close, ({ exit }) => assert.isTrue(Exit.isSuccess(exit)))

const deaths: ReadonlyArray<Scenario> = [
  ...inBoth("a member is killed", [["killed", "member"]], () => ({
    mayLose: true,
    fault: (world) =>
      Effect.gen(function* () {
        const other = yield* startOther(world)
        yield* other.kill
        yield* world.owned(world.members, 4)
      })
  })),

  ...inBoth("a member is frozen, and goes on when others have its partitions", [["paused", "member"]], () => ({
    mayLose: true,
    fault: (world) =>
      Effect.gen(function* () {
        const other = yield* startOther(world)
        yield* other.stop
        yield* world.owned(world.members, 4)
        yield* world.busy(50)
        yield* other.continue
        yield* isBack(world, other)
      })
  })),

  inGroup("the event loop of a member is blocked for longer than its session", [["paused", "member"]], () => ({
    mayLose: true,
    fault: (world) =>
      Effect.gen(function* () {
        const other = yield* startOther(world)
        yield* other.block(SESSION_MILLIS + 1_500)
        yield* isBack(world, other)
        const blocked = (yield* other.entries).flatMap((one) =>
          one._tag === "Told" && one.event === "Lost" ? [one.blockedMillis] : []
        )
        assert.isAbove(Math.max(...blocked.map((millis = 0) => millis)), SESSION_MILLIS - 1_000)
      })
  })),

  ...inBoth("a member is cut off for longer than its session", [["cutOff", "member"]], ({ proxies: [proxy] }) => ({
    mayLose: true,
    mayMissCommits: true,
    fault: (world) =>
      Effect.gen(function* () {
        const [one, two] = world.members
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* proxy.stall({ clientId: one.name })
            yield* world.owned([two], 4)
            yield* world.busy(50)
          })
        )
        yield* world.owned([one, two], 4)
      })
  }))
]

const comings: ReadonlyArray<Scenario> = [
  ...inBoth("members are stopped and started one by one, while they work", [["churn", "member"]], () => ({
    members: ["one", "two", "three"],
    mayLose: false,
    // Enough to be in the middle of something at any time, and not so much that the load outruns two members: what has piled
    // up in front of a slow key could not be done in the time that is given to who leaves.
    work: () => () => Effect.sleep(3),
    fault: ({ busy, members, open }) =>
      Effect.gen(function* () {
        for (const member of members) {
          yield* closed(member)
          yield* busy(40)
          yield* open(`${member.name} again`)
          yield* busy(40)
        }
      })
  })),

  ...inBoth("members come and go, several in a second", [["churn", "member"]], () => ({
    mayLose: false,
    fault: ({ open, random }) =>
      Effect.gen(function* () {
        const there: Array<Member> = []
        for (const i of numbers(16)) {
          if (there.length < 2 || (there.length < 4 && random() < 0.5)) there.push(yield* open(`guest ${i}`))
          else yield* closed(there.splice(Math.floor(random() * there.length), 1)[0])
          yield* Effect.sleep(random() * 200)
        }
        yield* Effect.forEach(there, closed, { concurrency: "unbounded" })
      })
  })),

  inGroup("a second member has the same instance id", [["instance", "member"]], () => ({
    options: (_, name) => (name === "two" ? {} : { instanceId: "the one" }),
    fails: ["one"],
    mayLose: true,
    fault: ({ entries, members: [one, two], open, owned }) =>
      Effect.gen(function* () {
        const other = yield* open("three")
        const isFenced = () => entries.some((entry) => entry._tag === "Failed" && entry.member === one.name)
        yield* eventually(Effect.sync(isFenced), (fenced) => fenced)
        yield* owned([two, other], 4)
      })
  }))
]

export const scenarios: ReadonlyArray<Scenario> = [...deaths, ...comings]
