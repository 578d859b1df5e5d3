import type * as Clock from "effect/Clock"
import type { KafkaClient, TopicDescription } from "../../KafkaClient.ts"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import { Signal } from "../signal.ts"
import { Brokers } from "./brokers.ts"
import { Identities } from "./identities.ts"
import type { Identity, Lane } from "./lane.ts"
import { Queue } from "./queue.ts"
import type { PendingRecord } from "./record.ts"
import { SendingClock } from "./sendingClock.ts"
import { failUnsent, reasonOf, unknownOutcome } from "./settling.ts"
import type { SendSettings } from "../options/sending.ts"
import { addCounts, noCounts, type SendCounts, type Shared } from "./shared.ts"
import { TopicLanes } from "./topicLanes.ts"

/** The public service that a producer works for: what it is called in logs and errors, and who wants to know of its work. */
export interface Owner {
  readonly module: "KafkaTableWriter" | "KafkaProducer"
  readonly noun: "writer" | "producer"
  /** The topic of log lines, where all of them are about one. */
  readonly topic: string | undefined
  /** What is said when a bug of this library has ended the producer. */
  readonly bug: string
  /** Something was counted of a topic. */
  readonly report: (topic: TopicLanes) => void
}

/**
 * All that was given to a producer and has not ended yet, of any topics: plain synchronous steps, shared by the fibers
 * around them, which `runProducer` forks.
 */
export class Producer implements Shared {
  readonly owner: Owner
  readonly settings: SendSettings
  readonly client: KafkaClient
  readonly clock: SendingClock
  readonly queue: Queue
  readonly identities: Identities
  readonly brokers = new Brokers()
  readonly random: number
  readonly topics = new Map<string, TopicLanes>()
  /** Wakes the fiber that forks another one for each new topic. */
  readonly topicAdded = new Signal()
  /** Produce requests, repetitions included. */
  requests = 0
  /** When what is left fails, by the producer's time: finite while it is being closed. */
  closeDeadline = Number.POSITIVE_INFINITY
  /** New topics, for which there is no fiber yet. */
  private added: Array<TopicLanes> = []
  /** What was counted of topics that are forgotten, and of records that named no topic. */
  private readonly past: SendCounts = noCounts()

  constructor(options: {
    readonly owner: Owner
    readonly settings: SendSettings
    readonly client: KafkaClient
    readonly clock: Clock.Clock
    /** A number from 0 up to 1, which tells with which partition of a topic records without a key begin. */
    readonly random: number
  }) {
    this.owner = options.owner
    this.settings = options.settings
    this.client = options.client
    this.random = options.random
    this.clock = new SendingClock(options.clock)
    this.queue = new Queue(options.settings, this.clock)
    this.identities = new Identities(options.settings.idempotent)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // topics
  // -------------------------------------------------------------------------------------------------------------------

  /** The topic of this name. One that is new is described by itself. */
  topic(name: string): TopicLanes {
    let topic = this.topics.get(name)
    if (topic === undefined) {
      topic = new TopicLanes(name, this)
      this.topics.set(name, topic)
      this.added.push(topic)
      this.topicAdded.notify()
    }
    return topic
  }

  /** Takes out the topics that were added since the last call; none any more once the producer is closed. */
  takeAdded(): ReadonlyArray<TopicLanes> {
    const { added } = this
    this.added = []
    return this.queue.closed === undefined ? added : []
  }

  /** Takes the description of a topic over, and gives the records that waited for it to their partitions. */
  describe(topic: TopicLanes, description: TopicDescription): void {
    if (topic.describe(description)) this.brokers.assign(this.lanes())
    this.brokers.learn(description.brokers)
    topic.unpark()
    this.queue.admit()
  }

  /** There is no description of the topic to be had: fails all of its records that are not in flight. */
  failTopic(topic: TopicLanes, cause: ClientError | TopicError): void {
    const parked = topic.takeParked()
    if (parked.length > 0) topic.settleAll(parked, topic.error(reasonOf(cause), { cause }))
    failUnsent(cause, topic.lanes)
    this.queue.admit()
  }

  /**
   * Drops a topic that was never described, if nobody waits for anything of it: names that are no topics must not gather.
   * One that was described has numbered its records, and goes on from there for ever.
   */
  forget(topic: TopicLanes): boolean {
    if (!topic.isForgettable) return false
    this.owner.report(topic)
    addCounts(this.past, topic.counts)
    this.topics.delete(topic.name)
    return true
  }

  /** Has those topics described again that have records for this leader, or records that were sent to it. */
  refreshTopicsOf(leader: number): void {
    for (const lane of this.lanes()) {
      if (!lane.isIdle && (lane.leader === leader || (lane.inFlight && lane.sentTo === leader))) lane.topic.refresh()
    }
  }

  *lanes(): Iterable<Lane> {
    for (const topic of this.topics.values()) yield* topic.lanes
  }

  /** Takes a new producer id: for new lanes, and for those that wait for one. */
  identify(identity: Identity): void {
    this.identities.current = identity
    for (const lane of this.lanes()) lane.identity ??= identity
    this.brokers.wakeAll()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // what was done
  // -------------------------------------------------------------------------------------------------------------------

  /** Counts a write that named no topic. */
  countNameless(): void {
    this.past.writes++
    this.past.failed++
  }

  /** What was counted of all topics together. */
  get counts(): SendCounts {
    const sum = noCounts()
    addCounts(sum, this.past)
    for (const topic of this.topics.values()) addCounts(sum, topic.counts)
    return { ...sum, requests: this.requests }
  }

  reportAll(): void {
    for (const topic of this.topics.values()) this.owner.report(topic)
  }

  /** All records that were accepted, or wait to be, and are not settled. */
  *unsettled(): Iterable<PendingRecord> {
    yield* this.queue.waitingRecords
    for (const topic of this.topics.values()) yield* topic.unsettled()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // the end
  // -------------------------------------------------------------------------------------------------------------------

  /** Takes no more records; what was accepted has until `timeoutMillis` from now. */
  close(timeoutMillis: number): void {
    if (this.queue.closed !== undefined) return
    this.closeDeadline = this.clock.now() + timeoutMillis
    this.queue.close()
    this.queue.deadlineSet.notify()
  }

  /** Settles everything that is left, and takes no more. */
  abandon(detail: string): void {
    this.closeDeadline = Number.POSITIVE_INFINITY
    this.queue.close(detail)
    for (const topic of this.topics.values()) {
      topic.settleAll(topic.takeParked(), topic.error("Closed", { detail }))
      for (const lane of topic.lanes) {
        const { batch, partition } = lane
        if (batch !== undefined && !batch.expired) {
          batch.expired = true
          topic.settleAll(
            batch.records,
            batch.maybeAppended
              ? unknownOutcome(lane, detail, lane.lastFailure)
              : topic.error("Closed", { partition, detail })
          )
        }
        topic.settleAll(lane.takeAll(), topic.error("Closed", { partition, detail }))
      }
    }
  }
}
