/** The witness sees what a table does wrong, whatever that is: the oracle can only judge what it is told. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "vitest"
import { KafkaError, type KafkaClient } from "../../src/index.ts"
import { embeddedBackend } from "../contract/embeddedBackend.ts"
import { newName, tableOn, writerOn } from "../contract/suite.ts"
import { answering } from "../support/answering.ts"
import { eventually, numbers, test } from "../support/live.ts"
import { heldWithin } from "../support/ownTime.ts"
import { randomOf } from "../support/random.ts"
import { start as startLoad, writerSettings, type Writer } from "./load.ts"
import { differences, lastWriteWins, missing, violations } from "./oracle.ts"
import { probe } from "./probe.ts"
import { Witness, type Table } from "./Witness.ts"

interface Parts {
  readonly table?: (table: Table) => Table
  readonly writer?: (writer: Writer) => Writer
  /** What lies between the table and its cluster. */
  readonly client?: (client: KafkaClient.KafkaClient) => KafkaClient.KafkaClient
}

/** Writes are acknowledged long before the table has them. */
const slow = (client: KafkaClient.KafkaClient): KafkaClient.KafkaClient => ({
  ...client,
  connect: (broker) =>
    Effect.map(client.connect(broker), (connection) =>
      answering(connection, { Fetch: (request, ask) => Effect.delay(ask(request), "30 millis") })
    )
})

/** Its positions are so many records ahead of its content, or behind it. */
const shifted =
  (by: number) =>
  (table: Table): Table => ({
    ...table,
    stats: Effect.map(table.stats, (stats) => ({
      ...stats,
      partitions: stats.partitions.map((one) => ({ ...one, position: one.position + by }))
    }))
  })

/** Its subscribers get something else than what the table tells. */
const telling =
  (tell: <A, E>(changes: Stream.Stream<A, E>) => Stream.Stream<A, E>) =>
  (table: Table): Table => ({
    ...table,
    subscribe: (options) =>
      Effect.map(table.subscribe(options), ({ changes, snapshot }) => ({ snapshot, changes: tell(changes) }))
  })

/** Which invariants are found broken, and of what there is no evidence, after some load on a table and writers. */
const foundOn = ({ client = (one) => one, table: change = (one) => one, writer = (one) => one }: Parts) =>
  Effect.gen(function* () {
    const kafka = yield* embeddedBackend
    const topic = newName()
    yield* kafka.createTopic(topic, { partitions: 2 })
    yield* kafka.append(
      topic,
      numbers(20).map((i) => ({ key: `k${i}`, value: `seed-${i} x` }))
    )
    const ends = yield* kafka.ends(topic)
    const witness = new Witness()
    const own = yield* kafka.client
    const table = yield* witness.watch(
      "reader",
      new Map(ends.entries()),
      Effect.map(tableOn(client(own), topic, { fetch: { maxWait: "100 millis" } }), change)
    )
    const writers = new Map<string, Writer>()
    for (const [name, settings] of Object.entries(writerSettings)) {
      writers.set(name, writer(yield* writerOn(own, topic, settings)))
    }
    const load = yield* startLoad(writers, randomOf(1))
    yield* witness.watchBarriers("reader", table, load.ends)
    yield* eventually(
      Effect.sync(() => [load.operations.length, witness.reads.length, witness.barriers.length]),
      ([operations, reads, barriers]) => operations >= 300 && reads >= 5 && barriers >= 5
    )
    yield* load.pause
    // Behind one that begins after the last write, nothing more is read.
    const before = witness.barriers.length
    yield* eventually(
      Effect.sync(() => witness.barriers.length),
      (count) => count >= before + 2
    )
    yield* probe(table, load, yield* writerOn(own, topic), [0, 1])
    const log = yield* kafka.log(topic, { committed: true })
    const right = lastWriteWins(log)
    // a broken one never is: that is for the oracle to say
    yield* heldWithin(
      Effect.sync(() => [...witness.contents.values()].every((content) => differences(content, right).length === 0)),
      5_000
    )
    const { barriers, contents, reads, sightings, starts } = witness
    const evidence = { log, operations: load.operations, contents, reads, barriers, sightings, starts }
    const found = violations(evidence).map(({ invariant }) => invariant)
    return [...new Set(found)]
      .sort((a, b) => a - b)
      .map(String)
      .concat(missing(evidence))
  })

test("finds nothing wrong with a sound table and sound writers, however slow the table is", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* foundOn({}), [])
    assert.deepStrictEqual(yield* foundOn({ client: slow }), [])
  }))

const broken: ReadonlyArray<readonly [string, ReadonlyArray<string>, Parts]> = [
  ["positions that are ahead of the content", ["9"], { table: shifted(1) }],
  [
    "positions that are behind the content, and a start and barriers that end behind them",
    ["5", "9", "10"],
    { table: shifted(-1) }
  ],
  [
    "a barrier that does not wait",
    ["10"],
    { client: slow, table: (table) => ({ ...table, barrier: () => Effect.void }) }
  ],
  ["changes that end too early", ["1"], { table: telling(Stream.take(20)) }],
  ["changes that are told twice", ["4"], { table: telling(Stream.flatMap((change) => Stream.make(change, change))) }],
  ["a writer that dies", ["11"], { writer: (writer) => ({ ...writer, delete: () => Effect.die("no") }) }],
  ["a writer of many that dies", ["11"], { writer: (writer) => ({ ...writer, setMany: () => Effect.die("no") }) }],
  [
    "a writer that is told of a success as of a failure",
    ["3"],
    {
      writer: (writer) => ({
        ...writer,
        delete: (key, options) =>
          Effect.flatMap(writer.delete(key, options), () =>
            Effect.fail(new KafkaError.WriteError({ reason: "Timeout", topic: writer.topic }))
          )
      })
    }
  ]
]

for (const [what, expected, parts] of broken) {
  test(`sees ${what}`, () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* foundOn(parts), [...expected])
    }))
}
