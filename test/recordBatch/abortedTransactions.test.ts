import { describe, expect, it } from "vitest"
import type { AbortedTransaction } from "../../src/internal/recordBatch/abortedTransactions.ts"
import { AbortedTransactions } from "../../src/internal/recordBatch/abortedTransactions.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { encodeControlBatch, stampBatch } from "../../src/internal/recordBatch/encode.ts"
import { batch, readAll, record } from "./support.ts"

const data = (producerId: bigint, isTransactional = true) => ({ producerId, isTransactional })
const marker = (producerId: bigint, type: "commit" | "abort") => ({ producerId, type })

/** Writes a log of batches of two records and markers from offset 0; returns the base offsets that are visible. */
const visible = (
  log: ReadonlyArray<ReturnType<typeof data> | ReturnType<typeof marker>>,
  aborted: ReadonlyArray<AbortedTransaction>,
  from = 0
): ReadonlyArray<number> => {
  let offset = 0
  const batches = log.map((entry) => {
    if ("type" in entry) {
      const bytes = encodeControlBatch({ ...entry, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 1 })
      stampBatch(bytes, offset, 0)
      offset += 1
      return { at: offset - 1, bytes }
    }
    const bytes = batch(offset, [record("a", "1"), record("b", "2")], { ...entry, producerEpoch: 0, baseSequence: 0 })
    offset += 2
    return { at: offset - 2, bytes }
  })
  const filter = new AbortedTransactions(aborted)
  const seen: Array<number> = []
  readAll(Buffer.concat(batches.filter(({ at }) => at >= from).map(({ bytes }) => bytes)), from, (header, ranges) => {
    if (header.isControl) filter.onControl(header, controlType(ranges))
    else if (!filter.isAborted(header)) seen.push(header.baseOffset)
  })
  return seen
}

describe("aborted transactions", () => {
  it("are left out up to their marker", () => {
    const log = [data(1n), data(1n), marker(1n, "abort"), data(1n), marker(1n, "commit")]
    expect(visible(log, [{ producerId: 1n, firstOffset: 0 }])).toEqual([5])
  })

  it("begin at their first offset, not before", () => {
    const log = [data(1n), marker(1n, "commit"), data(1n), marker(1n, "abort")]
    expect(visible(log, [{ producerId: 1n, firstOffset: 3 }])).toEqual([0])
  })

  it("of one record are left out as others are", () => {
    const bytes = batch(7, [record("a", "1")], {
      producerId: 1n,
      producerEpoch: 0,
      baseSequence: 0,
      isTransactional: true
    })
    for (const [firstOffset, aborted] of [
      [7, true],
      [8, false]
    ] as const) {
      const filter = new AbortedTransactions([{ producerId: 1n, firstOffset }])
      const [{ header }] = readAll(bytes, 7).batches
      expect(filter.isAborted(header)).toBe(aborted)
    }
  })

  it("are told apart by producer", () => {
    const log = [data(1n), data(2n), data(1n), marker(1n, "abort"), data(2n), marker(2n, "commit"), data(1n)]
    expect(visible(log, [{ producerId: 1n, firstOffset: 0 }])).toEqual([2, 7, 10])
  })

  it("of one producer, one after the other, in any order of the list", () => {
    const log = [
      data(1n),
      marker(1n, "abort"),
      data(1n),
      marker(1n, "commit"),
      data(1n),
      marker(1n, "abort"),
      data(1n),
      marker(1n, "commit")
    ]
    expect(
      visible(log, [
        { producerId: 1n, firstOffset: 6 },
        { producerId: 1n, firstOffset: 0 }
      ])
    ).toEqual([3, 9])
  })

  it("never touch batches outside of transactions", () => {
    expect(visible([data(1n, false), data(1n), marker(1n, "abort")], [{ producerId: 1n, firstOffset: 2 }])).toEqual([0])
    expect(visible([data(1n), data(1n, false), marker(1n, "abort")], [{ producerId: 1n, firstOffset: 0 }])).toEqual([2])
  })

  it("an abort marker that is not listed changes nothing", () => {
    expect(visible([data(1n), marker(1n, "abort"), data(1n)], [])).toEqual([0, 3])
    expect(visible([marker(1n, "abort"), data(1n)], [{ producerId: 2n, firstOffset: 0 }])).toEqual([1])
  })

  it("listed twice", () => {
    const twice = { producerId: 1n, firstOffset: 0 }
    expect(visible([data(1n), marker(1n, "abort"), data(1n)], [twice, twice])).toEqual([3])
  })

  it("a fetch that starts inside of one", () => {
    const log = [data(1n), data(1n), data(2n), marker(1n, "abort"), data(1n)]
    expect(visible(log, [{ producerId: 1n, firstOffset: 0 }], 2)).toEqual([4, 7])
  })

  it("a fetch that starts at the marker of one", () => {
    const log = [data(1n), marker(1n, "abort"), data(1n), marker(1n, "commit"), data(1n), marker(1n, "abort")]
    const aborted = [
      { producerId: 1n, firstOffset: 0 },
      { producerId: 1n, firstOffset: 6 }
    ]
    expect(visible(log, aborted, 2)).toEqual([3])
  })

  it("a fetch that ends inside of one", () => {
    expect(visible([data(2n), data(1n)], [{ producerId: 1n, firstOffset: 2 }])).toEqual([0])
  })

  it("producer ids beyond 2^53 are not mixed up", () => {
    const log = [data(2n ** 60n), data(2n ** 60n + 1n)]
    expect(visible(log, [{ producerId: 2n ** 60n, firstOffset: 0 }])).toEqual([2])
  })

  it("transactions that begin after the answer are not taken yet", () => {
    expect(visible([data(1n)], [{ producerId: 1n, firstOffset: 2 }])).toEqual([0])
  })
})

describe("producer ids that a broker has chosen to collide", () => {
  const count = 20_000

  /** What undoes V8's hash of a number of 64 bits, which has no secret in it. */
  const withHash = (hash: bigint): bigint => {
    const bits = (value: bigint) => BigInt.asUintN(64, value)
    const unshifted = (value: bigint, by: bigint): bigint => {
      let found = value
      for (let done = 0n; done < 64n; done += by) found = value ^ (found >> by)
      return found
    }
    const inverse = (factor: bigint): bigint => {
      let found = factor
      for (let i = 0; i < 6; i++) found = bits(found * (2n - factor * found))
      return found
    }
    let value = unshifted(hash, 22n)
    value = unshifted(bits(value * inverse(65n)), 11n)
    value = unshifted(bits(value * inverse(21n)), 31n)
    return BigInt.asIntN(64, bits((value + 1n) * inverse(2n ** 18n - 1n)))
  }

  const millis = (ids: ReadonlyArray<bigint>): number => {
    const list = ids.map((producerId) => ({ producerId, firstOffset: 0 }))
    const { header } = readAll(batch(0, [record("a", "1")]), 0).batches[0]
    const transactional = { ...header, isTransactional: true }
    const begin = performance.now()
    const filter = new AbortedTransactions(list)
    let aborted = 0
    for (const producerId of ids) if (filter.isAborted({ ...transactional, producerId })) aborted++
    expect(aborted).toBe(count)
    return performance.now() - begin
  }

  it("cost what others cost", () => {
    const ordinary = Array.from({ length: count }, (_, i) => BigInt(i))
    const chosen = ordinary.map((id) => withHash((id << 30n) | 7n))
    expect(new Set(ordinary).size).toBe(count)
    // Others may have the machine during a measurement, so the least of several counts; those that collide take a hundred
    // times as long where a hash has no secret, in each of them.
    const least = { chosen: Number.POSITIVE_INFINITY, ordinary: Number.POSITIVE_INFINITY }
    const isAlike = () => least.chosen < 5 * least.ordinary + 20
    for (let round = 0; round < 3 || (round < 20 && !isAlike()); round++) {
      least.chosen = Math.min(least.chosen, millis(chosen))
      least.ordinary = Math.min(least.ordinary, millis(ordinary))
    }
    expect(least.chosen).toBeLessThan(5 * least.ordinary + 20)
  })
})
