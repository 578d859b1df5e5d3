/** What a table and all that is made of it show, and when: with a view that mirrors the table. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Schedule, Scope, Stream } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { KafkaTable, TableChange, TableSnapshot } from "../../src/index.ts"
import { Position } from "../../src/index.ts"
import { attachTo, Publication, type View } from "../../src/internal/table/publication/publication.ts"
import { Waiters } from "../../src/internal/table/publication/waiters.ts"
import { it } from "../support/ManualClock.ts"
import { open, settle, topic, until, withTopic } from "./support.ts"

type Table = KafkaTable.KafkaTable<string, string>
type Snapshot = TableSnapshot.RecordSnapshot<string, string>
type Change = TableChange.RecordChange<string, string>
type Content = ReadonlyMap<string, string>

const STEP = 50

/** The same content as the table's, with what it was asked to do. */
class Mirror implements View<Snapshot, Change> {
  private content = new Map<string, string>()
  shown: Content = new Map()
  /** The size of each snapshot that it was built from. */
  readonly builds: Array<number> = []
  /** How many changes each update had. */
  readonly updates: Array<number> = []
  onShow: () => void = () => {}
  onTell: () => void = () => {};

  *build(snapshot: Snapshot): Generator<void, void> {
    this.builds.push(snapshot.size)
    this.content = new Map()
    for (const [key, value] of snapshot) {
      this.content.set(key, value)
      if (this.content.size % STEP === 0) yield
    }
  }

  *apply(changes: ReadonlyArray<Change>): Generator<void, void> {
    this.updates.push(changes.length)
    for (const [i, change] of changes.entries()) {
      if (change._tag === "Upsert") this.content.set(change.key, change.value)
      else this.content.delete(change.key)
      if (i % STEP === STEP - 1) yield
    }
  }

  show(): void {
    this.shown = new Map(this.content)
    this.onShow()
  }

  tell(): void {
    this.onTell()
  }

  /** How it was ended, each time. */
  readonly ends: Array<Exit.Exit<void, unknown>> = []

  end(how: Exit.Exit<void, unknown>): void {
    this.ends.push(how)
  }
}

/** Without what it is built from. */
const viewOf = (mirror: Mirror): Omit<View<Snapshot, Change>, "build"> => ({
  apply: (changes) => mirror.apply(changes),
  show: () => mirror.show(),
  tell: () => mirror.tell(),
  end: (how) => mirror.end(how)
})

const mirrored = (table: Table) =>
  Effect.tap(
    Effect.sync(() => new Mirror()),
    (mirror) => attachTo(table, mirror)
  )

const same = (table: Table, mirror: Mirror): void =>
  assert.deepStrictEqual(new Map(mirror.shown), table.unsafeSnapshot().toMap())

const records = (count: number, value: string, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${from + i}`, value }))

const turn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

describe("a view that throws", () => {
  const broken = new Error("of the view")

  for (const [name, broke] of [
    [
      "taking changes in",
      (mirror: Mirror) => {
        mirror.apply = () => {
          throw broken
        }
      }
    ],
    [
      "in the middle of taking changes in",
      (mirror: Mirror) => {
        mirror.apply = function* () {
          yield
          throw broken
        }
      }
    ],
    [
      "showing",
      (mirror: Mirror) => {
        mirror.onShow = () => {
          throw broken
        }
      }
    ],
    [
      "telling",
      (mirror: Mirror) => {
        mirror.onTell = () => {
          throw broken
        }
      }
    ]
  ] as const) {
    it.effect(`${name}: it is taken out and told so, the table and its other views go on`, () =>
      Effect.gen(function* () {
        const cluster = withTopic()
        const table = yield* open(cluster)
        const [before, failing, after] = [yield* mirrored(table), yield* mirrored(table), yield* mirrored(table)]
        broke(failing)
        // Its last word is of no more consequence than the others.
        const { ends } = failing
        failing.end = (how) => {
          ends.push(how)
          throw broken
        }
        cluster.append(topic, records(200, "1"))
        yield* until(() => table.unsafeSnapshot().size === 200)
        for (const mirror of [before, after]) same(table, mirror)
        assert.deepStrictEqual(ends, [Exit.die(broken)])
        cluster.append(topic, records(1, "2"))
        yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "2")
        for (const mirror of [before, after]) {
          same(table, mirror)
          assert.deepStrictEqual(mirror.ends, [])
        }
        assert.lengthOf(ends, 1)
      })
    )
  }

  it.effect("while it is built: for who attaches it, and the table goes on", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(100, "1"))
      const table = yield* open(cluster)
      const mirror = new Mirror()
      mirror.build = () => {
        throw broken
      }
      assert.deepStrictEqual(yield* Effect.exit(attachTo(table, mirror)), Exit.die(broken))
      cluster.append(topic, records(1, "2"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "2")
      assert.deepStrictEqual([mirror.updates, mirror.ends], [[], []])
    })
  )
})

describe("a view whose table ends", () => {
  it.effect("by being closed is told so, once, and one that is attached later, too", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(3, "1"))
      const scope = yield* Scope.make()
      const table = yield* Scope.provide(open(cluster), scope)
      const [early, gone] = [yield* mirrored(table), new Mirror()]
      yield* Effect.scoped(attachTo(table, gone))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(early.ends, [Exit.void])
      assert.deepStrictEqual(gone.ends, [])
      const late = yield* mirrored(table)
      assert.deepStrictEqual(late.ends, [Exit.void])
      same(table, late)
    })
  )

  it.effect("by a failure is told which, and shows what the table shows", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(3, "1"))
      const table = yield* open(cluster)
      const mirror = yield* mirrored(table)
      cluster.deleteTopic(topic)
      yield* until(() => mirror.ends.length > 0)
      const error = yield* Effect.flip(table.failure)
      assert.strictEqual(error.reason, "Deleted")
      assert.deepStrictEqual(mirror.ends, [Exit.fail(error)])
      same(table, mirror)
    })
  )
})

describe("a view of a table", () => {
  it.effect("is built in bulk from what there is, and follows: the replay is not fed to it", () =>
    Effect.gen(function* () {
      const cluster = withTopic(2)
      for (let i = 0; i < 20; i++) cluster.append(topic, records(30, `${i}`), i % 2)
      const table = yield* open(cluster)
      const mirror = yield* mirrored(table)
      assert.deepStrictEqual([mirror.builds, mirror.updates], [[30], []])
      same(table, mirror)
      cluster.append(topic, records(2, "next"))
      yield* until(() => mirror.updates.length === 1)
      assert.deepStrictEqual([mirror.builds, mirror.updates], [[30], [2]])
      same(table, mirror)
    })
  )

  it.effect("of a table that is empty has nothing, and follows", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const mirror = yield* mirrored(table)
      assert.deepStrictEqual([mirror.builds, mirror.shown.size], [[0], 0])
      cluster.append(topic, [{ key: "a", value: "1" }])
      yield* until(() => mirror.shown.size === 1)
      cluster.append(topic, [{ key: "a", value: null }])
      yield* until(() => mirror.shown.size === 0)
      same(table, mirror)
    })
  )

  it.effect("is never behind: whoever is told of a version, in any way, finds it in the view", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const mirror = yield* mirrored(table)
      const seen = { changes: 0, snapshots: 0, waits: 0 }
      yield* Effect.forkScoped(
        Stream.runForEach(table.changes, ({ key }) =>
          Effect.sync(() => {
            seen.changes++
            assert.isTrue(mirror.shown.has(key))
            same(table, mirror)
          })
        )
      )
      yield* Effect.forkScoped(
        Stream.runForEach(SubscriptionRef.changes(table.ref), (snapshot) =>
          Effect.sync(() => {
            seen.snapshots++
            for (const key of snapshot.keys()) assert.isTrue(mirror.shown.has(key))
          })
        )
      )
      yield* settle
      for (let i = 0; i < 20; i++) {
        const waiting = yield* Effect.forkChild(
          Effect.map(table.awaitPosition(Position.make({ topic, partition: 0, offset: i })), () => {
            seen.waits++
            assert.isTrue(mirror.shown.has(`k${i}`))
          })
        )
        cluster.append(topic, records(1, "1", i))
        yield* until(() => seen.waits === i + 1)
        yield* Fiber.join(waiting)
      }
      yield* settle
      assert.deepStrictEqual(seen, { changes: 20, snapshots: 21, waits: 20 })
    })
  )

  it.effect("shows with the snapshot, before positions, and tells after them", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      const table = yield* open(cluster)
      const mirror = yield* mirrored(table)
      const order: Array<readonly [string, version: number, position: number]> = []
      const note = (what: string) => () => {
        const [{ position }] = Effect.runSync(table.stats).partitions
        order.push([what, table.unsafeSnapshot().version, position])
      }
      const before = table.unsafeSnapshot().version
      mirror.onShow = note("shown")
      mirror.onTell = note("told")
      cluster.append(topic, records(3, "1"))
      yield* until(() => order.length === 2)
      assert.deepStrictEqual(order, [
        ["shown", before, 0],
        ["told", before + 1, 3]
      ])
    })
  )

  it.effect("never shows half an update, however long it takes: the table waits with it", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(100, "0"))
      const table = yield* open(cluster)
      const slow = new Mirror()
      const { apply } = slow
      let steps = 0
      // a step of several milliseconds
      slow.apply = function* (changes) {
        for (const _ of apply.call(slow, changes)) {
          steps++
          const until = performance.now() + 4
          while (performance.now() < until);
          yield
        }
      }
      yield* attachTo(table, slow)
      const versions = new Set<number>()
      const watching = yield* Effect.forkChild(
        Effect.forever(
          Effect.andThen(
            turn,
            Effect.sync(() => {
              versions.add(table.unsafeSnapshot().version)
              same(table, slow)
              assert.include(
                [new Set(["0"]), new Set(["1"])].map((s) => [...s][0]),
                [...new Set(slow.shown.values())][0]
              )
              assert.strictEqual(new Set(slow.shown.values()).size, 1)
            })
          )
        )
      )
      cluster.append(topic, records(2_000, "1"))
      yield* until(() => slow.shown.size === 2_000)
      yield* turn
      assert.isAtLeast(steps, 40)
      assert.strictEqual(versions.size, 2)
      yield* Fiber.interrupt(watching)
    })
  )

  it.effect("is built while the table goes on, and has what came meanwhile", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(500, "0"))
      const table = yield* open(cluster)
      const mirror = new Mirror()
      const { build } = mirror
      const begun = yield* Deferred.make<void>()
      let mayEnd = false
      mirror.build = function* (snapshot) {
        yield* build.call(mirror, snapshot)
        Deferred.doneUnsafe(begun, Exit.void)
        while (!mayEnd) yield
      }
      const attaching = yield* Effect.forkChild(attachTo(table, mirror))
      yield* Deferred.await(begun)
      cluster.append(topic, [...records(5, "1"), { key: "k7", value: null }])
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "1")
      cluster.append(topic, records(5, "2"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "2")
      assert.strictEqual(mirror.shown.size, 0)
      mayEnd = true
      yield* Fiber.join(attaching)
      assert.deepStrictEqual(mirror.builds, [500])
      same(table, mirror)
      cluster.append(topic, records(1, "3"))
      yield* until(() => mirror.shown.get("k0") === "3")
      same(table, mirror)
    })
  )

  it.effect("is dropped with its scope, also while it is being built", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(10, "0"))
      const table = yield* open(cluster)
      const scope = yield* Scope.make()
      const mirror = yield* Scope.provide(mirrored(table), scope)
      const endless = new Mirror()
      endless.build = function* () {
        while (true) yield
      }
      const building = yield* Effect.forkChild(Effect.scoped(attachTo(table, endless)))
      yield* turn
      cluster.append(topic, records(1, "1"))
      yield* until(() => mirror.updates.length === 1)
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.interrupt(building)
      cluster.append(topic, records(1, "2"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "2")
      assert.deepStrictEqual([mirror.updates.length, mirror.shown.get("k0")], [1, "1"])
      assert.deepStrictEqual([endless.updates, endless.shown.size], [[], 0])
    })
  )

  it.effect("gets another life of the topic as one update, when the replay of that is complete", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(300, "old"))
      const table = yield* open(cluster, { restart: Schedule.spaced("1 second") })
      const mirror = yield* mirrored(table)
      cluster.createTopic(topic)
      for (let i = 0; i < 10; i++) cluster.append(topic, records(20, `new ${i}`))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "new 9")
      same(table, mirror)
      assert.deepStrictEqual([mirror.builds, mirror.updates], [[300], [300]])
    })
  )

  it.effect("of a table whose reader has ended shows what the table shows", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(3, "1"))
      const table = yield* open(cluster)
      cluster.deleteTopic(topic)
      yield* Effect.forkChild(Effect.exit(table.failure))
      const ended = yield* Effect.forkChild(Stream.runCollect(SubscriptionRef.changes(table.ref)))
      yield* until(() => hasEnded(ended))
      assert.strictEqual(Array.from(yield* Fiber.join(ended)).length, 1)
      const mirror = yield* mirrored(table)
      same(table, mirror)
    })
  )
})

describe("an update that was given up half-way", () => {
  /** A publication of numbers. */
  const numbers = Publication.make<{ readonly version: number; readonly content: number }, Change, never, never>({
    snapshot: { version: 0, content: 0 },
    waiters: new Waiters(() => undefined)
  })
  const change = (key: string): Change => ({
    _tag: "Upsert",
    key,
    value: "1",
    previous: Option.none(),
    partition: 0,
    offset: 0,
    timestamp: 0,
    headers: [],
    replayed: false
  })

  it.effect("is shown by the next one, with all its changes; a view takes each in once", () =>
    Effect.gen(function* () {
      const publication = yield* numbers
      const view = new Mirror()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* publication.attach({ ...viewOf(view), build: () => [][Symbol.iterator]() })
          const seen = yield* Effect.forkChild(
            Stream.runCollect(Stream.take(publication.subscriptions.add({ _tag: "Conflate" }).changes, 2))
          )
          publication.begin()!.changes.push(change("a"))
          publication.begin()!.ids.push("a")
          assert.strictEqual(publication.prepare(), undefined)
          assert.isUndefined(publication.settledSnapshot)
          // what ran then has ended, and another run begins
          const log = publication.begin()!
          log.ids.push("b")
          log.changes.push(change("b"))
          assert.strictEqual(publication.prepare(), undefined)
          assert.strictEqual(view.shown.size, 0)
          publication.publish(
            false,
            (version) => ({ version, content: 2 }),
            () => {}
          )
          assert.deepStrictEqual(publication.settledSnapshot, { version: 1, content: 2 })
          assert.deepStrictEqual([...view.shown.keys()], ["a", "b"])
          assert.deepStrictEqual(view.updates, [1, 1])
          assert.deepStrictEqual(
            Array.from(yield* Fiber.join(seen)).map(({ key }) => key),
            ["a", "b"]
          )
        })
      )
    })
  )

  it.effect("is not made up: without one, nothing is shown unless something has changed", () =>
    Effect.gen(function* () {
      const publication = yield* numbers
      for (const hasChanged of [false, true, false]) {
        assert.isUndefined(publication.begin())
        publication.publish(
          hasChanged,
          (version) => ({ version, content: 1 }),
          () => {}
        )
      }
      assert.strictEqual(publication.snapshot.version, 1)
    })
  )
})
