/** What a broker does with the requests of groups: it asks the coordinator, if it is the one, and waits where that has to. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ApiName, Request, Response } from "../../../KafkaProtocol.ts"
import { apiOf } from "../../protocol/apis.ts"
import { yieldToEventLoop } from "../../yield.ts"
import type { Reply } from "./classicMembers.ts"
import type { GroupCoordinator } from "./coordinator.ts"
import type { Groups } from "./groups.ts"

type GroupServer<N extends ApiName> = (
  cluster: { readonly groups: Groups },
  node: number,
  request: Request<N>,
  clientId: string
) => Effect.Effect<Response<N>>

type OfGroup<N extends ApiName> = Request<N> extends { readonly groupId: string } ? N : never

/** Asks the coordinator, unless it is another broker. */
const asked =
  <N extends ApiName>(
    name: OfGroup<N>,
    ask: (coordinator: GroupCoordinator, request: Request<N>, now: number) => Response<N>
  ): GroupServer<N> =>
  ({ groups }, node, request) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const refused = groups.leads.check(groupOf(request), node, now)
      if (refused !== undefined) return apiOf<N>(name).parts.refuse(request, refused)
      const answer = ask(groups.coordinator, request, now)
      groups.signalOf(groupOf(request)).notify()
      return answer
    })

const groupOf = <N extends ApiName>(request: Request<N>): string => (request as { readonly groupId: string }).groupId

/** Asks the coordinator for what it may answer later only, and lets happen meanwhile what is due for the group. */
const awaited =
  <N extends ApiName>(
    name: OfGroup<N>,
    ask: (
      coordinator: GroupCoordinator,
      request: Request<N>,
      now: number,
      reply: Reply<Response<N>>,
      clientId: string
    ) => void
  ): GroupServer<N> =>
  ({ groups }, node, request, clientId) =>
    Effect.suspend(() => {
      const groupId = groupOf(request)
      const { coordinator } = groups
      const signal = groups.signalOf(groupId)
      let answer: Response<N> | undefined
      const reply = (value: Response<N>) => {
        answer = value
        signal.notify()
      }
      const wait: Effect.Effect<Response<N>> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (answer !== undefined) return Effect.succeed(answer)
        const millis = coordinator.dueAt(groupId) - now
        // What is due at once comes after those who ask at the same time.
        const pause = millis > 0 ? signal.after(signal.version, millis) : yieldToEventLoop
        return Effect.andThen(
          pause,
          Effect.flatMap(Clock.currentTimeMillis, (later) => {
            coordinator.find(groupId, later, true)
            return wait
          })
        )
      })
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const refused = groups.leads.check(groupId, node, now)
        if (refused !== undefined) return Effect.succeed(apiOf<N>(name).parts.refuse(request, refused))
        ask(coordinator, request, now, reply, clientId)
        signal.notify()
        return wait
      })
    })

export const groupServers = {
  DeleteGroups: asked<"DeleteGroups">("DeleteGroups", (coordinator, request, now) =>
    coordinator.deleteGroups(request, now)
  ),
  DescribeGroups: asked<"DescribeGroups">("DescribeGroups", (coordinator, request, now) =>
    coordinator.describeGroups(request, now)
  ),
  Heartbeat: asked<"Heartbeat">("Heartbeat", (coordinator, request, now) => coordinator.heartbeat(request, now)),
  JoinGroup: awaited<"JoinGroup">("JoinGroup", (coordinator, request, now, reply, clientId) =>
    coordinator.joinGroup(request, clientId, now, reply)
  ),
  LeaveGroup: asked<"LeaveGroup">("LeaveGroup", (coordinator, request, now) => coordinator.leaveGroup(request, now)),
  ListGroups: (({ groups }, node, request) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      groups.coordinator.listGroups(request, now, (groupId) => groups.leads.of(groupId) === node)
    )) as GroupServer<"ListGroups">,
  OffsetCommit: asked<"OffsetCommit">("OffsetCommit", (coordinator, request, now) =>
    coordinator.offsetCommit(request, now)
  ),
  OffsetDelete: asked<"OffsetDelete">("OffsetDelete", (coordinator, request, now) =>
    coordinator.offsetDelete(request, now)
  ),
  OffsetFetch: asked<"OffsetFetch">("OffsetFetch", (coordinator, request, now) =>
    coordinator.offsetFetch(request, now)
  ),
  SyncGroup: awaited<"SyncGroup">("SyncGroup", (coordinator, request, now, reply) =>
    coordinator.syncGroup(request, now, reply)
  )
} satisfies { readonly [N in ApiName]?: GroupServer<N> }
