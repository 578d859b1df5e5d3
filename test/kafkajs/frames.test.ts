import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { frameReader, requestFrames } from "../../src/internal/kafkajs/frames.ts"

interface Frame {
  readonly correlationId: number
  readonly payload: Buffer
}

const bytesOf = ({ correlationId, payload }: Frame): Buffer => {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + payload.length, 0)
  head.writeInt32BE(correlationId, 4)
  return Buffer.concat([head, payload])
}

/** Reads a stream in pieces, each handed in as the same memory, as the socket does it. */
const read = (stream: Buffer, piece: (index: number) => number): ReadonlyArray<Frame> => {
  const frames: Array<Frame> = []
  const reader = frameReader((correlationId, payload) => frames.push({ correlationId, payload }))
  const memory = Buffer.alloc(stream.length)
  for (let at = 0, i = 0; at < stream.length; i++) {
    const length = stream.copy(memory, 0, at, at + piece(i))
    assert.isUndefined(reader(memory.subarray(0, length)))
    memory.fill(0xee)
    at += length
  }
  return frames
}

describe("frames", () => {
  it("are the same however the stream is cut, and keep nothing of the memory that they came in", () => {
    const frame = fc.record({
      correlationId: fc.integer({ min: -1, max: 0x7fffffff }),
      payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
    })
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (frames, pieces) => {
          assert.deepStrictEqual(
            read(Buffer.concat(frames.map(bytesOf)), (i) => pieces[i % pieces.length]),
            frames
          )
        }
      )
    )
  })

  it("of many megabytes", () => {
    const payload = Buffer.alloc(70 * 1024 * 1024, "0123456789abcdef-")
    const [frame] = read(bytesOf({ correlationId: 7, payload }), () => 1_000_003)
    assert.strictEqual(frame.correlationId, 7)
    assert.isTrue(frame.payload.equals(payload))
  })

  it("a size takes no memory before its bytes have come", () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 10 }, () => frameReader(() => {}))
    const head = Buffer.alloc(8)
    head.writeInt32BE(256 * 1024 * 1024)
    for (const reader of readers) assert.isUndefined(reader(head))
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 200 * 1024 * 1024)
  })

  it.each([3, 0, -1, 256 * 1024 * 1024 + 1, 0x48545450])("of %d bytes are none", (size) => {
    const head = Buffer.alloc(4)
    head.writeInt32BE(size)
    const reader = frameReader(() => assert.fail("no frame"))
    assert.strictEqual(reader(head), `an answer of ${size} bytes`)
  })
})

describe("frames of requests", () => {
  it("are a header, and what follows it", () => {
    const body = Buffer.from([0xaa, 0xbb])
    // size, key, version, correlation id, client id
    assert.strictEqual(
      requestFrames("ä")(18, 2, 7, body).toString("hex"),
      "0000000e" + "0012" + "0002" + "00000007" + "0002c3a4" + "aabb"
    )
    assert.strictEqual(
      requestFrames("")(1, 13, 0x7fffffff, Buffer.alloc(0)).toString("hex"),
      "0000000a" + "0001" + "000d" + "7fffffff" + "0000"
    )
  })
})
