/**
 * A group of the classic protocol as its coordinator has it: its states, and what leads from one to the next. Plain and
 * synchronous: who waits is answered by a function, and what is due at some time lies in `timers`.
 */
import type { JoinGroupRequest, JoinGroupResponse } from "../../../KafkaProtocol.ts"
import { NONE, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID } from "../../protocol/codes.ts"
import { joinedAnswer, refusedJoin, refusedSync, subscribedTopics } from "./classicAnswers.ts"
import { ClassicMember, ClassicMembers, NOTHING, type Reply } from "./classicMembers.ts"
import { type GroupSettings, NEW_MEMBER_JOIN_TIMEOUT } from "./settings.ts"
import { save, type SavedGroup } from "./savedGroup.ts"
import type { Timers } from "./timers.ts"

export type ClassicState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable"

export class ClassicGroup {
  readonly type = "classic"
  readonly members = new ClassicMembers()
  state: ClassicState = "Empty"
  generation = 0
  /** The assignor that the members have agreed on in this generation. */
  protocolName: string | undefined
  /** What members of a group of consumers want, together; `undefined` where the coordinator cannot read it. */
  subscribed: ReadonlySet<string> | undefined
  /** Since when it is in its state. */
  since: number
  /** What the log has of it. */
  saved: SavedGroup
  /** Whether it was empty before this rebalance: then it waits for a while for further members. */
  private isInitial = false
  /** Whether somebody has come during that while. */
  private hasGrown = false

  constructor(
    readonly id: string,
    private readonly timers: Timers,
    private readonly settings: GroupSettings,
    now: number
  ) {
    this.since = now
    this.saved = save(this)
  }

  get isEmpty(): boolean {
    return this.state === "Empty"
  }

  /** Whether its members are consumers. */
  get isOfConsumers(): boolean {
    return this.members.protocolType === "consumer"
  }

  /** Whether it only has offsets, and never had a member. */
  get isSimple(): boolean {
    return this.members.protocolType === undefined && this.isEmpty && this.members.pending.size === 0
  }

  /** Whether offsets of this topic are needed as long as there are members. */
  isSubscribedTo(topic: string): boolean {
    return this.subscribed === undefined ? this.isOfConsumers : this.subscribed.has(topic)
  }

  private enter(state: ClassicState, now: number): void {
    this.state = state
    this.since = now
    if (state === "Stable" || state === "Empty") this.save()
  }

  /** Writes it to the log. */
  save(): void {
    this.saved = save(this)
  }

  /** Takes over what the log has, once the members are there. */
  restore(saved: SavedGroup): void {
    this.saved = saved
    this.generation = saved.generation
    this.protocolName = saved.protocolName
    this.state = saved.members.length > 0 ? "Stable" : "Empty"
    this.subscribed = subscribedTopics(this)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // sessions
  // -------------------------------------------------------------------------------------------------------------------

  /** The member was heard of. */
  heard(member: ClassicMember, now: number): void {
    member.heardAt = now
    this.expectWithin(member, member.sessionTimeout, now)
  }

  private expectWithin(member: ClassicMember, millis: number, now: number): void {
    // A member that is heard of at the very end of its session is in time.
    this.timers.set(`session ${member.memberId}`, now + millis + 1, (at) => this.sessionOver(member, at))
  }

  private sessionOver(member: ClassicMember, now: number): void {
    if (this.members.get(member.memberId) !== member) return
    // Who waits is there, unless it has never been in any generation.
    if (!member.isNew && (member.awaitingJoin !== undefined || member.awaitingSync !== undefined)) return
    this.drop(member)
    this.afterLoss(now)
  }

  /** Takes a member out, as if its session were over. */
  expel(memberId: string, now: number): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    this.drop(member)
    this.afterLoss(now)
  }

  /** Gives an id out, for somebody who is to join with it. */
  expectJoin(memberId: string, sessionTimeout: number, now: number): void {
    this.members.pending.add(memberId)
    this.timers.set(`session ${memberId}`, now + sessionTimeout + 1, (at) => {
      this.members.remove(memberId)
      this.completeIfAllJoined(at)
    })
  }

  /** Takes a member out, whoever it is waiting for. */
  drop(member: ClassicMember): void {
    this.timers.clear(`session ${member.memberId}`)
    member.answerJoin(refusedJoin(UNKNOWN_MEMBER_ID, ""))
    member.answerSync(refusedSync(UNKNOWN_MEMBER_ID))
    this.members.remove(member.memberId)
  }

  /** Takes an id back that nobody has joined with yet. */
  dropPending(memberId: string): void {
    this.timers.clear(`session ${memberId}`)
    this.members.remove(memberId)
  }

  /** After members are gone, the others share what there is. */
  afterLoss(now: number): void {
    if (this.state === "Stable" || this.state === "CompletingRebalance") this.prepareRebalance(now)
    else this.completeIfAllJoined(now)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // joining
  // -------------------------------------------------------------------------------------------------------------------

  addMember(
    request: JoinGroupRequest,
    clientId: string,
    memberId: string,
    now: number,
    reply: Reply<JoinGroupResponse>
  ): void {
    const member = new ClassicMember(memberId, clientId, request.instanceId, request, now)
    member.awaitingJoin = reply
    this.hasGrown ||= this.isInitial
    this.members.add(member, request.protocolType)
    this.expectWithin(member, NEW_MEMBER_JOIN_TIMEOUT, now)
    this.rebalance(now)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // rebalancing
  // -------------------------------------------------------------------------------------------------------------------

  /** Begins a rebalance, or goes on with the one that there is. */
  rebalance(now: number): void {
    if (this.state === "PreparingRebalance") this.completeIfAllJoined(now)
    else this.prepareRebalance(now)
  }

  prepareRebalance(now: number): void {
    if (this.state === "CompletingRebalance") {
      for (const member of this.members) member.assignment = NOTHING
      this.propagate(REBALANCE_IN_PROGRESS, now)
    }
    this.members.unsynced.clear()
    this.timers.clear("sync")
    this.isInitial = this.isEmpty
    this.hasGrown = false
    this.enter("PreparingRebalance", now)
    if (this.isInitial) {
      const { initialRebalanceDelayMillis: delay } = this.settings
      this.waitForMore(delay, Math.max(this.members.rebalanceTimeout - delay, 0), now)
    } else if (this.members.haveJoined) {
      this.complete(now)
    } else {
      this.timers.set("join", now + this.members.rebalanceTimeout, (at) => this.complete(at))
    }
  }

  /** Gives a group that was empty some time, and again as much as long as members come, but no more than they have. */
  private waitForMore(delay: number, left: number, now: number): void {
    this.timers.set("join", now + delay, (at) => {
      if (!this.hasGrown || left === 0) return this.complete(at)
      this.hasGrown = false
      this.waitForMore(Math.min(this.settings.initialRebalanceDelayMillis, left), Math.max(left - delay, 0), at)
    })
  }

  completeIfAllJoined(now: number): void {
    if (this.state === "PreparingRebalance" && !this.isInitial && this.members.haveJoined) this.complete(now)
  }

  /** Begins the next generation, of those that have joined. */
  private complete(now: number): void {
    this.timers.clear("join")
    for (const member of [...this.members]) {
      if (member.awaitingJoin === undefined && member.instanceId === undefined) this.drop(member)
    }
    if (!this.members.electJoined() && this.members.size > 0) {
      // Only static members are left, and none of them has joined: their sessions tell how long they are waited for.
      this.timers.set("join", now + this.members.rebalanceTimeout, (at) => this.complete(at))
      return
    }
    this.generation++
    this.members.unsynced.clear()
    this.isInitial = false
    if (this.members.size === 0) {
      this.protocolName = undefined
      this.subscribed = subscribedTopics(this)
      return this.enter("Empty", now)
    }
    this.protocolName = this.members.elected()
    this.subscribed = subscribedTopics(this)
    this.enter("CompletingRebalance", now)
    for (const member of this.members) {
      member.isNew = false
      this.members.unsynced.add(member.memberId)
      this.heard(member, now)
      member.answerJoin(joinedAnswer(this, member))
    }
    this.timers.set("sync", now + this.members.rebalanceTimeout, (at) => this.dropUnsynced(at))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // assigning
  // -------------------------------------------------------------------------------------------------------------------

  /** Gives each member what the leader has assigned to it; nothing where the leader left it out. */
  assign(assignments: ReadonlyMap<string, Uint8Array>, now: number): void {
    for (const member of this.members) {
      member.assignment = Buffer.from(assignments.get(member.memberId) ?? NOTHING)
    }
    this.propagate(NONE, now)
    this.enter("Stable", now)
  }

  /** Its members have what they are to have. */
  becomeStable(now: number): void {
    this.subscribed = subscribedTopics(this)
    this.enter("Stable", now)
  }

  private propagate(errorCode: number, now: number): void {
    for (const member of this.members) {
      if (member.answerSync({ errorCode, assignment: member.assignment })) this.heard(member, now)
    }
  }

  /** The member has asked for its assignment. */
  synced(memberId: string): void {
    this.members.unsynced.delete(memberId)
    if (this.members.unsynced.size === 0) this.timers.clear("sync")
  }

  private dropUnsynced(now: number): void {
    const { unsynced } = this.members
    if (unsynced.size === 0 || (this.state !== "CompletingRebalance" && this.state !== "Stable")) return
    for (const memberId of [...unsynced]) {
      const member = this.members.get(memberId)
      if (member !== undefined) this.drop(member)
    }
    this.prepareRebalance(now)
  }
}
