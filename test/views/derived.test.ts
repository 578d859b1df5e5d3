import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope, Stream } from "effect"
import * as Aggregate from "effect-ktables/Aggregate"
import * as DerivedTable from "effect-ktables/DerivedTable"
import * as LiveTable from "effect-ktables/LiveTable"
import { isDeepStrictEqual } from "node:util"
import { randomOf } from "../support/random.ts"
import { ofRounds } from "../support/rounds.ts"
import { handTable } from "./handTable.ts"

interface User {
  readonly name: string
  readonly team: string | undefined
  readonly country: string
  readonly age: number
  readonly active: boolean
}

interface Team {
  readonly title: string
  readonly lead: string
}

const mapOf = <K, V>(entries: Iterable<readonly [K, V]>) =>
  new Map([...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

/** Lets all that is told be heard. */
const turns = Effect.repeat(
  Effect.promise(() => new Promise<void>((done) => setImmediate(done))),
  { times: 10 }
)

/** What the tables below must be, of what they are made of. */
const naive = (users: ReadonlyMap<string, User>, teams: ReadonlyMap<string, Team>) => {
  const active = new Map([...users].filter(([, user]) => user.active))
  const members = new Map(
    [...active].flatMap(([key, user]) => {
      const team = user.team === undefined ? undefined : teams.get(user.team)
      return team === undefined
        ? []
        : [[key, { name: user.name, country: user.country, team: team.title, age: user.age }]]
    })
  )
  const left = new Map(
    [...users].map(([key, user]) => {
      const lead = user.team === undefined ? undefined : teams.get(user.team)?.lead
      return [key, { name: user.name, lead: lead === undefined ? "?" : (users.get(lead)?.name ?? "gone") }] as const
    })
  )
  const groups = new Map<string, { n: number; ages: number; oldest: number | undefined; first: string }>()
  for (const [key, member] of [...members].sort(([a], [b]) => (a < b ? -1 : 1))) {
    void key
    const group = groups.get(member.country) ?? { n: 0, ages: 0, oldest: undefined, first: member.name }
    group.n++
    group.ages += member.age
    group.oldest = Math.max(group.oldest ?? 0, member.age)
    groups.set(member.country, group)
  }
  const share = new Map(
    [...members].map(([key, member]) => [key, `${member.name} of ${groups.get(member.country)!.n}`] as const)
  )
  return {
    active: mapOf(active),
    members: mapOf(members),
    left: mapOf(left),
    groups: mapOf(groups),
    share: mapOf(share)
  }
}

/** A graph with a diamond (share), a self-join (left), and groups of a join. */
const graph = Effect.gen(function* () {
  const users = yield* handTable<User>("users")
  const teams = yield* handTable<Team>("teams")
  const make = Effect.gen(function* () {
    const active = yield* DerivedTable.make(
      DerivedTable.from(users.table).pipe(DerivedTable.filter((user) => user.active))
    )
    const members = yield* DerivedTable.make(
      DerivedTable.from(active).pipe(
        DerivedTable.join(teams.table, {
          on: (user) => user.team,
          select: (user, team) => ({ name: user.name, country: user.country, team: team.title, age: user.age })
        })
      )
    )
    const left = yield* DerivedTable.make(
      DerivedTable.from(users.table).pipe(
        DerivedTable.leftJoin(teams.table, {
          on: (user) => user.team,
          select: (user, team) => ({ name: user.name, lead: Option.getOrUndefined(team)?.lead })
        }),
        DerivedTable.leftJoin(users.table, {
          on: (user) => user.lead,
          select: (user, lead) => ({
            name: user.name,
            lead:
              user.lead === undefined
                ? "?"
                : Option.getOrElse(
                    Option.map(lead, ({ name }) => name),
                    () => "gone"
                  )
          })
        })
      )
    )
    const groups = yield* DerivedTable.make(
      DerivedTable.from(members).pipe(
        DerivedTable.groupBy((member) => member.country, {
          n: Aggregate.count,
          ages: Aggregate.sum((member: { readonly age: number }) => member.age),
          oldest: Aggregate.max((member: { readonly age: number }) => member.age),
          first: Aggregate.first((member: { readonly name: string }) => member.name)
        })
      )
    )
    const share = yield* DerivedTable.make(
      DerivedTable.from(members).pipe(
        DerivedTable.join(groups, {
          on: (member) => member.country,
          select: (member, group) => `${member.name} of ${group.n}`
        })
      )
    )
    return { active, members, left, groups, share }
  })
  return { users, teams, make }
})

type Graph = Effect.Success<Effect.Success<typeof graph>["make"]>

const contentOf = (tables: Graph) => ({
  active: mapOf(tables.active.unsafeSnapshot()),
  members: mapOf(tables.members.unsafeSnapshot()),
  left: mapOf(tables.left.unsafeSnapshot()),
  groups: mapOf(tables.groups.unsafeSnapshot()),
  share: mapOf(tables.share.unsafeSnapshot())
})

describe("derived tables", () => {
  for (let seed = 1; seed <= ofRounds(25, 400); seed++) {
    it.effect(`are what is computed anew of their sources, at each version, whatever happens to these (${seed})`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const random = randomOf(seed)
          const below = (n: number) => Math.floor(random() * n)
          const { make, teams, users } = yield* graph
          const model = { users: new Map<string, User>(), teams: new Map<string, Team>() }
          const user = (): User => ({
            name: `n${below(5)}`,
            team: below(5) === 0 ? undefined : `t${below(4)}`,
            country: `c${below(3)}`,
            age: below(50) / 4,
            active: below(3) > 0
          })
          const change = Effect.suspend(() => {
            const kind = below(10)
            if (kind === 0) return users.compact
            if (kind === 1) return teams.compact
            if (kind < 4) {
              const rows = Array.from({ length: 1 + below(3) }, (): readonly [string, Team | undefined] => [
                `t${below(4)}`,
                below(4) === 0 ? undefined : { title: `T${below(3)}`, lead: `u${below(20)}` }
              ])
              for (const [key, value] of rows) {
                if (value === undefined) model.teams.delete(key)
                else model.teams.set(key, value)
              }
              return teams.write(rows)
            }
            const rows = Array.from({ length: 1 + below(8) }, (): readonly [string, User | undefined] => [
              `u${below(20)}`,
              below(4) === 0 ? undefined : user()
            ])
            for (const [key, value] of rows) {
              if (value === undefined) model.users.delete(key)
              else model.users.set(key, value)
            }
            return users.write(rows)
          })
          for (let i = below(10); i > 0; i--) yield* change
          const tables = yield* make
          assert.deepStrictEqual<unknown>(contentOf(tables), naive(model.users, model.teams), `built, seed ${seed}`)
          const held: Array<readonly [{ toMap: () => Map<string, unknown> }, ReadonlyMap<string, unknown>]> = []
          // What subscribers hear is what has changed.
          const told = {
            members: new Map(tables.members.unsafeSnapshot()),
            groups: new Map(tables.groups.unsafeSnapshot()),
            share: new Map(tables.share.unsafeSnapshot())
          }
          const wrong: Array<unknown> = []
          const fold = <V>(into: Map<string, V>, table: DerivedTable.DerivedTable<string, V>) =>
            Effect.forkScoped(
              Stream.runForEach(table.changesWith(LiveTable.sliding(10_000)), (change) =>
                Effect.sync(() => {
                  const before = into.get(change.key)
                  const value = change._tag === "Delete" ? undefined : change.value
                  if (!isDeepStrictEqual(Option.getOrUndefined(change.previous), before)) wrong.push(change)
                  if (isDeepStrictEqual(value, before)) wrong.push(change)
                  if (value === undefined) into.delete(change.key)
                  else into.set(change.key, value)
                })
              )
            )
          yield* fold(told.members, tables.members)
          yield* fold(told.groups, tables.groups)
          yield* fold(told.share, tables.share)
          yield* turns
          for (let i = 0; i < 40; i++) {
            yield* change
            const expected = naive(model.users, model.teams)
            assert.deepStrictEqual<unknown>(contentOf(tables), expected, `seed ${seed}, step ${i}`)
            for (const name of ["members", "groups", "share"] as const) {
              held.push([tables[name].unsafeSnapshot(), expected[name]])
            }
          }
          for (const [snapshot, expected] of held) assert.deepStrictEqual(mapOf(snapshot.toMap()), mapOf(expected))
          yield* turns
          assert.deepStrictEqual(wrong, [], `seed ${seed}`)
          for (const name of ["members", "groups", "share"] as const) {
            assert.deepStrictEqual<unknown>(
              mapOf<string, unknown>(told[name]),
              contentOf(tables)[name],
              `told, seed ${seed}`
            )
          }
        })
      )
    )
  }

  it.effect("have the first, the least and the greatest of groups of many rows, which move from one to another", () =>
    Effect.gen(function* () {
      const random = randomOf(1)
      const below = (n: number) => Math.floor(random() * n)
      const source = yield* handTable<{ readonly group: number; readonly n: number }>()
      const groups = yield* DerivedTable.make(
        DerivedTable.from(source.table).pipe(
          DerivedTable.groupBy(({ group }) => group, {
            first: Aggregate.first(({ n }: { readonly n: number }) => n),
            least: Aggregate.min(({ n }: { readonly n: number }) => n),
            most: Aggregate.max(({ n }: { readonly n: number }) => `${n}`)
          })
        )
      )
      const rows = new Map<string, { readonly group: number; readonly n: number }>()
      for (let step = 0; step < 60; step++) {
        const news = Array.from({ length: 100 }, () => {
          const row = random() < 0.2 ? undefined : { group: below(3), n: below(10_000) }
          return [`k${below(1500)}`, row] as const
        })
        for (const [key, row] of news) {
          if (row === undefined) rows.delete(key)
          else rows.set(key, row)
        }
        yield* source.write(news)
        const right = new Map<number, { first: number; least: number | undefined; most: `${number}` | undefined }>()
        for (const [, { group, n }] of mapOf(rows)) {
          const before = right.get(group)
          right.set(group, {
            first: before?.first ?? n,
            least: Math.min(before?.least ?? n, n),
            most: before?.most === undefined || `${n}` > before.most ? `${n}` : before.most
          })
        }
        assert.deepStrictEqual(mapOf(groups.unsafeSnapshot()), mapOf(right), `step ${step}`)
      }
    })
  )

  it.effect("end with their sources, and with their scope", () =>
    Effect.gen(function* () {
      const users = yield* handTable<User>()
      const scope = yield* Scope.make()
      const derived = yield* Scope.provide(
        DerivedTable.make(DerivedTable.from(users.table).pipe(DerivedTable.map((user) => user.name))),
        scope
      )
      assert.strictEqual(users.publication.views.size, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(users.publication.views.size, 0)
      assert.deepStrictEqual(Array.from(yield* Stream.runCollect(derived.changes)), [])
    })
  )
})
