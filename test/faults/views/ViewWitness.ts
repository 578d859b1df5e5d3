/** Watches what is made of a table: whether it is right at every moment, stays so where it is held, and is told rightly. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Findings } from "../oracle.ts"
import { Follower, followedQuery, followedTable, type Followed } from "./followers.ts"
import { make, type Views } from "./made.ts"
import { hold, mismatches, rightLines, shownLines, type Held, type Lines, type Sources } from "./naive.ts"

/** From one look to the next, at least. */
const LOOK_MILLIS = 60
/** From one time to the next to make the same once more of what there is, at least. */
const AGAIN_MILLIS = 300
/** What takes so long has so many times as much of a pause: it is to see what goes on, and not to be all that goes on. */
const PAUSES = 15
/** So many versions are held, and every so many-th look is. */
const HELD = 5
const HELD_OF = 8

export class ViewWitness {
  readonly findings = new Findings()
  /** How often what is made was compared, of what was made at once or anew. */
  looks = 0
  /** How often all of it was made anew. */
  remade = 0
  readonly followers: Array<Follower> = []
  private readonly held: Array<{ readonly held: Held; readonly lines: Lines }> = []
  private version = 0
  private last: (Sources & { readonly lines: Lines }) | undefined

  /** Compares what is shown at this moment. It is a part of nobody's step, so it sees what any reader would. */
  look(views: Views, what = "views"): void {
    const held = hold(views)
    const lines = this.rightOf(held)
    this.judge(what, held, lines)
    if (held.table.version < this.version) this.findings.add(12, `${what}: version ${held.table.version} came back`)
    this.version = held.table.version
    if (this.looks++ % HELD_OF !== 0) return
    // The oldest stays, and the others make room one after the other.
    if (this.held.length === HELD) this.held.splice(1, 1)
    this.held.push({ held, lines })
  }

  /** What is right is the same as long as the tables are. */
  private rightOf({ others, table }: Held): Lines {
    const { last } = this
    if (last !== undefined && last.table === table && last.others === others) return last.lines
    const lines = rightLines({ others, table })
    this.last = { table, others, lines }
    return lines
  }

  private judge(what: string, held: Held, right: Lines): void {
    for (const wrong of mismatches(shownLines(held), right)) {
      this.findings.add(12, `${what} at version ${held.table.version}: ${wrong}`)
    }
  }

  /** Looks at what is made of a table again and again, and makes the same anew, for as long as the scope is open. */
  watch(views: Views): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { groups, joined, others, shares, some, top } = views
      yield* this.follow(followedTable("joined", joined))
      yield* this.follow(followedTable("groups", groups))
      yield* this.follow(followedTable("shares", shares))
      yield* this.follow(followedTable("others", others.table))
      yield* this.follow(followedQuery("top", top))
      yield* this.follow(followedQuery("some", some))
      yield* this.keep(
        paced(
          Effect.sync(() => this.look(views)),
          LOOK_MILLIS
        )
      )
      yield* this.keep(paced(this.makeAnew(views), AGAIN_MILLIS))
    })
  }

  /** Runs what watches beside all else, for as long as the scope is open. That it dies is found: it would see nothing more. */
  keep<E>(watching: Effect.Effect<unknown, E>): Effect.Effect<void, never, Scope.Scope> {
    const kept = Effect.catchCause(watching, (cause) =>
      Effect.sync(() => {
        if (!Cause.hasInterruptsOnly(cause)) this.findings.add(12, `what watches has ended: ${Cause.pretty(cause)}`)
      })
    )
    return Effect.asVoid(Effect.forkScoped(kept))
  }

  /** Makes the same of the table once more, whatever that is in the middle of, and looks at it. */
  private makeAnew({ others, table }: Views): Effect.Effect<void> {
    return Effect.scoped(
      Effect.flatMap(Effect.orDie(make(table, others)), (views) =>
        Effect.sync(() => {
          this.remade++
          this.look(views, "views made anew")
        })
      )
    )
  }

  /** Follows something for as long as the scope is open. */
  follow(followed: Followed): Effect.Effect<void, never, Scope.Scope> {
    return Effect.map(Follower.start(followed), (follower) => {
      this.followers.push(follower)
    })
  }

  /** Whether followers know all that is shown: they may be a moment behind. */
  get isSettled(): boolean {
    return this.followers.every((follower) => follower.differences().length === 0)
  }

  /** Judges what is held, and what was told, once nothing changes any more. */
  finish(): void {
    const { findings, followers } = this
    for (const { held, lines } of this.held) this.judge("what is held", held, lines)
    for (const follower of followers) {
      for (const wrong of follower.wrong) findings.add(13, `${follower.name}: ${wrong}`)
      for (const wrong of follower.differences()) findings.add(13, `${follower.name}, in the end: ${wrong}`)
    }
  }

  /** What there is no evidence of. */
  get gaps(): ReadonlyArray<string> {
    return [
      ...(this.looks > 0 ? [] : ["views"]),
      ...(this.remade > 0 ? [] : ["views made anew"]),
      ...this.followers.filter(({ changes }) => changes === 0).map(({ name }) => `changes of ${name}`)
    ]
  }
}

/** Again and again, with pauses. */
export const paced = <E>(once: Effect.Effect<unknown, E>, leastMillis: number): Effect.Effect<never, E> =>
  Effect.forever(
    Effect.suspend(() => {
      const begin = performance.now()
      const pause = Effect.suspend(() => Effect.sleep(Math.max(leastMillis, PAUSES * (performance.now() - begin))))
      return Effect.andThen(once, pause)
    })
  )
