import { assert, describe, it } from "@effect/vitest"
import { KeylessTurn } from "../../src/internal/producer/keylessTurn.ts"
import { Lane } from "../../src/internal/producer/lane.ts"
import { PendingRecord } from "../../src/internal/producer/record.ts"
import type { TopicLanes } from "../../src/internal/producer/topicLanes.ts"

const lanesLedBy = (...leaders: ReadonlyArray<number>): ReadonlyArray<Lane> =>
  leaders.map((leader, partition) => {
    const lane = new Lane({} as TopicLanes, partition, undefined, 1_000)
    lane.leader = leader
    return lane
  })

const occupy = (lane: Lane): void =>
  lane.push(
    new PendingRecord({ key: null, value: null, headers: [], timestamp: 0, partition: undefined }, () => undefined)
  )

const next = (turn: KeylessTurn, lanes: ReadonlyArray<Lane>, size = 10, random = 0): number =>
  turn.next(lanes, lanes.length, size, random)

describe("the turn of records without a key", () => {
  it("begins where it is told, and goes on with the next partition while nothing waits", () => {
    const lanes = lanesLedBy(0, 0, 0)
    const turn = new KeylessTurn()
    assert.deepStrictEqual(
      [1, 2, 3, 4].map(() => next(turn, lanes, 10, 0.99)),
      [2, 0, 1, 2]
    )
  })

  it("stays with a partition for which records wait, up to 16 KiB", () => {
    const lanes = lanesLedBy(0, 0)
    const turn = new KeylessTurn()
    assert.strictEqual(next(turn, lanes, 16_000), 0)
    occupy(lanes[0])
    assert.strictEqual(next(turn, lanes, 384), 0)
    assert.strictEqual(next(turn, lanes, 1), 1)
    occupy(lanes[1])
    assert.strictEqual(next(turn, lanes, 1), 1)
  })

  it("leaves partitions without a leader out, unless there is no other", () => {
    const turn = new KeylessTurn()
    const lanes = lanesLedBy(-1, 3, -1, 3)
    assert.deepStrictEqual(
      [1, 2, 3].map(() => next(turn, lanes)),
      [1, 3, 1]
    )
    occupy(lanes[1])
    lanes[1].leader = -1
    assert.strictEqual(next(turn, lanes), 3)
    assert.strictEqual(next(new KeylessTurn(), lanesLedBy(-1, -1)), 0)
  })

  it("goes on where the topic has fewer partitions by now", () => {
    const turn = new KeylessTurn()
    const lanes = lanesLedBy(0, 0, 0)
    assert.strictEqual(next(turn, lanes, 10, 0.99), 2)
    occupy(lanes[2])
    assert.strictEqual(turn.next(lanes, 2, 10, 0), 1)
  })
})
