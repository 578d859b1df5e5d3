/** The coordinator of a group as its member asks it, who tells when it is lost and found again. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Coordinator, KafkaClient } from "../../../KafkaClient.ts"
import type { ClientError } from "../../../KafkaError.ts"

/** Asks the coordinator, wherever it is at present. A request makes one attempt. */
export type GroupCoordinator = Pick<Coordinator, "request">

export const makeGroupCoordinator = (
  client: KafkaClient,
  group: string,
  told: { readonly lost: (error: ClientError) => void; readonly found: () => void }
): Effect.Effect<GroupCoordinator, never, Scope.Scope> =>
  Effect.map(client.coordinator(group, "group"), (coordinator) => {
    let isLost = false
    return {
      request: (name, request) =>
        Effect.tap(
          Effect.tapError(coordinator.request(name, request), (error) =>
            Effect.sync(() => {
              if (!isLost) told.lost(error)
              isLost = true
            })
          ),
          () =>
            Effect.sync(() => {
              if (isLost) told.found()
              isLost = false
            })
        )
    }
  })
