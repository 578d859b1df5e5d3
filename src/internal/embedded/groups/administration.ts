/** What a coordinator tells onlookers of groups, and how groups are deleted. */
import type {
  CodeResponse,
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse,
  DeleteGroupsRequest,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  ListGroupsRequest,
  ListGroupsResponse
} from "../../../KafkaProtocol.ts"
import { GROUP_ID_NOT_FOUND, INVALID_GROUP_ID, NON_EMPTY_GROUP, NONE } from "../../protocol/codes.ts"
import * as classic from "./classicRequests.ts"
import * as consumer from "./consumerAnswers.ts"
import type { GroupEntry } from "./groupEntry.ts"
import type { GroupStore } from "./groupStore.ts"

const notOne = (groupId: string, entry: GroupEntry | undefined, type: "classic" | "consumer") => ({
  errorCode: GROUP_ID_NOT_FOUND,
  errorMessage: entry === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a ${type} group.`,
  members: []
})

export const describeGroups = (
  store: GroupStore,
  { groupId }: DescribeGroupsRequest,
  now: number
): DescribeGroupsResponse => {
  const entry = store.find(groupId, now)
  return entry?.group.type === "classic"
    ? classic.describe(entry.group)
    : { ...notOne(groupId, entry, "classic"), state: "Dead", protocolType: "", protocolName: "" }
}

export const consumerGroupDescribe = (
  store: GroupStore,
  { groupId }: ConsumerGroupDescribeRequest,
  now: number
): ConsumerGroupDescribeResponse => {
  const entry = store.find(groupId, now)
  return entry?.group.type === "consumer"
    ? consumer.describe(entry.group, store.catalog)
    : { ...notOne(groupId, entry, "consumer"), state: "", groupEpoch: 0, assignmentEpoch: 0, assignorName: "" }
}

/** The groups for which `isHere`. */
export const listGroups = (
  store: GroupStore,
  { states, types }: ListGroupsRequest,
  now: number,
  isHere: (groupId: string) => boolean
): ListGroupsResponse => {
  const isWanted = (wanted: ReadonlyArray<string>, value: string) =>
    wanted.length === 0 || wanted.some((one) => one.toLowerCase() === value.toLowerCase())
  return {
    errorCode: NONE,
    groups: store
      .all(now)
      .filter(({ group, id }) => isHere(id) && isWanted(states, group.state) && isWanted(types, group.type))
      .map(({ group, id }) => ({
        groupId: id,
        protocolType: group.type === "consumer" ? "consumer" : (group.members.protocolType ?? ""),
        state: group.state,
        type: group.type
      }))
  }
}

export const deleteGroups = (store: GroupStore, { groupId }: DeleteGroupsRequest, now: number): CodeResponse => {
  if (groupId === "") return { errorCode: INVALID_GROUP_ID }
  const entry = store.find(groupId, now)
  if (entry === undefined) return { errorCode: GROUP_ID_NOT_FOUND }
  if (!entry.group.isEmpty) return { errorCode: NON_EMPTY_GROUP }
  store.entries.delete(groupId)
  return { errorCode: NONE }
}
