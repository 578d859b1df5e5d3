/** What is measured of views, each beside its peer: a function gives figures of one round. */
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import * as Effect from "../../effect4/node_modules/effect/dist/Effect.js"
import * as Aggregate from "../../effect4/dist/Aggregate.js"
import * as DerivedTable from "../../effect4/dist/DerivedTable.js"
import * as TableIndex from "../../effect4/dist/TableIndex.js"
import { buildTree, MutableTree } from "../../effect4/dist/internal/tree/tree.js"
import { handTable } from "./table.mjs"

const gc = () => {
  for (let i = 0; i < 3; i++) globalThis.gc()
}

/** Bytes in use: objects, and buffers outside of the heap. */
const used = () => {
  gc()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes in use when all that was written is forgotten: what is let go of takes its buffers along a moment later. */
const settled = async () => {
  let least = used()
  for (let i = 0; i < 5; i++) {
    await new Promise((done) => setTimeout(done, 20))
    least = Math.min(least, used())
  }
  return least
}

const cpuMillis = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const run = (steps) => {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** Numbers at random that are always the same. */
const random = (seed) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const PAIRS = { compare: (a, aSlot, b, bSlot) => a - b || aSlot - bSlot }

// ---------------------------------------------------------------------------------------------------------------------
// the tree
// ---------------------------------------------------------------------------------------------------------------------

/** One key of many changes, and the version after that is kept, as at each publication: nanoseconds, and bytes an entry. */
export const treeOurs = ({ entries, updates }) => {
  const next = random(1)
  const column = Float64Array.from({ length: entries }, (_, i) => i * 2 + 0.5)
  const slots = Int32Array.from(column.keys())
  const before = used()
  const tree = run(buildTree(PAIRS, column, slots))
  const bytes = used() - before
  let kept = tree.freeze()
  const began = performance.now()
  for (let i = 0; i < updates; i++) {
    const slot = Math.floor(next() * entries)
    tree.remove(column[slot], slot)
    column[slot] = next() * entries * 2
    tree.insert(column[slot], slot)
    kept = tree.freeze()
  }
  const nanos = ((performance.now() - began) * 1e6) / updates
  const after = used() - before
  return { updateNanos: nanos, bytesBuilt: bytes / entries, bytesUpdated: after / entries, size: kept.size + tree.size }
}

export const treeSortedBtree = async ({ entries, updates }) => {
  const { default: BTree } = await import("sorted-btree")
  const next = random(1)
  const column = Float64Array.from({ length: entries }, (_, i) => i * 2 + 0.5)
  const before = used()
  const tree = new (BTree.default ?? BTree)(undefined, (a, b) => a[0] - b[0] || a[1] - b[1])
  for (let i = 0; i < entries; i++) tree.set([column[i], i], undefined)
  const bytes = used() - before
  let kept = tree.clone()
  const began = performance.now()
  for (let i = 0; i < updates; i++) {
    const slot = Math.floor(next() * entries)
    tree.delete([column[slot], slot])
    column[slot] = next() * entries * 2
    tree.set([column[slot], slot], undefined)
    kept = tree.clone()
  }
  const nanos = ((performance.now() - began) * 1e6) / updates
  const after = used() - before
  return { updateNanos: nanos, bytesBuilt: bytes / entries, bytesUpdated: after / entries, size: kept.size + tree.size }
}

// ---------------------------------------------------------------------------------------------------------------------
// indexes
// ---------------------------------------------------------------------------------------------------------------------

/** A text in one piece, as those are that were read of a topic. */
const flat = (text) => Buffer.from(text).toString("latin1")

const numbers = (entries) =>
  Array.from({ length: entries }, (_, i) => [
    `key-${i}`,
    { n: (i * 7919) % entries, email: flat(`user-${i}@example.org`) }
  ])

/** An index of so many rows: milliseconds of CPU to build it, bytes an entry, and the loop's longest hold. */
const index =
  (define) =>
  async ({ entries }) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const source = yield* handTable("by.hand")
          source.write(numbers(entries))
          const before = yield* Effect.promise(settled)
          const began = cpuMillis()
          const delay = monitorEventLoopDelay({ resolution: 1 })
          delay.enable()
          const indexed = yield* TableIndex.attach(source.table, define)
          delay.disable()
          const cpu = cpuMillis() - began
          const bytes = ((yield* Effect.promise(settled)) - before) / entries
          const { entries: held } = yield* indexed.by("at").stats
          return { buildCpuMillis: cpu, bytes, loopP99: delay.percentile(99) / 1e6, size: held }
        })
      )
    )

export const indexSortedNumbers = index((builder) => ({ at: builder.sorted((row) => row.n) }))
export const indexHashTexts = index((builder) => ({ at: builder.hash((row) => row.email) }))

// ---------------------------------------------------------------------------------------------------------------------
// derived tables
// ---------------------------------------------------------------------------------------------------------------------

const TEAMS = 1000

const userOf = (i, version) => ({
  id: `u${i}`,
  active: (i + version) % 2 === 0,
  team: `t${i % TEAMS}`,
  country: `c${i % 20}`,
  age: (i * 31 + version) % 90
})

const teamOf = (i, version) => ({ id: `t${i}`, title: `Team ${i} ${version}` })

const derivations = {
  filter: (users) => DerivedTable.from(users.table).pipe(DerivedTable.filter((user) => user.active)),
  join: (users, teams) =>
    DerivedTable.from(users.table).pipe(
      DerivedTable.join(teams.table, {
        on: (user) => user.team,
        select: (user, team) => ({ id: user.id, title: team.title, age: user.age })
      })
    ),
  groupBy: (users) =>
    DerivedTable.from(users.table).pipe(
      DerivedTable.groupBy((user) => user.country, {
        n: Aggregate.count,
        oldest: Aggregate.max((user) => user.age),
        years: Aggregate.sum((user) => user.age)
      })
    )
}

/** Rows that change one at a time, each of them an update: microseconds each, and the bytes of what is derived. */
const derived =
  (kind) =>
  async ({ changes, rows }) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const [users, teams] = [yield* handTable("users"), yield* handTable("teams")]
          for (const writing of [
            users.write(Array.from({ length: rows }, (_, i) => [`u${i}`, userOf(i, 0)])),
            teams.write(Array.from({ length: TEAMS }, (_, i) => [`t${i}`, teamOf(i, 0)]))
          ]) {
            if (writing !== undefined) yield* writing
          }
          const before = yield* Effect.promise(settled)
          const table = yield* DerivedTable.make(derivations[kind](users, teams))
          const bytes = ((yield* Effect.promise(settled)) - before) / rows
          const next = random(2)
          const began = performance.now()
          for (let i = 0; i < changes; i++) {
            const row = Math.floor(next() * rows)
            const writing = users.write([[`u${row}`, userOf(row, i + 1)]])
            if (writing !== undefined) yield* writing
          }
          return { changeMicros: ((performance.now() - began) * 1000) / changes, bytes, size: yield* table.size }
        })
      )
    )

export const derivedFilter = derived("filter")
export const derivedJoin = derived("join")
export const derivedGroupBy = derived("groupBy")

/** The same by TanStack DB. */
const tanstack =
  (kind) =>
  async ({ changes, rows }) => {
    const db = await import("@tanstack/db")
    const { BasicIndex, count, createCollection, createLiveQueryCollection, eq, max, sum } = db
    const collection = (id, all) => {
      let sync
      const made = createCollection({
        id,
        getKey: (row) => row.id,
        startSync: true,
        ...(BasicIndex === undefined ? {} : { autoIndex: "eager", defaultIndexType: BasicIndex }),
        sync: {
          sync: (params) => {
            sync = params
            params.begin()
            for (const value of all) params.write({ type: "insert", value })
            params.commit()
            params.markReady()
          }
        }
      })
      return {
        made,
        update: (value) => {
          sync.begin()
          sync.write({ type: "update", value })
          sync.commit()
        }
      }
    }
    const users = collection(
      "users",
      Array.from({ length: rows }, (_, i) => userOf(i, 0))
    )
    const teams = collection(
      "teams",
      Array.from({ length: TEAMS }, (_, i) => teamOf(i, 0))
    )
    const queries = {
      filter: (q) => q.from({ user: users.made }).where(({ user }) => eq(user.active, true)),
      join: (q) =>
        q
          .from({ user: users.made })
          .join({ team: teams.made }, ({ team, user }) => eq(user.team, team.id), "inner")
          .select(({ team, user }) => ({ id: user.id, title: team.title, age: user.age })),
      groupBy: (q) =>
        q
          .from({ user: users.made })
          .groupBy(({ user }) => user.country)
          .select(({ user }) => ({
            country: user.country,
            n: count(user.id),
            oldest: max(user.age),
            years: sum(user.age)
          }))
    }
    const before = await settled()
    const query = createLiveQueryCollection({ startSync: true, gcTime: 0, query: queries[kind] })
    await query.preload()
    const bytes = ((await settled()) - before) / rows
    const next = random(2)
    const began = performance.now()
    for (let i = 0; i < changes; i++) {
      const row = Math.floor(next() * rows)
      users.update(userOf(row, i + 1))
    }
    return { changeMicros: ((performance.now() - began) * 1000) / changes, bytes, size: query.size }
  }

export const tanstackFilter = tanstack("filter")
export const tanstackJoin = tanstack("join")
export const tanstackGroupBy = tanstack("groupBy")

/** One row that so many others are joined with changes: how long the event loop is held while all of them follow. */
export const fanOut = async ({ rows }) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const [left, right] = [yield* handTable("left"), yield* handTable("right")]
        const writing = left.write(Array.from({ length: rows }, (_, i) => [`l${i}`, { n: i }]))
        if (writing !== undefined) yield* writing
        right.write([["one", { v: 0 }]])
        const table = yield* DerivedTable.make(
          DerivedTable.from(left.table).pipe(
            DerivedTable.join(right.table, { on: () => "one", select: ({ n }, { v }) => n + v })
          )
        )
        const held = []
        let last = performance.now()
        let isOver = false
        const look = () => {
          const now = performance.now()
          held.push(now - last)
          last = now
          if (!isOver) setImmediate(look)
        }
        setImmediate(look)
        const began = performance.now()
        const following = right.write([["one", { v: 1 }]])
        if (following !== undefined) yield* following
        const millis = performance.now() - began
        isOver = true
        held.sort((a, b) => a - b)
        return {
          millis,
          loopP99: held[Math.floor(held.length * 0.99)] ?? held.at(-1),
          loopMax: held.at(-1),
          size: yield* table.size
        }
      })
    )
  )
