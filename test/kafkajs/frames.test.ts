import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { FrameReader, requestFrames } from "../../src/internal/kafkajs/frames.ts"

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

/**
 * Reads a stream in pieces, as the socket does it: each into the room that there is, or handed in as the same memory.
 * `copies`: bytes that were handed in.
 */
const read = (stream: Buffer, piece: (index: number) => number) => {
  const frames: Array<Frame> = []
  const reader = new FrameReader((correlationId, payload) => frames.push({ correlationId, payload }))
  const memory = Buffer.alloc(stream.length)
  let copies = 0
  for (let at = 0, i = 0; at < stream.length; i++) {
    const { room } = reader
    const length = stream.copy(room ?? memory, 0, at, at + piece(i))
    if (room === undefined) {
      copies += length
      assert.isUndefined(reader.take(memory.subarray(0, length)))
      memory.fill(0xee, 0, length)
    } else {
      reader.came(length)
    }
    at += length
  }
  return { frames, copies }
}

describe("frames", () => {
  it("are the same however the stream is cut, and keep nothing of the memory that they came in", () => {
    const frame = fc.record({
      correlationId: fc.integer({ min: -1, max: 0x7fffffff }),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        // around the size from which there is room to read it to
        fc
          .record({ length: fc.integer({ min: 65_500, max: 65_600 }), of: fc.integer({ min: 0, max: 255 }) })
          .map(({ length, of }) => Buffer.alloc(length, of))
      )
    })
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 70_000 })), { minLength: 1 }),
        (frames, pieces) => {
          assert.deepStrictEqual(
            read(Buffer.concat(frames.map(bytesOf)), (i) => pieces[i % pieces.length]).frames,
            frames
          )
        }
      )
    )
  })

  it("of many megabytes", () => {
    const payload = Buffer.alloc(70 * 1024 * 1024, "0123456789abcdef-")
    const { copies, frames } = read(bytesOf({ correlationId: 7, payload }), () => 1_000_003)
    assert.strictEqual(frames[0].correlationId, 7)
    assert.isTrue(frames[0].payload.equals(payload))
    // the first piece, and what is left of it at the end, if anything
    assert.isBelow(copies, 2_000_000)
  })

  it("a size takes no memory before its bytes have come", () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 10 }, () => new FrameReader(() => {}))
    const head = Buffer.alloc(8)
    head.writeInt32BE(256 * 1024 * 1024)
    for (const reader of readers) assert.isUndefined(reader.take(head))
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 200 * 1024 * 1024)
  })

  it.each([3, 0, -1, 256 * 1024 * 1024 + 1, 0x48545450])("of %d bytes are none", (size) => {
    const head = Buffer.alloc(4)
    head.writeInt32BE(size)
    const reader = new FrameReader(() => assert.fail("no frame"))
    assert.strictEqual(reader.take(head), `an answer of ${size} bytes`)
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
