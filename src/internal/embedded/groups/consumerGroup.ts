/**
 * A group of the consumer protocol (KIP-848) as its coordinator has it: its members with their epochs, and the target that
 * each of them is brought to. Plain and synchronous; what is due at some time lies in `timers`.
 */
import { type ConsumerMember } from "./consumerMember.ts"
import { has, NO_PARTITIONS, type PartitionSet } from "./partitionSets.ts"
import { reconcile } from "./reconciling.ts"
import { Regexes } from "./regexes.ts"
import { ASSIGNORS, targetOf } from "./target.ts"
import type { Timers } from "./timers.ts"
import type { TopicCatalog } from "./topicCatalog.ts"

export type ConsumerState = "Empty" | "Assigning" | "Reconciling" | "Stable"

/** What is done when a member is given up: it may be that the group goes back to the classic protocol. */
export type Fence = (group: ConsumerGroup, member: ConsumerMember, now: number) => void

export class ConsumerGroup {
  readonly type = "consumer"
  readonly members = new Map<string, ConsumerMember>()
  readonly regexes = new Regexes()
  /** Grows with each change of members, subscriptions or topics. */
  epoch = 0
  /** The epoch that the targets were made for. */
  targetEpoch = 0
  targets = new Map<string, PartitionSet>()
  since: number
  /** The topics that members are subscribed to, as they were when the epoch was made. */
  private metadata = ""
  private metadataVersion = -1

  constructor(
    readonly id: string,
    private readonly timers: Timers,
    private readonly catalog: TopicCatalog,
    private readonly fence: Fence,
    now: number
  ) {
    this.since = now
  }

  get isEmpty(): boolean {
    return this.members.size === 0
  }

  get state(): ConsumerState {
    if (this.isEmpty) return "Empty"
    if (this.epoch > this.targetEpoch) return "Assigning"
    for (const member of this.members.values()) if (!member.isReconciledTo(this.targetEpoch)) return "Reconciling"
    return "Stable"
  }

  /** Whether offsets of this topic are needed. */
  isSubscribedTo(topic: string): boolean {
    for (const member of this.members.values()) if (this.topicsOf(member).has(topic)) return true
    return false
  }

  ofInstance(instanceId: string): ConsumerMember | undefined {
    for (const member of this.members.values()) if (member.instanceId === instanceId) return member
    return undefined
  }

  /** How many members are subscribed to an expression. */
  subscribersOf(regex: string): number {
    let count = 0
    for (const member of this.members.values()) if (member.regex === regex) count++
    return count
  }

  topicsOf({ names, regex }: ConsumerMember): ReadonlySet<string> {
    const matched = this.regexes.of(regex)
    return matched === undefined ? names : new Set([...names, ...matched])
  }

  // -------------------------------------------------------------------------------------------------------------------
  // members
  // -------------------------------------------------------------------------------------------------------------------

  /** Puts a member in the place of another one, whose target it takes over. */
  replace(old: ConsumerMember, member: ConsumerMember): void {
    this.members.delete(old.memberId)
    this.clearTimers(old)
    this.members.set(member.memberId, member)
    this.targets.set(member.memberId, this.targets.get(old.memberId) ?? NO_PARTITIONS)
    this.targets.delete(old.memberId)
  }

  /** Takes members out, and has the others share what there is. */
  remove(members: Iterable<ConsumerMember>, now: number): void {
    for (const member of members) {
      this.members.delete(member.memberId)
      this.targets.delete(member.memberId)
      this.clearTimers(member)
      if (this.subscribersOf(member.regex) === 0) this.regexes.forget(member.regex)
    }
    this.epoch++
    this.metadata = this.describeMetadata()
    if (this.isEmpty) this.since = now
  }

  private clearTimers({ memberId }: ConsumerMember): void {
    for (const kind of ["session", "rebalance", "join", "sync"]) this.timers.clear(`${kind} ${memberId}`)
  }

  /** The member was heard of: it is given up if it is not within this time again. */
  heard(member: ConsumerMember, sessionTimeout: number, now: number): void {
    member.heardAt = now
    // A member that is heard of at the very end of its session is in time.
    this.expect("session", member, sessionTimeout + 1, now)
  }

  /** Another broker takes over: all sessions begin anew. */
  reloaded(sessionTimeoutOf: (member: ConsumerMember) => number, now: number): void {
    for (const member of this.members.values()) {
      this.heard(member, sessionTimeoutOf(member), now)
      if (member.state === "Unrevoked" && member.classic === undefined) this.expectRevocation(member, now)
    }
  }

  /** Gives a member up if it is not heard of in time, in a way that is told to `done`. */
  expect(kind: "session" | "join" | "sync", member: ConsumerMember, millis: number, now: number): void {
    this.timers.set(`${kind} ${member.memberId}`, now + millis, (at) => {
      if (this.members.get(member.memberId) === member) this.fence(this, member, at)
    })
  }

  isExpected(kind: "join", { memberId }: ConsumerMember): boolean {
    return this.timers.has(`${kind} ${memberId}`)
  }

  /** What was expected has come. */
  done(kind: "join" | "sync", { memberId }: ConsumerMember): void {
    this.timers.clear(`${kind} ${memberId}`)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // targets
  // -------------------------------------------------------------------------------------------------------------------

  /** Begins another epoch if that is asked for, or a topic has changed, and then makes the targets anew. */
  advance(isBumped: boolean): void {
    if (isBumped || this.metadataVersion !== this.catalog.version) {
      this.metadataVersion = this.catalog.version
      const metadata = this.describeMetadata()
      if (isBumped || metadata !== this.metadata) this.epoch++
      this.metadata = metadata
    }
    if (this.epoch <= this.targetEpoch) return
    const wanting = [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      topics: this.topicsOf(member),
      target: this.targets.get(member.memberId) ?? NO_PARTITIONS
    }))
    this.targets = new Map(targetOf(wanting, this.assignor, this.catalog))
    this.targetEpoch = this.epoch
  }

  /** Looks expressions up that wait for that. What they stand for, or has changed meanwhile, begins another epoch. */
  resolveRegexes(now: number): void {
    if (!this.regexes.isPending) return
    const { topics, version } = this.catalog
    const isChanged = this.regexes.resolve(topics.keys(), (regex) => this.subscribersOf(regex) > 0, version, now)
    const metadata = this.describeMetadata()
    if (isChanged || metadata !== this.metadata) this.epoch++
    this.metadata = metadata
  }

  /** All that is known of the topics that members are subscribed to, as far as targets hang on it. */
  private describeMetadata(): string {
    const names = new Set([...this.members.values()].flatMap((member) => [...this.topicsOf(member)]))
    return [...names]
      .sort()
      .flatMap((name) => {
        const topic = this.catalog.topics.get(name)
        return topic === undefined ? [] : [`${name}:${topic.id}:${topic.partitions.length}`]
      })
      .join()
  }

  /** The assignor that most members want. */
  get assignor(): string {
    const votes = new Map<string, number>()
    for (const { assignor } of this.members.values()) {
      if (assignor !== undefined) votes.set(assignor, (votes.get(assignor) ?? 0) + 1)
    }
    let elected: string = ASSIGNORS[0]
    for (const [name, count] of votes) if (count > (votes.get(elected) ?? 0)) elected = name
    return elected
  }

  /** Whether any member has a partition, or has not given it up yet. */
  isHeld(topicId: string, partition: number): boolean {
    for (const { assigned, revoking } of this.members.values()) {
      if (has(assigned, topicId, partition) || has(revoking, topicId, partition)) return true
    }
    return false
  }

  /** Whether a member waits for something that another one has not given up yet. */
  isWaiting(member: ConsumerMember): boolean {
    if (member.state !== "Unreleased") return false
    for (const [topicId, partitions] of this.targets.get(member.memberId) ?? NO_PARTITIONS) {
      for (const partition of partitions) {
        if (!has(member.assigned, topicId, partition) && this.isHeld(topicId, partition)) return true
      }
    }
    return false
  }

  /** Brings a member closer to its target. One of the consumer protocol has so long to give partitions up. */
  reconcile(member: ConsumerMember, owned: PartitionSet | undefined, now: number): void {
    if (member.isReconciledTo(this.targetEpoch)) return
    const before = { epoch: member.epoch, state: member.state }
    reconcile(member, {
      target: this.targets.get(member.memberId) ?? NO_PARTITIONS,
      targetEpoch: this.targetEpoch,
      isHeld: (topicId, partition) => this.isHeld(topicId, partition),
      owned
    })
    if (member.classic !== undefined) return
    const isSame = before.epoch === member.epoch && before.state === member.state
    if (member.state !== "Unrevoked") this.timers.clear(`rebalance ${member.memberId}`)
    else if (!isSame) this.expectRevocation(member, now)
  }

  expectRevocation(member: ConsumerMember, now: number): void {
    const { epoch } = member
    this.timers.set(`rebalance ${member.memberId}`, now + member.rebalanceTimeout, (at) => {
      if (this.members.get(member.memberId) === member && member.epoch === epoch) this.fence(this, member, at)
    })
  }
}
