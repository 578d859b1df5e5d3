/** What a coordinator's refusals are for an operator: errors of the group, unless they pass by themselves. */
import * as Effect from "effect/Effect"
import { BrokerError, type ClientError, GroupError, type GroupReason } from "../../KafkaError.ts"
import {
  FENCED_INSTANCE_ID,
  FENCED_MEMBER_EPOCH,
  GROUP_ID_NOT_FOUND,
  GROUP_SUBSCRIBED_TO_TOPIC,
  ILLEGAL_GENERATION,
  NON_EMPTY_GROUP,
  REBALANCE_IN_PROGRESS,
  STALE_MEMBER_EPOCH,
  UNKNOWN_MEMBER_ID
} from "../protocol/codes.ts"
import { brokerError } from "../protocol/errorCodes.ts"

/** The codes that say more than what their reason comes down to. Who is no member is refused while there are members. */
const REASONS: ReadonlyMap<number, GroupReason> = new Map([
  [GROUP_ID_NOT_FOUND, "NotFound"],
  [GROUP_SUBSCRIBED_TO_TOPIC, "Subscribed"],
  [NON_EMPTY_GROUP, "NotEmpty"],
  [UNKNOWN_MEMBER_ID, "NotEmpty"],
  [ILLEGAL_GENERATION, "NotEmpty"],
  [REBALANCE_IN_PROGRESS, "NotEmpty"],
  [STALE_MEMBER_EPOCH, "NotEmpty"],
  [FENCED_MEMBER_EPOCH, "NotEmpty"],
  [FENCED_INSTANCE_ID, "NotEmpty"]
])

/** The error of a refusal that does not pass by itself, as one of the group; any other error as it is. */
const ofGroup = (group: string, error: ClientError): ClientError | GroupError => {
  if (!(error instanceof BrokerError) || error.retriable || error.reason === "Unavailable") return error
  const { code, codeName, detail, partition, request, topic } = error
  return new GroupError({
    reason: REASONS.get(code) ?? (error.reason === "Unauthorized" ? "Unauthorized" : "Rejected"),
    group,
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
    detail: `${codeName} on ${request}${detail === undefined ? "" : `, ${detail}`}`,
    cause: error
  })
}

/** The error for a code of an answer that is not 0. */
export const refusal = (
  answer: Parameters<typeof brokerError>[0] & { readonly group: string }
): ClientError | GroupError => ofGroup(answer.group, brokerError(answer))

/** Has the errors of a request to a group's coordinator be those of the group. */
export const refusals =
  (group: string) =>
  <A>(self: Effect.Effect<A, ClientError>): Effect.Effect<A, ClientError | GroupError> =>
    Effect.mapError(self, (error) => ofGroup(group, error))
