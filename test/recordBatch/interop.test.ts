import { describe, expect, it } from "vitest"
import { AbortedTransactions } from "../../src/internal/recordBatch/abortedTransactions.ts"
import { crc32c } from "../../src/internal/recordBatch/checksum.ts"
import { prepareCodecs } from "../../src/internal/recordBatch/compression.ts"
import { controlType } from "../../src/internal/recordBatch/controlType.ts"
import { scan } from "../../src/internal/recordBatch/scan.ts"
import fixtures from "./fixtures.json" with { type: "json" }
import { readAll } from "./support.ts"

const base64 = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString("base64")

await prepareCodecs()

// Made by Fixtures.java: what Kafka's own code wrote, and what Kafka's own code reads from it.
describe("batches of Kafka's own code", () => {
  for (const fixture of fixtures) {
    const bytes = Buffer.from(fixture.bytes, "base64")

    it(fixture.name, () => {
      const read = readAll(bytes, 0)
      expect(read.partialTail).toBe(0)
      const batches = read.batches.map(({ header, records }) => ({
        magic: header.magic,
        lastOffset: header.lastOffset,
        nextOffset: header.nextOffset,
        maxTimestamp: header.maxTimestamp,
        producerId: String(header.producerId),
        producerEpoch: header.producerEpoch,
        baseSequence: header.baseSequence,
        leaderEpoch: header.partitionLeaderEpoch,
        codec: header.codec,
        transactional: header.isTransactional,
        control: header.isControl,
        count: records.length,
        crc32cOfRecords: crc32c(
          Buffer.from(
            records
              .map(({ key, offset, timestamp, value }) => {
                const quoted = [key, value].map((part) => (part === null ? "null" : `"${base64(part)}"`))
                return `${offset} ${timestamp} ${quoted.join(" ")}\n`
              })
              .join("")
          )
        ),
        records: (records.length > 10 ? [] : records).map((record) => ({
          offset: record.offset,
          timestamp: record.timestamp,
          key: base64(record.key),
          value: base64(record.value),
          headers: record.headers.map(({ key, value }) => [base64(Buffer.from(key)), base64(value)])
        }))
      }))
      expect(batches).toEqual(fixture.batches)
    })

    it(`${fixture.name}: scan`, () => {
      expect(scan(bytes, 0)).toEqual({
        nextOffset: fixture.batches[fixture.batches.length - 1].nextOffset,
        completeBatches: fixture.batches.length,
        lastEpoch: fixture.batches[fixture.batches.length - 1].leaderEpoch,
        bytes: bytes.length,
        partialTail: 0,
        malformed: false
      })
    })
  }

  const named = (name: string): Buffer =>
    Buffer.from(fixtures.find((fixture) => fixture.name === name)?.bytes ?? "", "base64")

  it("names the markers of a committed and of an aborted transaction", () => {
    const types: Array<string> = []
    const visible: Array<number> = []
    const aborted = new AbortedTransactions([{ producerId: 4_000_000_001n, firstOffset: 13 }])
    readAll(named("transaction, committed and aborted"), 10, (header, ranges) => {
      if (header.isControl) {
        types.push(controlType(ranges))
        aborted.onControl(header, controlType(ranges))
      } else if (!aborted.isAborted(header)) {
        visible.push(header.baseOffset)
      }
    })
    expect(types).toEqual(["commit", "abort"])
    expect(visible).toEqual([10])
  })

  it("does not know a change of leader", () => {
    const types: Array<string> = []
    readAll(named("leader change"), 0, (header, ranges) => {
      types.push(`${header.isControl} ${controlType(ranges)}`)
    })
    expect(types).toEqual(["true unknown"])
  })
})
