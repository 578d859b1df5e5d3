/** Who comes to a group, stays in it, and leaves, in either protocol. */
import type {
  CodeResponse,
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  SyncGroupRequest,
  SyncGroupResponse
} from "../../../KafkaProtocol.ts"
import {
  GROUP_ID_NOT_FOUND,
  GROUP_MAX_SIZE_REACHED,
  INVALID_GROUP_ID,
  INVALID_SESSION_TIMEOUT,
  NONE,
  UNKNOWN_MEMBER_ID,
  UNSUPPORTED_VERSION
} from "../../protocol/codes.ts"
import { refusedJoin, refusedSync } from "./classicAnswers.ts"
import * as classicInConsumer from "./classicInConsumer.ts"
import * as classicJoining from "./classicJoining.ts"
import type { Reply } from "./classicMembers.ts"
import * as classic from "./classicRequests.ts"
import { invalidity, refusedHeartbeat } from "./consumerAnswers.ts"
import type { ConsumerGroup } from "./consumerGroup.ts"
import { JOINING } from "./consumerMember.ts"
import * as consumer from "./consumerRequests.ts"
import type { GroupEntry } from "./groupEntry.ts"
import type { GroupStore } from "./groupStore.ts"

export const joinGroup = (
  store: GroupStore,
  request: JoinGroupRequest,
  now: number,
  reply: Reply<JoinGroupResponse>,
  clientId: string
): void => {
  const { groupId, memberId, sessionTimeoutMillis: session } = request
  const { maxSessionTimeoutMillis, maxSize, minSessionTimeoutMillis } = store.settings
  if (groupId === "") return reply(refusedJoin(INVALID_GROUP_ID, memberId))
  if (session < minSessionTimeoutMillis || session > maxSessionTimeoutMillis) {
    return reply(refusedJoin(INVALID_SESSION_TIMEOUT, memberId))
  }
  const entry = memberId === "" ? store.findOrMake(groupId, now) : store.find(groupId, now)
  if (entry === undefined) return reply(refusedJoin(UNKNOWN_MEMBER_ID, memberId))
  const group = entry.forClassic(now)
  const { newMemberId } = store
  if (group.type === "classic") classicJoining.join(group, request, { clientId, now, maxSize, newMemberId }, reply)
  else reply(joinConsumers(store, entry, group, request, clientId, now))
  entry.changed(now)
}

const joinConsumers = (
  { catalog, newMemberId, settings }: GroupStore,
  entry: GroupEntry,
  group: ConsumerGroup,
  request: JoinGroupRequest,
  clientId: string,
  now: number
): JoinGroupResponse => {
  if (isFull(group, request.memberId, settings.maxSize)) return refusedJoin(GROUP_MAX_SIZE_REACHED, "")
  const before = [...group.members.values()].some((member) => member.classic === undefined)
  const answer = classicInConsumer.join(group, request, { clientId, now, catalog, newMemberId })
  const after = [...group.members.values()].some((member) => member.classic === undefined)
  // The last one that spoke the consumer protocol has come back with the classic one.
  if (before && !after && request.instanceId !== undefined) entry.downgrade(now)
  return answer
}

const isFull = (group: ConsumerGroup, memberId: string, maxSize: number): boolean =>
  group.members.size >= maxSize && !group.members.has(memberId)

export const syncGroup = (
  store: GroupStore,
  request: SyncGroupRequest,
  now: number,
  reply: Reply<SyncGroupResponse>
): void => {
  if (request.groupId === "") return reply(refusedSync(INVALID_GROUP_ID))
  const entry = store.find(request.groupId, now)
  if (entry === undefined || entry.group.isEmpty) return reply(refusedSync(UNKNOWN_MEMBER_ID))
  if (entry.group.type === "classic") classic.sync(entry.group, request, now, reply)
  else reply(classicInConsumer.sync(entry.group, request, store.catalog, now))
  entry.changed(now)
}

export const heartbeat = (store: GroupStore, request: HeartbeatRequest, now: number): CodeResponse => {
  if (request.groupId === "") return { errorCode: INVALID_GROUP_ID }
  const group = store.find(request.groupId, now)?.group
  if (group === undefined) return { errorCode: UNKNOWN_MEMBER_ID }
  return {
    errorCode:
      group.type === "classic"
        ? classic.heartbeat(group, request, now)
        : classicInConsumer.heartbeat(group, request, now)
  }
}

export const leaveGroup = (store: GroupStore, request: LeaveGroupRequest, now: number): CodeResponse => {
  if (request.groupId === "") return { errorCode: INVALID_GROUP_ID }
  const entry = store.find(request.groupId, now)
  if (entry === undefined) return { errorCode: UNKNOWN_MEMBER_ID }
  const { group } = entry
  const errorCode =
    group.type === "classic"
      ? classic.leave(group, request, now)
      : classicInConsumer.leave(group, request, (member) => entry.fence([member], now))
  entry.changed(now)
  return { errorCode }
}

export const consumerGroupHeartbeat = (
  store: GroupStore,
  request: ConsumerGroupHeartbeatRequest,
  now: number,
  clientId: string
): ConsumerGroupHeartbeatResponse => {
  if (!store.settings.consumerProtocol) return refusedHeartbeat(UNSUPPORTED_VERSION)
  const invalid = invalidity(request)
  if (invalid !== undefined) return invalid
  const { groupId, memberEpoch } = request
  const isJoining = memberEpoch === JOINING
  const found = store.find(groupId, now)
  const entry = found ?? (isJoining ? store.findOrMake(groupId, now) : undefined)
  const before = entry?.group
  const group = isJoining ? entry?.forConsumer(now) : before
  if (entry === undefined || group?.type !== "consumer") {
    return refusedHeartbeat(GROUP_ID_NOT_FOUND, notFound(groupId, entry, memberEpoch))
  }
  const answer =
    memberEpoch < JOINING
      ? consumer.leave(group, request, (member) => entry.fence([member], now))
      : beat(store, entry, group, request, now, clientId)
  // Who is refused leaves nothing behind.
  if (answer.errorCode !== NONE && group.isEmpty && found === undefined) store.entries.delete(groupId)
  else if (answer.errorCode !== NONE && group.isEmpty && before !== undefined) entry.group = before
  if (memberEpoch <= JOINING) entry.changed(now)
  return answer
}

const beat = (
  { catalog: { lastCreation }, settings: { maxSize } }: GroupStore,
  { heartbeatInterval, sessionTimeout }: GroupEntry,
  group: ConsumerGroup,
  request: ConsumerGroupHeartbeatRequest,
  now: number,
  clientId: string
): ConsumerGroupHeartbeatResponse => {
  if (!isFull(group, request.memberId, maxSize)) {
    return consumer.heartbeat(group, request, { clientId, now, sessionTimeout, heartbeatInterval, lastCreation })
  }
  const text = `The consumer group has reached its maximum capacity of ${maxSize} members.`
  return refusedHeartbeat(GROUP_MAX_SIZE_REACHED, text)
}

const notFound = (groupId: string, entry: GroupEntry | undefined, memberEpoch: number): string => {
  if (memberEpoch === JOINING) return `Cannot upgrade classic group ${groupId} to consumer group.`
  if (entry !== undefined) return `Group ${groupId} is not a consumer group.`
  return memberEpoch < JOINING ? `Group ${groupId} not found.` : `Consumer group ${groupId} not found.`
}
