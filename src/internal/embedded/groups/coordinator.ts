/**
 * The coordinator of all groups: it knows them, and answers their requests. Plain and synchronous: requests that may have
 * to wait are answered by a function, and what is due at some time happens before anything else is answered.
 */
import type {
  CodeResponse,
  DeleteGroupsRequest,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  ListGroupsRequest,
  ListGroupsResponse,
  OffsetCommitPartition,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
  PartitionCode,
  SyncGroupRequest,
  SyncGroupResponse
} from "../../../KafkaProtocol.ts"
import {
  GROUP_ID_NOT_FOUND,
  GROUP_SUBSCRIBED_TO_TOPIC,
  INVALID_GROUP_ID,
  INVALID_SESSION_TIMEOUT,
  NON_EMPTY_GROUP,
  NONE,
  OFFSET_METADATA_TOO_LARGE,
  UNKNOWN_MEMBER_ID,
  UNKNOWN_TOPIC_OR_PARTITION
} from "../../protocol/codes.ts"
import { refusedJoin, refusedSync } from "./classicAnswers.ts"
import type { Reply } from "./classicMembers.ts"
import * as classic from "./classicRequests.ts"
import { Commits } from "./commits.ts"
import { GroupEntry } from "./groupEntry.ts"
import { Offsets } from "./offsets.ts"
import { type GroupSettings, MAX_OFFSET_METADATA } from "./settings.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

export class GroupCoordinator {
  readonly entries = new Map<string, GroupEntry>()
  readonly commits = new Commits()
  private ids = 0

  constructor(
    private readonly catalog: TopicCatalog,
    readonly settings: GroupSettings
  ) {}

  // -------------------------------------------------------------------------------------------------------------------
  // time
  // -------------------------------------------------------------------------------------------------------------------

  /** The group, after all that was due for it; `undefined` if there is none. */
  find(groupId: string, now: number, inclusive = false): GroupEntry | undefined {
    const entry = this.entries.get(groupId)
    entry?.run(now, { inclusive })
    if (entry?.isGone !== true) return entry
    this.entries.delete(groupId)
    return undefined
  }

  private findOrMake(groupId: string, now: number): GroupEntry {
    const found = this.find(groupId, now)
    if (found !== undefined) return found
    const entry = new GroupEntry(groupId, this.settings, now)
    this.entries.set(groupId, entry)
    return entry
  }

  /** All groups, after all that was due. */
  all(now: number): ReadonlyArray<GroupEntry> {
    return [...this.entries.keys()].flatMap((id) => this.find(id, now, true) ?? [])
  }

  /** When the next thing is due for a group; infinite if nothing is. */
  dueAt(groupId: string): number {
    return this.entries.get(groupId)?.timers.next ?? Number.POSITIVE_INFINITY
  }

  // -------------------------------------------------------------------------------------------------------------------
  // membership
  // -------------------------------------------------------------------------------------------------------------------

  joinGroup(request: JoinGroupRequest, clientId: string, now: number, reply: Reply<JoinGroupResponse>): void {
    const { groupId, memberId, sessionTimeoutMillis: session } = request
    const { maxSessionTimeoutMillis, maxSize, minSessionTimeoutMillis } = this.settings
    if (groupId === "") return reply(refusedJoin(INVALID_GROUP_ID, memberId))
    if (session < minSessionTimeoutMillis || session > maxSessionTimeoutMillis) {
      return reply(refusedJoin(INVALID_SESSION_TIMEOUT, memberId))
    }
    const entry = memberId === "" ? this.findOrMake(groupId, now) : this.find(groupId, now)
    if (entry === undefined) return reply(refusedJoin(UNKNOWN_MEMBER_ID, memberId))
    classic.join(entry.group, request, { clientId, now, maxSize, newMemberId: this.newMemberId }, reply)
    entry.changed(now)
  }

  /** Ids are the same in every run, as a test may look at them. */
  private readonly newMemberId = (prefix: string): string =>
    `${prefix}-00000000-0000-4000-8000-${(++this.ids).toString(16).padStart(12, "0")}`

  syncGroup(request: SyncGroupRequest, now: number, reply: Reply<SyncGroupResponse>): void {
    if (request.groupId === "") return reply(refusedSync(INVALID_GROUP_ID))
    const entry = this.find(request.groupId, now)
    if (entry === undefined) return reply(refusedSync(UNKNOWN_MEMBER_ID))
    classic.sync(entry.group, request, now, reply)
    entry.changed(now)
  }

  heartbeat(request: HeartbeatRequest, now: number): CodeResponse {
    if (request.groupId === "") return { errorCode: INVALID_GROUP_ID }
    const entry = this.find(request.groupId, now)
    return { errorCode: entry === undefined ? UNKNOWN_MEMBER_ID : classic.heartbeat(entry.group, request, now) }
  }

  leaveGroup(request: LeaveGroupRequest, now: number): CodeResponse {
    if (request.groupId === "") return { errorCode: INVALID_GROUP_ID }
    const entry = this.find(request.groupId, now)
    if (entry === undefined) return { errorCode: UNKNOWN_MEMBER_ID }
    const errorCode = classic.leave(entry.group, request, now)
    entry.changed(now)
    return { errorCode }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // offsets
  // -------------------------------------------------------------------------------------------------------------------

  offsetCommit(request: OffsetCommitRequest, now: number): OffsetCommitResponse {
    const entry = this.find(request.groupId, now)
    const refused = this.refusalOfCommit(entry, request)
    const known = request.partitions.some((p) => this.isKnown(p))
    // Who commits without a generation makes a group that only has offsets.
    const target = refused === undefined && known ? (entry ?? this.findOrMake(request.groupId, now)) : entry
    const partitions = request.partitions.map((asked): PartitionCode => {
      const errorCode = this.isKnown(asked) ? (refused ?? codeOfMetadata(asked)) : UNKNOWN_TOPIC_OR_PARTITION
      if (errorCode === NONE) target?.offsets.commit(asked, now)
      return { topic: asked.topic, partition: asked.partition, errorCode }
    })
    if (refused === undefined && target !== undefined) {
      const member = target.group.members.get(request.memberId)
      if (member !== undefined && known) target.group.heard(member, now)
      target.committed(now)
    }
    this.commits.note(request, partitions, now)
    return { partitions }
  }

  private refusalOfCommit(entry: GroupEntry | undefined, request: OffsetCommitRequest): number | undefined {
    if (entry !== undefined) return classic.checkCommit(entry.group, request, { isTransactional: false })
    return request.generation < 0 ? undefined : GROUP_ID_NOT_FOUND
  }

  private isKnown({ partition, topic }: Pick<OffsetCommitPartition, "topic" | "partition">): boolean {
    const found = this.catalog.topics.get(topic.name)
    return found !== undefined && partition >= 0 && partition < found.partitions.length
  }

  offsetFetch({ groupId, partitions, requireStable }: OffsetFetchRequest, now: number): OffsetFetchResponse {
    const offsets = this.find(groupId, now)?.offsets ?? NO_OFFSETS
    return { errorCode: NONE, partitions: offsets.fetch(partitions, requireStable) }
  }

  offsetDelete({ groupId, partitions }: OffsetDeleteRequest, now: number): OffsetDeleteResponse {
    if (groupId === "") return { errorCode: INVALID_GROUP_ID, partitions: [] }
    const entry = this.find(groupId, now)
    if (entry === undefined) return { errorCode: GROUP_ID_NOT_FOUND, partitions: [] }
    const { group, offsets } = entry
    if (!group.isEmpty && !group.isOfConsumers) return { errorCode: NON_EMPTY_GROUP, partitions: [] }
    const deleted = partitions.map((asked): PartitionCode => {
      const { partition, topic } = asked
      if (!this.isKnown(asked)) return { topic, partition, errorCode: UNKNOWN_TOPIC_OR_PARTITION }
      if (group.isSubscribedTo(topic.name)) return { topic, partition, errorCode: GROUP_SUBSCRIBED_TO_TOPIC }
      offsets.delete(topic.name, partition)
      return { topic, partition, errorCode: NONE }
    })
    entry.changed(now)
    return { errorCode: NONE, partitions: deleted }
  }

  /** A topic is gone, and what was committed of it goes with it. */
  topicDeleted(topic: string): void {
    for (const { offsets } of this.entries.values()) offsets.deleteTopic(topic)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // administration
  // -------------------------------------------------------------------------------------------------------------------

  describeGroups({ groupId }: DescribeGroupsRequest, now: number): DescribeGroupsResponse {
    const entry = this.find(groupId, now)
    if (entry !== undefined) return classic.describe(entry.group)
    const errorMessage = `Group ${groupId} not found.`
    return {
      errorCode: GROUP_ID_NOT_FOUND,
      errorMessage,
      state: "Dead",
      protocolType: "",
      protocolName: "",
      members: []
    }
  }

  /** The groups for which `isHere`. */
  listGroups(
    { states, types }: ListGroupsRequest,
    now: number,
    isHere: (groupId: string) => boolean
  ): ListGroupsResponse {
    const groups = this.all(now).map(({ group, id }) => ({
      groupId: id,
      protocolType: group.members.protocolType ?? "",
      state: group.state,
      type: group.type
    }))
    const isWanted = (wanted: ReadonlyArray<string>, value: string) =>
      wanted.length === 0 || wanted.some((one) => one.toLowerCase() === value.toLowerCase())
    return {
      errorCode: NONE,
      groups: groups.filter(
        ({ groupId, state, type }) => isHere(groupId) && isWanted(states, state) && isWanted(types, type)
      )
    }
  }

  deleteGroups({ groupId }: DeleteGroupsRequest, now: number): CodeResponse {
    if (groupId === "") return { errorCode: INVALID_GROUP_ID }
    const entry = this.find(groupId, now)
    if (entry === undefined) return { errorCode: GROUP_ID_NOT_FOUND }
    if (!entry.group.isEmpty) return { errorCode: NON_EMPTY_GROUP }
    this.entries.delete(groupId)
    return { errorCode: NONE }
  }
}

const codeOfMetadata = ({ metadata = "" }: OffsetCommitPartition): number =>
  metadata.length > MAX_OFFSET_METADATA ? OFFSET_METADATA_TOO_LARGE : NONE

/** Those of a group that there is not. */
const NO_OFFSETS = new Offsets()
