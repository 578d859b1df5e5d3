/** Graphs of derived tables at random: what each of them shows and tells is what is computed anew, at each version. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope } from "effect"
import { Aggregate, Codec, DerivedTable, TableIndex } from "../../src/index.ts"
import type { ChangeLog } from "../../src/internal/table/content/changeLog.ts"
import { publicationOf } from "../../src/internal/table/publication/attaching.ts"
import type { Showing } from "../../src/internal/table/publication/shown.ts"
import type { TableChange } from "../../src/TableChange.ts"
import type { LiveTable } from "../../src/LiveTable.ts"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { assertSame } from "../support/same.ts"
import { type HandTable, handTableOf } from "./handTable.ts"

interface Pair {
  readonly a: string
  readonly b: number
}

type Key = string | number | Pair | Uint8Array

/** The rows of all tables, of whatever they are made. */
interface Row {
  readonly n: number
  readonly text: string | undefined
  readonly number: number
}

type Rows = ReadonlyMap<string, readonly [Key, Row]>

type Description = DerivedTable.Derivation<Key, Row, never>

type Table = LiveTable<Key, Row>

/** What kind of keys a table has, which tells what it is joined by. */
type Kind = "text" | "number" | "tuple" | "bytes"

interface Node {
  readonly kind: Kind
  readonly make: Effect.Effect<Description, never, Scope.Scope>
  readonly naive: () => Rows
  readonly depth: number
  /** How it is made, for what is told of a fault. */
  readonly told: string
}

const idOf = (key: Key): string => JSON.stringify(key instanceof Uint8Array ? [...key] : key)

const rowsOf = (rows: Iterable<readonly [Key, Row]>): Rows => new Map(Array.from(rows, (row) => [idOf(row[0]), row]))

const sorted = (rows: Rows) => [...rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

const bytesOf = (n: number): Uint8Array => Uint8Array.of(0xff, n % 5)

/** The key of another table that a row is joined by. Some cannot be encoded by that table. */
const keyFor = (kind: Kind, row: Row): Key | undefined => {
  switch (kind) {
    case "text":
      return row.text
    case "number":
      return row.n % 7 === 6 ? row.number + 0.5 : row.number
    case "tuple":
      return { a: row.text ?? "t0", b: row.number }
    case "bytes":
      return bytesOf(row.number)
  }
}

const broken = (row: Row): void => {
  if (row.n % 13 === 12) throw new Error("of a function")
}

/** Rows of all those for which a function does not throw. */
const each = (rows: Rows, to: (row: Row, key: Key) => Row | undefined): Rows =>
  rowsOf(
    [...rows.values()].flatMap(([key, row]): Array<[Key, Row]> => {
      try {
        const found = to(row, key)
        return found === undefined ? [] : [[key, found]]
      } catch {
        return []
      }
    })
  )

const together = (row: Row, other: Row | undefined): Row => {
  broken(row)
  return { n: (row.n + (other?.n ?? 50)) % 40, text: other?.text ?? row.text, number: (row.number + 1) % 5 }
}

const mean = Aggregate.make({
  of: (row: Row) => row.n,
  empty: { sum: 0, count: 0 },
  add: ({ count, sum }, n) => ({ sum: sum + n, count: count + 1 }),
  remove: ({ count, sum }, n) => {
    if (n === 11) throw new Error("of remove")
    return { sum: sum - n, count: count - 1 }
  },
  result: ({ count, sum }) => sum / count
})

type ByteOrder = (a: Key, b: Key) => number

const byBytes =
  (encode: (key: Key) => Buffer): ByteOrder =>
  (a, b) =>
    Buffer.compare(encode(a), encode(b))

const grouped = (rows: Rows, by: (row: Row) => Key | undefined, order: ByteOrder): Rows => {
  const groups = new Map<string, { key: Key; rows: Array<Row> }>()
  for (const [, row] of [...rows.values()].sort(([a], [b]) => order(a, b))) {
    let key: Key | undefined
    try {
      broken(row)
      key = by(row)
    } catch {
      continue
    }
    if (key === undefined) continue
    const group = groups.get(idOf(key)) ?? { key, rows: [] }
    group.rows.push(row)
    groups.set(idOf(key), group)
  }
  return rowsOf(
    Array.from(groups.values(), ({ key, rows }): [Key, Row] => {
      const numbers = rows.map(({ n }) => n)
      const sum = numbers.reduce((a, b) => a + b, 0)
      const value = { count: rows.length, sum, max: Math.max(...numbers), min: Math.min(...rows.map((r) => r.number)) }
      return [key, ofGroup({ ...value, first: rows[0].text, mean: sum / rows.length })]
    })
  )
}

const ofGroup = (group: {
  readonly count: number
  readonly sum: number
  readonly max: number | undefined
  readonly min: number | undefined
  readonly first: string | undefined
  readonly mean: number
}): Row => ({
  n: (group.count + group.sum + group.max! + Math.floor(group.mean)) % 40,
  text: group.first,
  number: group.min!
})

/** Makes graphs of three sources. */
class Graphs {
  readonly nodes: Array<Node> = []

  constructor(private readonly below: (n: number) => number) {}

  private pick<A>(of: ReadonlyArray<A>): A {
    return of[this.below(of.length)]
  }

  source(kind: Kind, { table }: HandTable<Key, Row>, rows: () => Rows): void {
    const make = Effect.succeed(DerivedTable.from(table as unknown as Table))
    this.nodes.push({ kind, make, naive: rows, depth: 0, told: kind })
  }

  /** Adds a node that is made of others. */
  grow(): void {
    const { below } = this
    const of = this.pick(this.nodes.filter(({ depth }) => depth < 4))
    const other = this.pick(this.nodes.filter(({ depth }) => depth < 4))
    const [made, told]: readonly [Omit<Node, "make" | "depth" | "told"> & { step: Step }, string] = this.step(of, other)
    const isTable = below(2) === 0
    const make = Effect.gen(function* () {
      const description = made.step(yield* of.make, yield* other.make)
      return isTable ? DerivedTable.from(yield* Effect.orDie(DerivedTable.make(description))) : description
    })
    const depth = 1 + Math.max(of.depth, other.depth)
    this.nodes.push({ kind: made.kind, naive: made.naive, make, depth, told: `${told}${isTable ? "!" : ""}` })
  }

  private step(of: Node, other: Node): readonly [Omit<Node, "make" | "depth" | "told"> & { step: Step }, string] {
    const { kind, naive } = of
    const n = 2 + this.below(3)
    switch (this.below(5)) {
      case 0: {
        const holds = (row: Row) => {
          broken(row)
          return row.n % n !== 0
        }
        const step: Step = (description) => description.pipe(DerivedTable.filter(holds))
        return [
          { kind, naive: () => each(naive(), (row) => (holds(row) ? row : undefined)), step },
          `filter(${of.told})`
        ]
      }
      case 1: {
        const to = (row: Row): Row => {
          broken(row)
          return { ...row, n: Math.floor(row.n / n) }
        }
        const step: Step = (description) => description.pipe(DerivedTable.map(to))
        return [{ kind, naive: () => each(naive(), to), step }, `map(${of.told})`]
      }
      case 2: {
        const by = (row: Row): string | number | undefined => (n === 2 ? row.n % 4 : row.text)
        const step: Step = (description) =>
          description.pipe(
            DerivedTable.groupBy(
              (row) => {
                broken(row)
                return by(row)
              },
              {
                count: Aggregate.count,
                sum: Aggregate.sum((row: Row) => row.n),
                max: Aggregate.max((row: Row) => row.n),
                min: Aggregate.min((row: Row) => row.number),
                first: Aggregate.first((row: Row) => row.text),
                mean
              }
            ),
            DerivedTable.map(ofGroup)
          ) as unknown as Description
        const order = byBytes(encoderOf(kind))
        return [
          { kind: n === 2 ? "number" : "text", naive: () => grouped(naive(), by, order), step },
          `groupBy${n}(${of.told})`
        ]
      }
      default: {
        const keepsAll = this.below(2) === 0
        const on = (row: Row) => keyFor(other.kind, row)
        const joined = () => {
          const others = other.naive()
          return each(naive(), (row) => {
            const key = on(row)
            const found = key === undefined ? undefined : others.get(idOf(key))?.[1]
            return found === undefined && !keepsAll ? undefined : together(row, found)
          })
        }
        const step: Step = (description, right) =>
          keepsAll
            ? description.pipe(
                DerivedTable.leftJoin(right, {
                  on,
                  select: (row, found) => together(row, Option.getOrUndefined(found))
                })
              )
            : description.pipe(DerivedTable.join(right, { on, select: together }))
        return [{ kind, naive: joined, step }, `${keepsAll ? "leftJoin" : "join"}(${of.told}, ${other.told})`]
      }
    }
  }
}

type Step = (of: Description, other: Description) => Description

const tuple = Codec.tuple({ a: Codec.utf8, b: Codec.int32 })

const encoderOf = (kind: Kind) => encoders[kind]

/** The order of numbers is the same for groups, whose keys are doubles, and for small keys of a topic. */
const encoders: Record<Kind, (key: Key) => Buffer> = {
  text: (key) => Buffer.from(key as string),
  number: (key) => {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(key as number)
    return bytes
  },
  tuple: (key) => Buffer.from(tuple.encodeSync(key as Pair) as Uint8Array),
  bytes: (key) => Buffer.from(key as Uint8Array)
}

/** Follows what a table tells: its states, one for each time that it tells of something. */
const follow = (table: Table) => {
  const showing = publicationOf(table) as unknown as Showing<unknown, TableChange<Key, Row>>
  const state = new Map(rowsOf(table.unsafeSnapshot()))
  const followed = { state, pushes: 0, wrong: [] as Array<unknown> }
  const push = ({ changes }: ChangeLog<TableChange<Key, Row>>) => {
    followed.pushes++
    for (const change of changes) {
      const id = idOf(change.key)
      const before = state.get(id)?.[1]
      try {
        assert.deepStrictEqual(Option.getOrUndefined(change.previous), before)
        if (change._tag === "Upsert") assert.notDeepEqual(change.value, before)
        else assert.isDefined(before)
      } catch {
        followed.wrong.push([change, before])
      }
      if (change._tag === "Delete") state.delete(id)
      else state.set(id, [change.key, change.value])
    }
  }
  return Effect.as(
    Effect.acquireRelease(
      Effect.sync(() => showing.subscriptions.listen({ push, end: () => {} })),
      (remove) => Effect.sync(remove)
    ),
    followed
  )
}

describe("graphs of derived tables", () => {
  for (let seed = 1; seed <= ofRounds(60, 1000); seed++) {
    it.effect(`show and tell what is computed anew, at each version, whatever they are made of (${seed})`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const random = randomOf(seed)
          const below = (n: number) => Math.floor(random() * n)
          const third = (["text", "tuple", "bytes"] as const)[below(3)]
          const keyOf: Record<Kind, () => Key> = {
            text: () => `t${below(8)}`,
            number: () => below(6),
            tuple: () => ({ a: `t${below(3)}`, b: below(3) }),
            bytes: () => bytesOf(below(5))
          }
          const sources: Array<{ kind: Kind; source: HandTable<Key, Row>; rows: Map<string, readonly [Key, Row]> }> = []
          const graphs = new Graphs(below)
          for (const kind of ["text", "number", third] as const) {
            const codec = { text: Codec.utf8, number: Codec.int32, tuple, bytes: Codec.bytes }[
              kind
            ] as unknown as Codec.Codec<Key>
            const source: HandTable<Key, Row> = yield* handTableOf<Key, Row>(codec, `${kind}${sources.length}`)
            const rows = new Map<string, readonly [Key, Row]>()
            sources.push({ kind, source, rows })
            graphs.source(kind, source, () => rows)
          }
          const change = Effect.suspend(() => {
            const { kind, rows, source } = sources[below(3)]
            if (below(8) === 0) return source.compact
            const news = Array.from({ length: 1 + below(8) }, (): readonly [Key, Row | undefined] => [
              keyOf[kind](),
              below(4) === 0
                ? undefined
                : { n: below(40), text: below(6) === 0 ? undefined : `t${below(8)}`, number: below(5) }
            ])
            for (const [key, row] of news) {
              if (row === undefined) rows.delete(idOf(key))
              else rows.set(idOf(key), [key, row])
            }
            return source.write(news)
          })
          for (let i = 3 + below(6); i > 0; i--) graphs.grow()
          const watched: Array<Effect.Success<typeof watch>> = []
          const watch = Effect.gen(function* () {
            const node = graphs.nodes[3 + below(graphs.nodes.length - 3)]
            const scope = yield* Scope.make()
            yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
            const table = yield* Scope.provide(Effect.flatMap(node.make, DerivedTable.make), scope)
            const followed = yield* Scope.provide(follow(table), scope)
            const index = yield* Scope.provide(
              TableIndex.attach(table, (by) => ({ n: by.sorted((row) => row.n), text: by.hash((row) => row.text) })),
              scope
            )
            const live = yield* Scope.provide(index.live({ n: { gte: 10 } }, { orderBy: "n" }), scope)
            return { node, scope, table, followed, index, live, version: table.unsafeSnapshot().version }
          })
          for (let i = below(6); i > 0; i--) yield* change
          const held: Array<readonly [Iterable<readonly [Key, Row]>, Rows]> = []
          for (let i = 0; i < 30; i++) {
            if (watched.length < 2 || below(8) === 0) watched.push(yield* watch)
            if (watched.length > 2 && below(8) === 0) {
              const [closed] = watched.splice(below(watched.length), 1)
              yield* Scope.close(closed.scope, Exit.void)
            }
            for (const each of watched) each.followed.pushes = 0
            yield* change
            for (const each of watched) {
              const { followed, index, live, node, table } = each
              const at = `seed ${seed}, step ${i}: ${node.told}`
              const expected = node.naive()
              const snapshot = table.unsafeSnapshot()
              assertSame(sorted(rowsOf(snapshot)), sorted(expected), at)
              assertSame(sorted(followed.state), sorted(expected), `told, ${at}`)
              assertSame(followed.wrong, [], at)
              assert.strictEqual(followed.pushes, snapshot.version - each.version, at)
              assert.isAtMost(followed.pushes, 1, at)
              each.version = snapshot.version
              const many = [...expected.values()].filter(([, { n }]) => n >= 10)
              const found = index.unsafeSnapshot().by("n").range({ gte: 10 })
              assertSame(sorted(rowsOf(Array.from(found, toPair))), sorted(rowsOf(many)), `index, ${at}`)
              assertSame(sorted(rowsOf([...live.unsafeCurrent()].map(toPair))), sorted(rowsOf(many)), `live, ${at}`)
              const t1 = [...index.unsafeSnapshot().by("text").get("t1")].map(toPair)
              const some = [...expected.values()].filter(([, { text }]) => text === "t1")
              assertSame(sorted(rowsOf(t1)), sorted(rowsOf(some)), `hash, ${at}`)
              held.push([snapshot, expected])
            }
          }
          for (const [snapshot, expected] of held) {
            assertSame(sorted(rowsOf(snapshot)), sorted(expected), `held, seed ${seed}`)
          }
          for (const { scope } of watched.sort(() => random() - 0.5)) yield* Scope.close(scope, Exit.void)
          for (const { source } of sources) {
            const { building, graph, holds, views } = source.publication
            assert.deepStrictEqual([views.size, building.size, holds, graph.isBusy], [0, 0, 0, false])
          }
        })
      )
    )
  }
})

const toPair = ({ key, value }: { readonly key: Key; readonly value: Row }): readonly [Key, Row] => [key, value]
