/** A table in front of its reader: acquiring, reading, waiting. */
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { KafkaClient, ListedOffset, TopicDescription } from "../../KafkaClient.ts"
import type { PartitionMetadata } from "../../KafkaProtocol.ts"
import {
  InvalidOptionsError,
  TableClosedError,
  WaitTimeoutError,
  type ClientError,
  type PartitionLag,
  type TopicError
} from "../../KafkaError.ts"
import type { AcquireError, KafkaTable, KafkaTableOptions, PartitionStats, TableStats } from "../../KafkaTable.ts"
import type { Freshness, Strategy, TableFailure, WaitError, WaitOptions } from "../../LiveTable.ts"
import type { Position } from "../../Position.ts"
import type { RecordChange } from "../../TableChange.ts"
import type { RecordSnapshot } from "../../TableSnapshot.ts"
import { annotateLogs } from "../log.ts"
import { retryDelay } from "../client/backoff.ts"
import * as Client from "../client/client.ts"
import { isDenial } from "../source/context.ts"
import { OF_START } from "../source/failures.ts"
import { topicOf } from "../options.ts"
import { ensureTopic, type CheckedTopic } from "../topic.ts"
import { endStreams, makeCore, progressOf, runReader, setStatus, tellOfStart, type Core } from "./reader.ts"
import { hindrances, whyBehind } from "./hindrances.ts"
import { PUBLICATION, type Published } from "./publication.ts"
import { tellOfOutages } from "./outages.ts"
import { readOptions } from "./settings.ts"
import { keyId } from "./snapshot.ts"
import { supervise, typed } from "./supervision.ts"
import { followTopicSettings } from "./reading/topicSettings.ts"
import type { Target } from "./waiters.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/KafkaTable")

/** Of a partition whose end is not known: never reached. */
const UNKNOWN_TARGET = Number.POSITIVE_INFINITY

const CONFLATE: Strategy = { _tag: "Conflate" }

export const make = <K = string, V = never>(
  options: KafkaTableOptions<K, V>
): Effect.Effect<KafkaTable<K, V>, AcquireError, KafkaClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Client.tag
    const config = yield* readOptions(options)
    const core = yield* makeCore(config, client)
    yield* Effect.addFinalizer(() => close(core))
    yield* Effect.forkScoped(supervise(core, lifeOf(core)))
    yield* awaitReady(core)
    return face(core)
  }).pipe(Effect.withSpan("KafkaTable.make", { attributes: topicOf(options) }))

/** The reader is gone by now: who still waits will wait for nothing. */
const close = <K, V>(core: Core<K, V>): Effect.Effect<void> =>
  Effect.sync(() => {
    endStreams(core, undefined, new TableClosedError({ topic: core.config.topic }))
  })

// ---------------------------------------------------------------------------------------------------------------------
// the reader's life
// ---------------------------------------------------------------------------------------------------------------------

/** One run of the reader: until something ends it. */
const lifeOf = <K, V>(core: Core<K, V>): Effect.Effect<never, TableFailure> => {
  const { client, config, settings } = core
  let prepared = false
  return Effect.suspend(() => {
    const restarted = prepared
    return Effect.scoped(
      Effect.gen(function* () {
        core.failures.clear()
        yield* Effect.forkScoped(tellOfOutages(core.config.topic, core.failures))
        // only at first: a topic that was deleted later is not for us to create again
        if (!restarted) yield* prepare(core)
        prepared = true
        yield* Effect.forkScoped(followTopicSettings(client, config.topic, settings, config.metadataMaxAgeMillis))
        return yield* runReader(core, restarted)
      })
    )
  })
}

/** Makes sure of the topic, for as long as it takes: who acquires the table has a deadline of its own. */
const prepare = <K, V>(core: Core<K, V>): Effect.Effect<void, TableFailure> => {
  const { config } = core
  const attempt = (n: number, ensure: CheckedTopic): Effect.Effect<void, TableFailure> =>
    Effect.catchAll(Effect.asVoid(ensureTopic(core.client, ensure)), (error) => {
      core.failures.set(OF_START, error)
      const denied = isDenial(error)
      if (denied ? !core.acquired : !error.retriable) return Effect.fail(error)
      return (denied ? setStatus(core, { _tag: "Failed", error, healing: true }) : Effect.void).pipe(
        Effect.andThen(tellOfStart(core, error)),
        Effect.andThen(denied ? Effect.succeed(config.deniedRetryMillis) : retryDelay(core.client, n)),
        Effect.flatMap(Effect.sleep),
        Effect.andThen(attempt(n + 1, ensure))
      )
    })
  const { ensure } = config
  return Effect.andThen(ensure === undefined ? Effect.void : attempt(0, ensure), () => {
    core.failures.delete(OF_START)
  })
}

const awaitReady = <K, V>(core: Core<K, V>): Effect.Effect<void, AcquireError> =>
  Effect.gen(function* () {
    const { catchUpTimeoutMillis, onCatchUpTimeout, topic } = core.config
    const outcome = yield* Effect.timeoutOption(Deferred.await(core.ready), catchUpTimeoutMillis)
    // it may have ended one way or the other in the same moment
    if (Option.isNone(outcome) && (yield* Deferred.isDone(core.ready))) yield* Deferred.await(core.ready)
    else if (Option.isNone(outcome)) {
      const cause = waitTimeout(core, "start", catchUpTimeoutMillis, gates(core))
      if (onCatchUpTimeout === "fail") return yield* Effect.fail(cause)
      core.degradedBy = cause
      yield* setStatus(core, { _tag: "Degraded", progress: progressOf(core, yield* Clock.currentTimeMillis), cause })
      yield* Effect.logWarning(`DEGRADED, the content is incomplete, reading goes on: ${cause.message}`).pipe(
        annotateLogs("KafkaTable", { topic })
      )
    }
    core.acquired = true
  })

const gates = <K, V>(core: Core<K, V>): ReadonlyArray<Target> =>
  [...core.partitions.values()].map((p) => ({ partition: p.partition, target: p.gate ?? UNKNOWN_TARGET }))

// ---------------------------------------------------------------------------------------------------------------------
// waiting
// ---------------------------------------------------------------------------------------------------------------------

const waitTimeout = <K, V>(
  core: Core<K, V>,
  operation: WaitTimeoutError["operation"],
  afterMillis: number,
  targets: ReadonlyArray<Target>,
  asked?: ClientError | TopicError
): WaitTimeoutError => {
  const behind = core.publication.waiters
    .behind(targets)
    .map((b): PartitionLag => (b.target === UNKNOWN_TARGET ? { ...b, target: undefined } : b))
  const { cause, heldUpBy } = whyBehind(core, operation, behind, asked)
  return new WaitTimeoutError({
    operation,
    topic: core.config.topic,
    afterMillis,
    behind,
    heldUpBy,
    bootstrap: core.client.bootstrap,
    ...(cause === undefined ? {} : { cause })
  })
}

/** What a wait is for, as far as it knows, and the failure of what it asked for last. */
type Known = (targets: ReadonlyArray<Target>, asked?: ClientError | TopicError) => void

/** Bounds a wait, if there is any. What is `known` when the time is up is told. */
const bounded = <K, V>(
  core: Core<K, V>,
  operation: "awaitCaughtUp" | "barrier" | "awaitPosition",
  options: WaitOptions | undefined,
  wait: (known: Known) => Effect.Effect<void, WaitError> | undefined
): Effect.Effect<void, WaitError> =>
  Effect.suspend(() => {
    const millis = options?.timeout === undefined ? core.config.waitTimeoutMillis : Duration.toMillis(options.timeout)
    let targets: ReadonlyArray<Target> = []
    let asked: ClientError | TopicError | undefined
    const waiting = wait((known, failure) => {
      targets = known
      asked = failure
    })
    if (waiting === undefined) return Effect.void
    return core.publication.waiters.unlessEnded(typed(core.config.topic, waiting), millis, () =>
      waitTimeout(core, operation, millis, targets, asked)
    )
  }).pipe(
    Effect.withSpan(`KafkaTable.${operation}`, {
      // it would be of this line
      captureStackTrace: false,
      attributes: { "messaging.destination.name": core.config.topic }
    })
  )

/** Has it all the partitions, and no leader that was deposed since? Such a one may not know it, nor what it has missed. */
const knows = (description: TopicDescription, fresh: TopicDescription): boolean =>
  fresh.partitions.every(({ leader, leaderEpoch, partition }, i) => {
    const known = description.partitions[i] as PartitionMetadata | undefined
    if (known?.partition !== partition) return false
    // without epochs, nobody knows whose news are older
    return leaderEpoch === -1 || known.leaderEpoch === -1 ? known.leader === leader : known.leaderEpoch >= leaderEpoch
  })

/** The high watermarks of all partitions at this moment, from their leaders. */
const highWatermarks = <K, V>(core: Core<K, V>, known: Known): Effect.Effect<ReadonlyArray<Target>, TableFailure> => {
  const { client, config } = core
  const at = { isolation: "read_uncommitted", timestamp: "latest" } as const
  const ask = (description: TopicDescription | undefined): Effect.Effect<ReadonlyArray<Target>, TableFailure> =>
    Effect.gen(function* () {
      // both at once: mostly, the description only tells that who was asked still leads all that there is
      const describing = yield* Effect.fork(client.describeTopic(config.topic))
      const listed = description === undefined ? undefined : yield* client.listOffsets(description, at)
      const fresh = yield* Effect.flatten(describing.await)
      const reading = core.source?.description(core.config.topic)?.topic.id
      if (reading !== undefined && fresh.topic.id !== undefined && reading !== fresh.topic.id) {
        // offsets of another life say nothing about this one's positions: until the reader knows, too
        core.source?.refresh()
        yield* Effect.flatMap(retryDelay(client, 0), Effect.sleep)
        return yield* ask(undefined)
      }
      const isCurrent = description !== undefined && knows(description, fresh)
      if (!isCurrent) core.source?.refresh()
      const offsets = isCurrent && listed !== undefined ? listed : yield* client.listOffsets(fresh, at)
      const error = offsets.find((o) => o.error !== undefined)?.error
      // for the timeout to name what it waits for
      const target = (o: ListedOffset): number => (o.error === undefined ? o.offset : UNKNOWN_TARGET)
      known(
        offsets.map((o) => ({ partition: o.partition, target: target(o) })),
        error
      )
      if (error !== undefined) return yield* Effect.fail(error)
      return offsets.map((o) => ({ partition: o.partition, target: o.offset }))
    })
  const attempt = (
    n: number,
    known: TopicDescription | undefined
  ): Effect.Effect<ReadonlyArray<Target>, TableFailure> =>
    Effect.catchAll(ask(known), (error) =>
      error.retriable || error.reason === "NotFound"
        ? Effect.andThen(
            Effect.flatMap(retryDelay(client, n), Effect.sleep),
            Effect.suspend(() => attempt(n + 1, undefined))
          )
        : Effect.fail(error)
    )
  return Effect.suspend(() => attempt(0, core.source?.description(core.config.topic)))
}

// ---------------------------------------------------------------------------------------------------------------------
// what users get
// ---------------------------------------------------------------------------------------------------------------------

const face = <K, V>(core: Core<K, V>): KafkaTable<K, V> => {
  const { config, publication } = core
  const { subscriptions, waiters } = publication
  const read = <A>(f: (snapshot: RecordSnapshot<K, V>) => A): Effect.Effect<A> =>
    Effect.sync(() => f(publication.snapshot))

  /** Registers at rest, so that the snapshot and the first change meet. */
  const register = (
    strategy: Strategy,
    id?: string
  ): Effect.Effect<
    { readonly snapshot: RecordSnapshot<K, V>; readonly changes: ReturnType<typeof subscriptions.add>["changes"] },
    never,
    Scope.Scope
  > =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const snapshot = publication.settledSnapshot
        return snapshot === undefined ? undefined : { snapshot, added: subscriptions.add(strategy, id) }
      }),
      (registered) => Effect.sync(() => registered?.added.remove())
    ).pipe(
      Effect.flatMap((registered) =>
        registered === undefined
          ? Effect.zipRight(publication.atRest, register(strategy, id))
          : Effect.succeed({ snapshot: registered.snapshot, changes: registered.added.changes })
      )
    )

  /** The same without a scope in between, which each change would pass through. */
  const changesWith: KafkaTable<K, V>["changesWith"] = (strategy) => {
    const start: ReturnType<typeof subscriptions.channel> = Channel.suspend(() =>
      publication.settledSnapshot === undefined
        ? Channel.flatMap(Channel.fromEffect(publication.atRest), () => start)
        : subscriptions.channel(strategy)
    )
    return Stream.fromChannel(start)
  }

  const table: KafkaTable<K, V> & Published<RecordSnapshot<K, V>, RecordChange<K, V>> = {
    [TypeId]: TypeId,
    [PUBLICATION]: publication,
    topic: config.topic,
    get: (key) => read((snapshot) => snapshot.get(key)),
    has: (key) => read((snapshot) => snapshot.has(key)),
    size: read((snapshot) => snapshot.size),
    entry: (key) => read((snapshot) => snapshot.entry(key)),
    entries: read((snapshot) => [...snapshot.entries()]),
    keys: read((snapshot) => [...snapshot.keys()]),
    values: read((snapshot) => [...snapshot.values()]),
    snapshot: read((snapshot) => snapshot),
    unsafeSnapshot: () => publication.snapshot,
    ref: publication.ref,
    changes: changesWith(CONFLATE),
    changesWith,
    subscribe: (options) => register(options?.strategy ?? CONFLATE),
    watch: (key) => {
      const id = keyId(config.key, key)
      // what cannot be encoded never has a value
      if (id === undefined) return Stream.succeed(Option.none())
      return Stream.unwrapScoped(
        Effect.map(register(CONFLATE, id), ({ changes, snapshot }) =>
          Stream.concat(
            Stream.succeed(snapshot.get(key)),
            Stream.map(changes, (change) => (change._tag === "Upsert" ? Option.some(change.value) : Option.none()))
          )
        )
      )
    },
    status: core.statuses.ref,
    awaitCaughtUp: (options) =>
      bounded(core, "awaitCaughtUp", options, (known) => {
        if (core.latched && core.status._tag === "CaughtUp") return undefined
        known(gates(core))
        return untilCaughtUp(core)
      }),
    failure: Deferred.await(core.failed),
    barrier: (options) =>
      bounded(core, "barrier", options, (known) =>
        Effect.flatMap(highWatermarks(core, known), (targets) => {
          known(targets)
          return waiters.await(targets)
        })
      ),
    awaitPosition: (position, options) =>
      bounded(core, "awaitPosition", options, (known) => {
        const positions: ReadonlyArray<Position> = Array.isArray(position) ? position : [position as Position]
        const foreign = positions.find((p) => p.topic !== config.topic)
        if (foreign !== undefined) {
          return Effect.fail(
            new InvalidOptionsError({
              module: "KafkaTable.awaitPosition",
              problems: [
                { option: "position", problem: `of topic "${foreign.topic}", this table is of "${config.topic}"` }
              ]
            })
          )
        }
        const targets = positions.map((p) => ({ partition: p.partition, target: p.offset + 1 }))
        const { gone } = core
        if (gone !== undefined && targets.some(({ partition }) => gone.partitions.has(partition))) {
          return Effect.fail(gone.error)
        }
        if (waiters.areReached(targets)) return undefined
        known(targets)
        if (targets.some((t) => !core.partitions.has(t.partition))) core.source?.refresh()
        return waiters.await(targets)
      }),
    freshness: Effect.map(Clock.currentTimeMillis, (now) => freshnessOf(core, now)),
    stats: Effect.sync(() => statsOf(core)),
    poison: core.poison.stream,
    truncations: core.truncations.stream
  }
  return table
}

/** The statuses end with the reader: who waits is told of that by other means. */
const untilCaughtUp = <K, V>(core: Core<K, V>): Effect.Effect<void> =>
  core.statuses.ref.changes.pipe(
    // not what somebody else set it to
    Stream.takeUntil(() => core.status._tag === "CaughtUp"),
    Stream.runDrain,
    Effect.zipRight(Effect.suspend(() => (core.status._tag === "CaughtUp" ? Effect.void : Effect.never)))
  )

const partitionsOf = <K, V>(core: Core<K, V>): ReadonlyArray<PartitionStats> =>
  [...core.partitions.values()].map((p) => {
    const source = core.source?.cursors(core.config.topic).get(p.partition)
    const highWatermark = source?.highWatermark ?? -1
    return Object.freeze({
      partition: p.partition,
      position: p.visible ?? 0,
      highWatermark,
      lag: highWatermark === -1 || p.visible === undefined ? undefined : Math.max(0, highWatermark - p.visible),
      leader: source?.leader ?? -1,
      connected: source?.connected ?? false
    })
  })

const freshnessOf = <K, V>(core: Core<K, V>, now: number): Freshness => {
  const partitions = partitionsOf(core)
  const lags = partitions.map((p) => p.lag)
  const fetches = partitions.map((p) => core.source?.cursors(core.config.topic).get(p.partition)?.lastFetchAt)
  const known = partitions.length > 0
  const sum = (list: ReadonlyArray<number | undefined>) =>
    list.reduce<number | undefined>((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0)
  const oldest = (list: ReadonlyArray<number | undefined>) =>
    list.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.min(a, b)))
  const lastFetchAt = known ? oldest(fetches) : undefined
  const hasEnded = core.status._tag === "Failed" && !core.status.healing
  return Object.freeze({
    connected: known && !hasEnded && partitions.every((p) => p.connected),
    lag: known ? sum(lags) : undefined,
    lastFetchAt,
    staleMillis: lastFetchAt === undefined ? undefined : now - lastFetchAt,
    lastFailure: core.failures.last,
    throttledUntil: latest(
      partitions.map((p) => core.source?.cursors(core.config.topic).get(p.partition)?.throttledUntil),
      now
    ),
    heldUpBy: hasEnded ? [] : hindrances(core)
  })
}

/** Of times, the last one that has not come yet. */
const latest = (times: ReadonlyArray<number | undefined>, now: number): number | undefined =>
  times.reduce((a, b) => (b === undefined || b <= now || (a !== undefined && a > b) ? a : b), undefined)

const statsOf = <K, V>(core: Core<K, V>): TableStats => {
  const { counters } = core
  return Object.freeze({
    ...counters,
    entries: core.publication.snapshot.size,
    contestedKeys: core.state.contestedKeys,
    replayed: core.latched ? core.replayed : counters.applied + counters.tombstones,
    catchUpMillis: core.catchUpMillis,
    subscribers: core.publication.subscriptions.count,
    partitions: Object.freeze(partitionsOf(core))
  })
}
