/** What versions that nobody holds leave behind: nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Aggregate from "effect-ktables/Aggregate"
import * as DerivedTable from "effect-ktables/DerivedTable"
import { collectGarbage } from "../support/garbage.ts"
import { handTable } from "./handTable.ts"

/** A reference that holds nothing. A function of its own has no place of its caller in which the version would stay. */
const weakly = (source: { readonly publication: { readonly newest: object } }): WeakRef<object> =>
  new WeakRef(source.publication.newest)

describe("old versions of a source", () => {
  it.effect("are not held by tables that are made of it, by whatever way", () =>
    Effect.gen(function* () {
      const source = yield* handTable<{ readonly n: number }>()
      yield* source.write(Array.from({ length: 1000 }, (_, i) => [`k${i}`, { n: i }] as const))
      const rare = yield* DerivedTable.make(DerivedTable.from(source.table).pipe(DerivedTable.filter(({ n }) => n < 0)))
      const rarer = yield* DerivedTable.make(DerivedTable.from(rare).pipe(DerivedTable.filter(({ n }) => n < -10)))
      const groups = yield* DerivedTable.make(
        DerivedTable.from(rarer).pipe(DerivedTable.groupBy(({ n }) => n, { count: Aggregate.count }))
      )
      const old = weakly(source)
      const shown = [rare, rarer, groups].map((table) => table.unsafeSnapshot().version)
      yield* source.write(Array.from({ length: 1000 }, (_, i) => [`k${i}`, { n: i + 1 }] as const))
      for (let i = 0; i < 50 && old.deref() !== undefined; i++) {
        // What a WeakRef was asked for stays until the turn is over.
        yield* Effect.promise(() => new Promise<void>((done) => setImmediate(done)))
        collectGarbage()
      }
      assert.isUndefined(old.deref())
      // Nothing of it was another version for anybody.
      assert.deepStrictEqual(
        [rare, rarer, groups].map((table) => table.unsafeSnapshot().version),
        shown
      )
    })
  )
})
