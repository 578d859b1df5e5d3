/**
 * What a user of one consumer is promised, whatever is asked of it and in whichever order, by what is seen from outside: the
 * records that are handed out, the commits that the coordinator is asked for, and the waits for these.
 *
 * A partition has a life for as long as its records come in one go: from its assignment, a jump, or a face that hands out again
 * what is not done. In a life each record comes once, in order, and none is skipped; and only what is done in it without a gap
 * is committed.
 */
import * as Effect from "effect/Effect"
import type { EmbeddedKafka } from "../../src/index.ts"
import type { ManualClock } from "../support/ManualClock.ts"
import { GROUP, placeOf } from "./groupModel.ts"
import { Life, Logs } from "./usePlaces.ts"
import { type Held, isStale, type Record } from "./useRecords.ts"
import { Trace } from "./trace.ts"

/** How long a commit may be on its way, in milliseconds: what it was true of may be over when it arrives. */
const ON_ITS_WAY = 6_000

/** How long a wait may go on, in milliseconds, though nothing is left to wait for but the coordinator, with its faults. */
const LONGEST_WAIT = 40_000

/** Somebody who waits for a commit, of a place up to an offset. */
interface Wait {
  readonly what: string
  readonly covers: ReadonlyArray<{ readonly place: string; readonly life: Life; readonly to: number }>
  dueSince: number | undefined
}

export class UseModel extends Trace {
  readonly waits = new Set<Wait>()
  /** Whether records that do not decode fail the consumer. */
  failsOnPoison = false
  readonly logs = new Logs()
  private readonly lives = new Map<string, Array<Life>>()
  /** Partitions that are paused, and the offset from which on nothing of them is to be handed out. */
  private readonly paused = new Map<string, number>()

  constructor(
    readonly kafka: EmbeddedKafka.EmbeddedKafka,
    clock: ManualClock
  ) {
    super(clock)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // logs
  // -------------------------------------------------------------------------------------------------------------------

  /** What the coordinator has. */
  committedOf(place: string): Effect.Effect<number | undefined> {
    return Effect.map(
      this.kafka.commits(GROUP),
      (all) => all.findLast((one) => one.errorCode === 0 && placeOf(one) === place)?.offset
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // lives
  // -------------------------------------------------------------------------------------------------------------------

  lifeOf(place: string): Life | undefined {
    const life = this.lives.get(place)?.at(-1)
    return life?.endedAt === Infinity ? life : undefined
  }

  get alive(): ReadonlyArray<readonly [place: string, life: Life]> {
    return [...this.lives.keys()].flatMap((place) => {
      const life = this.lifeOf(place)
      return life === undefined ? [] : [[place, life] as const]
    })
  }

  /** The highest offset that may be committed in a life. */
  private mostOf(place: string, life: Life): number {
    // What is deleted is nobody's to be done.
    return Math.max(
      life.firstUndone ?? this.logs.nextFrom(place, life.next, this.failsOnPoison) ?? Infinity,
      this.logs.of(place).start
    )
  }

  begins(place: string, life: Life): void {
    this.ends(place)
    this.lives.set(place, [...(this.lives.get(place) ?? []), life])
    if (this.paused.has(place)) this.paused.set(place, life.start)
    this.note(`${place} begins at ${life.start}`)
  }

  ends(place: string): void {
    const life = this.lifeOf(place)
    if (life !== undefined) life.endedAt = this.clock.evenMillis()
  }

  /** A partition is the consumer's: it begins at what is committed. */
  assigned(place: string): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (this.lifeOf(place) !== undefined) return
      const start = (yield* this.committedOf(place)) ?? 0
      this.paused.delete(place)
      this.begins(place, new Life(start, start > (this.logs.of(place).visible.at(-1) ?? 0)))
    })
  }

  revoked(place: string): void {
    this.ends(place)
    this.paused.delete(place)
  }

  /** What was handed out of these, and is not done, is handed out again. */
  handsOutAgain(places: Iterable<string> = this.lives.keys()): void {
    for (const place of places) {
      const life = this.lifeOf(place)
      if (life === undefined) continue
      if (life.firstUndone !== undefined) this.begins(place, new Life(life.firstUndone))
      else if (this.paused.has(place)) this.paused.set(place, this.mostOf(place, life))
    }
  }

  pause(place: string, position: number | undefined): void {
    const life = this.lifeOf(place)
    if (life !== undefined && !this.paused.has(place)) this.paused.set(place, position ?? life.start)
  }

  resume(place: string): void {
    this.paused.delete(place)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // records
  // -------------------------------------------------------------------------------------------------------------------

  /** The user has got a record; `undefined` if it does not count. */
  took(record: Record, end?: (isDone: boolean) => void): Held | undefined {
    const place = placeOf(record)
    const { offset } = record
    if (isStale(record)) {
      this.note(`took ${place}@${offset}, which does not count`)
      if (end !== undefined) this.problem(`work begins on ${place}@${offset}, which does not count`)
      return undefined
    }
    this.note(`took ${place}@${offset}`)
    const life = this.lifeOf(place)
    const log = this.logs.of(place)
    if (life === undefined) return void this.problem(`${place}@${offset} is handed out of what is not owned`)
    if (life.isLoose && life.handed.size === 0) life.next = offset
    if (offset < life.next) this.problem(`${place}@${offset} is handed out, though ${life.next} was to be next`)
    const skipped = log.visible.find((one) => one >= life.next && one < offset && one >= log.start)
    if (skipped !== undefined) this.problem(`${place}@${offset} is handed out, though ${skipped} was not`)
    if (log.poison.includes(offset)) this.problem(`${place}@${offset} is handed out, and is poison`)
    const bound = this.paused.get(place)
    if (bound !== undefined && offset >= bound) this.problem(`${place}@${offset} is handed out, though it is paused`)
    life.next = offset + 1
    life.handed.set(offset, false)
    return { record, place, life, isDone: false, isLeft: false, end }
  }

  /** A record is about to be marked as done. */
  done(held: Held): void {
    held.isDone = true
    this.note(`done ${held.place}@${held.record.offset}`)
    if (this.lifeOf(held.place) === held.life) held.life.handed.set(held.record.offset, true)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // commits
  // -------------------------------------------------------------------------------------------------------------------

  /** The coordinator is asked to commit. */
  committing(place: string, offset: number): Effect.Effect<void> {
    return Effect.map(this.committedOf(place), (committed) => {
      this.note(`commits ${place}@${offset}`)
      const all = this.lives.get(place)
      // What is there already may be committed again, so that it is kept.
      if (all === undefined || offset === committed) return
      // Where it begins is committed before its user knows that it has begun.
      const last = all.at(-1)!
      if (last.endedAt < Infinity && offset <= this.mostOf(place, last)) return
      const now = this.clock.evenMillis()
      const lives = all.filter(({ endedAt }) => now - endedAt <= ON_ITS_WAY)
      if (lives.some((life) => life.isLoose || (offset >= life.start && offset <= this.mostOf(place, life)))) return
      const told = lives.map((life) => `${life.start} to ${this.mostOf(place, life)}`).join(", or ")
      this.problem(`${place} is committed at ${offset}, where it may be ${told || "nowhere"}`)
    })
  }

  /** Waits for a commit. What covers it is looked at when that has succeeded. */
  wait<E extends { readonly _tag: string }>(
    what: string,
    covers: Wait["covers"],
    commit: Effect.Effect<void, E>
  ): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const wait: Wait = { what, covers, dueSince: undefined }
      this.waits.add(wait)
      this.note(`${what} waits for a commit`)
      const error = yield* Effect.match(commit, { onFailure: (error) => error, onSuccess: () => undefined })
      this.waits.delete(wait)
      this.note(`${what} ends: ${error === undefined ? "committed" : error._tag}`)
      if (error !== undefined) {
        if (error._tag !== "KafkaCommitError") this.problem(`${what} fails with ${error._tag}`)
        return
      }
      for (const { life, place, to } of covers) {
        if (this.lifeOf(place) !== life || life.isLoose) continue
        const committed = (yield* this.committedOf(place)) ?? -1
        if (committed < to || committed > this.mostOf(place, life)) {
          this.problem(`${what} succeeds for ${place} to ${to}, and ${committed} is committed`)
        }
      }
    })
  }

  /** Looks whether waits go on for longer than they have a reason to. */
  lookAtWaits(hasEnded: boolean): void {
    const now = this.clock.evenMillis()
    for (const wait of this.waits) {
      const isDue =
        hasEnded || wait.covers.every(({ life, place, to }) => this.lifeOf(place) !== life || life.doneTo >= to)
      wait.dueSince = isDue ? (wait.dueSince ?? now) : undefined
      if (wait.dueSince !== undefined && now - wait.dueSince > LONGEST_WAIT) {
        this.problem(`${wait.what} waits, though it has nothing to wait for`)
      }
    }
  }
}
