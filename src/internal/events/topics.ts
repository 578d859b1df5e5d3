/** The topics of streams: each is made sure of once, by whoever needs it first. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { EventStream } from "../../EventStream.ts"
import type { KafkaClient } from "../../KafkaClient.ts"
import { type ClientError, InvalidOptionsError, type TopicError, WriteError } from "../../KafkaError.ts"
import type { KafkaEvent } from "../../KafkaEvent.ts"
import type { KafkaProducer, TopicProducer } from "../../KafkaProducer.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { checkOptions } from "../options/check.ts"
import { type EventsConfig, readStream } from "../options/events.ts"
import type { CheckedTopic } from "../options/topic.ts"
import { ensureTopic } from "../topic/topic.ts"
import { problemOfEvents } from "./event.ts"
import { isEventStream } from "./eventStream.ts"
import { keys, type EventKey } from "./keys.ts"

/** Replicas of topics that are made, where there are as many brokers. */
const REPLICAS = 3

export type TopicFailure = TopicError | ClientError | InvalidOptionsError | WriteError

/** A stream whose topic is there, or is being made. */
interface Made {
  readonly event: KafkaEvent.Any
  /** Who writes to it, once it is there. */
  readonly producer: Deferred.Deferred<TopicProducer<EventKey, never>, TopicFailure>
  /** The same, at hand for who writes. */
  ready: TopicProducer<EventKey, never> | undefined
}

/** The topics of streams, for one publisher. */
export class StreamTopics {
  private readonly made = new Map<string, Made>()
  private readonly defined = new Map<string, KafkaEvent.Any>()
  private isClosed = false

  constructor(
    private readonly parts: {
      readonly client: KafkaClient
      readonly config: EventsConfig
      readonly producer: KafkaProducer
      /** What is begun for one who publishes goes on for the others. */
      readonly scope: Scope.Scope
    }
  ) {}

  /** Who writes to a stream's topic, which is made if it is not there. */
  producerOf<E extends KafkaEvent.Any>(
    stream: EventStream<E>
  ):
    | TopicProducer<EventKey, KafkaEvent.Data<E>>
    | Effect.Effect<TopicProducer<EventKey, KafkaEvent.Data<E>>, TopicFailure> {
    const known = isEventStream(stream) ? this.made.get(stream.name) : undefined
    return (
      known !== undefined && known.event === stream.event && known.ready !== undefined
        ? known.ready
        : this.ensure(stream)
    ) as Effect.Effect<TopicProducer<EventKey, KafkaEvent.Data<E>>, TopicFailure>
  }

  /** Makes sure of a stream's topic. */
  ensure(stream: EventStream.Any): Effect.Effect<TopicProducer<EventKey, never>, TopicFailure> {
    return Effect.suspend(() => {
      const problem = this.problemOf(stream)
      if (problem !== undefined) return Effect.fail(problem)
      const { event, name } = stream
      if (this.isClosed) return Effect.fail(closed(name))
      const known = this.made.get(name)
      if (known !== undefined) return Deferred.await(known.producer)
      const made: Made = { event, producer: makeDeferred(), ready: undefined }
      this.made.set(name, made)
      this.defined.set(event.id, event)
      const making = this.make(stream).pipe(
        Effect.tap((ready) => Effect.sync(() => (made.ready = ready))),
        // The next one who publishes tries again.
        Effect.tapError(() => Effect.sync(() => this.made.delete(name))),
        // What is made is given up with the publisher's scope only.
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const isGivenUp = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
            settleDeferred(made.producer, isGivenUp ? Exit.fail(closed(name)) : exit)
          })
        ),
        Effect.ignore
      )
      return Effect.andThen(Effect.forkIn(making, this.parts.scope), Deferred.await(made.producer))
    })
  }

  /** Makes no topic any more: those who wait for one do not get it. */
  close(): void {
    this.isClosed = true
    for (const [name, { producer }] of this.made) settleDeferred(producer, Exit.fail(closed(name)))
  }

  /** What is wrong with a stream, alone, or beside others. */
  private problemOf(stream: EventStream.Any): InvalidOptionsError | undefined {
    const refuse = (option: string, problem: string, topic?: string) =>
      new InvalidOptionsError({
        module: "EventStream",
        problems: [{ option, problem }],
        ...(topic === undefined ? {} : { topic })
      })
    if (!isEventStream(stream)) return refuse("stream", "must be a stream that EventStream.make has made")
    const { event, name } = stream
    const problem = problemOfEvents([event])
    if (problem !== undefined) return refuse("event", problem, name)
    const carried = this.made.get(name)?.event ?? event
    if (carried !== event) {
      return refuse("event", `a topic carries one event: this one carries another definition, ${carried.id}`, name)
    }
    return (this.defined.get(event.id) ?? event) === event
      ? undefined
      : refuse("event", `${event.id} was defined otherwise before: a schema is defined once`, name)
  }

  private make(stream: EventStream.Any): Effect.Effect<TopicProducer<EventKey, never>, TopicFailure> {
    const { client, config, producer } = this.parts
    return Effect.gen(function* () {
      const topic = yield* checkOptions(
        "EventStream",
        (check) => readStream(check, stream, config),
        `${config.topicPrefix}${String(stream.name)}`
      )
      if (config.ensureTopics) {
        const replicas = topic.replicationFactor === -1 ? yield* replicasOf(client) : topic.replicationFactor
        yield* ensureTopic(client, { ...topic, replicationFactor: replicas } satisfies CheckedTopic)
      }
      return (yield* producer.to(topic.topic, { key: keys, value: stream.event.codec })) as TopicProducer<
        EventKey,
        never
      >
    })
  }
}

const closed = (topic: string) => new WriteError({ reason: "Closed", topic })

const replicasOf = (client: KafkaClient): Effect.Effect<number, ClientError> =>
  Effect.map(client.brokers, (brokers) => Math.max(1, Math.min(REPLICAS, brokers.length)))
