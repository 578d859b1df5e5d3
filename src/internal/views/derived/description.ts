/** How derived tables are described. The public module has the types of all of this. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Prototype } from "effect/Pipeable"
import * as Stream from "effect/Stream"
import type { Aggregate } from "../../../Aggregate.ts"
import type { IndexKey } from "../../../TableIndex.ts"
import type { AggregateParts } from "./accumulator.ts"
import { type Description, type Step, withStep } from "./query.ts"

interface Derivation {
  readonly description: Description
}

const derivation = (description: Description) => ({ ...Prototype, description })

const isDerivation = (source: object): source is Derivation => "description" in source

/** What a table, a tag, or what was derived of one is made of. */
export const describe = (source: object): Description =>
  isDerivation(source) ? source.description : { _tag: "Source", source }

type AnyFunction = (...args: ReadonlyArray<never>) => unknown

const step =
  (made: Step) =>
  (self: Derivation): never =>
    // The public types say of what it is.
    derivation(withStep(self.description, made)) as never

/** @internal */
export const from = (source: object): never => derivation(describe(source)) as never

/** @internal */
export const filter = (holds: AnyFunction): never =>
  step({ _tag: "Filter", holds: holds as (value: unknown, key: unknown) => boolean }) as never

/** @internal */
export const map = (to: AnyFunction): never =>
  step({ _tag: "Map", to: to as (value: unknown, key: unknown) => unknown }) as never

interface JoinGiven {
  readonly on: AnyFunction
  readonly select: AnyFunction
}

/** @internal */
export const join = (other: object, { on, select }: JoinGiven): never => {
  const selected = select as (value: unknown, other: unknown, key: unknown) => unknown
  return step({
    _tag: "Join",
    right: describe(other),
    on: on as (value: unknown, key: unknown) => unknown,
    select: (value, found, _, key) => selected(value, found, key),
    keepsAll: false
  }) as never
}

/** @internal */
export const leftJoin = (other: object, { on, select }: JoinGiven): never => {
  const selected = select as (value: unknown, other: Option.Option<unknown>, key: unknown) => unknown
  return step({
    _tag: "Join",
    right: describe(other),
    on: on as (value: unknown, key: unknown) => unknown,
    select: (value, found, isFound, key) => selected(value, isFound ? Option.some(found) : Option.none(), key),
    keepsAll: true
  }) as never
}

/** @internal */
export const groupBy = (
  by: AnyFunction,
  aggregates: Readonly<Record<string, Aggregate<never, never, unknown>>>
): never => {
  const parts: Record<string, AggregateParts> = Object.fromEntries(
    Object.entries(aggregates).map(([name, aggregate]) => [name, aggregate.parts as AggregateParts])
  )
  return ((self: Derivation) =>
    derivation({
      _tag: "Group",
      of: self.description,
      by: by as (value: unknown, key: unknown) => IndexKey | undefined,
      aggregates: parts
    })) as never
}

interface Lookup {
  readonly get: (key: never) => Effect.Effect<Option.Option<unknown>>
}

interface LookupGiven {
  readonly on: (element: never) => unknown
  readonly select: (element: never, found: never) => unknown
}

/** What a table has for an element at this moment. */
const lookedUp = (table: Lookup, on: LookupGiven["on"], element: unknown): Effect.Effect<Option.Option<unknown>> =>
  Effect.suspend(() => {
    const key = on(element as never)
    return key === undefined ? Effect.succeedNone : table.get(key as never)
  })

/** @internal */
export const lookupLeftJoin = (table: Lookup, { on, select }: LookupGiven): never =>
  ((self: Stream.Stream<unknown, unknown, unknown>) =>
    Stream.mapEffect(self, (element) =>
      Effect.map(lookedUp(table, on, element), (found) => select(element as never, found as never))
    )) as never

/** @internal */
export const lookupJoin = (table: Lookup, { on, select }: LookupGiven): never =>
  ((self: Stream.Stream<unknown, unknown, unknown>) =>
    self.pipe(
      Stream.mapEffect((element) =>
        Effect.map(
          lookedUp(table, on, element),
          Option.map((found) => [select(element as never, found as never)] as const)
        )
      ),
      Stream.filter(Option.isSome),
      Stream.map((found) => found.value[0])
    )) as never
