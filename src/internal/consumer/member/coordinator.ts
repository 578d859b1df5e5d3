/** The coordinator of a group, as a member asks it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaClient } from "../../../KafkaClient.ts"
import type { ClientError } from "../../../KafkaError.ts"
import type { GroupCoordinator } from "./member.ts"

export const makeGroupCoordinator = (
  _client: KafkaClient,
  _group: string,
  _told: { readonly lost: (error: ClientError) => void; readonly found: () => void }
): Effect.Effect<GroupCoordinator, never, Scope.Scope> => Effect.die("not yet")
