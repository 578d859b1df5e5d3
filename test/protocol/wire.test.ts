import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ProtocolViolation, Reader, Writer } from "../../src/internal/protocol/wire.ts"

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex")

const written = (flexible: boolean, write: (writer: Writer) => void): Buffer => {
  const writer = new Writer(flexible, 1)
  write(writer)
  return writer.toBuffer()
}

describe.each([
  ["classic", false],
  ["flexible", true]
] as const)("the %s encoding", (_name, flexible) => {
  const roundTrip = <A>(
    value: A,
    write: (writer: Writer, value: A) => void,
    read: (reader: Reader) => NoInfer<A>
  ): void => {
    const reader = new Reader(
      written(flexible, (writer) => write(writer, value)),
      flexible
    )
    expect(read(reader)).toEqual(value)
    expect(reader.remaining).toBe(0)
  }

  it("reads what it writes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 400 }), (value) =>
        roundTrip(
          value,
          (w, v) => w.string(v),
          (r) => r.string()
        )
      )
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (value) =>
        roundTrip<Uint8Array>(
          Buffer.from(value),
          (w, v) => w.bytes(v),
          (r) => r.nullableBytes()!
        )
      )
    )
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) =>
        roundTrip(
          value,
          (w, v) => w.int64(v),
          (r) => r.int64()
        )
      )
    )
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) =>
        roundTrip(
          value,
          (w, v) => w.int64(v),
          (r) => r.bigint64()
        )
      )
    )
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (value) =>
        roundTrip(
          value,
          (w, v) => w.unsignedVarint(v),
          (r) => r.unsignedVarint()
        )
      )
    )
    fc.assert(
      fc.property(fc.array(fc.integer()), (value) =>
        roundTrip(
          value,
          (w, v) => w.array(v, (element) => w.int32(element)),
          (r) => r.array(() => r.int32())
        )
      )
    )
  })

  it("fails on any bytes with a violation only", () => {
    const reads: ReadonlyArray<(reader: Reader) => unknown> = [
      (r) => r.boolean(),
      (r) => r.int16(),
      (r) => r.int32(),
      (r) => r.int64(),
      (r) => r.bigint64(),
      (r) => r.offset(),
      (r) => r.uuid(),
      (r) => r.unsignedVarint(),
      (r) => r.string(),
      (r) => r.nullableString(),
      (r) => r.nullableBytes(),
      (r) => r.array(() => r.string()),
      (r) => r.nullableArray(() => r.tags()),
      (r) => r.tags(),
      (r) => r.tags(() => (r.string(), true)),
      (r) => r.finish()
    ]
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.array(fc.constantFrom(...reads), { maxLength: 20 }),
        (bytes, chosen) => {
          const reader = new Reader(Buffer.from(bytes), flexible)
          try {
            for (const read of chosen) {
              read(reader)
              expect(reader.remaining).toBeGreaterThanOrEqual(0)
            }
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolViolation)
          }
        }
      ),
      { numRuns: 5000 }
    )
  })

  it("tells null from empty, and refuses null where there has to be something", () => {
    const nothing = written(flexible, (w) => w.nullableString(undefined))
    const empty = written(flexible, (w) => w.string(""))
    expect(new Reader(nothing, flexible).nullableString()).toBeUndefined()
    expect(new Reader(empty, flexible).nullableString()).toBe("")
    expect(() => new Reader(nothing, flexible).string()).toThrow(ProtocolViolation)
    const noArray = written(flexible, (w) => w.nullArray())
    expect(new Reader(noArray, flexible).nullableArray(() => 0)).toBeUndefined()
    expect(() => new Reader(noArray, flexible).array(() => 0)).toThrow(ProtocolViolation)
  })

  it("reads no element of an array that cannot fit", () => {
    let elements = 0
    const bytes = written(flexible, (w) => (flexible ? w.unsignedVarint(0x7fff_ffff) : w.int32(0x7fff_fffe)))
    expect(() => new Reader(bytes, flexible).array(() => elements++)).toThrow("array of 2147483646")
    expect(elements).toBe(0)
  })
})

describe("varints", () => {
  it("end within five bytes and 32 bits", () => {
    const read = (text: string) => new Reader(hex(text), true).unsignedVarint()
    expect(read("00")).toBe(0)
    expect(read("7f")).toBe(127)
    expect(read("8001")).toBe(128)
    expect(read("ffffffff0f")).toBe(0xffff_ffff)
    expect(() => read("ffffffff10")).toThrow(ProtocolViolation)
    expect(() => read("ffffffff8f00")).toThrow(ProtocolViolation)
    expect(() => read("80")).toThrow(ProtocolViolation)
    expect(() => read("")).toThrow(ProtocolViolation)
  })
})

describe("negative lengths", () => {
  it("other than null's are refused", () => {
    expect(() => new Reader(hex("fffe"), false).nullableString()).toThrow("length -2")
    expect(() => new Reader(hex("80000000"), false).nullableBytes()).toThrow("length -2147483648")
    expect(() => new Reader(hex("fffffffe"), false).nullableArray(() => 0)).toThrow("length -2")
  })
})

describe("ids", () => {
  it("are 22 characters of base64url, the zero id is none", () => {
    const id = "AbCdEfGhIjKlMnOpQrSt_A"
    const bytes = written(true, (w) => w.uuid(id))
    expect(bytes.length).toBe(16)
    expect(new Reader(bytes, true).uuid()).toBe(id)
    expect(
      new Reader(
        written(true, (w) => w.uuid(undefined)),
        true
      ).uuid()
    ).toBeUndefined()
    expect(() => written(true, (w) => w.uuid("short"))).toThrow(RangeError)
  })
})

describe("tagged fields", () => {
  it("are not there in the classic encoding", () => {
    const reader = new Reader(hex("05"), false)
    reader.tags()
    expect(reader.remaining).toBe(1)
    expect(written(false, (w) => w.tags()).length).toBe(0)
  })

  it("are visited, or skipped by their size", () => {
    // three of them: 0 with an int16, 5 with three bytes, 300 with none; then a byte that follows
    const bytes = hex("03 00 02 0102 05 03 aabbcc ac02 00 7e")
    const reader = new Reader(bytes, true)
    const seen: Array<number> = []
    let value: number | undefined
    reader.tags((tag) => {
      seen.push(tag)
      if (tag !== 0) return false
      value = reader.int16()
      return true
    })
    expect([seen, value, reader.int8()]).toEqual([[0, 5, 300], 0x0102, 0x7e])
  })

  it("are never read past their size, nor short of it", () => {
    const read = (text: string) => {
      const reader = new Reader(hex(text), true)
      return () => reader.tags(() => (reader.int32(), true))
    }
    expect(read("01 00 04 00000001")).not.toThrow()
    expect(read("01 00 03 00000001")).toThrow("4 bytes expected at 3, 3 left")
    expect(read("01 00 05 0000000100")).toThrow("1 bytes too many")
    expect(read("01 00 05 00000001")).toThrow("5 bytes expected")
  })

  it("that claim to be many are refused at the first one that is missing", () => {
    expect(() => new Reader(hex("ffffffff0f 0000"), true).tags()).toThrow(ProtocolViolation)
  })
})

describe("numbers that the other side names", () => {
  const throttle = (millis: number) =>
    new Reader(
      written(false, (writer) => writer.int32(millis)),
      false
    ).throttle()

  it("make nobody wait for longer than a minute", () => {
    expect([0, 1, 59_999, 60_000].map(throttle)).toEqual([0, 1, 59_999, 60_000])
    expect([60_001, 0x7fff_ffff, -1, -0x8000_0000].map(throttle)).toEqual([60_000, 60_000, 0, 0])
  })

  it.each([
    ["classic", false],
    ["flexible", true]
  ] as const)("make no more than a million elements of one answer, in the %s encoding", (_, flexible) => {
    const answer = written(flexible, (writer) => {
      for (const size of [600_000, 400_000, 1]) writer.array(new Array<number>(size).fill(7), (n) => writer.int8(n))
    })
    const reader = new Reader(answer, flexible)
    expect(reader.array(() => reader.int8()).length).toBe(600_000)
    expect(reader.array(() => reader.int8()).length).toBe(400_000)
    expect(() => reader.array(() => reader.int8())).toThrow(/array of 1 at \d+, which is too many/)
  })

  it("make no more elements than the array may have", () => {
    const answer = written(false, (writer) => writer.array([1, 2, 3], (n) => writer.int8(n)))
    const reader = new Reader(answer, false)
    expect(() => reader.array(() => reader.int8(), 2)).toThrow("array of 3 at 0, which is too many")
    const again = new Reader(answer, false)
    expect(again.array(() => again.int8(), 3)).toEqual([1, 2, 3])
  })

  it.each([
    ["classic", false],
    ["flexible", true]
  ] as const)("skip no further than there are bytes, in the %s encoding", (_, flexible) => {
    const reader = (write: (writer: Writer) => void) => new Reader(written(flexible, write), flexible)
    const some = reader((writer) => {
      writer.array([1, 2, 3], (n) => writer.int32(n))
      writer.int8(9)
    })
    some.skipInt32s()
    expect(some.int8()).toBe(9)
    const lying = reader((writer) => {
      writer.array([1, 2, 3, 4], () => {})
      writer.int64(0)
    })
    expect(() => lying.skipInt32s()).toThrow(ProtocolViolation)
    const none = reader((writer) => writer.nullArray())
    expect(() => none.skipInt32s()).toThrow(ProtocolViolation)
  })
})

describe("what a broker says", () => {
  const message = (text: string) =>
    new Reader(
      written(false, (writer) => writer.string(text)),
      false
    ).message()

  it("is one short line, or nothing", () => {
    expect(message("")).toBeUndefined()
    expect(message("a topic, täglich")).toBe("a topic, täglich")
    expect(message("a\r\n\u001b[2J\u2028\u202eb")).toBe("a\\r\\n\\u001b[2J\\u2028\\u202eb")
    expect(message("x".repeat(30_000))).toBe(`${"x".repeat(1_024)}…`)
  })
})
