/** What a table and all that is made of it show, and when: with a view that mirrors the table. */
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Schedule, Scope, Stream } from "effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { hasEnded } from "../../src/internal/effect/v4/fibers.ts"
import type { KafkaTable, TableChange, TableSnapshot } from "../../src/index.ts"
import { Codec, Position } from "../../src/index.ts"
import { attach, listenTo, publicationOf } from "../../src/internal/table/publication/attaching.ts"
import { UNKNOWN } from "../../src/internal/table/content/keyIndex.ts"
import type { RecordSlots } from "../../src/internal/table/content/recordSlots.ts"
import { RecordStore } from "../../src/internal/table/content/recordStore.ts"
import { TableState } from "../../src/internal/table/content/state.ts"
import { Publication } from "../../src/internal/table/publication/publication.ts"
import { TableIndexes } from "../../src/internal/views/lookups.ts"
import { faceOf } from "../../src/internal/views/snapshot.ts"
import type { Input, View } from "../../src/internal/table/publication/view.ts"
import { Waiters } from "../../src/internal/table/publication/waiters.ts"
import { it } from "../support/ManualClock.ts"
import { open, settle, topic, until, withTopic } from "./support.ts"

type Table = KafkaTable.KafkaTable<string, string>
type Snapshot = TableSnapshot.RecordSnapshot<string, string>
type Change = TableChange.RecordChange<string, string>
type Content = ReadonlyMap<string, string>

const STEP = 50

/** The same content as the table's, with what it was asked to do. */
class Mirror implements View {
  readonly height = 1
  readonly inputs: ReadonlyArray<Input>
  readonly output = undefined
  private content = new Map<string, string>()
  private touched = new Set<number>()
  shown: Content = new Map()
  /** The size of each version that it was built from. */
  readonly builds: Array<number> = []
  /** How many rows were touched by each update. */
  readonly updates: Array<number> = []
  onShow: () => void = () => {}
  onTell: () => void = () => {}

  constructor(readonly input: Input) {
    this.inputs = [input]
  }

  *build(): Generator<void, void> {
    const slots = this.input.newest
    yield
    this.builds.push(slots.size)
    this.content = new Map()
    for (let slot = 0; slot < slots.length; slot++) {
      if (!slots.isPresent(slot)) continue
      this.content.set(slots.keyAt(slot) as string, slots.peekAt(slot) as string)
      if (this.content.size % STEP === 0) yield
    }
  }

  touch(_: Input, slots: ReadonlyArray<number>): void {
    for (const slot of slots) this.touched.add(slot)
  }

  *apply(): Generator<void, void> {
    const { touched } = this
    const { newest } = this.input
    this.touched = new Set()
    if (touched.size > 0) this.updates.push(touched.size)
    let n = 0
    for (const slot of touched) {
      const key = newest.keyAt(slot) as string
      if (newest.isPresent(slot)) this.content.set(key, newest.peekAt(slot) as string)
      else this.content.delete(key)
      if (++n % STEP === 0) yield
    }
  }

  *renumber(): Generator<void, void> {}

  renumbered(): void {}

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

const mirrored = (table: Table) =>
  Effect.tap(
    Effect.sync(() => new Mirror(publicationOf(table))),
    attach
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
      const mirror = new Mirror(publicationOf(table))
      mirror.build = () => {
        throw broken
      }
      assert.deepStrictEqual(yield* Effect.exit(attach(mirror)), Exit.die(broken))
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
      const [early, gone] = [yield* mirrored(table), new Mirror(publicationOf(table))]
      yield* Effect.scoped(attach(gone))
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
      const slow = new Mirror(publicationOf(table))
      const { apply } = slow
      let steps = 0
      // a step of several milliseconds
      slow.apply = function* () {
        for (const _ of apply.call(slow)) {
          steps++
          const until = performance.now() + 4
          while (performance.now() < until);
          yield
        }
      }
      yield* attach(slow)
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
      const mirror = new Mirror(publicationOf(table))
      const { build } = mirror
      const begun = yield* Deferred.make<void>()
      let mayEnd = false
      mirror.build = function* () {
        yield* build.call(mirror)
        Deferred.doneUnsafe(begun, Exit.void)
        while (!mayEnd) yield
      }
      const attaching = yield* Effect.forkChild(attach(mirror))
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
      const endless = new Mirror(publicationOf(table))
      endless.build = function* () {
        while (true) yield
      }
      const building = yield* Effect.forkChild(Effect.scoped(attach(endless)))
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

  it.effect("that takes long to follow another life: nothing has caught up before that is shown", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(1, "old"))
      const table = yield* open(cluster, { restart: Schedule.spaced("1 second") })
      const slow = yield* mirrored(table)
      let [hasBegun, mayEnd] = [false, false]
      // or closing the table would wait for ever, if the test fails
      yield* Effect.addFinalizer(() => Effect.sync(() => (mayEnd = true)))
      const { apply } = slow
      slow.apply = function* () {
        hasBegun = true
        while (!mayEnd) yield
        yield* apply.call(slow)
      }
      cluster.createTopic(topic)
      cluster.append(topic, records(1, "new"))
      yield* until(() => hasBegun)
      const waiting = yield* Effect.forkChild(table.awaitCaughtUp({ timeout: "1 hour" }))
      yield* settle
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("k0"), "old")
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "Failed")
      assert.isFalse(hasEnded(waiting))
      mayEnd = true
      yield* Fiber.join(waiting)
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("k0"), "new")
      assert.strictEqual((yield* SubscriptionRef.get(table.status))._tag, "CaughtUp")
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

describe("a listener", () => {
  it.effect("hears of each publication from the step on in which it begins, until its scope is closed", () =>
    Effect.gen(function* () {
      const cluster = withTopic()
      cluster.append(topic, records(1, "before"))
      const table = yield* open(cluster)
      const heard: Array<string> = []
      const scope = yield* Scope.make()
      yield* Scope.provide(
        listenTo(
          table,
          {
            push: ({ changes }) => {
              for (const change of changes) heard.push(change._tag === "Upsert" ? change.value : change.cause)
            },
            end: ({ _tag }) => heard.push(_tag)
          },
          () => heard.push(`begins with ${String(table.unsafeSnapshot().getOrUndefined("k0"))}`)
        ),
        scope
      )
      cluster.append(topic, records(1, "during"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "during")
      assert.strictEqual((yield* table.stats).subscribers, 1)
      yield* Scope.close(scope, Exit.void)
      cluster.append(topic, records(1, "after"))
      yield* until(() => table.unsafeSnapshot().getOrUndefined("k0") === "after")
      assert.deepStrictEqual(heard, ["begins with before", "during"])
      assert.strictEqual((yield* table.stats).subscribers, 0)
    })
  )
})

describe("an update that was given up half-way", () => {
  /** A publication, and the rows that it publishes. */
  const made = Effect.gen(function* () {
    const state = new TableState(Codec.utf8, new RecordStore<string>(undefined))
    const publication = yield* Publication.make<RecordSlots<string, string>, Snapshot, Change, never>({
      topic: "by.hand",
      slots: state.slots(),
      face: faceOf<string, string, TableSnapshot.RecordEntry<string, string>>(new TableIndexes("by.hand")),
      waiters: new Waiters(() => undefined),
      notesSlots: false
    })
    let offset = 0
    return {
      publication,
      take: () => state.slots(),
      put: (key: string, value: string) => {
        state.note(publication.beginUpdate())
        const bytes = Buffer.from(key)
        const found = state.find(bytes, 0, bytes.length)
        const slot = found === UNKNOWN ? state.addKey(bytes, 0, bytes.length, key) : found
        state.put(slot, value, 0, offset++, 0, undefined)
      }
    }
  })

  it.effect("is shown by the next one, with all its changes, by the table and by its views", () =>
    Effect.gen(function* () {
      const { publication, put, take } = yield* made
      const view = new Mirror(publication)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* attach(view)
          const seen = yield* Effect.forkChild(
            Stream.runCollect(Stream.take(publication.subscriptions.add({ _tag: "Conflate" }).changes, 2))
          )
          put("a", "1")
          assert.isUndefined(publication.prepare(take))
          assert.isUndefined(publication.settledSnapshot)
          // What ran then has ended, and another run begins.
          put("b", "1")
          put("a", "2")
          assert.isUndefined(publication.prepare(take))
          assert.isUndefined(publication.prepare(take))
          assert.strictEqual(view.shown.size, 0)
          publication.publish(false, take, () => {})
          const all: ReadonlyArray<readonly [string, string]> = [
            ["a", "2"],
            ["b", "1"]
          ]
          assert.deepStrictEqual<ReadonlyArray<readonly [string, string]>>([...publication.settledSnapshot!], all)
          assert.strictEqual(publication.snapshot.version, 1)
          assert.deepStrictEqual<ReadonlyArray<readonly [string, string]>>([...view.shown], all)
          assert.deepStrictEqual(
            Array.from(yield* Fiber.join(seen)).map(({ key }) => key),
            ["b", "a"]
          )
        })
      )
    })
  )

  it.effect("is not made up: without one, nothing is shown unless something has changed", () =>
    Effect.gen(function* () {
      const { publication, take } = yield* made
      for (const hasChanged of [false, true, false]) {
        assert.deepStrictEqual(publication.beginUpdate(), { log: undefined, touched: undefined })
        publication.publish(hasChanged, take, () => {})
      }
      assert.strictEqual(publication.snapshot.version, 1)
    })
  )
})
