/** The life of a consumer: what it is made of, in which order that begins and ends, and what its users get. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { AcquireError, ConsumerOptions, GroupEvent, KafkaConsumer, TopicPartition } from "../../KafkaConsumer.ts"
import type { PoisonRecordError } from "../../KafkaError.ts"
import * as Client from "../client/client.ts"
import { currentClock, millisOf } from "../effect/v4/clock.ts"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"
import { currentLabels } from "../effect/v4/metric.ts"
import { PublishedRef } from "../effect/v4/publishedRef.ts"
import * as Exit from "effect/Exit"
import { makeConsumerMetrics } from "../metrics.ts"
import { readConsumerOptions } from "../options/consumer.ts"
import { Signal } from "../signal.ts"
import { makeAbsentTopics } from "./absentTopics.ts"
import { assignorsNamed } from "./assignors/assignors.ts"
import { makeBlocks } from "./blocks.ts"
import { makeCommitting } from "./committing.ts"
import { makeFaces } from "./faces.ts"
import { makeGoneTopics } from "./goneTopics.ts"
import { guarded } from "./guarding.ts"
import { Handing } from "./handing.ts"
import { HealthBoard } from "./health.ts"
import { tellLag } from "./lag.ts"
import { makeClassicMember } from "./member/classicMember.ts"
import { makeConsumerMember } from "./member/consumerMember.ts"
import { makeGroupCoordinator } from "./member/coordinator.ts"
import type { MembershipFailure, MembershipReports } from "./member/member.ts"
import { makeSharing } from "./member/sharing.ts"
import { LAST_COMMIT_MILLIS, makeOwning } from "./ownership.ts"
import { type ConsumerParts, failConsumer } from "./parts.ts"
import { runReading } from "./reading.ts"
import { startConsumerSource } from "./consumerSource.ts"
import { finishing, runForEach } from "./running.ts"
import { makeService } from "./service.ts"
import { Settled } from "./settling.ts"
import { watchForStalls } from "./stalls.ts"
import { runStarting } from "./starting.ts"
import { Told } from "./told.ts"
import { makeTopics } from "./topics.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaConsumer")

export const make = <V, K = string>(
  options: ConsumerOptions<K, V>
): Effect.Effect<KafkaConsumer<K, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* readConsumerOptions(options)
    const client = yield* Client.tag
    const clock = yield* currentClock
    const health = yield* HealthBoard.make(() => millisOf(clock))
    const assignment = yield* PublishedRef.make<ReadonlyArray<TopicPartition>>([], { keepsAll: false })
    const events = new Told<GroupEvent>()
    const coordinator = yield* makeGroupCoordinator(client, config.group, {
      lost: (error) => events.tell({ _tag: "CoordinatorLost", error }),
      found: () => events.tell({ _tag: "CoordinatorFound" })
    })
    const { failures, source } = yield* startConsumerSource(client, config)
    const parts: ConsumerParts<K, V> = {
      config,
      client,
      clock,
      coordinator,
      source,
      failures,
      owned: new Map(),
      ready: new Signal(),
      settled: new Signal(),
      commits: new Signal(),
      health,
      events,
      poison: new Told<PoisonRecordError>(),
      metrics: makeConsumerMetrics(config.group, yield* currentLabels),
      member: undefined,
      isEnding: false,
      failure: undefined,
      isFaced: false,
      isWorkedOn: false
    }
    const blocks = makeBlocks(clock)
    const settled = new Settled(parts)
    const handing = new Handing(parts, settled)
    const committing = makeCommitting(parts, settled)
    const owning = makeOwning(parts, { assignment, blocks, committing, settled })
    const topics = makeTopics({
      client,
      subscription: config.subscribe,
      ageMillis: config.metadataMaxAgeMillis,
      changed: () => parts.member?.topicsChanged(),
      absent: makeAbsentTopics(parts),
      looked: (there) => goneTopics.looked(there)
    })
    const goneTopics = makeGoneTopics(
      parts,
      Effect.andThen(
        Effect.suspend(() => topics.refresh),
        Effect.sync(() => parts.member?.topicsChanged())
      )
    )

    /** Settled when the group has taken the member in, or the consumer has failed before. */
    const begun: Deferred.Deferred<void, AcquireError> = makeDeferred()
    let isAcquired = false
    const common = {
      group: config.group,
      instanceId: config.instanceId,
      rebalanceTimeoutMillis: config.rebalanceTimeoutMillis,
      deniedRetryMillis: config.deniedRetryIntervalMillis,
      backoff: client.backoff,
      isAcquired: () => isAcquired
    }
    const reports: MembershipReports = {
      phase: (phase) => {
        health.inPhase(phase)
        parts.metrics.inPhase(phase, millisOf(clock))
        if (phase === "steady") settleDeferred(begun, Exit.void)
      },
      unavailable: (error) => health.unavailable("group", error),
      available: () => health.available("group")
    }
    const member =
      config.protocol === "consumer"
        ? yield* makeConsumerMember({ settings: common, coordinator, topics, ownership: owning, reports })
        : yield* makeClassicMember({
            settings: {
              ...common,
              sessionTimeoutMillis: config.sessionTimeoutMillis,
              heartbeatIntervalMillis: config.heartbeatIntervalMillis
            },
            coordinator,
            sharing: makeSharing({
              group: config.group,
              assignors: assignorsNamed(config.assignor),
              topics: topics.subscribed,
              countsOf: topics.countsOf,
              leads: topics.leads
            }),
            ownership: owning,
            reports
          })
    parts.member = member

    /** Who waits for a commit waits for nothing, once the consumer has ended by itself. */
    const endWaits = Effect.sync(() => settled.check())
    const begin = (run: Effect.Effect<never>) => Effect.forkScoped(Effect.ensuring(guarded(parts, run), endWaits))
    const asking = yield* Effect.forEach([runStarting(parts, topics), committing.run], begin)
    yield* Effect.forEach(
      [runReading(parts, goneTopics), owning.run, topics.run, blocks.run, watchForStalls(parts), tellLag(parts)],
      begin,
      { discard: true }
    )
    const refused = (error: MembershipFailure): void => {
      failConsumer(parts, error)
      settleDeferred(begun, Exit.fail(error))
    }
    const membership = yield* Effect.forkScoped(
      guarded(
        parts,
        Effect.catch(Effect.andThen(topics.first, member.run), (error) => Effect.sync(() => refused(error))),
        refused
      ).pipe(Effect.ensuring(endWaits))
    )

    /** Nothing more is handed out; ends when all that was handed out is done and committed, or the time for either is over. */
    const finish = (workMillis: number, commitMillis: number): Effect.Effect<void> =>
      Effect.gen(function* () {
        parts.isEnding = true
        health.stopping()
        parts.ready.notify()
        const all = [...parts.owned.values()]
        yield* owning.untilIdle(all, workMillis)
        yield* Effect.timeoutOption(committing.flush(all), commitMillis)
      })
    const finishInTime = finish(config.stopTimeoutMillis, LAST_COMMIT_MILLIS)

    // The finalizer that is added last runs first: the member leaves before its connections and the source are closed.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        // Whatever becomes of the last commit, the member leaves, and whatever becomes of that, all of it ends.
        yield* Effect.catchCause(finishInTime, () => Effect.void)
        yield* Fiber.interrupt(membership)
        // What the coordinator does not answer would hold up that this member leaves.
        yield* Fiber.interruptAll(asking)
        yield* Effect.catchCause(member.leave, () => Effect.void)
        parts.metrics.owned(0)
        settled.close()
        for (const p of parts.owned.values()) p.end()
        events.end()
        parts.poison.end()
        health.end()
        assignment.end()
      })
    )

    /** Whoever has the consumer gets what is written from then on, also where partitions begin at their ends. */
    const positioned: Effect.Effect<void> = Effect.suspend(() => {
      const { version } = parts.ready
      const isStarting = [...parts.owned.values()].some(({ phase }) => phase === "starting")
      if (!isStarting || parts.failure !== undefined) return Effect.void
      return Effect.flatMap(parts.ready.after(version), () => positioned)
    })

    yield* Effect.timeoutOption(Effect.andThen(Deferred.await(begun), positioned), config.startTimeoutMillis)
    if (parts.failure !== undefined) return yield* Effect.fail(parts.failure)
    isAcquired = true
    return makeService({
      parts,
      assignment,
      faces: makeFaces(parts, handing, settled),
      settled,
      runForEach: (work, options = {}) => {
        const run = runForEach(parts, handing, settled, owning.workers, work, options)
        return options.onInterrupt === "finish" ? finishing(run, finishInTime) : run
      },
      drain: finish(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
    })
  }).pipe(Effect.withSpan("KafkaConsumer.make"))
