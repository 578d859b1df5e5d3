/** Why a group does not take a member in whose protocols it does not have: what the member offers, and what the group has. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as codes from "../../protocol/codes.ts"
import { CONSUMER_PROTOCOL_TYPE } from "../../protocol/consumerProtocol.ts"
import type { GroupCoordinator } from "./coordinator.ts"

/** How long the coordinator may take to say what the group has, in milliseconds. Without that, the refusal is told as it is. */
const ANSWER_MILLIS = 1_500

/** Says what differs, as far as the coordinator may be asked for it: that needs the right to DESCRIBE the group. */
export const whatDiffers = (
  coordinator: GroupCoordinator,
  group: string,
  assignors: ReadonlyArray<string>
): Effect.Effect<string> => {
  const ours = `this member has ${assignors.join(", ")}`
  return coordinator.request("DescribeGroups", { groupId: group }).pipe(
    Effect.timeoutOption(ANSWER_MILLIS),
    Effect.match({
      onFailure: () => ours,
      onSuccess: (answer) => {
        if (Option.isNone(answer) || answer.value.errorCode !== codes.NONE) return ours
        const { protocolName, protocolType } = answer.value
        if (protocolType !== "" && protocolType !== CONSUMER_PROTOCOL_TYPE) {
          return `${ours}, and the group is none of consumers: its members are of type ${protocolType}`
        }
        return protocolName === "" ? ours : `${ours}, and the group has ${protocolName}`
      }
    })
  )
}
