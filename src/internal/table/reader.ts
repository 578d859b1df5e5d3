/**
 * The reader: takes what the source delivers, applies it, and publishes. It is the only one who writes the content.
 *
 * One `Core` lives as long as the table. Each run of the reader has a source of its own; a second run (after a failure,
 * by the restart policy) fills a `Rebuild` and leaves the live content alone until that is complete.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { constTrue, constVoid } from "effect/Function"
import type * as ParseResult from "effect/ParseResult"
import type * as Scope from "effect/Scope"
import type { KafkaClient } from "../../KafkaClient.ts"
import {
  CorruptBatchError,
  InvalidOptionsError,
  type LogTruncatedError,
  type PoisonRecordError,
  TopicError,
  type ClientError,
  type TableClosedError,
  type WaitTimeoutError
} from "../../KafkaError.ts"
import type { Progress, TableFailure, TableStatus } from "../../LiveTable.ts"
import type { RecordChange } from "../../TableChange.ts"
import type { RecordSnapshot } from "../../TableSnapshot.ts"
import { kindOfPoison, parseErrorOfCause } from "../codecIssue.ts"
import { annotateLogs, tellOfWaiting } from "../log.ts"
import { makeTableMetrics } from "../metrics.ts"
import { BatchCorruption } from "../recordBatch/corruption.ts"
import { prepareCodecs } from "../recordBatch/compression.ts"
import type { Fetched, FetchedRecords, SourceEvent } from "../source/cursor.ts"
import { Failures } from "../source/failures.ts"
import { makeSource, type Source } from "../source/source.ts"
import { runInSlices, SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import { Application, makeScratch, MAX_POISON, type ApplicationSettings, type Outcome } from "./application.ts"
import { makeCounters, type Counters } from "./counters.ts"
import { LINE_RATE_MILLIS, LineRate } from "./lineRate.ts"
import { Publication } from "./publication.ts"
import { PublishedRef } from "./publishedRef.ts"
import { makePartitionState, positionOf, type PartitionState } from "./reading/partition.ts"
import { Rebuild } from "./reading/rebuild.ts"
import { askForRetention, foundStale, type Stale } from "./reading/tombstoneAge.ts"
import { TopicSettings } from "./reading/topicSettings.ts"
import type { TableConfig } from "./settings.ts"
import { recordStoreOf } from "./recordStore.ts"
import { TableState } from "./state.ts"
import { Reports } from "./subscriptions.ts"
import { Waiters } from "./waiters.ts"

/** How long a topic may be missing from the metadata: brokers that have just started may not know all topics yet. */
const MISSING_GRACE_MILLIS = 3_000
const PROGRESS_STATUS_MILLIS = 100
const NO_BYTES = Buffer.alloc(0)

/** So many times, at most, all partitions are looked at while they are opened first. */
const LOOKS_WHILE_OPENING = 16

/** zstd, where this Node has none. Without it, or if its loading hangs, batches of that codec are refused as such. */
const loadCodecs = Effect.ignore(Effect.timeout(Effect.tryPromise(prepareCodecs), 10_000))

/** The records of one partition, being applied. */
interface Applying<K, V> {
  readonly p: PartitionState<K, V>
  readonly application: Application<K, V>
}

/** One answer on its way into the content. */
interface Answer<K, V> {
  /** The last one first. */
  readonly todo: Array<FetchedRecords>
  applying: Applying<K, V> | undefined
  /** Did it take more than one slice? */
  isLarge: boolean
  /** Partitions whose log begins later than it did before this answer. */
  readonly shortened: Array<PartitionState<K, V>>
  /** Of the live content. */
  changed: boolean
  /** Undecodable records that nobody was told of yet. */
  readonly poison: Array<PoisonRecordError>
  /** Of how many more errors are made. */
  poisonRoom: number
  /** The kinds of faults among all of them, each with its first record. */
  readonly kinds: Map<string, { readonly first: PoisonRecordError; count: number }>
  /** Undecodable records that the table had met before. */
  readonly poisonBefore: number
}

/** What one table consists of. */
export interface Core<K, V> {
  readonly config: TableConfig<K, V>
  readonly client: KafkaClient
  readonly state: TableState<K, V>
  readonly counters: Counters
  readonly metrics: ReturnType<typeof makeTableMetrics>
  readonly publication: Publication<
    RecordSnapshot<K, V>,
    RecordChange<K, V>,
    TableFailure,
    TableFailure | TableClosedError
  >
  /** What stands between the table and its brokers. */
  readonly failures: Failures
  readonly poison: Reports<PoisonRecordError, TableFailure>
  readonly truncations: Reports<LogTruncatedError, TableFailure>
  readonly statuses: PublishedRef<TableStatus>
  /** Done when the table has caught up first, or cannot. */
  readonly ready: Deferred.Deferred<void, TableFailure>
  /** Done when the reader has ended for good. */
  readonly failed: Deferred.Deferred<never, TableFailure>
  status: TableStatus
  partitions: Map<number, PartitionState<K, V>>
  /** Partitions that the live content has rows of. */
  readonly live: Set<number>
  source: Source | undefined
  /** Has it ever caught up? */
  latched: boolean
  /** Does somebody have the table? Before, every failure is the acquisition's. */
  acquired: boolean
  /** The failure of the last run, from then until the replay of a next run is complete. */
  restartsAfter: TableFailure | undefined
  /** Id of the topic whose content is live, where brokers have ids. */
  topicId: string | undefined
  /** Partitions that the topic had in an earlier life, and has not in this one, and the error for who waits for them. */
  gone: { readonly partitions: Set<number>; readonly error: TopicError } | undefined
  /** What others have to do before the reader goes on. */
  waitsFor: "Subscriber" | "Codec" | undefined
  /** Why it was acquired incomplete, until it has caught up. */
  degradedBy: WaitTimeoutError | undefined
  /** Of the start. */
  readonly tellOfWaiting: (error: ClientError | TopicError) => Effect.Effect<void>
  replayed: number
  catchUpMillis: number | undefined
  startedAt: number
  readonly settings: TopicSettings
}

const newState = <K, V>(config: TableConfig<K, V>): TableState<K, V> =>
  new TableState<K, V>(config.key, recordStoreOf(config.value))

export const makeCore = <K, V>(config: TableConfig<K, V>, client: KafkaClient): Effect.Effect<Core<K, V>> =>
  Effect.gen(function* () {
    const state = newState(config)
    const status: TableStatus = {
      _tag: "Loading",
      progress: { done: 0, total: 0, percent: 0, recordsPerSecond: 0 }
    }
    const core: Core<K, V> = {
      config,
      client,
      state,
      counters: makeCounters(),
      metrics: makeTableMetrics(config.topic, yield* Effect.metricLabels),
      publication: yield* Publication.make<
        RecordSnapshot<K, V>,
        RecordChange<K, V>,
        TableFailure,
        TableFailure | TableClosedError
      >({
        snapshot: state.snapshot(0),
        waiters: new Waiters((partition) => core.partitions.get(partition)?.visible)
      }),
      failures: new Failures(),
      poison: new Reports(MAX_POISON),
      truncations: new Reports(64),
      statuses: yield* PublishedRef.make<TableStatus>(status, { keepsAll: true }),
      ready: yield* Deferred.make<void, TableFailure>(),
      failed: yield* Deferred.make<never, TableFailure>(),
      status,
      partitions: new Map(),
      live: new Set(),
      source: undefined,
      latched: false,
      acquired: false,
      restartsAfter: undefined,
      topicId: undefined,
      gone: undefined,
      waitsFor: undefined,
      degradedBy: undefined,
      tellOfWaiting: tellOfWaiting("KafkaTable", config.topic, config.catchUpTimeoutMillis),
      replayed: 0,
      catchUpMillis: undefined,
      startedAt: yield* Clock.currentTimeMillis,
      settings: new TopicSettings(config.topic)
    }
    return core
  })

/** Nothing more will come. Streams end, with the failure if there is one and their types know of any; who waits fails. */
export const endStreams = <K, V>(
  core: Core<K, V>,
  failure: TableFailure | undefined,
  waiting: TableFailure | TableClosedError
): void => {
  core.publication.end(failure, Cause.fail(waiting))
  for (const streams of [core.poison, core.truncations]) {
    if (failure === undefined) streams.close()
    else streams.fail(failure)
  }
  core.statuses.end()
}

export const publishStatus = <K, V>(core: Core<K, V>, status: TableStatus): void => {
  core.status = status
  core.statuses.set(status)
}

export const setStatus = <K, V>(core: Core<K, V>, status: TableStatus): Effect.Effect<void> =>
  Effect.sync(() => publishStatus(core, status))

export const progressOf = <K, V>(core: Core<K, V>, now: number): Progress => {
  let done = 0
  let total = 0
  for (const p of core.partitions.values()) {
    if (p.gate === undefined || p.position === undefined) continue
    total += p.gate - p.start
    done += Math.min(p.position, p.gate) - p.start
  }
  const seconds = (now - core.startedAt) / 1000
  const records = core.counters.applied + core.counters.tombstones
  return {
    done,
    total,
    percent: total === 0 ? 0 : Math.floor((100 * done) / total),
    recordsPerSecond: seconds <= 0 ? 0 : Math.round(records / seconds)
  }
}

/** Reads until something ends it. `restarted`: there is live content already, which stays until the replay is complete. */
export const runReader = <K, V>(core: Core<K, V>, restarted: boolean): Effect.Effect<never, TableFailure> =>
  Effect.scoped(Effect.flatMap(startSource(core), (source) => new Reader(core, source, restarted).run))

/** Who has begun is told in other words. */
export const tellOfStart = <K, V>(core: Core<K, V>, error: ClientError | TopicError): Effect.Effect<void> =>
  core.acquired ? Effect.void : core.tellOfWaiting(error)

/** The end of a line that is told at a rate: `told` is how many there were since the last one, this one among them. */
const moreOf = (told: number): string => (told === 1 ? "" : ` (and ${told - 1} times more since that was told)`)

const startSource = <K, V>(core: Core<K, V>) => {
  const { client, config } = core
  // a broker may take a connection and close it as often as it likes
  const lines = new LineRate()
  return makeSource({
    client,
    failures: core.failures,
    isolation: config.isolation,
    fetch: config.fetch,
    metadataMaxAgeMillis: config.metadataMaxAgeMillis,
    deniedRetryMillis: config.deniedRetryMillis,
    missingGraceMillis: MISSING_GRACE_MILLIS,
    prepare: (fetched, connection) =>
      askForRetention(fetched, connection, { topic: config.topic, settings: core.settings }, core.partitions),
    onWaiting: (error) => tellOfStart(core, error),
    onThrottled: ({ broker, millis }) =>
      Effect.logWarning(
        `throttled: broker ${broker} told this client to wait for ${millis} ms, content stays as it is until then: see its quotas`
      ).pipe(annotateLogs("KafkaTable", { topic: config.topic, broker })),
    onConnection: ({ broker, error, state }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (state === "back") {
          core.counters.reconnects++
          core.metrics.reconnected()
        }
        const told = lines.take(`${state} ${broker}`, 1, now)
        if (told === undefined) return Effect.void
        const line =
          state === "lost"
            ? Effect.logWarning(
                `lost broker ${broker}, content stays as it is until it is back: ${error?.message ?? ""}${moreOf(told)}`
              )
            : Effect.logInfo(`broker ${broker} is back, reading on${moreOf(told)}`)
        return annotateLogs("KafkaTable", { topic: config.topic, broker })(line)
      })
  })
}

class Reader<K, V> {
  private readonly core: Core<K, V>
  private readonly source: Source
  private readonly scratch = makeScratch()
  private readonly applying: ApplicationSettings<K, V>
  private readonly annotate: ReturnType<typeof annotateLogs>
  /** Of a restarted reader, until it is complete. */
  private whole: Rebuild<K, V> | undefined
  private progressLoggedAt: number
  private progressShownAt = 0
  private readonly lines = new LineRate()
  /** Partitions that were opened at some time, and how often one was since all of them were looked at. */
  private readonly opened = new Set<number>()
  private unsettled = 0
  /** Undecodable records beyond those that errors are made of, since a line told of them. */
  private onlyCounted = 0
  /** How many records without a key were told of, when, and the first one of the next line. */
  private keylessTold: number
  private keylessToldAt = Number.NEGATIVE_INFINITY
  private keylessAt: { readonly partition: number; readonly offset: number } | undefined

  constructor(core: Core<K, V>, source: Source, restarted: boolean) {
    const { config } = core
    this.core = core
    this.source = source
    this.annotate = annotateLogs("KafkaTable", { topic: config.topic })
    this.progressLoggedAt = core.startedAt
    this.keylessTold = core.counters.keyless
    this.applying = {
      topic: config.topic,
      key: config.key,
      value: config.value,
      keepHeaders: config.keepHeaders,
      committedOnly: config.isolation === "read_committed",
      failOnPoison: config.onPoison === "fail",
      logValues: config.logValues,
      decode: { checkCrcs: config.checkCrcs, maxBatchBytes: config.fetch.maxBatchBytes }
    }
    // rows of two lives of a topic are never mixed: all partitions are replaced at once
    this.whole = restarted ? new Rebuild(() => newState(config), core.live, false) : undefined
    core.partitions = new Map()
    core.source = source
    core.waitsFor = undefined
  }

  get run(): Effect.Effect<never, TableFailure, Scope.Scope> {
    const next = Effect.flatMap(this.source.take, (event) => this.handle(event))
    // `Effect.forever` yields after each
    const reading = Effect.zipRight(
      this.source.follow(this.core.config.topic),
      Effect.zipRight(Effect.whileLoop({ while: constTrue, body: () => next, step: constVoid }), Effect.never)
    )
    // A race goes on without a fiber that is interrupted from outside: so it is about the fiber's exit.
    return Effect.flatMap(Effect.forkScoped(reading), (fiber) =>
      Effect.flatten(Effect.raceFirst(Fiber.await(fiber), this.source.broken))
    )
  }

  private handle(event: SourceEvent): Effect.Effect<void, TableFailure> {
    switch (event._tag) {
      case "PartitionCount":
        return this.onPartitionCount(event.count)
      case "Opened":
        return this.onOpened(event)
      case "Fetched":
        return this.onFetched(event)
      case "Truncated":
        this.forget(event)
        this.core.truncations.push([event.error])
        return this.onRebuild(event.partition, event.error.message)
      case "Denied":
        return this.core.acquired
          ? Effect.andThen(
              setStatus(this.core, { _tag: "Failed", error: event.error, healing: true }),
              Effect.logError(
                `not allowed to read, tried again every ${this.core.config.deniedRetryMillis} ms: ${event.error.message}`
              ).pipe(this.annotate)
            )
          : Effect.fail(event.error)
      case "Granted":
        return Effect.andThen(
          Effect.logInfo("allowed to read again").pipe(this.annotate),
          Effect.flatMap(Clock.currentTimeMillis, (now) => setStatus(this.core, this.statusOfReading(now)))
        )
      case "Fatal":
        return Effect.fail(event.error)
    }
  }

  private statusOfReading(now: number): TableStatus {
    const { core } = this
    if (core.latched && this.whole === undefined) return { _tag: "CaughtUp" }
    const progress = progressOf(core, now)
    const cause = core.degradedBy
    return cause === undefined ? { _tag: "Loading", progress } : { _tag: "Degraded", progress, cause }
  }

  /** Offsets from where the log ends now are given out once more: that they were read says nothing any longer. */
  private forget({ error, partition }: Extract<SourceEvent, { _tag: "Truncated" }>): void {
    const p = this.core.partitions.get(partition)!
    if (error.reason !== "Tail" || p.position === undefined) return
    p.position = Math.min(p.position, error.to)
    p.visible = p.position
  }

  private onPartitionCount(count: number): Effect.Effect<void> {
    const { partitions, state } = this.core
    for (let partition = 0; partition < count; partition++) {
      if (partitions.has(partition)) continue
      const fresh = makePartitionState<K, V>(partition)
      this.whole?.add(fresh)
      partitions.set(partition, fresh)
      this.core.gone?.partitions.delete(partition)
    }
    if (count > 1) state.multiPartition = true
    return Effect.void
  }

  private onOpened(event: Extract<SourceEvent, { _tag: "Opened" }>): Effect.Effect<void> {
    const p = this.core.partitions.get(event.partition)!
    p.corruptAt = undefined
    p.logStart = event.start
    p.openedAt = event.at
    this.opened.add(event.partition)
    this.unsettled++
    if (p.rebuild !== undefined) {
      p.rebuild.opened(p, event.start, event.end)
      return p.rebuild.isComplete || this.isSettlingDue ? this.settle(false) : Effect.void
    }
    this.core.live.add(event.partition)
    p.position = event.start
    p.start = event.start
    p.gate = event.end
    if (this.isSettlingDue) return this.settle(false)
    p.visible = p.position
    this.core.publication.waiters.check()
    return Effect.void
  }

  /**
   * All partitions are looked at then: not for each one that was opened, while others are to come, as a topic may have many
   * thousands.
   */
  private get isSettlingDue(): boolean {
    const { size } = this.core.partitions
    return this.opened.size === size || LOOKS_WHILE_OPENING * this.unsettled >= size
  }

  /** Replays a partition beside the live content. */
  private onRebuild(partition: number, why: string): Effect.Effect<void> {
    const { config, counters, partitions } = this.core
    const p = partitions.get(partition)!
    counters.rebuilds++
    if (p.rebuild === undefined) new Rebuild(() => newState(config), [], true).add(p)
    // what was replayed of the others is mixed with it
    else p.rebuild.restart()
    for (const other of p.rebuild!.partitions) this.source.reopen(config.topic, other.partition)
    return this.warnAtRate(`rebuild of ${partition}`, why, partition)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // applying
  // -------------------------------------------------------------------------------------------------------------------

  private onFetched(event: Fetched): Effect.Effect<void, TableFailure> {
    const { partitions, settings } = this.core
    for (const records of event.partitions) {
      const p = partitions.get(records.partition)!
      const stale = foundStale(p, records, event, settings)
      if (stale === undefined) continue
      const others = event.partitions.filter((other) => other !== records)
      return Effect.zipRight(
        this.onRebuild(records.partition, whyStale(records.partition, stale)),
        Effect.suspend(() => this.onFetched({ ...event, partitions: others }))
      )
    }
    return this.applyFetched(event)
  }

  private applyFetched(event: Fetched): Effect.Effect<void, TableFailure> {
    const { core } = this
    core.state.replayed = !core.latched
    core.state.log = core.publication.begin()
    return this.applyAll({
      todo: [...event.partitions].reverse(),
      applying: undefined,
      isLarge: false,
      shortened: [],
      changed: false,
      poison: [],
      poisonRoom: MAX_POISON,
      kinds: new Map(),
      poisonBefore: undecodable(core.counters)
    })
  }

  /**
   * Goes on with an answer until all of it is applied, or something has to be waited for: the host's turn, a value that
   * only an Effect decodes. A plain function up to there, as most answers are small and need none of it.
   */
  private applyAll(answer: Answer<K, V>): Effect.Effect<void, TableFailure> {
    const until = performance.now() + SLICE_MILLIS
    const goOn = () => this.applyAll(answer)
    while (true) {
      const applying = answer.applying ?? this.nextOf(answer)
      if (applying === undefined) {
        const applied = this.applied(answer, undefined)
        // the next answer begins with a slice of its own
        return answer.isLarge ? Effect.zipLeft(applied, yieldToEventLoop) : applied
      }
      answer.applying = applying
      const { application } = applying
      const outcome = this.runSlice(applying, answer, until)
      switch (outcome) {
        case "done":
          answer.applying = undefined
          break
        case "more":
          answer.isLarge = true
          this.publishPoison(answer)
          return Effect.flatMap(yieldToEventLoop, goOn)
        case "codec":
          return Effect.flatMap(loadCodecs, () => {
            application.codecsAreLoaded()
            return goOn()
          })
        case "decode":
          this.core.waitsFor = "Codec"
          return Effect.flatMap(decodedBy(application), (result) => {
            this.core.waitsFor = undefined
            application.decoded(result)
            return goOn()
          })
        case "key":
          return this.applied(
            answer,
            new InvalidOptionsError({
              module: "KafkaTable",
              problems: [
                { option: "key", problem: "this codec needs an Effect to decode; keys are looked up synchronously" }
              ]
            })
          )
        case "poison":
          return this.applied(answer, answer.poison[answer.poison.length - 1])
        default:
          answer.applying = undefined
          return Effect.matchEffect(this.onCorruption(applying.p, outcome), {
            onFailure: (error) => this.applied(answer, error),
            onSuccess: goOn
          })
      }
    }
  }

  private nextOf(answer: Answer<K, V>): Applying<K, V> | undefined {
    const { core } = this
    for (let records = answer.todo.pop(); records !== undefined; records = answer.todo.pop()) {
      const p = core.partitions.get(records.partition)!
      const { rebuild } = p
      const position = positionOf(p)
      // it is replayed anew since this answer came
      if (position === undefined) continue
      if (records.logStart > p.logStart) {
        p.logStart = records.logStart
        answer.shortened.push(p)
      }
      const state = rebuild === undefined ? core.state : rebuild.state
      return {
        p,
        application: new Application<K, V>(
          this.applying,
          records,
          position,
          state,
          core.counters,
          this.scratch,
          answer.poisonRoom
        )
      }
    }
    return undefined
  }

  private runSlice({ application, p }: Applying<K, V>, answer: Answer<K, V>, until: number): Outcome | BatchCorruption {
    const { counters } = this.core
    const before = counters.applied + counters.tombstones
    try {
      return application.run(until)
    } catch (error) {
      if (error instanceof BatchCorruption) return error
      // a defect of the decoder stays a defect
      throw error
    } finally {
      if (p.rebuild === undefined) {
        p.position = application.position
        if (counters.applied + counters.tombstones > before) answer.changed = true
      } else {
        p.replay!.position = application.position
      }
      if (p.corruptAt !== undefined && application.position > p.corruptAt) p.corruptAt = undefined
      answer.poisonRoom -= application.poison.length
      if (application.keylessAt >= 0) {
        this.keylessAt ??= { partition: p.partition, offset: application.keylessAt }
        application.keylessAt = -1
      }
      answer.poison.push(...application.poison)
      application.poison.length = 0
    }
  }

  /** All of it, or what came before the failure. */
  private applied(answer: Answer<K, V>, failure: TableFailure | undefined): Effect.Effect<void, TableFailure> {
    // or a quiet table would hold the last answer in memory
    this.scratch.bytes = NO_BYTES
    this.core.state.records.endAnswer()
    const { shortened } = answer
    const settle = () => (shortened.length === 0 ? this.settle(answer.changed) : this.settleEvicted(answer))
    const isSound = undecodable(this.core.counters) === answer.poisonBefore
    const all = isSound ? settle() : Effect.flatMap(this.reportPoison(answer), settle)
    return failure === undefined ? all : Effect.zipRight(all, Effect.fail(failure))
  }

  /** Publishes an answer together with what its partitions' logs do not hold any more. */
  private settleEvicted(answer: Answer<K, V>): Effect.Effect<void> {
    const { core } = this
    return Effect.gen(this, function* () {
      for (const p of answer.shortened) {
        const isLive = p.rebuild === undefined
        const { gone, replaced } = yield* runInSlices((p.rebuild?.state ?? core.state).evict(p.partition, p.logStart))
        // of a rebuild, nobody has seen them
        if (!isLive) continue
        core.counters.evicted += gone
        if (gone + replaced > 0) answer.changed = true
        if (gone > 0) yield* this.tellOfEvicted(p, gone)
      }
      yield* this.settle(answer.changed)
    })
  }

  private tellOfEvicted(p: PartitionState<K, V>, gone: number): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const told = this.lines.take(`evicted from ${p.partition}`, gone, now)
      if (told === undefined) return Effect.void
      return Effect.logInfo(
        `evicted ${told} entries: the log of partition ${p.partition} begins at ${p.logStart} now (retention, or DeleteRecords)`
      ).pipe(this.annotate, Effect.annotateLogs({ partition: p.partition }))
    })
  }

  /** Asks for it once more, on a fresh connection: it may have been the network. */
  private onCorruption(p: PartitionState<K, V>, corruption: BatchCorruption): Effect.Effect<void, TableFailure> {
    const position = positionOf(p)!
    if (p.corruptAt === position) {
      return Effect.fail(
        new CorruptBatchError({
          reason: corruption.reason,
          topic: this.core.config.topic,
          partition: p.partition,
          baseOffset: corruption.baseOffset,
          detail: corruption.detail
        })
      )
    }
    p.corruptAt = position
    this.source.refetch(this.core.config.topic, p.partition, position)
    const words = `corrupt batch, asking for it once more: ${corruption.message}`
    return this.warnAtRate(`corruption in ${p.partition}`, words, p.partition)
  }

  /** What a broker may cause as often as it likes. */
  private warnAtRate(kind: string, words: string, partition: number): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const told = this.lines.take(kind, 1, now)
      if (told === undefined) return Effect.void
      return Effect.logWarning(words + moreOf(told)).pipe(this.annotate, Effect.annotateLogs({ partition }))
    })
  }

  /** Hands those on that did not decode since the last time, as a fetch may hold many. */
  private publishPoison(answer: Answer<K, V>): void {
    const poison = answer.poison.splice(0)
    if (poison.length === 0) return
    for (const error of poison) {
      const kind = kindOfPoison(error.reason, error.cause)
      const found = answer.kinds.get(kind)
      if (found === undefined) answer.kinds.set(kind, { first: error, count: 1 })
      else found.count++
    }
    this.core.poison.push(poison)
  }

  /** Tells of all that did not decode in an answer: in the log, of one of each kind, at a rate. */
  private reportPoison(answer: Answer<K, V>): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      this.publishPoison(answer)
      this.onlyCounted += undecodable(this.core.counters) - answer.poisonBefore - (MAX_POISON - answer.poisonRoom)
      const now = yield* Clock.currentTimeMillis
      for (const [kind, { count, first }] of answer.kinds) {
        const told = this.lines.take(kind, count, now)
        if (told !== undefined) yield* this.logPoison(first, told)
      }
    })
  }

  /** `told`: how many of its kind there were since the last line, this one among them. */
  private logPoison(error: PoisonRecordError, told: number): Effect.Effect<void> {
    const like = told === 1 ? [] : [`${told - 1} more of this kind`]
    const others = this.onlyCounted === 0 ? [] : [`${this.onlyCounted} others, which are only counted`]
    this.onlyCounted = 0
    const more = [...like, ...others]
    return Effect.logWarning(error.message + (more.length === 0 ? "" : ` (and ${more.join(", and ")})`)).pipe(
      this.annotate,
      Effect.annotateLogs({ partition: error.partition, offset: error.offset })
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // publishing
  // -------------------------------------------------------------------------------------------------------------------

  /** Between two batches: completes rebuilds, publishes, wakes who waits. */
  private settle(changed: boolean): Effect.Effect<void> {
    this.unsettled = 0
    for (const p of this.core.partitions.values()) {
      if (p.rebuild?.isComplete === true) {
        return Effect.flatMap(this.completeRebuilds(), () => this.publish(true))
      }
    }
    return this.publish(changed)
  }

  private publish(changed: boolean): Effect.Effect<void> {
    const { publication } = this.core
    const preparing = publication.prepare()
    if (preparing === undefined) return this.show(changed)
    return Effect.flatMap(preparing, () => this.show(changed))
  }

  private show(changed: boolean): Effect.Effect<void> {
    const { publication, state } = this.core
    state.log = undefined
    publication.publish(changed, this.takeSnapshot, this.showPositions)
    return this.published()
  }

  private readonly takeSnapshot = (version: number) => this.core.state.snapshot(version)

  private readonly showPositions = (): void => {
    for (const p of this.core.partitions.values()) p.visible = p.position
  }

  private published(): Effect.Effect<void> {
    const { core } = this
    const { snapshot, subscriptions } = core.publication
    core.metrics.published(core.counters, snapshot.size, this.lag())
    if (core.latched && this.keylessAt === undefined && !subscriptions.isFull && !core.state.wantsCompaction) {
      return Effect.void
    }
    return Effect.gen(this, function* () {
      yield* this.checkCaughtUp()
      if (this.keylessAt !== undefined) yield* this.warnKeyless(this.keylessAt)
      if (subscriptions.isFull) {
        core.waitsFor = "Subscriber"
        yield* subscriptions.awaitRoom
        core.waitsFor = undefined
      }
      if (core.state.wantsCompaction) yield* runInSlices(core.state.compact())
    })
  }

  private completeRebuilds(): Effect.Effect<void> {
    const { core } = this
    return Effect.gen(this, function* () {
      const running = new Set<Rebuild<K, V>>()
      for (const p of core.partitions.values()) if (p.rebuild !== undefined) running.add(p.rebuild)
      for (const rebuild of running) {
        if (!rebuild.isComplete) continue
        core.state.log = core.publication.begin()
        yield* runInSlices(core.state.replace(rebuild.replaced, rebuild.state, rebuild.sameLog))
        for (const partition of rebuild.replaced) core.live.delete(partition)
        for (const p of rebuild.partitions) {
          core.live.add(p.partition)
          p.rebuild = undefined
          p.position = p.replay!.position
          p.replay = undefined
          // it reached the target that was taken for the rebuild; the one from before may be beyond the log's end now
          p.gate = p.position
          p.start = p.position
        }
        yield* Effect.logInfo(`rebuilt ${rebuild.partitions.size} partition(s), ${core.state.size} entries`).pipe(
          this.annotate
        )
        if (rebuild === this.whole) {
          this.whole = undefined
          core.restartsAfter = undefined
          this.noteGone([...rebuild.replaced].filter((partition) => !core.partitions.has(partition)))
          if (core.latched) yield* setStatus(core, { _tag: "CaughtUp" })
        }
      }
    })
  }

  /** Positions in partitions that the topic has not any more are never reached: who waits for them is told why. */
  private noteGone(partitions: ReadonlyArray<number>): void {
    const { core } = this
    const expected = core.topicId
    const actual = this.source.description(core.config.topic)?.topic.id
    core.topicId = actual
    if (partitions.length === 0) return
    const error = new TopicError({
      reason: "Recreated",
      topic: core.config.topic,
      detail: `it has ${core.partitions.size} partition(s) now, and had ${core.partitions.size + partitions.length}`,
      ...(expected === undefined ? {} : { expected }),
      ...(actual === undefined ? {} : { actual })
    })
    core.gone = { partitions: new Set([...(core.gone?.partitions ?? []), ...partitions]), error }
    core.publication.waiters.failOf(core.gone.partitions, Cause.fail(error))
  }

  private checkCaughtUp(): Effect.Effect<void> {
    const { core } = this
    if (core.latched) return Effect.void
    return Effect.gen(this, function* () {
      const now = yield* Clock.currentTimeMillis
      const all = [...core.partitions.values()]
      const caughtUp =
        all.length > 0 &&
        all.every(
          (p) => p.rebuild === undefined && p.gate !== undefined && p.position !== undefined && p.position >= p.gate
        )
      if (caughtUp) {
        core.latched = true
        core.topicId = this.source.description(core.config.topic)?.topic.id
        // who waits for it gets it now, whatever happens next
        core.acquired = true
        core.degradedBy = undefined
        core.replayed = core.counters.applied + core.counters.tombstones
        core.catchUpMillis = now - core.startedAt
        yield* setStatus(core, { _tag: "CaughtUp" })
        core.metrics.caughtUp(core.catchUpMillis)
        yield* Effect.logInfo(
          `caught up: ${core.publication.snapshot.size} entries of ${core.replayed} records in ${core.catchUpMillis} ms`
        ).pipe(this.annotate)
        yield* Deferred.succeed(core.ready, void 0)
        return
      }
      if (now - this.progressShownAt >= PROGRESS_STATUS_MILLIS) {
        this.progressShownAt = now
        const progress = progressOf(core, now)
        if (core.status._tag === "Loading" || core.status._tag === "Degraded") {
          yield* setStatus(core, { ...core.status, progress })
        }
        if (now - this.progressLoggedAt >= core.config.progressIntervalMillis) {
          this.progressLoggedAt = now
          yield* Effect.logInfo(
            `replaying: ${progress.percent} % (${progress.done} of ${progress.total} offsets), ${progress.recordsPerSecond} records/s`
          ).pipe(this.annotate)
        }
      }
    })
  }

  private lag(): number {
    let lag = 0
    const cursors = this.source.cursors(this.core.config.topic)
    for (const p of this.core.partitions.values()) {
      const hw = cursors.get(p.partition)?.highWatermark ?? -1
      if (p.position !== undefined && hw > p.position) lag += hw - p.position
    }
    return lag
  }

  /** Told when there are twice as many, or after a while, with the place of the first one that was not told yet. */
  private warnKeyless({
    offset,
    partition
  }: {
    readonly partition: number
    readonly offset: number
  }): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { keyless } = this.core.counters
      if (keyless < 2 * this.keylessTold && now - this.keylessToldAt < LINE_RATE_MILLIS) return Effect.void
      const count = keyless - this.keylessTold
      this.keylessTold = keyless
      this.keylessToldAt = now
      this.keylessAt = undefined
      return Effect.logWarning(
        `${count} record(s) without a key were skipped, the first one in partition ${partition} at offset ${offset}: a table needs keys; does something else write to this topic?`
      ).pipe(this.annotate, Effect.annotateLogs({ partition, offset }))
    })
  }
}

/**
 * What comes of a value that only an Effect decodes. However that ends, by a defect or by interruption, too, it is this
 * record that is not decodable.
 */
const decodedBy = <K, V>(application: Application<K, V>): Effect.Effect<Either.Either<V, ParseResult.ParseError>> =>
  Effect.map(
    Effect.exit(Effect.suspend(() => application.suspendedValue)),
    Exit.match({
      onSuccess: (value) => Either.right(value),
      onFailure: (cause) => Either.left(parseErrorOfCause(cause))
    })
  )

const whyStale = (partition: number, { behindMillis, retentionMillis }: Stale): string =>
  `Behind for ${Math.round(behindMillis / 1000)} s, ${
    retentionMillis === undefined
      ? "and nobody says how long the topic keeps tombstones"
      : `longer than the topic keeps tombstones: ${retentionMillis} ms`
  } (delete.retention.ms). Deletions may have left no trace, so partition ${partition} is replayed.`

/** Records whose key or value did not decode. */
const undecodable = ({ keyErrors, valueErrors }: Counters): number => keyErrors + valueErrors
