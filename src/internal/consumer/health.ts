/** How a consumer is, of all that is known of it. */
import * as Effect from "effect/Effect"
import type { ConsumerFailure, Health, TopicPartition } from "../../KafkaConsumer.ts"
import { PublishedRef } from "../effect/v4/publishedRef.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import { keyOf } from "./member/topicPartitions.ts"

/** A text that is the same for the same health. */
const keyOfHealth = (health: Health): string => {
  switch (health._tag) {
    case "Stalled":
      return `Stalled ${health.partitions.map(keyOf).join(" ")}`
    case "Blocked":
      return `Blocked ${keyOf(health)} ${health.offset}`
    case "Unavailable":
      return `Unavailable ${health.since} ${health.error.message}`
    default:
      return health._tag
  }
}

/** What does not work: the membership, the offsets to begin at, commits, or to see topics that are subscribed to. */
type Of = "group" | "offsets" | "commits" | "topics"

/** A record whose work takes long. */
interface HeldAt extends TopicPartition {
  readonly offset: number
  /** Since when, in milliseconds of the Clock. */
  readonly since: number
}

interface Outage {
  readonly since: number
  readonly error: ConsumerFailure
}

export class HealthBoard {
  private shown = "Joining"
  private phase: "joining" | "rebalancing" | "steady" = "joining"
  private readonly outages = new Map<Of, Outage>()
  private denied: Outage | undefined
  private readonly stalled = new Map<string, TopicPartition>()
  private readonly blocked = new Map<string, OwnedPartition>()
  /** The record that holds up all others in the lanes of `runForEach`. */
  private held: HeldAt | undefined
  private isStopping = false
  private failure: ConsumerFailure | undefined

  private constructor(
    readonly ref: PublishedRef<Health>,
    private readonly now: () => number
  ) {}

  static make(now: () => number): Effect.Effect<HealthBoard> {
    return Effect.map(
      PublishedRef.make<Health>({ _tag: "Joining" }, { keepsAll: false }),
      (ref) => new HealthBoard(ref, now)
    )
  }

  inPhase(phase: "joining" | "rebalancing" | "steady"): void {
    this.phase = phase
    this.show()
  }

  unavailable(of: Of, error: ConsumerFailure): void {
    if (!this.outages.has(of)) this.outages.set(of, { since: this.now(), error })
    this.show()
  }

  /** It works again, or is not needed any more. Whatever else does not, still counts. */
  available(of: Of): void {
    if (this.outages.delete(of)) this.show()
  }

  /** Reading is denied; `undefined` if it is not any more. */
  deny(error: ConsumerFailure | undefined): void {
    this.denied = error === undefined ? undefined : { since: this.now(), error }
    this.show()
  }

  stall(partition: OwnedPartition, isStalled: boolean): void {
    if (this.stalled.has(partition.key) === isStalled) return
    if (isStalled) this.stalled.set(partition.key, { topic: partition.topic, partition: partition.partition })
    else this.stalled.delete(partition.key)
    this.show()
  }

  /** A partition is not read on, as too much of it is not done; or it is again. */
  block(partition: OwnedPartition, isBlocked: boolean): void {
    if (this.blocked.has(partition.key) === isBlocked) return
    if (isBlocked) this.blocked.set(partition.key, partition)
    else this.blocked.delete(partition.key)
    this.show()
  }

  /** Nothing more is handed out of any partition, as work on this record goes on; or it is again. */
  hold(record: HeldAt | undefined): void {
    this.held = record
    this.show()
  }

  /** A partition is not this member's any more, or is gone on with elsewhere: what was handed out of it does not count. */
  forget(partition: OwnedPartition): void {
    this.stall(partition, false)
    this.block(partition, false)
  }

  stopping(): void {
    this.isStopping = true
    this.show()
  }

  failed(failure: ConsumerFailure): void {
    this.failure = failure
    this.show()
  }

  /** Ends the streams of it. */
  end(): void {
    this.ref.end()
  }

  private get health(): Health {
    const { held } = this
    const [blocked] = this.blocked.values()
    const [outage] = this.outages.values()
    const unavailable = this.denied ?? outage
    if (this.failure !== undefined) return { _tag: "Failed", error: this.failure }
    if (this.isStopping) return { _tag: "Stopping" }
    if (blocked !== undefined) {
      const { partition, topic, waitingSince } = blocked
      return { _tag: "Blocked", topic, partition, offset: blocked.prefix!.committable, since: waitingSince! }
    }
    if (held !== undefined) return { _tag: "Blocked", ...held }
    if (this.stalled.size > 0) return { _tag: "Stalled", partitions: [...this.stalled.values()] }
    if (unavailable !== undefined) return { _tag: "Unavailable", ...unavailable }
    if (this.phase === "rebalancing") return { _tag: "Rebalancing" }
    return { _tag: this.phase === "steady" ? "Steady" : "Joining" }
  }

  private show(): void {
    const { health } = this
    const key = keyOfHealth(health)
    if (key === this.shown) return
    this.shown = key
    this.ref.set(health)
  }
}
