/** Derived tables that come and go while their sources publish. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Scope } from "effect"
import { Aggregate, DerivedTable } from "../../src/index.ts"
import { yieldToEventLoop } from "../../src/internal/yield.ts"
import { handTable } from "./handTable.ts"

/** So long that a slice has little of it. */
const pause = (): void => {
  const end = performance.now() + 0.01
  while (performance.now() < end);
}

describe("a derived table", () => {
  it.effect("is made, and given up, while its three sources publish, and is what they are", () =>
    Effect.gen(function* () {
      const sources = [yield* handTable<number>("a"), yield* handTable<number>("b"), yield* handTable<number>("c")]
      const [a, b, c] = sources
      const keys = Array.from({ length: 400 }, (_, i) => `k${i}`)
      for (const source of sources) yield* source.write(keys.map((key) => [key, 0] as const))
      const join = (left: typeof a, right: typeof a) =>
        DerivedTable.from(left.table).pipe(
          DerivedTable.join(right.table, {
            on: (n, key) => (n % 5 === 4 ? undefined : key),
            select: (n, m) => {
              pause()
              return n * 100 + m
            }
          })
        )
      // Pairs of three sources, in one table.
      const all = join(a, b).pipe(
        DerivedTable.join(join(b, c), { on: (_, key) => key, select: (n, m) => [n, m] as const }),
        DerivedTable.leftJoin(join(c, a), { on: (_, key) => key, select: ([n, m], o) => [n, m, o] as const })
      )
      const valueOf = (key: string) => {
        const [x, y, z] = sources.map(({ table }) => table.unsafeSnapshot().getOrUndefined(key))
        if (x === undefined || y === undefined || z === undefined || x % 5 === 4 || y % 5 === 4) return undefined
        return [x * 100 + y, y * 100 + z, z % 5 === 4 ? Option.none() : Option.some(z * 100 + x)]
      }
      let round = 0
      const writing = yield* Effect.forkChild(
        Effect.forever(
          Effect.suspend(() => {
            round++
            const rows = keys.filter((_, i) => i % 7 === round % 7).map((key) => [key, round % 11] as const)
            return Effect.andThen(sources[round % 3].write(rows), yieldToEventLoop)
          })
        )
      )
      for (let i = 0; i < 6; i++) {
        const scope = yield* Scope.make()
        const making = yield* Effect.forkChild(Scope.provide(DerivedTable.make(all), scope))
        for (let turns = 0; turns < i * 2; turns++) yield* yieldToEventLoop
        if (i % 2 === 0) yield* Fiber.interrupt(making)
        else {
          const table = yield* Fiber.join(making)
          const groups = yield* Scope.provide(
            DerivedTable.make(DerivedTable.from(table).pipe(DerivedTable.groupBy(() => "all", { n: Aggregate.count }))),
            scope
          )
          for (let turns = 0; turns < 5; turns++) {
            yield* yieldToEventLoop
            const snapshot = table.unsafeSnapshot()
            for (const key of keys) assert.deepStrictEqual<unknown>(snapshot.getOrUndefined(key), valueOf(key))
            assert.deepStrictEqual(yield* groups.get("all"), Option.some({ n: snapshot.size }))
          }
        }
        yield* Scope.close(scope, Exit.void)
      }
      yield* Fiber.interrupt(writing)
      // An update that was interrupted is gone on with by the next one.
      for (const source of sources) yield* source.write([])
      for (const source of sources) {
        const { building, graph, holds, views } = source.publication
        assert.deepStrictEqual([views.size, building.size, holds, graph.isBusy], [0, 0, 0, false])
      }
      assert.isAbove(round, 10)
    })
  )
})
