/** Views of a table in a scenario of its own, without a load: they are watched, and judged when they are asked about. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { assert } from "vitest"
import type { LiveTable } from "../../../src/index.ts"
import { failureOf } from "../../support/exits.ts"
import { eventually } from "../../support/live.ts"
import { randomOf } from "../../support/random.ts"
import { client, type Lab } from "../lab.ts"
import { compacted } from "../openings.ts"
import type { Table } from "../Witness.ts"
import { CopyWitness, replica } from "./copies.ts"
import * as Groups from "./groups.ts"
import { make } from "./made.ts"
import { history } from "./riding.ts"
import { topicsBeside } from "./verdict.ts"
import { ViewWitness } from "./ViewWitness.ts"

/** What a table needs to be watched. */
export const watchable = { history }

export interface Watched {
  /** Waits until all that was told is known, and asserts that nothing was wrong: of a table that goes on. */
  readonly areRight: Effect.Effect<void>
  /** Asserts the same of a table that has ended with this error, and that all that is made of it has ended so. */
  readonly haveEndedWith: (error: LiveTable.TableFailure) => Effect.Effect<void>
}

/** Makes views of a table, and watches them for as long as the scope is open. */
export const watch = (lab: Pick<Lab, "brokers" | "java">, table: Table): Effect.Effect<Watched, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { groups } = topicsBeside(table.topic)
    yield* lab.java.createTopic(groups, { configs: compacted })
    yield* lab.java.produce(groups, [{ key: "3:old1", value: "another row" }])
    const views = yield* make(table, yield* Groups.openTable(yield* client(lab, "companion"), groups))
    const witness = new ViewWitness()
    const { findings } = witness
    yield* witness.watch(views)
    const copy = new CopyWitness([yield* replica("reader", table, identity)], findings, randomOf(1))
    yield* Effect.forkScoped(Effect.exit(copy.watch))
    const isTold = Effect.sync(() => witness.isSettled)
    const areSound = Effect.sync(() => {
      witness.look(views)
      witness.finish()
      assert.deepStrictEqual(findings.list, [])
    })
    return {
      areRight: Effect.gen(function* () {
        yield* eventually(isTold, identity)
        yield* Effect.orDie(copy.settle(10_000))
        yield* areSound
      }),
      haveEndedWith: (error) =>
        Effect.gen(function* () {
          const own = witness.followers.filter(({ name }) => name !== "others")
          yield* eventually(
            Effect.sync(() => own.map(({ ended, name }) => [name, ended?._tag])),
            (ends) => ends.every(([, tag]) => tag === "Failure")
          )
          for (const { ended, name } of own) assert.strictEqual(failureOf(ended!), error, name)
          assert.strictEqual(yield* Effect.flip(views.shares.failure), error)
          const status = yield* SubscriptionRef.get(views.groups.status)
          assert.deepStrictEqual(status, { _tag: "Failed", error, healing: false })
          const exit = yield* Effect.exit(views.joined.barrier())
          assert.isTrue(Exit.isFailure(exit))
          // Who comes back is told the last content, and then the error.
          assert.strictEqual(failureOf(yield* Effect.exit(copy.settle(1_000))), error)
          yield* areSound
        })
    }
  })
