/** What holds a table up, from what is known of it: each reason, and which one is told where there are several. */
import { assert, describe, it } from "@effect/vitest"
import { BrokerError, ConnectionError, TopicError, type PartitionLag } from "../../src/KafkaError.ts"
import * as Of from "../../src/internal/source/failures.ts"
import { hindrances, whyBehind } from "../../src/internal/table/reading/hindrances.ts"
import type { TableParts } from "../../src/internal/table/reading/parts.ts"

type AnyParts = TableParts<string, string>

const topic = "t"

const { Failures, OF_START, ofLeader, ofThrottle } = Of
const ofLeadership = (partition: number) => Of.ofLeadership(topic, partition)
const ofPartition = (partition: number) => Of.ofPartition(topic, partition)
const OF_METADATA = Of.ofMetadata(topic)

const unreachable = new ConnectionError({ reason: "Unreachable", broker: "b:1", request: "connect" })
const denied = new TopicError({ reason: "Unauthorized", topic: "t" })

const said = (codeName: string) =>
  new BrokerError({ reason: "Unavailable", code: 1, codeName, retriable: true, request: "Fetch" })

interface Known {
  readonly isolation?: "read_committed" | "read_uncommitted"
  readonly waitsFor?: AnyParts["waitsFor"]
  readonly restartsAfter?: AnyParts["restartsAfter"]
  /** Of the table's partitions. */
  readonly partitions?: ReadonlyArray<{
    readonly partition: number
    readonly position?: number
    readonly visible?: number
    readonly corruptAt?: number
    readonly rebuild?: boolean
  }>
  /** Of the source's; `undefined` before there is a source. */
  readonly source?:
    | {
        readonly described?: boolean
        readonly partitions: ReadonlyArray<{
          readonly partition: number
          readonly leader?: number
          readonly connected?: boolean
          readonly highWatermark?: number
          readonly lastStableOffset?: number
        }>
      }
    | undefined
  readonly failures?: Readonly<Record<string, BrokerError | ConnectionError | TopicError>>
}

/** A table of which only that is there which tells what holds it up. */
const tableOf = ({
  failures = {},
  isolation = "read_committed",
  partitions = [],
  source,
  ...rest
}: Known): AnyParts => {
  const standing = new Failures()
  for (const [about, failure] of Object.entries(failures)) standing.set(about, failure)
  return {
    config: { isolation, topic },
    failures: standing,
    partitions: new Map(partitions.map((p) => [p.partition, p])),
    source:
      source === undefined
        ? undefined
        : {
            description: (of: string) => (of !== topic || source.described === false ? undefined : {}),
            cursors: (of: string) =>
              new Map(
                (of === topic ? source.partitions : []).map((p) => [
                  p.partition,
                  { leader: 1, connected: true, highWatermark: 10, lastStableOffset: 10, ...p }
                ])
              )
          },
    ...rest
  } as unknown as AnyParts
}

const lag = (partition: number, position: number | undefined, target: number | undefined): PartitionLag => ({
  partition,
  position,
  target
})

/** The one reason why partition 0 is behind, and whether a failure is told with it. */
const reasonOf = (known: Known, behind: PartitionLag = lag(0, 5, 10), operation = "barrier") => {
  const { cause, heldUpBy } = whyBehind(tableOf(known), operation, [behind], undefined)
  assert.strictEqual(heldUpBy.length, 1)
  assert.deepStrictEqual(heldUpBy[0].partitions, [behind.partition])
  return [heldUpBy[0].reason, cause] as const
}

const reading = { partitions: [{ partition: 0 }] }

describe("a failure that stands", () => {
  it("is of the partition's leadership, of the partition, of its leader's quota, of its leader: in this order", () => {
    const all = [ofLeadership(0), ofPartition(0), ofThrottle(1), ofLeader(1)]
    const failures = all.map((_, i) => new ConnectionError({ reason: "Timeout", broker: `b:${i}`, request: "Fetch" }))
    for (let first = 0; first < all.length; first++) {
      const standing = Object.fromEntries(all.slice(first).map((about, i) => [about, failures[first + i]]))
      assert.deepStrictEqual(reasonOf({ ...reading, source: reading, failures: standing }), [
        "Unreachable",
        failures[first]
      ])
    }
  })

  it("of another leader, or of a leader that nobody knows, is none", () => {
    const failures = { [ofLeader(2)]: unreachable, [ofThrottle(2)]: unreachable, [ofPartition(1)]: unreachable }
    assert.deepStrictEqual(reasonOf({ ...reading, source: reading, failures }), ["Records", undefined])
    assert.deepStrictEqual(reasonOf({ ...reading, source: undefined, failures: { [ofLeader(-1)]: denied } }), [
      "Denied",
      denied
    ])
  })

  it("is told by its kind", () => {
    for (const [failure, reason] of [
      [denied, "Denied"],
      [new ConnectionError({ reason: "Authentication", broker: "b:1", request: "connect" }), "Denied"],
      [unreachable, "Unreachable"],
      [said("LEADER_NOT_AVAILABLE"), "NoLeader"],
      [said("LISTENER_NOT_FOUND"), "NoLeader"],
      [said("THROTTLING_QUOTA_EXCEEDED"), "Throttled"],
      [said("KAFKA_STORAGE_ERROR"), "Unreachable"]
    ] as const) {
      assert.deepStrictEqual(reasonOf({ ...reading, source: reading, failures: { [ofPartition(0)]: failure } }), [
        reason,
        failure
      ])
    }
  })
})

describe("what holds a partition up", () => {
  const held = (known: Known) => hindrances(tableOf(known)).map(({ partitions, reason }) => [reason, partitions])

  it("is a restart that waits, before all else, with what ended the last run", () => {
    const known = { ...reading, source: reading, restartsAfter: denied, failures: { [ofPartition(0)]: unreachable } }
    assert.deepStrictEqual(reasonOf(known), ["Restart", denied])
    assert.deepStrictEqual(held(known), [["Restart", [0]]])
  })

  it("is a rebuild, what the reader waits for, a corrupt batch: in this order", () => {
    const p = { partition: 0, position: 5, visible: 5, corruptAt: 5, rebuild: true }
    const known = { partitions: [p], source: reading, waitsFor: "Subscriber" } as const
    assert.deepStrictEqual(held(known), [["Rebuild", [0]]])
    const read = { ...p, rebuild: undefined } as unknown as typeof p
    assert.deepStrictEqual(held({ ...known, partitions: [read] }), [["Subscriber", [0]]])
    assert.deepStrictEqual(held({ partitions: [read], source: reading }), [["Corrupt", [0]]])
  })

  it("is no corrupt batch that was passed, or that never was", () => {
    const p = { partition: 0, position: 6, visible: 6 }
    assert.deepStrictEqual(held({ partitions: [{ ...p, corruptAt: 5 }], source: reading }), [])
    assert.deepStrictEqual(held({ partitions: [{ partition: 0 }], source: reading }), [])
  })

  it("is an open transaction, where it is in the way of a table that reads what is committed", () => {
    const source = { partitions: [{ partition: 0, highWatermark: 10, lastStableOffset: 7 }] }
    const at = (visible: number, isolation?: Known["isolation"]) =>
      held({ partitions: [{ partition: 0, visible }], source, ...(isolation === undefined ? {} : { isolation }) })
    assert.deepStrictEqual(at(7), [["Transaction", [0]]])
    assert.deepStrictEqual(at(8), [["Transaction", [0]]])
    assert.deepStrictEqual(at(6), [])
    assert.deepStrictEqual(at(7, "read_uncommitted"), [])
    assert.deepStrictEqual(held({ partitions: [{ partition: 0 }], source }), [])
    assert.deepStrictEqual(held({ partitions: [{ partition: 0, visible: 7 }], source: { partitions: [] } }), [])
    assert.deepStrictEqual(held({ partitions: [{ partition: 0, visible: 7 }], source: undefined }), [])
    const none = { partitions: [{ partition: 0, highWatermark: 7, lastStableOffset: 7 }] }
    assert.deepStrictEqual(held({ partitions: [{ partition: 0, visible: 7 }], source: none }), [])
  })

  it("is told once for all the partitions that it holds up, in the order in which they are met", () => {
    const p = (partition: number, corruptAt?: number) => ({
      partition,
      position: 7,
      visible: 7,
      ...(corruptAt === undefined ? {} : { corruptAt })
    })
    const source = {
      partitions: [0, 1, 2, 3].map((partition) => ({ partition, highWatermark: 10, lastStableOffset: 7 }))
    }
    const all = hindrances(tableOf({ partitions: [p(0), p(1, 7), p(2), p(3, 7)], source }))
    assert.deepStrictEqual(all, [
      { reason: "Transaction", partitions: [0, 2] },
      { reason: "Corrupt", partitions: [1, 3] }
    ])
    for (const frozen of [all, ...all, ...all.map(({ partitions }) => partitions)])
      assert.isTrue(Object.isFrozen(frozen))
  })
})

describe("a wait that nothing holds up", () => {
  it("has a failure of the metadata, or else of the start, where its partition is not connected", () => {
    const source = { partitions: [{ partition: 0, connected: false }] }
    const [metadata, start] = [unreachable, denied]
    const both = { [OF_METADATA]: metadata, [OF_START]: start }
    assert.deepStrictEqual(reasonOf({ ...reading, source, failures: both }), ["Unreachable", metadata])
    assert.deepStrictEqual(reasonOf({ ...reading, source, failures: { [OF_START]: start } }), ["Denied", start])
    assert.deepStrictEqual(reasonOf({ ...reading, source: undefined, failures: { [OF_START]: start } }), [
      "Denied",
      start
    ])
    assert.deepStrictEqual(reasonOf({ ...reading, source }), ["Unknown", undefined])
    // A partition that is connected waits for something else.
    assert.deepStrictEqual(reasonOf({ ...reading, source: reading, failures: both }), ["Records", undefined])
  })

  it("is of a partition that there is not, as far as the topic was described", () => {
    assert.deepStrictEqual(reasonOf({ source: { partitions: [] } })[0], "NoPartition")
    assert.deepStrictEqual(reasonOf({ source: { partitions: [], described: false } })[0], "Unknown")
    assert.deepStrictEqual(reasonOf({ source: undefined })[0], "Unknown")
  })

  it("is for records that are there and not read yet, or for a position that nothing was written at", () => {
    const source = { partitions: [{ partition: 0, highWatermark: 10, lastStableOffset: 8 }] }
    const why = (position: number | undefined, target: number | undefined, operation = "awaitPosition", more = {}) =>
      reasonOf({ ...reading, source, ...more }, lag(0, position, target), operation)[0]
    assert.strictEqual(why(7, 8), "Records")
    assert.strictEqual(why(8, 10), "Unknown")
    assert.strictEqual(why(8, 11), "EndOfLog")
    assert.strictEqual(why(8, 11, "barrier"), "Unknown")
    assert.strictEqual(why(8, 10, "barrier", { isolation: "read_uncommitted" }), "Records")
    assert.strictEqual(why(undefined, 10), "Unknown")
    assert.strictEqual(why(5, undefined), "Unknown")
  })
})

describe("what a wait itself asks for", () => {
  const why = (known: Known, behind: ReadonlyArray<PartitionLag>, asked?: ConnectionError) =>
    whyBehind(tableOf(known), "barrier", behind, asked)

  it("stands for partitions whose end it does not know, unless something holds them up", () => {
    const known = {
      partitions: [{ partition: 0 }, { partition: 1 }, { partition: 2 }],
      source: { partitions: [{ partition: 0 }, { partition: 1 }, { partition: 2 }] },
      failures: { [ofPartition(1)]: denied }
    }
    const behind = [lag(0, 5, undefined), lag(1, 5, undefined), lag(2, 5, 10)]
    assert.deepStrictEqual(why(known, behind, unreachable), {
      heldUpBy: [
        { reason: "Unreachable", partitions: [0] },
        { reason: "Denied", partitions: [1] },
        { reason: "Records", partitions: [2] }
      ],
      // The first failure that was met.
      cause: unreachable
    })
  })

  it("is all that is known where no partition is behind: before it a restart, after it denials, and the last failure", () => {
    const failures = { [ofLeader(1)]: denied, [ofLeader(2)]: unreachable }
    assert.deepStrictEqual(why({ restartsAfter: denied, failures }, [], unreachable), {
      heldUpBy: [{ reason: "Restart", partitions: [] }],
      cause: denied
    })
    assert.deepStrictEqual(why({ failures }, [], unreachable), {
      heldUpBy: [{ reason: "Unreachable", partitions: [] }],
      cause: unreachable
    })
    assert.deepStrictEqual(why({ failures }, []), { heldUpBy: [{ reason: "Denied", partitions: [] }], cause: denied })
    const last = said("LEADER_NOT_AVAILABLE")
    assert.deepStrictEqual(why({ failures: { [ofLeader(2)]: unreachable, [ofLeader(1)]: last } }, []), {
      heldUpBy: [{ reason: "NoLeader", partitions: [] }],
      cause: last
    })
    assert.deepStrictEqual(why({}, []), { heldUpBy: [], cause: undefined })
  })
})
