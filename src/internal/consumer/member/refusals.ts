/** What the codes mean by which a coordinator refuses a member, or its offsets. */
import { GroupError, type GroupReason } from "../../../KafkaError.ts"
import * as codes from "../../protocol/codes.ts"
import { describeCode } from "../../protocol/errorCodes.ts"

const REASONS: ReadonlyMap<number, GroupReason> = new Map([
  [codes.FENCED_INSTANCE_ID, "Fenced"],
  [codes.UNRELEASED_INSTANCE_ID, "Fenced"],
  [codes.INCONSISTENT_GROUP_PROTOCOL, "Inconsistent"],
  [codes.GROUP_ID_NOT_FOUND, "Inconsistent"],
  [codes.UNSUPPORTED_VERSION, "Unsupported"],
  [codes.UNSUPPORTED_ASSIGNOR, "Unsupported"],
  [codes.GROUP_MAX_SIZE_REACHED, "Full"],
  [codes.GROUP_AUTHORIZATION_FAILED, "Unauthorized"],
  [codes.TOPIC_AUTHORIZATION_FAILED, "Unauthorized"]
])

/** Codes that pass, though not every client may take them for such. A join is refused by 27 when the group goes over to KIP-848. */
const PASSING: ReadonlySet<number> = new Set([codes.UNKNOWN_SERVER_ERROR, codes.REBALANCE_IN_PROGRESS])

/** The error of a code. `detail` is what else there is to say. */
export const groupError = ({
  code,
  detail,
  group,
  instanceId,
  request
}: {
  readonly group: string
  readonly code: number
  readonly request: string
  readonly instanceId: string | undefined
  readonly detail?: string | undefined
}): GroupError => {
  const reason = REASONS.get(code) ?? "Rejected"
  const words = [
    `${describeCode(code).name} on ${request}`,
    ...(reason === "Fenced" && instanceId !== undefined ? [`instance id ${instanceId}`] : []),
    ...(detail === undefined ? [] : [detail])
  ]
  return new GroupError({ reason, group, detail: words.join(", ") })
}

/** Whether rights are missing, which a person has to give. */
export const isUnauthorized = (code: number): boolean =>
  code === codes.GROUP_AUTHORIZATION_FAILED || code === codes.TOPIC_AUTHORIZATION_FAILED

/** Whether the same request may be answered otherwise later, without anybody having changed anything. */
export const passes = (code: number): boolean => PASSING.has(code) || describeCode(code).retriable
