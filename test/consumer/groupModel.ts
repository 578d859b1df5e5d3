/**
 * What has to hold in a consumer group whatever happens to it, of what is seen from outside: which records are worked on by
 * whom, what each consumer says that it owns, and what the coordinator is asked to commit.
 *
 * - Nothing is committed before it is done, by nobody but the owner, and what is committed never goes back.
 * - A record is worked on by the owner of its partition, and by nobody else, unless somebody is out of the group and does not
 *   know it yet, which lasts no longer than a session.
 * - What is lost or given up is worked on no more.
 * - When faults end, each partition comes to be owned once, each record to be done and committed, each consumer to be steady.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { EmbeddedKafka, KafkaConsumer } from "../../src/index.ts"
import type { ManualClock } from "../support/ManualClock.ts"
import { Trace } from "./trace.ts"

export const GROUP = "g"
export const TOPICS = ["a", "b"] as const
export const SESSION = 10_000
export const BEAT = 1_000
export const REBALANCE = 15_000

export type Consumer = KafkaConsumer.KafkaConsumer<string, string>

interface Place {
  readonly topic: string
  readonly partition: number
}

export const placeOf = ({ partition, topic }: Place): string => `${topic}:${partition}`

/** A record that is being worked on. */
export interface Work {
  readonly place: string
  readonly offset: number
  /** Whether it ends when it is interrupted. */
  readonly isInterruptible: boolean
}

/** One of our consumers, with a client of its own, whose id is its name. */
export interface Ours {
  readonly name: string
  readonly instanceId: string | undefined
  readonly protocol: "classic" | "consumer"
  readonly scope: Scope.Closeable
  readonly works: Set<Work>
  consumer: Consumer | undefined
  state: "live" | "closing" | "closed"
}

/** Whether a consumer is in the group, as its coordinator has it. A static member may go by the client id of the one before it. */
const isKnown = (members: ReadonlyArray<EmbeddedKafka.GroupMemberView>, { instanceId, name }: Ours): boolean =>
  members.some((one) => one.clientId === name || (instanceId !== undefined && one.instanceId === instanceId))

/** How long a member may own what its coordinator has given to others: until its session is over, as it knows it. */
const MOST_STALE = SESSION + BEAT

export class GroupModel extends Trace {
  readonly ours: Array<Ours> = []
  /** Partitions that came later: a leader that the test plays does not look for them. */
  readonly grown = new Set<string>()
  private readonly done = new Map<string, Set<number>>()
  /** Since when a member works on what the coordinator does not know it to have. */
  private readonly stale = new Map<string, number>()

  constructor(
    readonly kafka: EmbeddedKafka.EmbeddedKafka,
    clock: ManualClock,
    /**
     * Whether a partition is never two members'. In a group that goes from one protocol to the other and back it may be, as in
     * Kafka: back in the classic protocol, members have what they were to have, whether others have given it up or not.
     */
    private readonly isExclusive: boolean
  ) {
    super(clock)
  }

  get live(): ReadonlyArray<Ours> {
    return this.ours.filter(({ state }) => state === "live")
  }

  doneOf(place: string): ReadonlySet<number> {
    return this.done.get(place) ?? new Set()
  }

  /** What a consumer says that it owns. */
  ownedBy({ consumer, state }: Ours): Effect.Effect<ReadonlySet<string>> {
    return consumer === undefined || state === "closed"
      ? Effect.succeed(new Set())
      : Effect.map(SubscriptionRef.get(consumer.assignment), (all) => new Set(all.map(placeOf)))
  }

  readonly members: Effect.Effect<ReadonlyArray<EmbeddedKafka.GroupMemberView>> = Effect.suspend(() =>
    Effect.map(this.kafka.groups, (groups) => groups.get(GROUP)?.members ?? [])
  )

  /** A consumer begins to work on a record. */
  begins(ours: Ours, work: Work): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { offset, place } = work
      ours.works.add(work)
      this.note(`${ours.name} begins ${place}@${offset}`)
      if (!(yield* this.ownedBy(ours)).has(place)) this.problem(`${ours.name} works on ${place}, which it does not own`)
      const members = yield* this.members
      for (const other of this.ours) {
        if (other === ours || ![...other.works].some((one) => one.place === place)) continue
        if (!(yield* this.ownedBy(other)).has(place)) continue
        // Who is out of the group without knowing it may go on for a while; two that are in it may not.
        if (this.isExclusive && isKnown(members, ours) && isKnown(members, other)) {
          this.problem(`${ours.name} and ${other.name} work on ${place} at once`)
        }
      }
    })
  }

  /** A record is worked on no more, and is done or not. */
  ends(ours: Ours, work: Work, isDone: boolean): void {
    const { offset, place } = work
    ours.works.delete(work)
    this.note(`${ours.name} ${isDone ? "has done" : "did not finish"} ${place}@${offset}`)
    if (!isDone) return
    const done = this.done.get(place)
    if (done === undefined) this.done.set(place, new Set([offset]))
    else done.add(offset)
  }

  /**
   * A coordinator is asked by a consumer to commit: all below must be done. Returns whose the partition is instead, if it is
   * another one's by now: then the coordinator must refuse.
   */
  committing(ours: Ours, place: string, offset: number): Effect.Effect<Ours | undefined> {
    return Effect.gen({ self: this }, function* () {
      this.note(`${ours.name} commits ${place}@${offset}`)
      const done = this.doneOf(place)
      for (let below = 0; below < offset; below++) {
        if (done.has(below)) continue
        this.problem(`${ours.name} commits ${offset} of ${place}, where ${below} is not done`)
        break
      }
      if (!this.isExclusive || (yield* this.ownedBy(ours)).has(place)) return undefined
      for (const other of this.ours) if (other !== ours && (yield* this.ownedBy(other)).has(place)) return other
      return undefined
    })
  }

  /** Looks at what has come to rest: nobody works on what it has lost, and who is out of the group notices in time. */
  readonly look: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const now = this.clock.evenMillis()
    const members = yield* this.members
    const seen = new Set<string>()
    for (const ours of this.ours) {
      const owned = yield* this.ownedBy(ours)
      for (const { isInterruptible, offset, place } of ours.works) {
        if (!owned.has(place) && isInterruptible) {
          this.problem(`${ours.name} works on ${place}@${offset} after it has lost it`)
        }
        if (!owned.has(place) || isKnown(members, ours) || ours.protocol === "consumer") continue
        const key = `${ours.name} ${place}`
        const since = this.stale.get(key) ?? now
        seen.add(key)
        this.stale.set(key, since)
        if (now - since > MOST_STALE) this.problem(`${ours.name} works on ${place} long after it was taken out`)
      }
    }
    for (const key of this.stale.keys()) if (!seen.has(key)) this.stale.delete(key)
  })

  /** What was committed never goes back. */
  readonly lookAtCommits: Effect.Effect<void> = Effect.suspend(() =>
    Effect.map(this.kafka.commits(GROUP), (commits) => {
      const last = new Map<string, number>()
      for (const commit of commits) {
        if (commit.errorCode !== 0) continue
        const place = placeOf(commit)
        const before = last.get(place) ?? 0
        if (commit.offset < before) this.problem(`${place} was committed at ${commit.offset} after ${before}`)
        last.set(place, commit.offset)
      }
    })
  )

  /** Why the group has not come to rest; nothing if it has. `foreign`: what members own that the test plays. */
  unrest(foreign: ReadonlyArray<ReadonlyArray<Place>>): Effect.Effect<ReadonlyArray<string>> {
    return Effect.gen({ self: this }, function* () {
      const why: Array<string> = []
      const owners = new Map<string, Array<string>>()
      const own = (place: string, name: string) => owners.set(place, [...(owners.get(place) ?? []), name])
      for (const all of foreign) for (const place of all) own(placeOf(place), "foreign")
      for (const ours of this.ours) {
        if (ours.state === "closing" || (ours.state === "live" && ours.consumer === undefined)) {
          why.push(`${ours.name} is ${ours.state}`)
        }
        for (const place of yield* this.ownedBy(ours)) own(place, ours.name)
        if (ours.state !== "live" || ours.consumer === undefined) continue
        const health = yield* SubscriptionRef.get(ours.consumer.health)
        if (health._tag !== "Steady") why.push(`${ours.name} is ${health._tag}`)
      }
      const group = (yield* this.kafka.groups).get(GROUP)
      for (const { name, partitions } of (yield* this.kafka.topics).values()) {
        for (const { highWatermark, partition } of partitions) {
          const place = placeOf({ topic: name, partition })
          const names = owners.get(place) ?? []
          if (names.length === 0 && foreign.length > 0 && this.grown.has(place)) continue
          if (names.length !== 1) why.push(`${place} is owned by ${names.join(" and ") || "nobody"}`)
          if (names[0] === "foreign") continue
          const committed = group?.offsets.find((one) => placeOf(one) === place)?.offset
          if (committed !== highWatermark && highWatermark > 0) {
            why.push(`${place} is committed at ${committed} of ${highWatermark}`)
          }
          for (let offset = 0; offset < highWatermark; offset++) {
            if (this.doneOf(place).has(offset)) continue
            why.push(`${place}@${offset} is not done`)
            break
          }
        }
      }
      return why
    })
  }
}
