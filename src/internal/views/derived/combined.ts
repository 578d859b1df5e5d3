/** Where a table is that is made of others: what it says of itself is what the worst of these says. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { DefectError, InvalidOptionsError, TableClosedError } from "../../../KafkaError.ts"
import type { KafkaTable } from "../../../KafkaTable.ts"
import type { Freshness, LiveTable, TableFailure, TableStatus, WaitError, WaitOptions } from "../../../LiveTable.ts"
import type { Position } from "../../../Position.ts"
import { settleDeferred } from "../../effect/v4/deferred.ts"
import { changesOf, PublishedRef } from "../../effect/v4/publishedRef.ts"
import { readWaitOptions } from "../../options/wait.ts"
import { NO_POSITION, positionsIn } from "../../position.ts"

/** A table of a topic that another one is made of. */
export type RootTable = Pick<
  KafkaTable<unknown, unknown>,
  "topic" | "status" | "awaitCaughtUp" | "barrier" | "awaitPosition" | "freshness"
>

/** The property by which a table tells the tables of topics that it is made of. */
export const ROOTS: unique symbol = Symbol.for("effect-ktables/Roots")

/** What a live table has of its own beside its content. */
type Own = Pick<
  LiveTable<unknown, unknown>,
  "status" | "awaitCaughtUp" | "failure" | "barrier" | "awaitPosition" | "freshness"
>

/** How much worse one status is than another. */
const SEVERITY: Readonly<Record<TableStatus["_tag"], number>> = { CaughtUp: 0, Degraded: 1, Loading: 2, Failed: 3 }

const severityOf = (status: TableStatus): number =>
  SEVERITY[status._tag] + (status._tag === "Failed" && !status.healing ? 1 : 0)

/** Always the same one, as it is compared with the status that is shown. */
const CAUGHT_UP: TableStatus = { _tag: "CaughtUp" }

const worst = (statuses: Iterable<TableStatus>): TableStatus => {
  let found: TableStatus = CAUGHT_UP
  for (const status of statuses) if (severityOf(status) > severityOf(found)) found = status
  return found
}

/** The failure in how a table ended; `undefined` if it was closed. A defect is a failure, too. */
const failureOf = (topics: string, how: Exit.Exit<void, TableFailure>): TableFailure | undefined => {
  if (Exit.isSuccess(how)) return undefined
  const failure = Cause.findErrorOption(how.cause)
  return Option.isSome(failure) ? failure.value : new DefectError({ topic: topics, cause: Cause.squash(how.cause) })
}

export class Combined {
  /** The topics of all of them, as errors name them. */
  readonly topics: string
  private readonly statuses: PublishedRef<TableStatus>
  private readonly failed: Deferred.Deferred<never, TableFailure>
  /** How it ended; `undefined` while it goes on. */
  private ended: { readonly failure: TableFailure | undefined } | undefined

  private constructor(
    private readonly roots: ReadonlyArray<RootTable>,
    statuses: PublishedRef<TableStatus>,
    failed: Deferred.Deferred<never, TableFailure>
  ) {
    this.topics = roots.map(({ topic }) => topic).join(", ")
    this.statuses = statuses
    this.failed = failed
  }

  /** Follows the tables for as long as the scope is open. */
  static make(roots: ReadonlyArray<RootTable>): Effect.Effect<Combined, never, Scope.Scope> {
    return Effect.gen(function* () {
      const all = new Map<RootTable, TableStatus>()
      for (const root of roots) all.set(root, yield* SubscriptionRef.get(root.status))
      let shown = worst(all.values())
      const statuses = yield* PublishedRef.make<TableStatus>(shown, { keepsAll: true })
      const combined = new Combined(roots, statuses, yield* Deferred.make<never, TableFailure>())
      for (const root of roots) {
        yield* Effect.forkScoped(
          Stream.runForEach(changesOf(root.status), (status) =>
            Effect.sync(() => {
              all.set(root, status)
              const next = worst(all.values())
              if (next === shown || combined.ended !== undefined) return
              shown = next
              statuses.set(next)
            })
          )
        )
      }
      return combined
    })
  }

  /** Says how it ended: what has the failure of a table fails with that, a defect with a `DefectError`. */
  end(how: Exit.Exit<void, TableFailure>): Exit.Exit<void, TableFailure> {
    const failure = failureOf(this.topics, how)
    if (this.ended === undefined) {
      this.ended = { failure }
      if (failure !== undefined) {
        this.statuses.set({ _tag: "Failed", error: failure, healing: false })
        settleDeferred(this.failed, Exit.fail(failure))
      }
      this.statuses.end()
    }
    return failure === undefined ? Exit.void : Exit.fail(failure)
  }

  /** Waits for all of the tables, unless it has ended. What is wrong in the options is told whether there is one or not. */
  private waitFor(
    operation: "awaitCaughtUp" | "barrier" | "awaitPosition",
    options: WaitOptions | undefined,
    wait: (root: RootTable) => Effect.Effect<void, WaitError>
  ): Effect.Effect<void, WaitError> {
    const unlessEnded = Effect.suspend((): Effect.Effect<void, WaitError> => {
      const { ended } = this
      if (ended === undefined) return Effect.void
      return Effect.fail(ended.failure ?? new TableClosedError({ topic: this.topics }))
    })
    return readWaitOptions(`DerivedTable.${operation}`, undefined, options).pipe(
      Effect.andThen(unlessEnded),
      Effect.andThen(Effect.forEach(this.roots, wait, { concurrency: "unbounded", discard: true })),
      Effect.andThen(unlessEnded)
    )
  }

  private awaitPosition(
    position: Position | ReadonlyArray<Position>,
    options: WaitOptions | undefined
  ): Effect.Effect<void, WaitError> {
    const all = positionsIn(position)
    const unknown = all?.find(({ topic }) => !this.roots.some((root) => root.topic === topic))
    if (all === undefined || unknown !== undefined) {
      const problem =
        unknown === undefined ? NO_POSITION : `of topic "${unknown.topic}", this table is made of ${this.topics}`
      return Effect.fail(
        new InvalidOptionsError({
          module: "DerivedTable.awaitPosition",
          topic: this.topics,
          problems: [{ option: "position", problem }]
        })
      )
    }
    return this.waitFor("awaitPosition", options, (root) => {
      const own = all.filter(({ topic }) => topic === root.topic)
      return own.length === 0 ? Effect.void : root.awaitPosition(own, options)
    })
  }

  private readonly freshness: Effect.Effect<Freshness> = Effect.suspend(() =>
    Effect.map(
      Effect.forEach(this.roots, (root) => root.freshness),
      (all) => this.freshnessOf(all)
    )
  )

  private freshnessOf(all: ReadonlyArray<Freshness>): Freshness {
    return Object.freeze({
      connected: this.ended === undefined && all.every(({ connected }) => connected),
      lag: ofAll(
        all.map(({ lag }) => lag),
        (a, b) => a + b
      ),
      lastFetchAt: ofAll(
        all.map(({ lastFetchAt }) => lastFetchAt),
        Math.min
      ),
      staleMillis: ofAll(
        all.map(({ staleMillis }) => staleMillis),
        Math.max
      ),
      lastFailure: all.find(({ lastFailure }) => lastFailure !== undefined)?.lastFailure,
      throttledUntil: all.reduce<number | undefined>(
        (until, { throttledUntil }) =>
          throttledUntil === undefined ? until : Math.max(until ?? throttledUntil, throttledUntil),
        undefined
      ),
      heldUpBy: all.flatMap(({ heldUpBy }) => heldUpBy)
    })
  }

  /** What a live table has of its own. */
  get own(): Own {
    return {
      status: this.statuses.ref,
      failure: Deferred.await(this.failed),
      awaitCaughtUp: (options) => this.waitFor("awaitCaughtUp", options, (root) => root.awaitCaughtUp(options)),
      barrier: (options) => this.waitFor("barrier", options, (root) => root.barrier(options)),
      awaitPosition: (position, options) => this.awaitPosition(position, options),
      freshness: this.freshness
    }
  }
}

/** What is known of all, put together; `undefined` if it is not known of one. */
const ofAll = (
  all: ReadonlyArray<number | undefined>,
  together: (a: number, b: number) => number
): number | undefined => all.reduce((a, b) => (a === undefined || b === undefined ? undefined : together(a, b)))
