/** Who starts from a content and does what the changes say: each change has to fit, and to lead to what is shown. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LiveTable, type TableChange } from "../../../src/index.ts"

/** Nothing is left out for one who is slow, and nobody is made to wait for him. */
const everything = { strategy: LiveTable.backPressure(1_000_000) }

type Pairs = Iterable<readonly [key: unknown, value: unknown]>

interface Subscribed {
  readonly start: Pairs
  readonly changes: Stream.Stream<TableChange.TableChange<unknown, unknown>, LiveTable.TableFailure>
}

/** What can be followed. */
export interface Followed {
  readonly name: string
  readonly subscribe: Effect.Effect<Subscribed, never, Scope.Scope>
  /** What is shown now. */
  readonly now: () => Pairs
}

/** As far as a table can be followed, with keys and values of any type. */
interface Table {
  readonly subscribe: (options: typeof everything) => Effect.Effect<
    {
      readonly snapshot: Pairs
      readonly changes: Subscribed["changes"]
    },
    never,
    Scope.Scope
  >
  readonly unsafeSnapshot: () => Pairs
}

export const followedTable = (name: string, table: Table): Followed => ({
  name,
  subscribe: Effect.map(table.subscribe(everything), ({ changes, snapshot }) => ({ start: snapshot, changes })),
  now: () => table.unsafeSnapshot()
})

/** As far as a live query can be followed. */
interface Live {
  readonly subscribe: (options: typeof everything) => Effect.Effect<
    {
      readonly result: Iterable<{ readonly key: unknown; readonly value: unknown }>
      readonly changes: Subscribed["changes"]
    },
    never,
    Scope.Scope
  >
  readonly unsafeCurrent: () => Iterable<{ readonly key: unknown; readonly value: unknown }>
}

export const followedQuery = (name: string, live: Live): Followed => {
  const pairs = (result: ReturnType<Live["unsafeCurrent"]>) =>
    Array.from(result, ({ key, value }) => [key, value] as const)
  return {
    name,
    subscribe: Effect.map(live.subscribe(everything), ({ changes, result }) => ({ start: pairs(result), changes })),
    now: () => pairs(live.unsafeCurrent())
  }
}

const textOf = (value: unknown): string => JSON.stringify(value)

const contentOf = (pairs: Pairs): Map<string, string> =>
  new Map(Array.from(pairs, ([key, value]) => [textOf(key), textOf(value)]))

export class Follower {
  /** Changes that did not fit. */
  readonly wrong: Array<string> = []
  /** How many changes it was told. */
  changes = 0
  /** How the stream ended; `undefined` while it goes on. */
  ended: Exit.Exit<void, LiveTable.TableFailure> | undefined
  private readonly known: Map<string, string>

  private constructor(
    private readonly followed: Followed,
    start: Pairs
  ) {
    this.known = contentOf(start)
  }

  /** Follows for as long as the scope is open. */
  static start(followed: Followed): Effect.Effect<Follower, never, Scope.Scope> {
    return Effect.gen(function* () {
      const { changes, start } = yield* followed.subscribe
      const follower = new Follower(followed, start)
      const run = Stream.runForEach(changes, (change) => Effect.sync(() => follower.take(change)))
      yield* Effect.forkScoped(
        Effect.map(Effect.exit(run), (exit) => {
          follower.ended = exit
        })
      )
      return follower
    })
  }

  private take(change: TableChange.TableChange<unknown, unknown>): void {
    this.changes++
    const key = textOf(change.key)
    const known = this.known.get(key)
    const previous = Option.getOrUndefined(Option.map(change.previous, textOf))
    if (previous !== known)
      this.wrong.push(`${key} was ${previous ?? "nothing"} by its change, and ${known ?? "nothing"}`)
    if (change._tag === "Upsert") this.known.set(key, textOf(change.value))
    else {
      if (known === undefined) this.wrong.push(`${key} is deleted, and was not there`)
      this.known.delete(key)
    }
  }

  get name(): string {
    return this.followed.name
  }

  /** Where it differs from what is shown now: it may be a moment behind. */
  differences(): ReadonlyArray<string> {
    const now = contentOf(this.followed.now())
    const keys = new Set([...now.keys(), ...this.known.keys()])
    return Array.from(keys).flatMap((key) => {
      const [shown, known] = [now.get(key), this.known.get(key)]
      return shown === known ? [] : [`${key} is ${shown ?? "nothing"}, and was told to be ${known ?? "nothing"}`]
    })
  }
}
