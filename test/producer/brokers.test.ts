import { assert, describe, it } from "@effect/vitest"
import type { KafkaProtocol } from "../../src/index.ts"
import { Brokers } from "../../src/internal/producer/brokers.ts"
import { Lane } from "../../src/internal/producer/lane.ts"
import type { TopicLanes } from "../../src/internal/producer/topicLanes.ts"
import { Signal } from "../../src/internal/signal.ts"

const topic = {} as TopicLanes

const led = (leader: number): Lane => {
  const lane = new Lane(topic, 0, undefined, 1_000)
  lane.leader = leader
  return lane
}

const described = (...nodeIds: ReadonlyArray<number>): ReadonlyMap<number, KafkaProtocol.Broker> =>
  new Map(nodeIds.map((nodeId) => [nodeId, { nodeId, host: `kafka-${nodeId}`, port: 9092 }]))

const sender = (busySince?: number) => ({ wake: new Signal(), busySince })

describe("the brokers of a producer", () => {
  it("one that the newest description does not name is kept while it leads a lane of another topic", () => {
    const brokers = new Brokers()
    const [first, second] = [led(1), led(2)]
    brokers.assign([first, second])
    brokers.learn(described(1, 2, 3))
    assert.deepStrictEqual([...brokers.leaders].sort(), [1, 2])
    brokers.learn(described(2))
    assert.strictEqual(brokers.broker(1)?.host, "kafka-1")
    assert.isUndefined(brokers.broker(3))
    first.leader = 2
    brokers.assign([first, second])
    brokers.learn(described(2))
    assert.isUndefined(brokers.broker(1))
    assert.deepStrictEqual(brokers.ledBy(2), [first, second])
  })

  it("the newest address of one that has moved is taken", () => {
    const brokers = new Brokers()
    brokers.assign([led(1)])
    brokers.learn(described(1))
    brokers.learn(new Map([[1, { nodeId: 1, host: "elsewhere", port: 9093 }]]))
    assert.deepInclude(brokers.broker(1), { host: "elsewhere", port: 9093 })
  })

  it("one that leads lanes, and whose address nobody knows, is no leader", () => {
    const brokers = new Brokers()
    brokers.assign([led(-1), led(7)])
    brokers.learn(described(1))
    assert.deepStrictEqual(brokers.leaders, [])
  })

  it("have departed when nobody names them, and nobody waits for them", () => {
    const brokers = new Brokers()
    const waiting = led(1)
    waiting.inFlight = true
    waiting.sentTo = 4
    brokers.assign([waiting])
    brokers.learn(described(1))
    for (const nodeId of [1, 2, 4]) brokers.senders.set(nodeId, sender())
    brokers.senders.set(3, sender(100))
    assert.deepStrictEqual(brokers.departed([waiting]), [2])
    waiting.inFlight = false
    assert.deepStrictEqual(brokers.departed([waiting]), [2, 4])
  })

  it("are deposed when they have kept a batch for so long that another one leads by now", () => {
    const brokers = new Brokers()
    const lane = led(2)
    lane.inFlight = true
    lane.sentTo = 1
    brokers.senders.set(1, sender(1_000))
    assert.deepStrictEqual([...brokers.deposed([lane], 1_999, 1_000)], [])
    assert.deepStrictEqual([...brokers.deposed([lane], 2_000, 1_000)], [1])
    lane.leader = -1
    assert.deepStrictEqual([...brokers.deposed([lane], 2_000, 1_000)], [])
    lane.leader = 1
    assert.deepStrictEqual([...brokers.deposed([lane], 2_000, 1_000)], [])
  })
})
