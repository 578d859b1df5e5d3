/**
 * The settings of a topic that its table relies on: how long tombstones last, and whether the topic is compacted. Both
 * may be changed at any time, so they are asked for again and again (`followTopicSettings`), and once more when a
 * partition was away from the head of its log (`tombstoneAge.ts`).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { KafkaClient } from "../../../KafkaClient.ts"
import type { DescribeConfigsResponse } from "../../../KafkaProtocol.ts"
import type { BrokerError, ConnectionError } from "../../../KafkaError.ts"
import { foreignText } from "../../foreignText.ts"
import { annotateLogs } from "../../log.ts"
import { describeCode } from "../../protocol/errorCodes.ts"
import { isCompacting, POLICY } from "../../topicPolicy.ts"

/** Kafka's default of `delete.retention.ms`, where the topic's own may not be read. */
const DEFAULT_TOMBSTONE_RETENTION_MILLIS = 24 * 60 * 60 * 1000

/** This many past values of the retention are told apart: a topic's settings are changed by hand. */
const MAX_READINGS = 64

/** A value of `delete.retention.ms`, and since when it has been known, in milliseconds of the Clock. */
interface Reading {
  readonly at: number
  readonly millis: number
}

export class TopicSettings {
  private readonly topic: string
  /** How long tombstones last, in the order in which that was learned. Each reading differs from the one before. */
  private readonly readings: Array<Reading> = []
  /** Whether the topic is compacted; `undefined` until that is known. */
  private isCompacted: boolean | undefined
  /** Whether it was told that the retention may not be read. */
  private isUnreadable = false
  /**
   * When a broker last said something of the settings, if only that they may not be read, in milliseconds of the Clock.
   */
  askedAt = Number.NEGATIVE_INFINITY

  constructor(topic: string) {
    this.topic = topic
  }

  /**
   * How long the topic keeps tombstones, in milliseconds: the least value that was in force since this time of the
   * Clock.
   */
  lowestRetentionSince(time: number): number {
    const { readings } = this
    if (readings.length === 0) return DEFAULT_TOMBSTONE_RETENTION_MILLIS
    const inForce = readings.findLastIndex(({ at }) => at <= time)
    return Math.min(...readings.slice(Math.max(0, inForce)).map(({ millis }) => millis))
  }

  /**
   * Takes over what a broker says. One that says nothing may say something the next time. Without the right to read the
   * settings, Kafka's defaults are assumed, and the log says so.
   */
  learned(answer: DescribeConfigsResponse): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const valueOf = (name: string) => answer.configs.find((config) => config.name === name)?.value
      const millis = Number(valueOf("delete.retention.ms") ?? Number.NaN)
      const isKnown = Number.isFinite(millis)
      this.isUnreadable &&= !isKnown
      if (isKnown) this.add({ at: now, millis })
      else if (answer.errorCode !== 0 && describeCode(answer.errorCode).reason !== "Unauthorized") {
        return Effect.void
      }
      this.askedAt = now
      const tell = isKnown ? Effect.void : this.tellUnreadable
      return Effect.andThen(tell, this.tellOfPolicy(valueOf(POLICY)))
    })
  }

  /** Notes that a broker does not have the request at all: then Kafka's defaults are assumed. */
  get untold(): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      this.askedAt = now
    })
  }

  private add(reading: Reading): void {
    const { readings } = this
    if (readings.at(-1)?.millis === reading.millis) return
    readings.push(reading)
    if (readings.length <= MAX_READINGS) return
    const [first, second] = readings.splice(0, 2)
    readings.unshift({ at: first.at, millis: Math.min(first.millis, second.millis) })
  }

  private get tellUnreadable(): Effect.Effect<void> {
    if (this.isUnreadable) return Effect.void
    this.isUnreadable = true
    return Effect.logInfo(
      "the topic's delete.retention.ms may not be read: taken to be 24 h, after a longer outage all is replayed"
    ).pipe(annotateLogs("KafkaTable", { topic: this.topic }))
  }

  /** Tells when the topic is no longer compacted, or is again. What holds at the start is for `ensureTopic` to tell. */
  private tellOfPolicy(policy: string | undefined): Effect.Effect<void> {
    if (policy === undefined) return Effect.void
    const was = this.isCompacted
    this.isCompacted = isCompacting(policy)
    if (was === undefined || was === this.isCompacted) return Effect.void
    const annotate = annotateLogs("KafkaTable", { topic: this.topic })
    return this.isCompacted
      ? Effect.logInfo(`${POLICY} is compacting again: "${foreignText(policy)}"`).pipe(annotate)
      : Effect.logWarning(
          `${POLICY} is not compacting any more, but "${foreignText(policy)}": keys will be EVICTED by retention. Set it to compact`
        ).pipe(annotate)
  }
}

/** Asks for the settings at the start, and whenever the last answer is too old. */
export const followTopicSettings = (
  client: KafkaClient,
  topic: string,
  settings: TopicSettings,
  maxAgeMillis: number
): Effect.Effect<never> =>
  client.describeConfigs(topic).pipe(
    Effect.flatMap((answer) => settings.learned(answer)),
    Effect.retry({
      schedule: Schedule.spaced(client.backoff.maxMillis),
      while: (error: ConnectionError | BrokerError) => error.retriable
    }),
    Effect.ignore,
    Effect.andThen(Effect.sleep(maxAgeMillis)),
    Effect.forever
  )
