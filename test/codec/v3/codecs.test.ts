import { assert, describe, expect, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { inspect } from "node:util"

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "utf8"))
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8")
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** In the middle of a larger buffer, as a record is. */
const embedded = (bytes: Uint8Array): readonly [buffer: Buffer, start: number, end: number] => [
  Buffer.from([0x22, 0xc3, ...bytes, 0xa9, 0x22]),
  2,
  bytes.length + 2
]

const trySync = <A>(f: () => A | Codec.Suspended): Either.Either<A, ParseResult.ParseError> | Codec.Suspended => {
  try {
    const result = f()
    return result === Codec.suspended ? Codec.suspended : Either.right(result)
  } catch (thrown) {
    assert(ParseResult.isParseError(thrown), `threw something else: ${String(thrown)}`)
    return Either.left(thrown)
  }
}

const decodeSync = <A>(codec: Codec.Codec<A>, bytes: Uint8Array) => trySync(() => codec.decodeSync(...embedded(bytes)))
const encodeSync = <A>(codec: Codec.Codec<A>, value: A) => trySync(() => codec.encodeSync(value))

const messageOf = <A>(result: Either.Either<A, ParseResult.ParseError> | Codec.Suspended): string => {
  assert(result !== Codec.suspended && Either.isLeft(result))
  return result.left.message
}

/** What is told of it to who asks for values. */
const explanationOf = <A>(result: Either.Either<A, ParseResult.ParseError> | Codec.Suspended): string => {
  assert(result !== Codec.suspended && Either.isLeft(result))
  return Codec.explain(result.left)
}

/** Whether it is kept or made of its bytes at a read, the value is the same. */
const checkStored = <A>(
  { stored }: Codec.Codec<A>,
  bytes: Uint8Array,
  expected: Either.Either<A, ParseResult.ParseError>
): void => {
  if (stored === undefined) return
  const checked = trySync(() => stored.check(...embedded(bytes)))
  assert(checked !== Codec.suspended)
  if (Either.isLeft(checked)) {
    assert(Either.isLeft(expected))
    expect(checked.left.message).toBe(expected.left.message)
  } else {
    assert(Either.isRight(expected))
    expect(checked.right === Codec.asBytes ? stored.load(...embedded(bytes)) : checked.right).toEqual(expected.right)
  }
}

/** What the synchronous call gives, having checked that the Effect gives the same. */
const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): Either.Either<A, ParseResult.ParseError> => {
  const sync = decodeSync(codec, bytes)
  assert(sync !== Codec.suspended)
  checkStored(codec, bytes, sync)
  const effect = Effect.runSync(Effect.either(codec.decode(bytes)))
  if (Either.isRight(effect)) {
    assert(Either.isRight(sync))
    expect(sync.right).toEqual(effect.right)
  } else {
    assert(Either.isLeft(sync))
    expect(sync.left.message).toBe(effect.left.message)
    expect(Codec.explain(sync.left)).toBe(Codec.explain(effect.left))
  }
  return sync
}

const encode = <A>(codec: Codec.Codec<A>, value: A): Either.Either<Uint8Array, ParseResult.ParseError> => {
  const sync = encodeSync(codec, value)
  assert(sync !== Codec.suspended)
  const effect = Effect.runSync(Effect.either(codec.encode(value)))
  if (Either.isRight(effect)) {
    assert(Either.isRight(sync))
    expect(hexOf(sync.right)).toBe(hexOf(effect.right))
  } else {
    assert(Either.isLeft(sync))
    expect(sync.left.message).toBe(effect.left.message)
    expect(Codec.explain(sync.left)).toBe(Codec.explain(effect.left))
  }
  return sync
}

const roundTrip = <A>(codec: Codec.Codec<A>, value: A): A =>
  Either.getOrThrow(decode(codec, Either.getOrThrow(encode(codec, value))))

class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {
  get url(): string {
    return `http://${this.host}:${this.port}`
  }
}

class Circle extends Schema.TaggedClass<Circle>()("Circle", { radius: Schema.Finite }) {}
class Square extends Schema.TaggedClass<Square>()("Square", { side: Schema.Finite }) {}

class Refused extends Data.TaggedError("Refused")<{ readonly code: number }> {}
class Explained extends Data.TaggedError("Explained")<{ readonly message: string; readonly cause?: unknown }> {}

/** Waits on the clock, as a call to a registry would wait on the network. */
const Slow = Schema.transformOrFail(Schema.String, Schema.String, {
  strict: true,
  decode: (text, _, ast) =>
    Effect.sleep("1 second").pipe(
      Effect.andThen(
        text === "bad" ? ParseResult.fail(new ParseResult.Type(ast, text, "slowly refused")) : ParseResult.succeed(text)
      )
    ),
  encode: (text) => Effect.as(Effect.sleep("1 second"), text)
})

const afterASecond = <A, E>(self: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Effect.exit(self))
    yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

describe("every codec", () => {
  interface Case<A> {
    readonly name: string
    readonly codec: Codec.Codec<A>
    readonly values: fc.Arbitrary<A>
  }
  const of = <A>(name: string, codec: Codec.Codec<A>, values: fc.Arbitrary<A>, use: <A>(self: Case<A>) => void) =>
    describe(name, () => use({ name, codec, values }))

  const each = (use: <A>(self: Case<A>) => void): void => {
    const wellFormed = fc.string({ unit: "binary" })
    of("utf8", Codec.utf8, wellFormed, use)
    of("bytes", Codec.bytes, fc.uint8Array(), use)
    of("int32", Codec.int32, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), use)
    of("uint32", Codec.uint32, fc.nat(2 ** 32 - 1), use)
    of("int64", Codec.int64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), use)
    of("uint64", Codec.uint64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), use)
    of(
      "json of a class",
      Codec.json(Service),
      fc.record({ host: wellFormed, port: fc.integer() }).map((fields) => new Service(fields)),
      use
    )
    of(
      "json of transformations",
      Codec.json(
        Schema.Struct({
          at: Schema.Date,
          n: Schema.NumberFromString,
          big: Schema.BigInt,
          maybe: Schema.OptionFromNullOr(Schema.String),
          names: Schema.Record({ key: Schema.String, value: Schema.Array(Schema.Boolean) }),
          note: Schema.optional(Schema.String)
        })
      ),
      fc.record(
        {
          at: fc.date({ noInvalidDate: true }),
          n: fc.integer(),
          big: fc.bigInt(),
          maybe: fc.option(wellFormed, { nil: undefined }).map(Option.fromNullable),
          names: fc.dictionary(
            wellFormed.filter((name) => name !== "__proto__"),
            fc.array(fc.boolean())
          ),
          note: wellFormed
        },
        { requiredKeys: ["at", "n", "big", "maybe", "names"] }
      ),
      use
    )
    of(
      "json of a union",
      Codec.json(Schema.Union(Circle, Square, Schema.Null, Schema.String)),
      fc.oneof(
        fc.integer().map((radius) => new Circle({ radius })),
        fc.integer().map((side) => new Square({ side })),
        fc.constant(null),
        wellFormed
      ),
      use
    )
    of("json of anything", Codec.json(Schema.Unknown), fc.jsonValue().map(withoutMinusZero).filter(hasNoPrototype), use)
    of("string of a brand", Codec.string(Schema.String.pipe(Schema.brand("Id"))), wellFormed.map(brand), use)
    of("string of a number", Codec.string(Schema.NumberFromString), fc.integer(), use)
    of("schema", Codec.schema(Schema.Uint8ArrayFromSelf), fc.uint8Array(), use)
    of(
      "make",
      Codec.make<number>({
        decode: (bytes) => {
          if (bytes.length !== 1) throw new RangeError("one byte, please")
          return bytes[0] ?? 0
        },
        encode: (n) => Uint8Array.of(n)
      }),
      fc.nat(255),
      use
    )
    of(
      "imap",
      Codec.imap(
        Codec.int32,
        (n) => ({ n }),
        ({ n }) => n
      ),
      fc.integer().map((n) => ({ n })),
      use
    )
  }

  each(({ codec, values }) => {
    it("decodes alike in both ways, from anywhere in a buffer, and changes nothing there", () => {
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: "binary" }).map(bytesOf)), (bytes) => {
          const before = hexOf(bytes)
          decode(codec, bytes)
          expect(hexOf(bytes)).toBe(before)
        })
      )
    })

    it("round trips", () => {
      fc.assert(
        fc.property(values, (value) => {
          expect(roundTrip(codec, value)).toEqual(value)
        })
      )
    })

    it("decodes bytes that were cut off, or changed, alike in both ways", () => {
      fc.assert(
        fc.property(values, fc.nat(), fc.nat(255), (value, at, byte) => {
          const bytes = Either.getOrThrow(encode(codec, value))
          decode(codec, new Uint8Array(bytes.subarray(0, bytes.length === 0 ? 0 : at % bytes.length)))
          const changed = new Uint8Array(bytes)
          changed[bytes.length === 0 ? 0 : at % bytes.length] = byte
          decode(codec, changed)
        })
      )
    })

    it("is a codec, and pipes", () => {
      expect(Codec.isCodec(codec)).toBe(true)
      expect(codec.pipe((self) => self === codec)).toBe(true)
    })
  })
})

const brand = Schema.decodeSync(Schema.String.pipe(Schema.brand("Id")))

/** The name of the prototype is refused in both directions. */
const hasNoPrototype = (value: unknown): boolean => !JSON.stringify(value).includes("__proto__")

/** JSON has no -0. */
const withoutMinusZero = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

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
        if (Either.isRight(decoded)) {
          expect(hexOf(Either.getOrThrow(encode(Codec.utf8, decoded.right)))).toBe(hexOf(bytes))
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
    const hex = <A>(codec: Codec.Codec<A>, value: A) => hexOf(Either.getOrThrow(encode(codec, value)))
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
    const bytes = Either.getOrThrow(encode(codec, { at: new Date(0), n: 12 }))
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
      expect(Either.isRight(encode(codec, value))).toBe(true)
    }
  })

  it("reports what the schema refuses to encode", () => {
    const codec = Codec.json(Schema.Struct({ port: Schema.Int }))
    expect(messageOf(encode(codec, { port: 0.5 }))).toBe("port: Expected an integer, actual a number")
  })

  it("goes by the schema's own parse options", () => {
    const Strict = Schema.Struct({ a: Schema.Int, b: Schema.Int }).annotations({
      parseOptions: { onExcessProperty: "error", errors: "all" }
    })
    const decoded = decode(Codec.json(Strict), bytesOf(`{"a":"x","b":"y","c":1}`))
    expect(messageOf(decoded)).toBe(
      "[*]: is not in the schema; a: Expected a number, actual a string; b: Expected a number, actual a string"
    )
    expect(explanationOf(decoded)).toMatch(/^c: is unexpected, .*; a: .*; b: /)
  })

  it.each([100, 3_000, 10_000, 100_000])("survives %i arrays in each other, and can say so", (depth) => {
    interface Nested extends ReadonlyArray<Nested> {}
    const Nested: Schema.Schema<Nested> = Schema.Array(Schema.suspend(() => Nested))
    const bytes = bytesOf("[".repeat(depth) + "1" + "]".repeat(depth))
    const check = <A>(codec: Codec.Codec<A>) => {
      const result = decodeSync(codec, bytes)
      expect(messageOf(result)).not.toBe("")
      assert(result !== Codec.suspended && Either.isLeft(result))
      expect(inspect(result.left)).toContain("ParseError")
      expect(Cause.pretty(Cause.fail(result.left))).toContain("ParseError")
    }
    check(Codec.json(Nested))
    check(Codec.json(Schema.Array(Schema.String)))
  })

  it("does not quote a large value at full length", () => {
    const bytes = bytesOf(JSON.stringify("x".repeat(1_000_000)))
    expect(messageOf(decode(Codec.json(Schema.Int), bytes)).length).toBeLessThan(5_000)
  })

  it("turns what a schema's functions throw into a ParseError", () => {
    const Throws = Schema.transform(Schema.String, Schema.String, {
      strict: true,
      decode: () => {
        throw new TypeError("cannot read")
      },
      encode: () => {
        throw new TypeError("cannot write")
      }
    })
    const Filters = Schema.String.pipe(
      Schema.filter(() => {
        throw new TypeError("cannot check")
      })
    )
    for (const [result, words] of [
      [decode(Codec.json(Throws), bytesOf(`"a"`)), "cannot read"],
      [encode(Codec.json(Throws), "a"), "cannot write"],
      [decode(Codec.json(Filters), bytesOf(`"a"`)), "cannot check"],
      [encode(Codec.json(Filters), "a"), "cannot check"]
    ] as const) {
      expect(messageOf<unknown>(result)).toBe("a function of the codec threw TypeError")
      expect(explanationOf<unknown>(result)).toBe(words)
    }
  })

  it("takes no schema that still needs services", () => {
    class Registry extends Context.Tag("test/Registry")<Registry, string>() {}
    const Needy = Schema.transformOrFail(Schema.String, Schema.String, {
      strict: true,
      decode: () => Registry,
      encode: ParseResult.succeed
    })
    // @ts-expect-error: Registry is not provided
    Codec.json(Needy)
    // @ts-expect-error: Registry is not provided
    Codec.string(Needy)
  })
})

describe("json values that a table may keep as bytes", () => {
  const Place = Schema.Struct({ host: Schema.String, ports: Schema.Array(Schema.Int) })
  const check = <A, I>(schema: Schema.Schema<A, I>, text: string) =>
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

  it("are not what a schema transforms", () => {
    expect(Codec.json(Service).stored).toBeUndefined()
    expect(Codec.json(Schema.NumberFromString).stored).toBeUndefined()
    expect(Codec.json(Schema.Struct({ at: Schema.Date })).stored).toBeUndefined()
    expect(
      Codec.json(Schema.Struct({ n: Schema.optionalWith(Schema.Int, { default: () => 1 }) })).stored
    ).toBeUndefined()
  })
})

describe("json of an asynchronous schema", () => {
  const codec = Codec.json(Schema.Struct({ name: Slow }))

  it.effect("is suspended in hot loops, and decoded by the Effect", () =>
    Effect.gen(function* () {
      const bytes = bytesOf(`{"name":"a"}`)
      expect(decodeSync(codec, bytes)).toBe(Codec.suspended)
      expect(encodeSync(codec, { name: "a" })).toBe(Codec.suspended)
      expect(yield* afterASecond(codec.decode(bytes))).toEqual(Exit.succeed({ name: "a" }))
      const encoded = yield* yield* afterASecond(codec.encode({ name: "a" }))
      expect(textOf(encoded)).toBe(`{"name":"a"}`)
    })
  )

  it.effect("fails with what it was refused for", () =>
    Effect.gen(function* () {
      const exit = yield* afterASecond(Effect.flip(codec.decode(bytesOf(`{"name":"bad"}`))))
      assert(Exit.isSuccess(exit))
      expect(exit.value).toBeInstanceOf(ParseResult.ParseError)
      expect(exit.value.message).toBe("name: Expected (string <-> string), actual a string")
      expect(Codec.explain(exit.value)).toBe("name: slowly refused")
    })
  )

  it("fails at once on what needs no waiting", () => {
    expect(messageOf(decode(codec, bytesOf(`{"name":1}`)))).toBe("name: Expected a string, actual a number")
    expect(messageOf(decode(codec, bytesOf(`{`)))).toContain("Invalid JSON")
  })

  it.effect("a hot loop starts nothing", () =>
    Effect.gen(function* () {
      let started = 0
      const counting = Codec.json(
        Schema.transformOrFail(Schema.String, Schema.String, {
          strict: true,
          decode: (text) =>
            Effect.sync(() => {
              started++
              return text
            }),
          encode: ParseResult.succeed
        })
      )
      expect(decodeSync(counting, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(started).toBe(0)
      expect(yield* counting.decode(bytesOf(`"a"`))).toBe("a")
      expect(started).toBe(1)
    })
  )

  it.effect("is never taken for a mismatch by a union or a fallback", () =>
    Effect.gen(function* () {
      const union = Codec.json(
        Schema.Union(Schema.Struct({ kind: Schema.String, name: Slow }), Schema.Struct({ kind: Schema.String }))
      )
      const fallback = Codec.json(Slow.annotations({ decodingFallback: () => Either.right("the fallback") }))
      const bytes = bytesOf(`{"kind":"x","name":"a"}`)
      expect(decodeSync(union, bytes)).toBe(Codec.suspended)
      expect(yield* afterASecond(union.decode(bytes))).toEqual(Exit.succeed({ kind: "x", name: "a" }))
      expect(decodeSync(fallback, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(yield* afterASecond(fallback.decode(bytesOf(`"a"`)))).toEqual(Exit.succeed("a"))
    })
  )

  it.effect("defects of its Effects are ParseErrors, interruption stays interruption", () =>
    Effect.gen(function* () {
      const dies = Codec.json(
        Schema.transformOrFail(Schema.String, Schema.String, {
          strict: true,
          decode: () => Effect.die(new Error("it died")),
          encode: ParseResult.succeed
        })
      )
      const failure = yield* Effect.flip(dies.decode(bytesOf(`"a"`)))
      expect(failure.message).toBe("a function of the codec threw Error")
      expect(Codec.explain(failure)).toBe("it died")

      const fiber = yield* Effect.fork(codec.decode(bytesOf(`{"name":"a"}`)))
      yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      expect(Exit.isInterrupted(exit)).toBe(true)
    })
  )
})

describe("string", () => {
  const Id = Schema.NonEmptyString.pipe(Schema.brand("Id"))

  it("checks what it reads and writes", () => {
    const codec = Codec.string(Id)
    expect(messageOf(decode(codec, new Uint8Array(0)))).toContain("a non empty string")
    expect(messageOf(encode(codec, Id.make("", true)))).toContain("a non empty string")
    expect(roundTrip(codec, Id.make("a"))).toBe("a")
  })

  it("is text only if the schema does no more than check", () => {
    const Fallback = Schema.NonEmptyString.annotations({ decodingFallback: () => Either.right("none") })
    expect(Codec.string(Schema.String).text).toBe(true)
    expect(Codec.string(Id).text).toBe(true)
    expect(Codec.string(Schema.UUID).text).toBe(true)
    expect(Codec.string(Schema.Literal("a", "b")).text).toBe(true)
    expect(Codec.string(Schema.TemplateLiteral("id-", Schema.Number)).text).toBe(true)
    expect(Codec.string(Schema.Trim).text).toBe(false)
    expect(Codec.string(Schema.NumberFromString).text).toBe(false)
    expect(Codec.string(Fallback).text).toBe(false)
    expect(Codec.string(Schema.Union(Fallback, Schema.Literal("a"))).text).toBe(false)
  })
})

describe("schema", () => {
  it("gives the schema bytes of its own", () => {
    const codec = Codec.schema(Schema.Uint8ArrayFromSelf)
    const buffer = Buffer.from([1, 2, 3])
    const decoded = codec.decodeSync(buffer, 0, 2)
    assert(decoded !== Codec.suspended)
    buffer.fill(0)
    expect([...decoded]).toEqual([1, 2])
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
    [12n, "a bigint", "12"],
    [Object.freeze(new TypeError("frozen")), "TypeError", "frozen"],
    [{ code: 7 }, "an object", `{"code":7}`],
    [Object.create(null), "an object", "{}"]
  ])("what it throws is a ParseError that names it, and can be explained (%#)", (thrown, kind, words) => {
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

  it("tells of somebody's ParseError what it tells of its own", () => {
    const error = ParseResult.parseError(new ParseResult.Type(Schema.String.ast, 1234))
    const decoded = decode(throwing(error), bytesOf("a"))
    expect(messageOf(decoded)).toBe("Expected a string, actual a number")
    expect(explanationOf(decoded)).toBe("Expected string, actual 1234")
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
      const fiber = yield* Effect.fork(codec.decode(source))
      yield* Effect.yieldNow()
      source.fill(0)
      yield* Deferred.succeed(gate, "> ")
      expect(yield* Fiber.join(fiber)).toBe("> a")
      expect(textOf(yield* codec.encode("b"))).toBe("b")
    })
  )

  it.effect("failures and defects are ParseErrors", () =>
    Effect.gen(function* () {
      const of = (effect: () => Effect.Effect<never, unknown>) =>
        Codec.makeEffect<string, unknown, unknown>({ decode: effect, encode: effect })
      const parseError = ParseResult.parseError(new ParseResult.Type(Schema.String.ast, 1))
      const interrupted = yield* Effect.fork(Effect.never)
      yield* Fiber.interrupt(interrupted)
      const failed = "an Effect of the codec failed with"
      const threw = "a function of the codec threw"
      const cases: ReadonlyArray<readonly [name: string, Codec.Codec<string>, message: string, explanation: string]> = [
        [
          "a failure",
          of(() => Effect.fail(new Explained({ message: "no such schema", cause: new Error("404") }))),
          `${failed} Explained, caused by: Error`,
          "no such schema, caused by: 404"
        ],
        ["a failure without words", of(() => Effect.fail(new Refused({ code: 1 }))), `${failed} Refused`, "Refused"],
        ["text", of(() => Effect.fail("text")), `${failed} a string`, "text"],
        ["null", of(() => Effect.fail(null)), `${failed} null`, "null"],
        ["a defect", of(() => Effect.die(new Error("defect"))), `${threw} Error`, "defect"],
        [
          "thrown before there was an Effect",
          of(() => {
            throw new Error("too early")
          }),
          `${threw} Error`,
          "too early"
        ],
        [
          "a ParseError",
          of(() => Effect.fail(parseError)),
          "Expected a string, actual a number",
          "Expected string, actual 1"
        ],
        ["an interruption", of(() => Effect.interrupt), "an Effect of the codec was interrupted", ""],
        [
          "somebody else's fiber that was interrupted",
          of(() => Fiber.join(interrupted)),
          "an Effect of the codec was interrupted",
          ""
        ],
        [
          "an interruption of one of several",
          of(() =>
            Effect.all([Effect.never, Effect.interrupt], { concurrency: "unbounded" }).pipe(
              Effect.andThen(Effect.never)
            )
          ),
          "an Effect of the codec was interrupted",
          ""
        ],
        [
          "an interruption that cannot be interrupted",
          of(() => Effect.uninterruptible(Effect.interrupt)),
          "an Effect of the codec was interrupted",
          ""
        ],
        [
          "a defect beside an interruption",
          of(() => Effect.failCause(Cause.parallel(Cause.interrupt(FiberId.none), Cause.die(new Error("defect"))))),
          `${threw} Error`,
          "defect"
        ],
        ["nothing", of(() => Effect.failCause(Cause.empty)), "an Effect of the codec was interrupted", ""]
      ]
      for (const [name, codec, message, explanation] of cases) {
        for (const effect of [Effect.asVoid(codec.decode(bytesOf("a"))), Effect.asVoid(codec.encode("a"))]) {
          const exit = yield* Effect.exit(effect)
          assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause), name)
          expect(exit.cause.error).toBeInstanceOf(ParseResult.ParseError)
          expect(exit.cause.error.message).toBe(message)
          expect(Codec.explain(exit.cause.error)).toBe(explanation === "" ? message : explanation)
        }
      }
    })
  )

  it.effect("what is no Effect is a ParseError", () =>
    Effect.gen(function* () {
      for (const none of [undefined, null, 1, Promise.resolve("a"), {}]) {
        // @ts-expect-error: for callers without types
        const codec = Codec.makeEffect<string, never, never>({ decode: () => none, encode: () => none })
        for (const effect of [Effect.asVoid(codec.decode(bytesOf("a"))), Effect.asVoid(codec.encode("a"))]) {
          const exit = yield* Effect.exit(effect)
          assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
          expect(exit.cause.error).toBeInstanceOf(ParseResult.ParseError)
        }
      }
    })
  )

  it.effect("who runs it can interrupt it", () =>
    Effect.gen(function* () {
      const codec = Codec.makeEffect<string, never, never>({ decode: () => Effect.never, encode: () => Effect.never })
      const through = Codec.imap(codec, identity, identity)
      for (const effect of [
        codec.decode(bytesOf("a")),
        codec.encode("a"),
        through.decode(bytesOf("a")),
        through.encode("a")
      ]) {
        const fiber = yield* Effect.fork<unknown, unknown, never>(effect)
        yield* Effect.yieldNow()
        expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      }
    })
  )

  it.effect("an asynchronous schema and imap tell of an interruption alike", () =>
    Effect.gen(function* () {
      const Interrupts = Schema.transformOrFail(Schema.String, Schema.String, {
        strict: true,
        decode: () => Effect.interrupt,
        encode: () => Effect.interrupt
      })
      const codec = Codec.json(Schema.Struct({ a: Interrupts }))
      const through = Codec.imap(codec, identity, identity)
      for (const { decode, encode } of [codec, through]) {
        for (const effect of [Effect.asVoid(decode(bytesOf('{"a":"x"}'))), Effect.asVoid(encode({ a: "x" }))]) {
          const exit = yield* Effect.exit(effect)
          assert(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
          expect(exit.cause.error.message).toBe("an Effect of the codec was interrupted")
        }
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

  it("what the functions throw, and what the codec below refuses, is a ParseError", () => {
    expect(messageOf(decode(url, bytesOf("nowhere")))).toBe("a function of the codec threw TypeError (ERR_INVALID_URL)")
    expect(explanationOf(decode(url, bytesOf("nowhere")))).toContain("Invalid URL")
    expect(messageOf(decode(url, Uint8Array.of(0xff)))).toContain("Expected UTF-8")
    const thrower = Codec.imap(Codec.utf8, identity, (): string => {
      throw new Error("one way only")
    })
    expect(explanationOf(encode(thrower, "a"))).toBe("one way only")
  })

  it.effect("suspends with the codec below", () =>
    Effect.gen(function* () {
      const codec = Codec.imap(Codec.json(Slow), Option.some, (option) => Option.getOrElse(option, () => ""))
      expect(decodeSync(codec, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(encodeSync(codec, Option.some("a"))).toBe(Codec.suspended)
      expect(yield* afterASecond(codec.decode(bytesOf(`"a"`)))).toEqual(Exit.succeed(Option.some("a")))
    })
  )
})

const identity = <A>(a: A): A => a
