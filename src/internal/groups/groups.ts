/** The service for who operates groups: see `KafkaGroups`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { KafkaGroups } from "../../KafkaGroups.ts"
import * as Client from "../client/client.ts"
import { foreignText } from "../foreignText.ts"
import { readListOptions, readResetOptions } from "../options/groups.ts"
import { NONE } from "../protocol/codes.ts"
import { describe } from "./describing.ts"
import { offsetsOf } from "./offsets.ts"
import { refusal, refusals } from "./refusals.ts"
import { deleteOffsets, resetOffsets } from "./resetting.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaGroups")

export const tag: Context.Service<KafkaGroups, KafkaGroups> = Context.Service<KafkaGroups>("effect-ktables/KafkaGroups")

export const make: Effect.Effect<KafkaGroups, never, KafkaClient> = Effect.map(Client.tag, (client) => {
  const remove: KafkaGroups["delete"] = (group) =>
    client.askCoordinator(group, "group", "DeleteGroups", { groupId: group }).pipe(
      refusals(group),
      Effect.flatMap(({ errorCode: code }) =>
        code === NONE ? Effect.void : Effect.fail(refusal({ code, request: "DeleteGroups", group }))
      )
    )
  return {
    [TypeId]: TypeId,
    list: (options) =>
      readListOptions(options).pipe(
        Effect.flatMap(client.listGroups),
        Effect.map((all) => all.map(({ groupId, ...others }) => ({ group: groupId, ...others }))),
        Effect.withSpan("KafkaGroups.list")
      ),
    describe: (group) => spanOf("describe", group)(describe(client, group)),
    offsets: (group) => spanOf("offsets", group)(offsetsOf(client, group)),
    resetOffsets: (group, options) =>
      readResetOptions(options).pipe(
        Effect.flatMap(({ dryRun, to, topics }) =>
          resetOffsets(client, group, { to, dryRun, ...(topics === undefined ? {} : { topics }) })
        ),
        spanOf("resetOffsets", group)
      ),
    deleteOffsets: (group, topics) => spanOf("deleteOffsets", group)(deleteOffsets(client, group, topics)),
    delete: (group) => spanOf("delete", group)(remove(group))
  }
})

const spanOf =
  (name: string, group: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withSpan(self, `KafkaGroups.${name}`, {
      attributes: { "messaging.system": "kafka", "messaging.consumer.group.name": foreignText(group) }
    })
