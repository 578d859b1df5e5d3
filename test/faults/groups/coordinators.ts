/** The coordinator dies, freezes, or its answers do not come. */
import * as Effect from "effect/Effect"
import { eventually } from "../../support/live.ts"
import { Api, type Fate } from "../Proxy.ts"
import type { Scenario } from "../rows.ts"
import { inBoth, inGroup } from "./trial.ts"

/** The answers that a member waits for, by protocol. */
const asked = {
  classic: [Api.OffsetCommit, Api.Heartbeat, Api.JoinGroup, Api.SyncGroup, Api.OffsetFetch, Api.LeaveGroup],
  consumer: [Api.OffsetCommit, Api.ConsumerGroupHeartbeat, Api.OffsetFetch]
} as const

export const scenarios: ReadonlyArray<Scenario> = [
  ...inBoth("the coordinator is killed, and started again", [["crash", "member"]], ({ nodes: [node] }) => ({
    // The coordinator counts sessions anew when it is back.
    mayLose: false,
    fault: ({ members: [one], told }) =>
      Effect.gen(function* () {
        yield* node.kill
        yield* told(one.name, "CoordinatorLost")
        yield* node.start
        yield* told(one.name, "CoordinatorFound")
      })
  })),

  inGroup(
    "the coordinator is frozen for longer than a session",
    [
      ["frozen", "member"],
      ["closed", "member"]
    ],
    ({ nodes: [node] }) => ({
      mayLose: true,
      mayMissCommits: true,
      fault: ({ members, open, owned, told }) =>
        Effect.gen(function* () {
          const guest = yield* open("guest")
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* Effect.acquireRelease(node.stop, () => Effect.orDie(node.continue))
              // How long that takes is judged with all others.
              yield* guest.close
              for (const { name } of members) yield* told(name, "Lost")
            })
          )
          yield* owned(members, 4)
        })
    })
  ),

  ...inBoth("connections of members are reset, again and again", [["crash", "member"]], ({ proxies: [proxy] }) => ({
    mayLose: false,
    fault: ({ random }) =>
      Effect.gen(function* () {
        for (let i = 0; i < 12; i++) {
          yield* i % 3 === 0 ? proxy.cut() : proxy.reset()
          yield* Effect.sleep(random() * 300)
        }
      })
  })),

  inGroup("connections of members are half-open", [["frozen", "member"]], ({ proxies: [proxy] }) => ({
    mayLose: false,
    fault: ({ members: [one], told }) =>
      Effect.andThen(
        proxy.halfOpen(),
        Effect.andThen(told(one.name, "CoordinatorLost"), told(one.name, "CoordinatorFound"))
      )
  })),

  ...(["Cut", "Swallow"] as const).flatMap((how) =>
    inBoth(
      `the coordinator has done what it was asked for, and its answers are lost: ${how === "Cut" ? "cut off" : "never sent"}`,
      [["answers", "member"]],
      ({ proxies: [proxy] }, protocol) => ({
        mayLose: true,
        mayMissCommits: true,
        fault: ({ busy, members, open, owned }) =>
          Effect.gen(function* () {
            const [one] = members
            const fate: Fate = { _tag: how }
            for (const api of asked[protocol]) {
              // Whether an answer comes that others are waited for with is known after the rebalance timeout only.
              if (how === "Swallow" && (api === Api.JoinGroup || api === Api.SyncGroup)) continue
              yield* Effect.scoped(
                Effect.gen(function* () {
                  const clientId = one.name
                  const armed = yield* proxy.rule({ api, fate, times: 2, clientId })
                  // One that joins and leaves has the others join again.
                  yield* Effect.scoped(
                    Effect.gen(function* () {
                      const guest = yield* open(`guest ${api}`)
                      yield* busy(20)
                      yield* guest.close
                    })
                  )
                  // Offsets are asked for by who gets a partition, and one leaves only at its end.
                  if (api !== Api.LeaveGroup && api !== Api.OffsetFetch) {
                    yield* eventually(Effect.sync(armed.hits), (hits) => hits > 0)
                  }
                })
              )
            }
            yield* owned(members, 4)
          })
      })
    )
  )
]
