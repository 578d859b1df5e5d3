// effect-ktables as a user's program has it: the built package, by its name.
import { Deferred, Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import * as library from "effect-ktables"
import { writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { performance } from "node:perf_hooks"
import { answer, catchUp, follow, given, job, number, p50p99, quantile } from "../javascript.mjs"
import { consumerTasks } from "../consuming.mjs"
import { assign } from "./assigning.mjs"
import { beginMember } from "./consuming.mjs"
import { effectVersion, fork, makeLatch, onlyErrors } from "./majors.mjs"
import { publishing } from "./publishing.mjs"

const { Codec, KafkaClient, KafkaTable, KafkaTableWriter } = library
// An earlier commit that is measured beside this one may have it elsewhere.
const { backPressure } = library.LiveTable ?? KafkaTable

const { version } = createRequire(import.meta.url)("effect-ktables/package.json")
const runtime = `effect-ktables ${version}, Effect ${effectVersion}`

const Node = Schema.Struct({
  id: Schema.String,
  host: Schema.String,
  port: Schema.Number,
  version: Schema.Number,
  weight: Schema.Number,
  healthy: Schema.Boolean,
  tags: Schema.Array(Schema.String)
})

// In the order in which the records have their fields, which a decoded object need not have.
const encode = ({ healthy, host, id, port, tags, version, weight }) =>
  JSON.stringify({ id, host, port, version, weight, healthy, tags })

const typed = job.format === "typed"

const fetch = given({
  maxWait: number("maxWaitMillis"),
  maxBytes: number("maxBytes"),
  maxPartitionBytes: number("maxPartitionBytes")
})

const value = typed ? Codec.json(Node) : Codec.bytes

/** The text or the bytes that a value was decoded of. */
const bytesOf = typed ? encode : (bytes) => bytes

const makeTable = KafkaTable.make({
  topic: job.topic,
  value,
  catchUpTimeout: "10 minutes",
  onCatchUpTimeout: "fail",
  fetch
})

const makeWriter = KafkaTableWriter.make({ topic: job.topic, value: Codec.bytes })

const kafka = KafkaClient.layer({ brokers: job.brokers.split(",") }).pipe(Layer.merge(onlyErrors))

/** Runs an Effect and leaves open what it opened: the process ends when it has answered. */
const run = (effect) => Effect.runPromise(Effect.scoped(Effect.provide(effect, kafka)))

/** A table that outlives the call, as the promises of the shared measurements want it. */
const openTable = () =>
  new Promise((resolve, reject) => {
    run(
      Effect.flatMap(makeTable, (table) =>
        Effect.andThen(
          Effect.sync(() => resolve(table)),
          Effect.never
        )
      )
    ).catch(reject)
  })

const millisSince = (start) => performance.now() - start

/** Until the time is over, or often enough. */
const repeat = (body) =>
  Effect.gen(function* () {
    const times = []
    const start = performance.now()
    while (times.length < number("count") && millisSince(start) < number("seconds") * 1e3) times.push(yield* body)
    return times
  })

const waits = Effect.gen(function* () {
  const value = Buffer.alloc(1024, "v")
  const writer = yield* makeWriter
  const table = yield* makeTable
  let awaited
  const visible = yield* makeLatch()
  yield* fork(Stream.runForEach(table.changes, ({ key }) => (key === awaited ? visible.open : Effect.void)))
  yield* Effect.sleep("100 millis") // until the stream listens

  let written = 0
  const setVisible = []
  for (let index = 0; index < number("warmUp") + number("count"); index++) {
    awaited = `set-${index % 1000}`
    yield* visible.close
    const start = performance.now()
    const writing = yield* fork(writer.set(awaited, value))
    yield* visible.await
    const time = millisSince(start)
    yield* Fiber.join(writing)
    written++
    if (index >= number("warmUp")) setVisible.push(time)
  }
  awaited = undefined

  const ownWrite = yield* repeat(
    Effect.gen(function* () {
      const position = yield* writer.set("own", value)
      written++
      const start = performance.now()
      yield* table.awaitPosition(position)
      return millisSince(start)
    })
  )
  yield* Effect.sleep("1 second")
  const barrier = yield* repeat(
    Effect.gen(function* () {
      yield* Effect.sleep("10 millis")
      const start = performance.now()
      yield* table.barrier()
      return millisSince(start)
    })
  )
  answer(
    runtime,
    { ...p50p99("visible", setVisible), ...p50p99("ownWrite", ownWrite), ...p50p99("barrier", barrier) },
    { written }
  )
})

const writes = Effect.gen(function* () {
  const value = Buffer.alloc(number("bytes"), "v")
  const count = number("count")
  const writer = yield* makeWriter
  let written = 0
  const inFlight = (amount, concurrency) =>
    Effect.gen(function* () {
      const keys = Array.from({ length: amount }, (_, index) => `write-${index % 10_000}`)
      const start = performance.now()
      yield* Effect.forEach(keys, (key) => writer.set(key, value), { concurrency, discard: true })
      written += amount
      return amount / (millisSince(start) / 1e3)
    })
  yield* inFlight(count / 10, 64)
  const times = []
  for (let index = 0; index < count / 10; index++) {
    const start = performance.now()
    yield* writer.set(`write-${index}`, value)
    if (index >= count / 20) times.push(millisSince(start)) // the first half warms up
    written++
  }
  const writes64 = yield* inFlight(count, 64)
  const writes256 = yield* inFlight(count, 256)
  answer(runtime, { ...p50p99("write", times), writes64, writes256 }, { written })
})

const reads = Effect.gen(function* () {
  const table = yield* makeTable
  const keys = [...table.unsafeSnapshot().keys()]
  // Any order but the one in which they were put in.
  for (let index = keys.length - 1; index > 0; index--) {
    const other = (index * 7919) % (index + 1)
    ;[keys[index], keys[other]] = [keys[other], keys[index]]
  }
  let missing = 0
  const nanosEach = (start) => (millisSince(start) * 1e6) / keys.length
  const snapshotTimes = []
  const effectTimes = []
  for (let round = 0; round < number("rounds"); round++) {
    const snapshot = table.unsafeSnapshot()
    // the look at what was read is not a read: it would be half of the time
    for (const key of keys) if (snapshot.getOrUndefined(key)?.id !== key) missing++
    const startSnapshot = performance.now()
    for (const key of keys) if (snapshot.getOrUndefined(key) === undefined) missing++
    snapshotTimes.push(nanosEach(startSnapshot))
    const startEffect = performance.now()
    for (const key of keys) if (Option.isNone(yield* table.get(key))) missing++
    effectTimes.push(nanosEach(startEffect))
  }
  if (missing > 0 || keys.length === 0) throw new Error(`${missing} of ${keys.length} reads found nothing`)
  answer(runtime, { snapshotNanos: quantile(snapshotTimes, 0.5), effectNanos: quantile(effectTimes, 0.5) })
})

const fanOut = Effect.gen(function* () {
  const value = Buffer.alloc(1024, "v")
  const subscribers = number("subscribers")
  const writer = yield* makeWriter
  const table = yield* makeTable
  let heard = 0
  let all
  yield* Effect.forEach(
    Array.from({ length: subscribers }),
    () =>
      table.changes.pipe(
        Stream.runForEach(() => (++heard === subscribers ? Deferred.succeed(all, performance.now()) : Effect.void)),
        fork
      ),
    { discard: true }
  )
  while ((yield* table.stats).subscribers < subscribers) yield* Effect.sleep("10 millis")

  const times = []
  for (let index = 0; index < number("count") + 20; index++) {
    heard = 0
    all = yield* Deferred.make()
    const start = performance.now()
    const writing = yield* fork(writer.set(`fan-out-${index}`, value))
    const last = yield* Deferred.await(all)
    yield* Fiber.join(writing)
    if (index >= 20) times.push(last - start) // the first ones warm up
    yield* Effect.sleep("5 millis")
    if (heard !== subscribers) return yield* Effect.die(new Error(`heard ${heard} times by ${subscribers} subscribers`))
  }
  answer(runtime, p50p99("fanOut", times), { written: times.length + 20 })
})

const tasks = {
  catchUp: () =>
    catchUp(runtime, async () => {
      const table = await openTable()
      const text = typed ? encode : (value) => value
      return function* () {
        for (const [key, value] of table.unsafeSnapshot()) yield [key, bytesOf(value)]
      }
    }),
  follow: () =>
    follow(
      runtime,
      async (onRecord) => {
        const table = await openTable()
        // Every record, as all the others see them.
        const changes = table.changesWith(backPressure(10_000))
        Effect.runFork(Stream.runForEach(changes, ({ key, value }) => Effect.sync(() => onRecord(key, value))))
      },
      { touch: (file) => writeFileSync(file, "") }
    ),
  waits: () => run(waits),
  writes: () => run(writes),
  reads: () => run(reads),
  fanOut: () => run(fanOut),
  assign: () => assign(runtime),
  publish: () => run(publishing(library, { runtime, schema: Node })),
  ...consumerTasks(runtime, beginMember(library, { fetch, run, value }), bytesOf)
}

await tasks[job.task]()
