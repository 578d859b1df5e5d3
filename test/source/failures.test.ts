import { assert, describe, it } from "@effect/vitest"
import { ConnectionError } from "../../src/KafkaError.ts"
import {
  Failures,
  OF_START,
  ofLeader,
  ofLeadership,
  ofMetadata,
  ofPartition,
  ofThrottle
} from "../../src/internal/source/failures.ts"

const error = (broker: string) => new ConnectionError({ reason: "Closed", broker, request: "fetch" })

describe("failures that stand", () => {
  const [a, b, c] = ["a:1", "b:1", "c:1"].map(error)

  it("are found by what they are about, and by what they are", () => {
    const failures = new Failures()
    failures.set("a", a)
    failures.set("b", b)
    assert.strictEqual(failures.size, 2)
    assert.strictEqual(failures.get("a"), a)
    assert.strictEqual(failures.get("b"), b)
    assert.isUndefined(failures.get("c"))
    assert.strictEqual(
      failures.find((one) => one === b),
      b
    )
    assert.isUndefined(failures.find((one) => one === c))
  })

  it("are told by the one that began last: what is only repeated keeps its place", () => {
    const failures = new Failures()
    assert.isUndefined(failures.last)
    failures.set("a", a)
    failures.set("b", b)
    failures.set("a", c)
    assert.strictEqual(failures.last, b)
    failures.delete("b")
    assert.strictEqual(failures.last, c)
    failures.set("b", b)
    assert.strictEqual(failures.last, b)
    failures.clear()
    assert.isUndefined(failures.last)
    assert.strictEqual(failures.size, 0)
  })

  it("notify when there is a first one and when there is none any more, and not in between", () => {
    const failures = new Failures()
    const versions: Array<number> = []
    const after = (change: () => void) => {
      change()
      versions.push(failures.changed.version)
    }
    after(() => failures.delete("a"))
    after(() => failures.set("a", a))
    after(() => failures.set("a", b))
    after(() => failures.set("b", b))
    after(() => failures.delete("c"))
    after(() => failures.delete("a"))
    after(() => failures.delete("b"))
    after(() => failures.delete("b"))
    after(() => failures.clear())
    after(() => failures.set("a", a))
    after(() => failures.set("b", a))
    after(() => failures.clear())
    assert.deepStrictEqual(versions, [0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4])
  })

  it("of the start, topics, partitions, leaders, leaderships and throttling are kept apart", () => {
    const names = [
      OF_START,
      ...["a", "b"].map(ofMetadata),
      ...[1, 2].flatMap((n) => [
        ...["a", "b"].flatMap((topic) => [ofPartition(topic, n), ofLeadership(topic, n)]),
        ofLeader(n),
        ofThrottle(n)
      ])
    ]
    assert.strictEqual(new Set(names).size, names.length)
  })
})
