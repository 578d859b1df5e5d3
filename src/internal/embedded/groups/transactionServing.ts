/** What a broker does with the requests of transactions: it asks the coordinator, if it is the one. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ApiName, Request, Response } from "../../../KafkaProtocol.ts"
import { apiOf } from "../../protocol/apis.ts"
import type { TransactionCoordinator } from "./transactionCoordinator.ts"
import type { Transactions } from "./transactions.ts"

type TransactionServer<N extends ApiName> = (
  cluster: { readonly transactions: Transactions },
  node: number,
  request: Request<N>
) => Effect.Effect<Response<N>>

/** Asks the coordinator, unless it is another broker. A request without a transactional id is for any broker. */
const asked =
  <N extends ApiName>(
    name: N,
    idOf: (request: Request<N>) => string | undefined,
    ask: (coordinator: TransactionCoordinator, request: Request<N>, now: number) => Response<N>
  ): TransactionServer<N> =>
  ({ transactions: { coordinator, leads } }, node, request) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const id = idOf(request)
      const refused = id === undefined ? undefined : leads.check(id, node, now)
      return refused === undefined ? ask(coordinator, request, now) : apiOf<N>(name).parts.refuse(request, refused)
    })

const idOf = ({ transactionalId }: { readonly transactionalId: string }): string => transactionalId

export const transactionServers = {
  AddOffsetsToTxn: asked<"AddOffsetsToTxn">("AddOffsetsToTxn", idOf, (coordinator, request, now) =>
    coordinator.addOffsets(request, now)
  ),
  AddPartitionsToTxn: asked<"AddPartitionsToTxn">("AddPartitionsToTxn", idOf, (coordinator, request, now) =>
    coordinator.addPartitions(request, now)
  ),
  EndTxn: asked<"EndTxn">("EndTxn", idOf, (coordinator, request, now) => coordinator.endTxn(request, now)),
  InitProducerId: asked<"InitProducerId">(
    "InitProducerId",
    ({ transactional }) => transactional?.id,
    (coordinator, request, now) => coordinator.initProducerId(request, now)
  )
} satisfies { readonly [N in ApiName]?: TransactionServer<N> }
