/**
 * What is made of a table of the trials: indexes, live queries, derived tables on top of each other. The functions are
 * pure, and throw for some rows. What comes of them is computed anew, in the plain way, by `naive.ts`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import {
  Aggregate,
  DerivedTable,
  TableIndex,
  type GroupedKafkaTable,
  type KafkaError,
  type LiveQuery,
  type TableSnapshot
} from "../../../src/index.ts"
import type { Table } from "../Witness.ts"

/** Other rows that the table's are joined with. */
export type Others = GroupedKafkaTable.GroupedKafkaTable<string, string, string>

/** What is written of a value in a trial: who wrote it, and the how many-th it is. */
export interface Written {
  readonly writer: string
  readonly serial: number
}

/** Values begin with `writer-serial`; those of others have no serial number. */
export const writtenIn = (value: string): Written => {
  const [id] = value.split(" ", 1)
  const dash = id.lastIndexOf("-")
  return dash === -1 ? { writer: id, serial: 0 } : { writer: id.slice(0, dash), serial: Number(id.slice(dash + 1)) }
}

/** There are so many keys of the unique index: rows have the same one again and again. */
export const SERIALS = 60

/** Fails for some rows, as the functions of users may. */
export const sound = (value: string): Written => {
  const written = writtenIn(value)
  if (written.serial % 13 === 5) throw new Error("of a user's function")
  return written
}

export const defineIndexes = (index: TableIndex.Builder<string, string>) => ({
  serial: index.unique((value) => writtenIn(value).serial % SERIALS),
  writer: index.hash((value) => sound(value).writer),
  digit: index.multi((_, key) => new Set(key.replace(/\D/g, ""))),
  size: index.sorted((value) => value.length, { where: (value) => value.length % 4 !== 0 })
})

export type Ix = ReturnType<typeof defineIndexes>

/** The live queries: one with an order and a limit, one without. */
export const TOP = [{ size: { gte: 40 } }, { orderBy: "size", reverse: true, limit: 15 }] as const
export const SOME = [{ writer: "patient", digit: "1" }, {}] as const

export interface Joined extends Written {
  readonly size: number
  /** The value of the other row; none if there is no such row. */
  readonly other: string | undefined
}

export const otherKeyOf = (value: string) => {
  const { serial, writer } = writtenIn(value)
  return { group: writer, member: `${serial % 5}` }
}

export const isJoined = (value: string): boolean => writtenIn(value).writer !== "many"

export const joinedOf = (value: string, other: string | undefined): Joined => ({
  ...sound(value),
  size: value.length,
  other
})

export interface Group {
  readonly rows: number
  readonly bytes: number
  readonly most: number | undefined
  readonly first: number
}

/** A row with the group that it is in: both are made of the same tables, so this is so at every moment. */
export interface Share extends Joined {
  readonly of: Group | undefined
}

const description = (table: Table, others: Others) =>
  DerivedTable.from(table).pipe(
    DerivedTable.filter(isJoined),
    DerivedTable.leftJoin(others.table, {
      on: otherKeyOf,
      select: (value, other) => joinedOf(value, Option.getOrUndefined(other))
    })
  )

export interface Views {
  readonly table: Table
  readonly others: Others
  readonly indexed: TableIndex.Attached<string, string, TableSnapshot.RecordEntry<string, string>, Ix>
  readonly top: LiveQuery.LiveQuery<string, string, TableSnapshot.RecordEntry<string, string>>
  readonly some: LiveQuery.LiveQuery<string, string, TableSnapshot.RecordEntry<string, string>>
  readonly joined: DerivedTable.DerivedTable<string, Joined>
  readonly groups: DerivedTable.DerivedTable<string, Group>
  /** Of `joined` and `groups`, which is made of `joined`. */
  readonly shares: DerivedTable.DerivedTable<string, Share>
}

/** Makes all of them, for as long as the scope is open. */
export const make = (table: Table, others: Others): Effect.Effect<Views, KafkaError.InvalidOptionsError, Scope.Scope> =>
  Effect.gen(function* () {
    const indexed = yield* TableIndex.attach(table, defineIndexes)
    const top = yield* indexed.live(...TOP)
    const some = yield* indexed.live(...SOME)
    const joined: Views["joined"] = yield* DerivedTable.make(description(table, others))
    const groups: Views["groups"] = yield* DerivedTable.make(
      DerivedTable.from(joined).pipe(
        DerivedTable.groupBy(({ writer }) => writer, {
          rows: Aggregate.count,
          bytes: Aggregate.sum(({ size }: Joined) => size),
          most: Aggregate.max(({ size }: Joined) => size),
          first: Aggregate.first(({ serial }: Joined) => serial)
        })
      )
    )
    const shares: Views["shares"] = yield* DerivedTable.make(
      DerivedTable.from(joined).pipe(
        DerivedTable.leftJoin(groups, {
          on: ({ writer }) => writer,
          select: (row, of): Share => ({ ...row, of: Option.getOrUndefined(of) })
        })
      )
    )
    return { table, others, indexed, top, some, joined, groups, shares }
  })
