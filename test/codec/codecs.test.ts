import { assert, describe, expect, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { everyCodec } from "./everyCodec.ts"
import {
  bytesOf,
  decode,
  decodeSync,
  embedded,
  encode,
  encodeSync,
  explanationOf,
  failureOf,
  hexOf,
  isSchemaError,
  messageOf,
  roundTrip,
  successOf,
  textOf
} from "./outcomes.ts"

class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {
  get url(): string {
    return `http://${this.host}:${this.port}`
  }
}

class Refused extends Data.TaggedError("Refused")<{ readonly code: number }> {}

const brand = Schema.decodeSync(Schema.String.pipe(Schema.brand("Id")))

/** The name of the prototype is refused in both directions. */
const hasNoPrototype = (value: unknown): boolean => !JSON.stringify(value).includes("__proto__")

/** JSON has no -0. */
const withoutMinusZero = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const identity = <A>(a: A): A => a

describe("every codec", () => {
  const wellFormed = fc.string({ unit: "binary" })
  everyCodec("utf8", Codec.utf8, wellFormed)
  everyCodec("bytes", Codec.bytes, fc.uint8Array())
  everyCodec("int32", Codec.int32, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))
  everyCodec("uint32", Codec.uint32, fc.nat(2 ** 32 - 1))
  everyCodec("int64", Codec.int64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  everyCodec("uint64", Codec.uint64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  everyCodec(
    "json of a class",
    Codec.json(Service),
    fc.record({ host: wellFormed, port: fc.integer() }).map((fields) => new Service(fields))
  )
  everyCodec(
    "json of anything",
    Codec.json(Schema.Unknown),
    fc.jsonValue().map(withoutMinusZero).filter(hasNoPrototype)
  )
  everyCodec("string of a brand", Codec.string(Schema.String.pipe(Schema.brand("Id"))), wellFormed.map(brand))
  everyCodec("string of a number", Codec.string(Schema.NumberFromString), fc.integer())
  everyCodec(
    "make",
    Codec.make<number>({
      decode: (bytes) => {
        if (bytes.length !== 1) throw new RangeError("one byte, please")
        return bytes[0] ?? 0
      },
      encode: (n) => Uint8Array.of(n)
    }),
    fc.nat(255)
  )
  everyCodec(
    "imap",
    Codec.imap(
      Codec.int32,
      (n) => ({ n }),
      ({ n }) => n
    ),
    fc.integer().map((n) => ({ n }))
  )
})

describe("isCodec", () => {
  it("tells codecs from others", () => {
    for (const other of [undefined, null, {}, "utf8", Schema.String]) {
      expect(Codec.isCodec(other)).toBe(false)
    }
  })
})

describe("utf8", () => {
  it("is one to one with the bytes that it decodes", () => {
    expect(Codec.utf8.text).toBe(true)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        const decoded = decode(Codec.utf8, bytes)
        if (Exit.isSuccess(decoded)) {
          expect(hexOf(successOf(encode(Codec.utf8, decoded.value)))).toBe(hexOf(bytes))
        }
      }),
      { numRuns: 2_000 }
    )
  })

  it.each([
    ["a continuation byte alone", "80"],
    ["a byte that never occurs", "61ff"],
    ["a sequence that is cut off", "e28a"],
    ["an overlong form", "c080"],
    ["a surrogate", "eda080"],
    ["above the last code point", "f4908080"],
    ["a real U+FFFD beside it", "efbfbd80"]
  ])("refuses %s", (_, hex) => {
    const decoded = decode(Codec.utf8, Buffer.from(hex, "hex"))
    expect(messageOf(decoded)).toBe(`Expected UTF-8, actual other bytes (${hex.length / 2} in all)`)
    expect(explanationOf(decoded)).toContain(`Expected UTF-8, actual 0x${hex}`)
  })

  it("keeps what looks special", () => {
    for (const text of ["", "\uFFFD", "a\uFFFDb", "\uFEFFbom", "\u0000", "grüße", "😀", "\u{10FFFF}"]) {
      expect(roundTrip(Codec.utf8, text)).toBe(text)
    }
  })

  it("does not encode a lone surrogate", () => {
    for (const text of ["\uD83D", "a\uDE00", "\uDE00\uD83D", "😀\uD83D"]) {
      expect(messageOf(encode(Codec.utf8, text))).toContain("lone surrogate")
    }
  })

  it("does not encode what is no string", () => {
    for (const value of [undefined, null, 1, [1, 2], { length: 3 }]) {
      // @ts-expect-error: for callers without types
      expect(messageOf(encode(Codec.utf8, value))).toContain("Expected a string")
    }
  })

  it("shows the beginning of long bytes only", () => {
    const explanation = explanationOf(decode(Codec.utf8, new Uint8Array(1_000_000).fill(0xff)))
    expect(explanation).toContain("(1000000 bytes)")
    expect(explanation.length).toBeLessThan(200)
  })
})

describe("bytes", () => {
  it("copies in both directions", () => {
    const buffer = Buffer.from([1, 2, 3, 4])
    const decoded = Codec.bytes.decodeSync(buffer, 1, 3)
    assert(decoded !== Codec.suspended)
    expect(Buffer.isBuffer(decoded)).toBe(false)
    expect(decoded.buffer.byteLength).toBe(2)
    const value = new Uint8Array([7, 8])
    const encoded = Codec.bytes.encodeSync(value)
    assert(encoded !== Codec.suspended)
    buffer.fill(0)
    value.fill(0)
    expect([...decoded]).toEqual([2, 3])
    expect([...encoded]).toEqual([7, 8])
  })

  it("does not encode what is no bytes", () => {
    for (const value of [undefined, 5, "abc", [1]]) {
      // @ts-expect-error: for callers without types
      expect(messageOf(encode(Codec.bytes, value))).toContain("Expected a Uint8Array")
    }
  })
})

describe("integers", () => {
  it("are big-endian", () => {
    const hex = <A>(codec: Codec.Codec<A>, value: A) => hexOf(successOf(encode(codec, value)))
    expect(hex(Codec.int32, 1)).toBe("00000001")
    expect(hex(Codec.int32, -2)).toBe("fffffffe")
    expect(hex(Codec.uint32, 0xdeadbeef)).toBe("deadbeef")
    expect(hex(Codec.int64, 258n)).toBe("0000000000000102")
    expect(hex(Codec.int64, -1n)).toBe("ffffffffffffffff")
    expect(hex(Codec.uint64, 2n ** 63n)).toBe("8000000000000000")
  })

  it("have exactly one length", () => {
    for (const size of [0, 3, 5, 8]) {
      expect(messageOf(decode(Codec.int32, new Uint8Array(size)))).toContain("Expected 4 bytes (int32)")
      expect(messageOf(decode(Codec.uint32, new Uint8Array(size)))).toContain("Expected 4 bytes (uint32)")
    }
    for (const size of [0, 4, 7, 9]) {
      expect(messageOf(decode(Codec.int64, new Uint8Array(size)))).toContain("Expected 8 bytes (int64)")
      expect(messageOf(decode(Codec.uint64, new Uint8Array(size)))).toContain("Expected 8 bytes (uint64)")
    }
  })

  it("refuse what does not fit", () => {
    for (const value of [2 ** 31, -(2 ** 31) - 1, 0.5, NaN, Infinity]) {
      expect(messageOf(encode(Codec.int32, value))).toContain("fits int32")
    }
    for (const value of [2 ** 32, -1, 0.5, NaN, Infinity]) {
      expect(messageOf(encode(Codec.uint32, value))).toContain("fits uint32")
    }
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) {
      expect(messageOf(encode(Codec.int64, value))).toContain("fits int64")
    }
    for (const value of [2n ** 64n, -1n]) {
      expect(messageOf(encode(Codec.uint64, value))).toContain("fits uint64")
    }
    // @ts-expect-error: for callers without types
    expect(messageOf(encode(Codec.int64, 1))).toContain("fits int64")
    // @ts-expect-error: for callers without types
    expect(messageOf(encode(Codec.int32, 1n))).toContain("fits int32")
  })
})

describe("json", () => {
  it("gives instances of a schema class", () => {
    const service = roundTrip(Codec.json(Service), new Service({ host: "b1", port: 8080 }))
    expect(service).toBeInstanceOf(Service)
    expect(service.url).toBe("http://b1:8080")
    expect(Equal.equals(service, new Service({ host: "b1", port: 8080 }))).toBe(true)
  })

  it("writes what the schema encodes to", () => {
    const codec = Codec.json(Schema.Struct({ at: Schema.Date, n: Schema.NumberFromString }))
    const bytes = successOf(encode(codec, { at: new Date(0), n: 12 }))
    expect(textOf(bytes)).toBe(`{"at":"1970-01-01T00:00:00.000Z","n":"12"}`)
  })

  it.each(["", " ", "{", `{"host":"b1","port":}`, "undefined", "\uFEFF{}", "[1,]", "'a'"])("%j is not JSON", (text) => {
    const decoded = decode(Codec.json(Schema.Unknown), bytesOf(text))
    expect(messageOf(decoded)).toBe(text === "" ? "Invalid JSON, it is empty" : "Invalid JSON")
    expect(explanationOf(decoded)).toContain("Invalid JSON: ")
  })

  it("explains what is wrong with the text, and shows its beginning", () => {
    const explanation = explanationOf(decode(Codec.json(Service), bytesOf(`{"host": b1}${"x".repeat(1_000)}`)))
    expect(explanation).toContain(`in "{\\"host\\": b1}xxx`)
    expect(explanation.length).toBeLessThan(300)
  })

  it("says what is wrong with the value", () => {
    expect(messageOf(decode(Codec.json(Service), bytesOf(`{"host":"b1","port":1.5}`)))).toBe(
      "port: Expected an integer, actual a number"
    )
    expect(messageOf(decode(Codec.json(Service), bytesOf(`null`)))).toContain("actual null")
  })

  it("refuses text that is not UTF-8, also inside of strings", () => {
    const bytes = Uint8Array.of(0x22, 0xff, 0x22)
    const decoded = decode(Codec.json(Schema.String), bytes)
    expect(messageOf(decoded)).toContain("Expected UTF-8")
    expect(explanationOf(decoded)).toContain("Expected UTF-8, actual 0x22ff22")
  })

  it("keeps lone surrogates, as JSON can", () => {
    expect(roundTrip(Codec.json(Schema.String), "\uD83D")).toBe("\uD83D")
  })

  it("does not encode what has no JSON form", () => {
    const codec = Codec.json(Schema.Unknown)
    const cycle: Array<unknown> = []
    cycle.push(cycle)
    const thrower = {
      toJSON() {
        throw new Error("no JSON of me")
      }
    }
    for (const value of [undefined, () => 1, Symbol("s"), 1n, cycle, { thrower }]) {
      expect(messageOf(encode(codec, value))).toContain("Not representable as JSON")
    }
  })

  it("does not encode what JSON would silently turn into null", () => {
    const codec = Codec.json(Schema.Unknown)
    for (const value of [NaN, Infinity, { a: [{ b: -Infinity }] }, [undefined], { a: [() => 1] }, [Symbol("s")]]) {
      expect(messageOf(encode(codec, value))).toContain("would become null")
    }
    for (const value of [null, { a: null, b: undefined, c: "null" }, [null, 1]]) {
      expect(Exit.isSuccess(encode(codec, value))).toBe(true)
    }
  })

  it("reports what the schema refuses to encode", () => {
    const codec = Codec.json(Schema.Struct({ port: Schema.Int }))
    expect(messageOf(encode(codec, { port: 0.5 }))).toBe("port: Expected an integer, actual a number")
  })

  it.each([100, 3_000, 10_000, 100_000])("survives %i arrays in each other, and can say so", (depth) => {
    interface Nested extends ReadonlyArray<Nested> {}
    const Nested: Schema.Codec<Nested> = Schema.Array(Schema.suspend(() => Nested))
    const bytes = bytesOf("[".repeat(depth) + "1" + "]".repeat(depth))
    const check = <A>(codec: Codec.Codec<A>) => {
      const result = decodeSync(codec, bytes)
      expect(messageOf(result)).not.toBe("")
      assert(result !== Codec.suspended)
      const error = failureOf(result)
      expect(inspect(error)).toMatch(/ParseError|SchemaError/)
      expect(Cause.pretty(Cause.fail(error))).toMatch(/ParseError|SchemaError/)
    }
    check(Codec.json(Nested))
    check(Codec.json(Schema.Array(Schema.String)))
  })

  it("does not quote a large value at full length", () => {
    const bytes = bytesOf(JSON.stringify("x".repeat(1_000_000)))
    expect(messageOf(decode(Codec.json(Schema.Int), bytes)).length).toBeLessThan(5_000)
  })
})

describe("json values that are written as they are", () => {
  const Plain = Schema.Struct({
    id: Schema.String,
    n: Schema.Number,
    tags: Schema.Array(Schema.String),
    at: Schema.optional(Schema.Struct({ x: Schema.NullOr(Schema.Boolean) }))
  })
  const codec = Codec.json(Plain)
  const plain = { id: "a", n: 1, tags: ["b"], at: { x: true } }
  class Instance {
    readonly id = "a"
    readonly n = 1
    readonly tags = ["b"]
    get at() {
      return { x: null }
    }
  }
  class Tags extends Array<string> {
    toJSON() {
      return "no"
    }
  }
  const hidden = (on: object, name: string) => Object.defineProperty(on, name, { value: () => "no", enumerable: false })

  const failing = (): never => {
    throw new Error("a getter")
  }

  // What is not plain is encoded by the schema, which the Effect always does: both have to be alike.
  it.each<readonly [string, unknown]>([
    ["plain", plain],
    ["without what is optional", { id: "a", n: 1, tags: [] }],
    ["undefined where it is optional", { ...plain, at: undefined }],
    ["in another order", { tags: ["b"], n: 1, id: "a" }],
    ["with more names", { ...plain, more: 1 }],
    ["with more names within", { ...plain, at: { x: true, y: 1 } }],
    ["with a symbol", { ...plain, [Symbol.iterator]: 1 }],
    ["an instance of a class", new Instance()],
    ["without a prototype", Object.assign(Object.create(null) as object, plain)],
    ["by its prototype", Object.create(plain)],
    ["with toJSON", { ...plain, toJSON: () => "no" }],
    ["with a hidden toJSON", hidden({ ...plain }, "toJSON")],
    ["with a hidden toJSON within", { ...plain, at: hidden({ x: true }, "toJSON") }],
    ["with a hidden toJSON of an array", { ...plain, tags: hidden(["b"], "toJSON") }],
    ["an array of a class", { ...plain, tags: Tags.from(["b"]) }],
    ["an array with holes", { ...plain, tags: Object.assign(["b"], { length: 2 }) }],
    ["an array with names", { ...plain, tags: Object.assign(["b"], { more: 1 }) }],
    ["an object that looks like an array", { ...plain, tags: { 0: "b", length: 1 } }],
    ["a boxed text", { ...plain, id: Object("a") as unknown }],
    ["a date for a text", { ...plain, id: new Date(0) }],
    ["what is not a number", { ...plain, n: Number.NaN }],
    ["minus zero", { ...plain, n: -0 }],
    ["what is not finite", { ...plain, n: Number.POSITIVE_INFINITY }],
    ["half a character", { ...plain, id: "\ud800" }],
    ["an array for an object", { ...plain, at: [true] }],
    ["null for an object", { ...plain, at: null }],
    ["by getters", Object.defineProperty({ ...plain }, "n", { get: () => 1, enumerable: true })],
    ["a getter that throws", Object.defineProperty({ ...plain }, "n", { get: () => failing(), enumerable: true })],
    ["nothing", undefined],
    ["null", null],
    ["an array", [plain]]
  ])("%s", (_, value) => {
    const bytes = encode(codec, value as never)
    if (Exit.isSuccess(bytes)) assert.notInclude(textOf(bytes.value), "no")
  })
})

describe("json values that a table may keep as bytes", () => {
  const Place = Schema.Struct({ host: Schema.String, ports: Schema.Array(Schema.Int) })
  const check = <A, I>(schema: Schema.Codec<A, I>, text: string) =>
    Codec.json(schema).stored?.check(...embedded(bytesOf(text)))

  it("are objects that decoding leaves as they are", () => {
    expect(check(Place, '{"host":"a","ports":[1]}')).toBe(Codec.asBytes)
    expect(check(Schema.Array(Place), "[]")).toBe(Codec.asBytes)
    // another order, and a field too many: a new object
    expect(check(Place, '{"ports":[1],"host":"a","more":0}')).toEqual({ host: "a", ports: [1] })
  })

  it("are not what takes less room itself", () => {
    for (const text of ["5", '"x"', "true", "null"]) expect(check(Schema.Unknown, text)).toBe(JSON.parse(text))
  })
})

describe("make", () => {
  const throwing = (thrown: unknown) =>
    Codec.make<string>({
      decode: () => {
        throw thrown
      },
      encode: () => {
        throw thrown
      }
    })

  it.each([
    [new Error("broken"), "Error", "broken"],
    [
      new Error("broken", { cause: new Error("disk", { cause: "sector 7" }) }),
      "Error, caused by: Error, caused by: a string",
      "broken, caused by: disk, caused by: sector 7"
    ],
    [new RangeError(), "RangeError", "RangeError"],
    [new Refused({ code: 7 }), "Refused", "Refused"],
    ["just text", "a string", "just text"],
    [undefined, "undefined", "undefined"],
    [null, "null", "null"],
    [12n, "a bigint", "12n"],
    [Object.freeze(new TypeError("frozen")), "TypeError", "frozen"],
    [{ code: 7 }, "an object", `{"code":7}`],
    [Object.create(null), "an object", "{}"]
  ])("what it throws is an error of Schema that names it, and can be explained (%#)", (thrown, kind, words) => {
    for (const result of [decode(throwing(thrown), bytesOf("a")), encode(throwing(thrown), "a")]) {
      expect(messageOf<unknown>(result)).toBe(`a function of the codec threw ${kind}`)
      expect(explanationOf<unknown>(result)).toBe(words)
    }
  })

  it("copes with what cannot even be looked at", () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const mute = {
      get message(): string {
        throw new Error("no message of me")
      }
    }
    for (const thrown of [proxy, mute, Object.assign(new Error(), { toString: null })]) {
      expect(messageOf(decode(throwing(thrown), bytesOf("a")))).toMatch(
        /^a function of the codec threw (an object|Error)$/
      )
      expect(explanationOf(decode(throwing(thrown), bytesOf("a")))).not.toBe("")
    }
  })

  it("an error that is its own cause ends", () => {
    const error = new Error("again")
    error.cause = error
    const decoded = decode(throwing(error), bytesOf("a"))
    expect(messageOf(decoded)).toMatch(/^a function of the codec threw Error, caused by: Error/)
    expect(explanationOf(decoded)).toMatch(/^again, caused by: again/)
  })

  it("gives the function bytes that it may keep", () => {
    const codec = Codec.make<Uint8Array>({ decode: (bytes) => bytes.subarray(1), encode: (bytes) => bytes })
    const buffer = Buffer.from([1, 2, 3])
    const decoded = codec.decodeSync(buffer, 0, 3)
    assert(decoded !== Codec.suspended)
    buffer.fill(0)
    expect([...decoded]).toEqual([2, 3])
  })

  it("does not write what is no bytes", () => {
    // @ts-expect-error: for callers without types
    const codec = Codec.make<string>({ decode: String, encode: (text) => text })
    expect(messageOf(encode(codec, "a"))).toBe("Expected a Uint8Array, actual a string")
    expect(explanationOf(encode(codec, "a"))).toBe(`Expected a Uint8Array, actual "a"`)
  })
})

describe("makeEffect", () => {
  it.effect("always runs an Effect", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<string>()
      const codec = Codec.makeEffect<string, never, never>({
        decode: (bytes) => Effect.map(Deferred.await(gate), (prefix) => prefix + textOf(bytes)),
        encode: (text) => Effect.succeed(bytesOf(text))
      })
      expect(decodeSync(codec, bytesOf("a"))).toBe(Codec.suspended)
      expect(encodeSync(codec, "a")).toBe(Codec.suspended)

      const source = bytesOf("a")
      const fiber = yield* Effect.forkChild(codec.decode(source))
      yield* Effect.yieldNow
      source.fill(0)
      yield* Deferred.succeed(gate, "> ")
      expect(yield* Fiber.join(fiber)).toBe("> a")
      expect(textOf(yield* codec.encode("b"))).toBe("b")
    })
  )

  it.effect("what is no Effect is an error of Schema", () =>
    Effect.gen(function* () {
      for (const none of [undefined, null, 1, Promise.resolve("a"), {}]) {
        // @ts-expect-error: for callers without types
        const codec = Codec.makeEffect<string, never, never>({ decode: () => none, encode: () => none })
        for (const effect of [Effect.asVoid(codec.decode(bytesOf("a"))), Effect.asVoid(codec.encode("a"))]) {
          const exit = yield* Effect.exit(effect)
          expect(isSchemaError(failureOf(exit))).toBe(true)
        }
      }
    })
  )

  it.effect("who runs it can interrupt it", () =>
    Effect.gen(function* () {
      const codec = Codec.makeEffect<string, never, never>({ decode: () => Effect.never, encode: () => Effect.never })
      const through = Codec.imap(codec, identity, identity)
      const all: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        codec.decode(bytesOf("a")),
        codec.encode("a"),
        through.decode(bytesOf("a")),
        through.encode("a")
      ]
      for (const effect of all) {
        const fiber = yield* Effect.forkChild(effect)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }
    })
  )
})

describe("imap", () => {
  const url = Codec.utf8.pipe(
    Codec.imap(
      (text) => new URL(text),
      (url) => url.href
    )
  )

  it("goes there and back", () => {
    expect(roundTrip(url, new URL("http://b1:8080/")).host).toBe("b1:8080")
    expect(url.text).toBe(false)
  })

  it("what the functions throw, and what the codec below refuses, is an error of Schema", () => {
    expect(messageOf(decode(url, bytesOf("nowhere")))).toBe("a function of the codec threw TypeError (ERR_INVALID_URL)")
    expect(explanationOf(decode(url, bytesOf("nowhere")))).toContain("Invalid URL")
    expect(messageOf(decode(url, Uint8Array.of(0xff)))).toContain("Expected UTF-8")
    const thrower = Codec.imap(Codec.utf8, identity, (): string => {
      throw new Error("one way only")
    })
    expect(explanationOf(encode(thrower, "a"))).toBe("one way only")
  })
})
