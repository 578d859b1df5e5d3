/** Who is in a group of the classic protocol, what its members have in common, and who leads them. */
import type {
  JoinGroupProtocol,
  JoinGroupRequest,
  JoinGroupResponse,
  SyncGroupResponse
} from "../../../KafkaProtocol.ts"
import { FENCED_INSTANCE_ID, UNKNOWN_MEMBER_ID } from "../../protocol/codes.ts"

/** How a request is answered that may have to wait. */
export type Reply<A> = (answer: A) => void

export const NOTHING = Buffer.alloc(0)

export class ClassicMember {
  sessionTimeout: number
  rebalanceTimeout: number
  protocols: ReadonlyArray<JoinGroupProtocol>
  /** What the leader assigned to it. */
  assignment: Buffer = NOTHING
  /** It has not been in any generation yet: so it may be given up while it waits. */
  isNew = true
  /** Set while it has joined, and waits for the others. */
  awaitingJoin: Reply<JoinGroupResponse> | undefined
  /** Set while it waits for the leader's plan. */
  awaitingSync: Reply<SyncGroupResponse> | undefined
  /** When it was heard of last, in milliseconds since the epoch. */
  heardAt: number

  constructor(
    readonly memberId: string,
    readonly clientId: string,
    readonly instanceId: string | undefined,
    request: Pick<JoinGroupRequest, "sessionTimeoutMillis" | "rebalanceTimeoutMillis" | "protocols">,
    now: number
  ) {
    this.sessionTimeout = request.sessionTimeoutMillis
    this.rebalanceTimeout = request.rebalanceTimeoutMillis
    this.protocols = request.protocols
    this.heardAt = now
  }

  /** What it told with an assignor, for the leader. */
  metadata(protocol: string | undefined): Buffer {
    const found = this.protocols.find(({ name }) => name === protocol)
    return found === undefined ? NOTHING : Buffer.from(found.metadata)
  }

  /** Whether it joins with just what it joined with before. */
  matches(protocols: ReadonlyArray<JoinGroupProtocol>): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ metadata, name }, i) => {
        const mine = this.protocols[i]
        return mine.name === name && Buffer.compare(mine.metadata, metadata) === 0
      })
    )
  }

  answerJoin(answer: JoinGroupResponse): void {
    const reply = this.awaitingJoin
    this.awaitingJoin = undefined
    reply?.(answer)
  }

  /** Whether anybody waited for it. */
  answerSync(answer: SyncGroupResponse): boolean {
    const reply = this.awaitingSync
    this.awaitingSync = undefined
    reply?.(answer)
    return reply !== undefined
  }
}

/** The members of one group, in the order in which they came. */
export class ClassicMembers implements Iterable<ClassicMember> {
  private readonly members = new Map<string, ClassicMember>()
  /** The member of each instance id. */
  private readonly instances = new Map<string, string>()
  /** Member ids that were given out, and nobody has joined with yet. */
  readonly pending = new Set<string>()
  /** Members that have not asked for their assignment in this generation yet. */
  readonly unsynced = new Set<string>()
  leader: string | undefined
  protocolType: string | undefined

  get size(): number {
    return this.members.size
  }

  [Symbol.iterator](): Iterator<ClassicMember> {
    return this.members.values()
  }

  get(memberId: string): ClassicMember | undefined {
    return this.members.get(memberId)
  }

  ofInstance(instanceId: string): string | undefined {
    return this.instances.get(instanceId)
  }

  isLeader(memberId: string): boolean {
    return this.leader === memberId
  }

  add(member: ClassicMember, protocolType: string): void {
    if (this.members.size === 0) this.protocolType = protocolType
    if (member.instanceId !== undefined) this.instances.set(member.instanceId, member.memberId)
    this.leader ??= member.memberId
    this.members.set(member.memberId, member)
    this.pending.delete(member.memberId)
  }

  remove(memberId: string): void {
    const instanceId = this.members.get(memberId)?.instanceId
    if (instanceId !== undefined) this.instances.delete(instanceId)
    this.members.delete(memberId)
    if (this.leader === memberId) this.leader = [...this.members.keys()][0]
    this.pending.delete(memberId)
    this.unsynced.delete(memberId)
  }

  /** Puts a static member that has come back in the place of the one that had its instance id. */
  replace(
    old: ClassicMember,
    memberId: string,
    refusal: { readonly join: JoinGroupResponse; readonly sync: SyncGroupResponse }
  ): ClassicMember {
    old.answerJoin(refusal.join)
    old.answerSync(refusal.sync)
    const replacement = new ClassicMember(
      memberId,
      old.clientId,
      old.instanceId,
      {
        sessionTimeoutMillis: old.sessionTimeout,
        rebalanceTimeoutMillis: old.rebalanceTimeout,
        protocols: old.protocols
      },
      old.heardAt
    )
    replacement.assignment = old.assignment
    replacement.isNew = false
    this.members.delete(old.memberId)
    this.members.set(memberId, replacement)
    if (this.leader === old.memberId) this.leader = memberId
    this.instances.set(old.instanceId!, memberId)
    return replacement
  }

  /** The code by which a request in the name of a member is refused; `undefined` if it is that member's. */
  check(memberId: string, instanceId: string | undefined): number | undefined {
    if (instanceId !== undefined) {
      const holder = this.instances.get(instanceId)
      if (holder === undefined) return UNKNOWN_MEMBER_ID
      if (holder !== memberId) return FENCED_INSTANCE_ID
    }
    return this.members.has(memberId) ? undefined : UNKNOWN_MEMBER_ID
  }

  get joined(): number {
    let joined = 0
    for (const member of this.members.values()) if (member.awaitingJoin !== undefined) joined++
    return joined
  }

  /** Whether all known members have joined, and all that were given an id. */
  get haveJoined(): boolean {
    return this.pending.size === 0 && this.joined === this.size
  }

  /** The longest that any member may take to join again. */
  get rebalanceTimeout(): number {
    return Math.max(0, ...[...this.members.values()].map((member) => member.rebalanceTimeout))
  }

  /** Makes sure that the leader is one that has joined. Whether there is any. */
  electJoined(): boolean {
    if (this.leader === undefined) return false
    if (this.members.get(this.leader)?.awaitingJoin !== undefined) return true
    for (const member of this.members.values()) {
      if (member.awaitingJoin === undefined) continue
      this.leader = member.memberId
      return true
    }
    return false
  }

  /** The assignors that all members have. */
  private get candidates(): ReadonlySet<string> {
    const counts = new Map<string, number>()
    for (const { protocols } of this.members.values()) {
      for (const { name } of protocols) counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    return new Set([...counts].filter(([, count]) => count === this.size).map(([name]) => name))
  }

  /** Whether a member of these protocols has any in common with all that are there. */
  supports(protocolType: string, protocols: ReadonlyArray<JoinGroupProtocol>): boolean {
    const { candidates, size } = this
    // Of nobody, everything is supported by all.
    return this.protocolType === protocolType && protocols.some(({ name }) => size === 0 || candidates.has(name))
  }

  /** The assignor with the most votes: each member votes for the first one of its own that all have. */
  elected(): string | undefined {
    const { candidates } = this
    const votes = new Map<string, number>()
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => candidates.has(name))?.name
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1)
    }
    let elected: string | undefined
    for (const [name, count] of votes) if (elected === undefined || count > votes.get(elected)!) elected = name
    return elected
  }
}
