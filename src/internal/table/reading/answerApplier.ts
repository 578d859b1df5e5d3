/**
 * Applies one fetch answer after the other to the live content, or to a rebuild beside it. An answer is applied in
 * slices, so that the host's other work has its turn; an Effect begins only where something has to be waited for.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { CorruptBatchError, InvalidOptionsError } from "../../../KafkaError.ts"
import type { TableFailure } from "../../../LiveTable.ts"
import { errorOfCause } from "../../codec/schema/issue.ts"
import { LineRate, moreOf } from "../../lineRate.ts"
import { annotateLogs } from "../../log.ts"
import { prepareCodecs } from "../../recordBatch/compression.ts"
import { BatchCorruption } from "../../recordBatch/corruption.ts"
import type { Fetched, FetchedRecords } from "../../source/cursor.ts"
import type { Source } from "../../source/source.ts"
import { runInSlices, SLICE_MILLIS, yieldToEventLoop } from "../../yield.ts"
import { positionOf, type PartitionState } from "./partition.ts"
import type { TableParts } from "./parts.ts"
import { makeScratch, RecordApplier, type ApplierSettings, type Decoded, type Stop } from "./recordApplier.ts"
import { noPoison, type PoisonFound, type RecordReports } from "./recordReports.ts"

const NO_BYTES = Buffer.alloc(0)

/**
 * Loads zstd, where this Node has none. If it is not there, or does not load in 10 seconds, batches in zstd are
 * refused.
 */
const loadCompression = Effect.ignore(Effect.timeout(Effect.tryPromise(prepareCodecs), 10_000))

/** The partition whose records are being applied. */
interface Current<K, V> {
  readonly p: PartitionState<K, V>
  readonly applier: RecordApplier<K, V>
}

/** One answer on its way into the content. */
interface Intake<K, V> {
  /** Partitions that are not begun yet, the next one last. */
  readonly todo: Array<FetchedRecords>
  /** The partition that is begun; `undefined` between two of them. */
  current: Current<K, V> | undefined
  /** Whether it took more than one slice. */
  isLarge: boolean
  /** Partitions whose log begins later than it did before this answer. */
  readonly shortened: Array<PartitionState<K, V>>
  /** Whether it has changed the live content. */
  hasChanged: boolean
  /** The records of it that did not decode. */
  readonly poison: PoisonFound
}

/** Applies fetch answers, one at a time. */
export class AnswerApplier<K, V> {
  private readonly parts: TableParts<K, V>
  private readonly source: Source
  private readonly reports: RecordReports<K, V>
  /** Publishes what was applied. `hasChanged` says whether the live content has changed. */
  private readonly settle: (hasChanged: boolean) => Effect.Effect<void>
  private readonly settings: ApplierSettings<K, V>
  private readonly annotate: ReturnType<typeof annotateLogs>
  private readonly scratch = makeScratch()
  private readonly lines = new LineRate()

  constructor(
    parts: TableParts<K, V>,
    source: Source,
    reports: RecordReports<K, V>,
    settle: (hasChanged: boolean) => Effect.Effect<void>
  ) {
    const { config } = parts
    this.parts = parts
    this.source = source
    this.reports = reports
    this.settle = settle
    this.annotate = annotateLogs("KafkaTable", { topic: config.topic })
    this.settings = {
      topic: config.topic,
      key: config.key,
      value: config.value,
      keepHeaders: config.headers,
      committedOnly: config.isolation === "read_committed",
      failOnPoison: config.onPoison === "fail",
      logValues: config.logValues,
      decode: { checkCrcs: config.checkCrcs, maxBatchBytes: config.fetch.maxBatchBytes }
    }
  }

  /** Applies an answer, and publishes it. Fails with what ends the reader, after what came before that is published. */
  apply(fetched: Fetched): Effect.Effect<void, TableFailure> {
    const { counters, latched, publication, state } = this.parts
    state.replayed = !latched
    state.note(publication.beginUpdate())
    return this.goOn({
      todo: [...fetched.partitions].reverse(),
      current: undefined,
      isLarge: false,
      shortened: [],
      hasChanged: false,
      poison: noPoison(counters)
    })
  }

  /**
   * Goes on with an answer until all of it is applied, or something has to be waited for: the host's turn, zstd, or a
   * value that only an Effect decodes. It is a plain function up to there, as most answers are small and wait for
   * nothing.
   */
  private goOn(intake: Intake<K, V>): Effect.Effect<void, TableFailure> {
    const until = performance.now() + SLICE_MILLIS
    const again = () => this.goOn(intake)
    while (true) {
      const current = intake.current ?? this.nextOf(intake)
      if (current === undefined) {
        const ended = this.end(intake, undefined)
        // The next answer begins with a slice of its own.
        return intake.isLarge ? Effect.tap(ended, yieldToEventLoop) : ended
      }
      intake.current = current
      const { applier } = current
      const stop = this.runSlice(current, intake, until)
      switch (stop) {
        case "done":
          intake.current = undefined
          break
        case "more":
          intake.isLarge = true
          this.reports.publish(intake.poison)
          return Effect.flatMap(yieldToEventLoop, again)
        case "compression":
          return Effect.flatMap(loadCompression, () => {
            applier.compressionIsLoaded()
            return again()
          })
        case "decode":
          this.parts.waitsFor = "Codec"
          return Effect.flatMap(decodedBy(applier), (result) => {
            this.parts.waitsFor = undefined
            applier.decoded(result)
            return again()
          })
        case "key":
          return this.end(
            intake,
            new InvalidOptionsError({
              module: "KafkaTable",
              topic: this.parts.config.topic,
              problems: [
                { option: "key", problem: "this codec needs an Effect to decode; keys are looked up synchronously" }
              ]
            })
          )
        case "poison":
          return this.end(intake, intake.poison.errors.at(-1))
        default:
          intake.current = undefined
          return Effect.matchEffect(this.onCorruption(current.p, stop), {
            onFailure: (error) => this.end(intake, error),
            onSuccess: again
          })
      }
    }
  }

  /** Begins the next partition of an answer, if there is one. */
  private nextOf(intake: Intake<K, V>): Current<K, V> | undefined {
    const { counters, partitions, state } = this.parts
    for (let records = intake.todo.pop(); records !== undefined; records = intake.todo.pop()) {
      const p = partitions.get(records.partition)!
      const position = positionOf(p)
      // The partition was opened anew since this answer came, so its records are none of what is read now.
      if (position === undefined) continue
      if (records.logStart > p.logStart) {
        p.logStart = records.logStart
        intake.shortened.push(p)
      }
      const into = p.rebuild?.state ?? state
      const { room } = intake.poison
      return {
        p,
        applier: new RecordApplier<K, V>(this.settings, records, position, into, counters, this.scratch, room)
      }
    }
    return undefined
  }

  /** Applies records of the current partition until the time is up, and notes what came of them. */
  private runSlice({ applier, p }: Current<K, V>, intake: Intake<K, V>, until: number): Stop | BatchCorruption {
    const { counters } = this.parts
    const before = counters.applied + counters.tombstones
    try {
      return applier.run(until)
    } catch (error) {
      if (error instanceof BatchCorruption) return error
      // A bug of the decoder stays a defect.
      throw error
    } finally {
      if (p.replay === undefined) {
        p.position = applier.position
        if (counters.applied + counters.tombstones > before) intake.hasChanged = true
      } else {
        p.replay.position = applier.position
      }
      if (p.corruptAt !== undefined && applier.position > p.corruptAt) p.corruptAt = undefined
      const { poison } = intake
      poison.room -= applier.poison.length
      if (applier.keylessAt >= 0) {
        this.reports.noteKeyless(p.partition, applier.keylessAt)
        applier.keylessAt = -1
      }
      poison.errors.push(...applier.poison)
      applier.poison.length = 0
    }
  }

  /**
   * Ends an answer of which all is applied, or what came before the failure: tells of its poison records, and
   * publishes.
   */
  private end(intake: Intake<K, V>, failure: TableFailure | undefined): Effect.Effect<void, TableFailure> {
    // Otherwise a quiet table would hold the last answer in memory.
    this.scratch.bytes = NO_BYTES
    this.parts.state.records.endAnswer()
    const settling = () => (intake.shortened.length === 0 ? this.settle(intake.hasChanged) : this.evict(intake))
    const ended = this.reports.isSound(intake.poison)
      ? settling()
      : Effect.flatMap(this.reports.report(intake.poison), settling)
    return failure === undefined ? ended : Effect.andThen(ended, Effect.fail(failure))
  }

  /** Removes what the partitions' logs do not hold any more, and publishes that together with the answer. */
  private evict(intake: Intake<K, V>): Effect.Effect<void> {
    const { counters, state } = this.parts
    return Effect.gen({ self: this }, function* () {
      for (const p of intake.shortened) {
        const isLive = p.rebuild === undefined
        const { gone, replaced } = yield* runInSlices((p.rebuild?.state ?? state).evict(p.partition, p.logStart))
        // Nobody has seen what goes from a rebuild.
        if (!isLive) continue
        counters.evicted += gone
        if (gone + replaced > 0) intake.hasChanged = true
        if (gone > 0) yield* this.tellOfEvicted(p, gone)
      }
      yield* this.settle(intake.hasChanged)
    })
  }

  private tellOfEvicted({ logStart, partition }: PartitionState<K, V>, gone: number): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const told = this.lines.take(`evicted from ${partition}`, gone, now)
      if (told === undefined) return Effect.void
      return Effect.logInfo(
        `evicted ${told} entries: the log of partition ${partition} begins at ${logStart} now (retention, or DeleteRecords)`
      ).pipe(this.annotate, Effect.annotateLogs({ partition }))
    })
  }

  /**
   * Asks for a corrupt batch once more, on a fresh connection, as it may have been the network. Fails the second time.
   */
  private onCorruption(p: PartitionState<K, V>, corruption: BatchCorruption): Effect.Effect<void, TableFailure> {
    const { topic } = this.parts.config
    const { partition } = p
    const position = positionOf(p)!
    if (p.corruptAt === position) {
      const { baseOffset, detail, reason } = corruption
      return Effect.fail(new CorruptBatchError({ reason, topic, partition, baseOffset, detail }))
    }
    p.corruptAt = position
    this.source.refetch(topic, partition, position)
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const told = this.lines.take(`corruption in ${partition}`, 1, now)
      if (told === undefined) return Effect.void
      return Effect.logWarning(`corrupt batch, asking for it once more: ${corruption.message}${moreOf(told)}`).pipe(
        this.annotate,
        Effect.annotateLogs({ partition })
      )
    })
  }
}

/**
 * Decodes a value by the Effect of its codec. However that Effect ends, by a defect or by interruption, too, a failure
 * means that this record does not decode.
 */
const decodedBy = <K, V>(applier: RecordApplier<K, V>): Effect.Effect<Decoded<V>> =>
  Effect.matchCause(
    Effect.suspend(() => applier.suspendedValue),
    {
      onSuccess: (value) => ({ value }),
      onFailure: (cause) => ({ error: errorOfCause(cause) })
    }
  )
