/** What a broker does with the requests of groups: it asks the coordinator, if it is the one, and waits where that has to. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ApiName, Request, Response } from "../../../KafkaProtocol.ts"
import { apiOf } from "../../protocol/apis.ts"
import { yieldToEventLoop } from "../../yield.ts"
import type { Reply } from "./classicMembers.ts"
import * as administration from "./administration.ts"
import type { Groups } from "./groups.ts"
import type { GroupStore } from "./groupStore.ts"
import * as membership from "./membership.ts"
import * as offsets from "./offsetRequests.ts"
import type { Transactions } from "./transactions.ts"
import { txnOffsetCommit } from "./txnOffsetCommit.ts"

type GroupServer<N extends ApiName> = (
  cluster: { readonly groups: Groups; readonly transactions: Transactions },
  node: number,
  request: Request<N>,
  clientId: string
) => Effect.Effect<Response<N>>

type OfGroup<N extends ApiName> = Request<N> extends { readonly groupId: string } ? N : never

/** Asks the coordinator, unless it is another broker. */
const asked =
  <N extends ApiName>(
    name: OfGroup<N>,
    ask: (store: GroupStore, request: Request<N>, now: number, clientId: string) => Response<N>
  ): GroupServer<N> =>
  ({ groups }, node, request, clientId) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const refused = groups.leads.check(groupOf(request), node, now)
      if (refused !== undefined) return apiOf<N>(name).parts.refuse(request, refused)
      const answer = ask(groups.store, request, now, clientId)
      groups.signalOf(groupOf(request)).notify()
      return answer
    })

const groupOf = <N extends ApiName>(request: Request<N>): string => (request as { readonly groupId: string }).groupId

/** Asks the coordinator for what it may answer later only, and lets happen meanwhile what is due for the group. */
const awaited =
  <N extends ApiName>(
    name: OfGroup<N>,
    ask: (store: GroupStore, request: Request<N>, now: number, reply: Reply<Response<N>>, clientId: string) => void
  ): GroupServer<N> =>
  ({ groups }, node, request, clientId) =>
    Effect.suspend(() => {
      const groupId = groupOf(request)
      const { store } = groups
      const signal = groups.signalOf(groupId)
      let answer: Response<N> | undefined
      const reply = (value: Response<N>) => {
        answer = value
        signal.notify()
      }
      const wait: Effect.Effect<Response<N>> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (answer !== undefined) return Effect.succeed(answer)
        const millis = store.dueAt(groupId) - now
        // What is due at once comes after those who ask at the same time.
        const pause = millis > 0 ? signal.after(signal.version, millis) : yieldToEventLoop
        return Effect.andThen(
          pause,
          Effect.flatMap(Clock.currentTimeMillis, (later) => {
            store.find(groupId, later, true)
            return wait
          })
        )
      })
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const refused = groups.leads.check(groupId, node, now)
        if (refused !== undefined) return Effect.succeed(apiOf<N>(name).parts.refuse(request, refused))
        ask(store, request, now, reply, clientId)
        signal.notify()
        return wait
      })
    })

export const groupServers = {
  ConsumerGroupDescribe: asked<"ConsumerGroupDescribe">("ConsumerGroupDescribe", administration.consumerGroupDescribe),
  ConsumerGroupHeartbeat: asked<"ConsumerGroupHeartbeat">("ConsumerGroupHeartbeat", membership.consumerGroupHeartbeat),
  DeleteGroups: asked<"DeleteGroups">("DeleteGroups", administration.deleteGroups),
  DescribeGroups: asked<"DescribeGroups">("DescribeGroups", administration.describeGroups),
  Heartbeat: asked<"Heartbeat">("Heartbeat", membership.heartbeat),
  JoinGroup: awaited<"JoinGroup">("JoinGroup", membership.joinGroup),
  LeaveGroup: asked<"LeaveGroup">("LeaveGroup", membership.leaveGroup),
  ListGroups: (({ groups }, node, request) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      administration.listGroups(groups.store, request, now, (groupId) => groups.leads.of(groupId) === node)
    )) as GroupServer<"ListGroups">,
  OffsetCommit: asked<"OffsetCommit">("OffsetCommit", offsets.offsetCommit),
  OffsetDelete: asked<"OffsetDelete">("OffsetDelete", offsets.offsetDelete),
  OffsetFetch: asked<"OffsetFetch">("OffsetFetch", offsets.offsetFetch),
  TxnOffsetCommit: ((cluster, node, request, clientId) =>
    asked<"TxnOffsetCommit">("TxnOffsetCommit", (store, _, now) =>
      txnOffsetCommit(store, cluster.transactions.coordinator, request, now)
    )(cluster, node, request, clientId)) as GroupServer<"TxnOffsetCommit">,
  SyncGroup: awaited<"SyncGroup">("SyncGroup", membership.syncGroup)
} satisfies { readonly [N in ApiName]?: GroupServer<N> }
