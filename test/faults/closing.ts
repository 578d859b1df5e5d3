/** Closing, and interruption, at any time. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { identity } from "effect/Function"
import { assert } from "vitest"
import { failureOf } from "../support/exits.ts"
import { LiveTable, Position } from "../../src/index.ts"
import { catalogOn, part } from "../catalog/support.ts"
import { topicName } from "../kafka/realKafka.ts"
import { leftovers } from "../support/leftovers.ts"
import { client, type Lab } from "./lab.ts"
import { compacted, openTable, openWriter } from "./openings.ts"
import { CLOSE_LIMIT_MILLIS } from "./oracle.ts"
import type { Proxy } from "./Proxy.ts"
import { bothSides, type Scenario } from "./rows.ts"
import { replica } from "./views/copies.ts"
import * as Groups from "./views/groups.ts"
import { make } from "./views/made.ts"
import { topicsBeside } from "./views/verdict.ts"
import { watchable } from "./views/watched.ts"
import type { Table } from "./Witness.ts"

/** What may have become of the network. */
export const states: Readonly<Record<string, (proxy: Proxy) => Effect.Effect<void, never, Scope.Scope>>> = {
  up: () => Effect.void,
  slow: (proxy) => proxy.delay(100),
  silent: (proxy) => proxy.stall(),
  refused: (proxy) => proxy.refuse,
  "half-open": (proxy) => proxy.halfOpen()
}

/** The states in which writes are acknowledged: in time, as long as it is no moment that is given for that. */
const isOpen = (state: string): boolean => state === "up" || state === "slow"

const closingIn = (state: string) => ({ closeTimeout: isOpen(state) ? "1 minute" : "2 seconds" }) as const

const openGroups = (lab: Pick<Lab, "brokers">, clientId: string, topic: string) =>
  Effect.flatMap(client(lab, clientId), (own) => Groups.openTable(own, topic))

const openCatalog = (state: string) => (lab: Pick<Lab, "brokers">, clientId: string, topic: string) =>
  Effect.flatMap(client(lab, clientId), (own) => catalogOn(own, topic, closingIn(state)))

/** All that can be made of a table, and what is waited for of it: streams that end with the table, and an insert. */
const openOnTop = (lab: Lab, table: Table, state: string) =>
  Effect.gen(function* () {
    const topics = topicsBeside(table.topic)
    const others = yield* openGroups(lab, "groups", topics.groups)
    const catalog = yield* openCatalog(state)(lab, "catalog", topics.catalog)
    const { groups, indexed, joined, shares, top } = yield* make(table, others)
    const { feed } = yield* replica("reader", table, identity)
    return {
      joined: Stream.runDrain(joined.changes),
      groups: Stream.runDrain(groups.changesWith(LiveTable.backPressure(10))),
      shares: Stream.runDrain(shares.watch("a")),
      top: Stream.runDrain(top.changes),
      result: Stream.runDrain(top.result.changes),
      problems: Stream.runDrain(indexed.by("writer").problems),
      feed: Stream.runDrain(feed.stream()),
      group: Stream.runDrain(others.watchGroup("a")),
      records: Stream.runDrain(catalog.changes),
      insert: Effect.asVoid(catalog.insert(part("a", "b", "c")))
    }
  })

/** Does something with all members of an object. */
const mapped = <Names extends string, A, B>(of: Readonly<Record<Names, A>>, f: (one: A) => B): Record<Names, B> =>
  Object.fromEntries(Object.entries<A>(of).map(([name, one]) => [name, f(one)])) as Record<Names, B>

export const scenario: Scenario = {
  name: "closed and interrupted, whatever the network does",
  covers: bothSides("closed"),
  run: (lab) =>
    Effect.gen(function* () {
      const { java, proxies } = lab
      const connections = Effect.sync(() => proxies[0].open())
      const nothing = { connections: 0, fibers: 0, timers: 0 }
      for (const [i, [state, begin]] of Object.entries(states).entries()) {
        /** Whether the table is closed before what is made of it. */
        const isFromBelow = i % 2 === 0
        const topic = topicName()
        for (const one of [topic, ...Object.values(topicsBeside(topic))]) {
          yield* java.createTopic(one, { partitions: 2, configs: compacted })
        }
        const outer = yield* Effect.scope
        const network = yield* Scope.fork(outer, outer.strategy)
        const closed = yield* leftovers(
          Effect.gen(function* () {
            const scope = yield* Effect.scope
            const below = yield* Scope.fork(scope, scope.strategy)
            const table = yield* Scope.provide(openTable(lab, "reader", topic, watchable), below)
            const onTop = yield* openOnTop(lab, table, state)
            // What is last is closed first.
            if (isFromBelow) yield* Effect.addFinalizer(() => Scope.close(below, Exit.void))
            const writer = yield* openWriter(lab, "writer", topic, closingIn(state))
            yield* table.awaitPosition(yield* writer.set("a", "1"))
            yield* Scope.provide(begin(proxies[0]), network)
            const far = Position.make({ topic, partition: 0, offset: 1_000_000 })
            return yield* Effect.all({
              write: Effect.forkDetach(Effect.exit(writer.set("b", "1"))),
              wait: Effect.forkDetach(Effect.exit(table.awaitPosition(far))),
              ...mapped(onTop, (one) => Effect.forkDetach(Effect.exit(one)))
            }).pipe(Effect.tap(Effect.sleep("200 millis")))
          }),
          { connections }
        )
        if (Exit.isFailure(closed.exit)) return yield* Effect.failCause(closed.exit.cause)
        const { millisToClose, ...left } = closed.left
        assert.deepStrictEqual(left, nothing, `${state}, ${closed.told}`)
        assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS, state)
        const { insert, wait, write, ...streams } = closed.exit.value
        // not joined: that would make their scope, which is closed, the present one
        const waited = yield* Effect.flatten(Fiber.await(wait))
        assert.strictEqual(failureOf(waited)._tag, "KafkaTableClosedError", state)
        const written = yield* Effect.flatten(Fiber.await(write))
        if (isOpen(state)) assert.isTrue(Exit.isSuccess(written), state)
        // another connection may have got through in time
        else if (state !== "half-open" || Exit.isFailure(written)) {
          assert.include(["UnknownOutcome", "Closed"], failureOf(written).reason, state)
        }

        for (const [name, stream] of Object.entries(streams)) {
          assert.deepStrictEqual(yield* Effect.flatten(Fiber.await(stream)), Exit.void, `${state}, ${name}`)
        }
        const inserted = yield* Effect.flatten(Fiber.await(insert))
        if (Exit.isFailure(inserted)) {
          assert.include(["KafkaWriteError", "KafkaTableClosedError"], failureOf(inserted)._tag, state)
        }

        // and before it is there at all
        for (const open of [openTable, openWriter, openGroups, openCatalog(state)]) {
          const { left, told } = yield* leftovers(
            Effect.asVoid<unknown, unknown, Scope.Scope>(open(lab, "early", topic)),
            {
              connections,
              interruptAfter: "150 millis"
            }
          )
          const { millisToClose, ...rest } = left
          assert.deepStrictEqual(rest, nothing, `${state}, acquiring, ${told}`)
          assert.isBelow(millisToClose, CLOSE_LIMIT_MILLIS, `${state}, acquiring`)
        }
        yield* Scope.close(network, Exit.void)

        if (Exit.isSuccess(written)) {
          const found = (yield* java.dump(topic)).map(({ key }) => key?.toString())
          assert.include(found, "b", state)
        }
      }
    })
}
