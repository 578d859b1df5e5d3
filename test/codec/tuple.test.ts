import { assert, describe, expect, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { prefixOf } from "../../src/internal/codec/tuple.ts"
import { ofRounds } from "../support/rounds.ts"
import { everyCodec } from "./everyCodec.ts"
import {
  decode,
  decodeSync,
  encode,
  encodeSync,
  explanationOf,
  failureOf,
  hexOf,
  messageOf,
  roundTrip,
  successOf
} from "./outcomes.ts"

const numRuns = ofRounds(1_000, 20_000)

const config = Codec.tuple({ tenant: Codec.utf8, name: Codec.utf8, version: Codec.int32 })

const Id = Schema.String.pipe(Schema.brand("Id"))

const bytesOf = <A>(codec: Codec.Codec<A>, value: A): Buffer => Buffer.from(successOf(encode(codec, value)))

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"))

// ---------------------------------------------------------------------------------------------------------------------
// parts of all kinds, with the order that is promised for them
// ---------------------------------------------------------------------------------------------------------------------

interface Part<A> {
  readonly codec: Codec.Codec<A>
  readonly values: fc.Arbitrary<A>
  /** Negative where the first one comes first, 0 where they are the same. */
  readonly compare: (a: A, b: A) => number
}

/** A part of which it is not said what its values are. */
const part = <A>(self: Part<A>) => self as unknown as Part<unknown>

const byNumber = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0)

const byCodePoints = (a: string, b: string): number => {
  const [one, other] = [a, b].map((text) => [...text].map((character) => character.codePointAt(0)!))
  return byItems(one, other)
}

const byItems = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a[i] - b[i]
  }
  return a.length - b.length
}

/** Short texts, so that one is often the beginning of another one, of the characters at which the order may go wrong. */
const texts = fc.string({ unit: fc.constantFrom("\0", "\u0001", "a", "b", "ÿ", "\uFFFF", "😀"), maxLength: 4 })

const someBytes = fc
  .array(fc.constantFrom(0, 1, 0x7f, 0xfe, 0xff), { maxLength: 4 })
  .map((items) => Uint8Array.from(items))

const ofInts = (min: number, max: number) =>
  fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, -1 < min ? 0 : -1, 0, 1, max))

const parts = [
  part({ codec: Codec.utf8, values: texts, compare: byCodePoints }),
  part({ codec: Codec.string(Id), values: texts.map(Schema.decodeSync(Id)), compare: byCodePoints }),
  part({ codec: Codec.bytes, values: someBytes, compare: byItems }),
  part({ codec: Codec.int32, values: ofInts(-(2 ** 31), 2 ** 31 - 1), compare: byNumber }),
  part({ codec: Codec.uint32, values: ofInts(0, 2 ** 32 - 1), compare: byNumber }),
  part({
    codec: Codec.int64,
    values: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constantFrom(-1n, 0n, 1n)),
    compare: byNumber
  }),
  part({ codec: Codec.uint64, values: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), compare: byNumber }),
  part({
    codec: Codec.imap(
      Codec.utf8,
      (text) => ({ text }),
      ({ text }) => text
    ),
    values: texts.map((text) => ({ text })),
    compare: (a, b) => byCodePoints(a.text, b.text)
  }),
  part({
    codec: Codec.tuple({ a: Codec.utf8, b: Codec.int32 }),
    values: fc.record({ a: texts, b: ofInts(-1, 1) }),
    compare: (a, b) => byCodePoints(a.a, b.a) || byNumber(a.b, b.b)
  })
]

const NAMES = ["first", "second", "third", "fourth"]

/** A tuple, and two values of it that often have their first parts in common. */
const tuples = fc
  .array(fc.constantFrom(...parts), { minLength: 1, maxLength: 4 })
  .chain((chosen) =>
    fc.record({
      chosen: fc.constant(chosen),
      one: fc.tuple(...chosen.map(({ values }) => values)),
      other: fc.tuple(...chosen.map(({ values }) => values)),
      common: fc.nat(chosen.length),
      given: fc.nat(chosen.length)
    })
  )
  .map(({ chosen, common, given, one, other }) => {
    const named = (items: ReadonlyArray<unknown>): Record<string, unknown> =>
      Object.fromEntries(items.map((item, i) => [NAMES[i], item]))
    const b = other.map((item, i) => (i < common ? one[i] : item))
    const differs = chosen.findIndex(({ compare }, i) => compare(one[i], b[i]) !== 0)
    return {
      codec: Codec.tuple(named(chosen.map(({ codec }) => codec)) as Record<string, Codec.Codec<unknown>>),
      one: named(one),
      other: named(b),
      /** How many first parts both have in common. */
      equal: differs === -1 ? chosen.length : differs,
      order: differs === -1 ? 0 : chosen[differs].compare(one[differs], b[differs]),
      /** So many first parts of one of them. */
      given,
      first: named(one.slice(0, given))
    }
  })

describe("a tuple of any parts", () => {
  it("round trips, with its parts in their order", () => {
    fc.assert(
      fc.property(tuples, ({ codec, one }) => {
        const back = roundTrip(codec, one)
        expect(back).toEqual(one)
        expect(Object.keys(back)).toEqual(Object.keys(one))
      }),
      { numRuns }
    )
  })

  it("has bytes in the order of the parts, and the same bytes for the same values only", () => {
    fc.assert(
      fc.property(tuples, ({ codec, one, order, other }) => {
        expect(Buffer.compare(bytesOf(codec, one), bytesOf(codec, other))).toBe(Math.sign(order))
      }),
      { numRuns }
    )
  })

  it("begins with the bytes of its first parts, and with those of no others", () => {
    fc.assert(
      fc.property(tuples, ({ codec, equal, first, given, one, other }) => {
        const { bytes } = prefixOf(codec, first) as { readonly bytes: Buffer }
        expect(bytesOf(codec, one).subarray(0, bytes.length).equals(bytes)).toBe(true)
        expect(bytesOf(codec, other).subarray(0, bytes.length).equals(bytes)).toBe(equal >= given)
        if (given === Object.keys(one).length) expect(hexOf(bytes)).toBe(hexOf(bytesOf(codec, one)))
      }),
      { numRuns }
    )
  })

  it("decodes nothing that it would not have encoded", () => {
    const some = fc.array(fc.constantFrom(0, 1, 0x61, 0x7f, 0x80, 0xff), { maxLength: 16 })
    let decodedOnes = 0
    fc.assert(
      fc.property(tuples, some, fc.nat(100), fc.nat(2), ({ codec, one }, garbage, at, many) => {
        const bytes = [...bytesOf(codec, one)]
        bytes.splice(at % (bytes.length + 1), many, ...garbage.slice(0, many + 1))
        for (const tried of [bytes, garbage]) {
          const decoded = decode(codec, Uint8Array.from(tried))
          if (Exit.isFailure(decoded)) continue
          decodedOnes++
          expect(hexOf(bytesOf(codec, decoded.value))).toBe(hexOf(Uint8Array.from(tried)))
        }
      }),
      { numRuns }
    )
    expect(decodedOnes).toBeGreaterThan(numRuns / 20)
  })
})

everyCodec(
  "a tuple for configs",
  config,
  fc.record({ tenant: fc.string({ unit: "binary" }), name: texts, version: fc.integer() })
)

describe("the bytes of a tuple", () => {
  const all = Codec.tuple({
    text: Codec.utf8,
    bytes: Codec.bytes,
    signed: Codec.int32,
    unsigned: Codec.uint32,
    long: Codec.int64,
    ulong: Codec.uint64,
    id: Codec.string(Id),
    inner: Codec.tuple({ a: Codec.utf8, b: Codec.int32 })
  })

  it("are what they have been", () => {
    const value = {
      text: "a\0ü",
      bytes: Uint8Array.of(0, 0xff),
      signed: -1,
      unsigned: 1,
      long: 1n,
      ulong: 2n ** 63n,
      id: Schema.decodeSync(Id)("x"),
      inner: { a: "", b: 0 }
    }
    const expected =
      "61 00ff c3bc 0000 | 00ff ff 0000 | 7fffffff | 00000001 | 8000000000000001 | 8000000000000000 | 78 0000 | 0000 80000000"
    expect(hexOf(bytesOf(all, value))).toBe(expected.replaceAll(/[ |]/g, ""))
    expect(roundTrip(all, value)).toEqual(value)
  })

  it("are in the order of code points where JavaScript's text is not", () => {
    const [bmp, astral] = ["\uFFFF", "😀"].map((tenant) => bytesOf(config, { tenant, name: "", version: 0 }))
    expect(Buffer.compare(bmp, astral)).toBe(-1)
    expect("\uFFFF" < "😀").toBe(false)
  })

  it("are memory of their own, whatever is encoded meanwhile, and however long it is", () => {
    const long = "x".repeat(200_000)
    const first = bytesOf(config, { tenant: "first", name: "n", version: 1 })
    const before = hexOf(first)
    const nested = Codec.tuple({
      a: Codec.utf8,
      b: Codec.make<string>({
        decode: (bytes) => Buffer.from(bytes).toString(),
        encode: (text) => {
          expect(hexOf(successOf(encode(config, { tenant: "other", name: long, version: 2 })))).toMatch(/^6f74686572/)
          return Buffer.from(text)
        }
      })
    })
    expect(roundTrip(nested, { a: "outer", b: long })).toEqual({ a: "outer", b: long })
    expect(hexOf(first)).toBe(before)
    // what fails leaves nothing behind for the next one
    expect(Exit.isFailure(encode(config, { tenant: "left over", name: "n", version: 0.5 }) as Exit.Exit<unknown>)).toBe(
      true
    )
    expect(hexOf(bytesOf(config, { tenant: "first", name: "n", version: 1 }))).toBe(before)
  })
})

describe("a tuple", () => {
  it("has types by its parts", () => {
    const typed: Codec.Codec<{ readonly tenant: string; readonly name: string; readonly version: number }> = config
    interface Key {
      id: string
      at: bigint
    }
    const declared: Codec.Codec<Key> = Codec.tuple({ id: Codec.utf8, at: Codec.int64 })
    // @ts-expect-error: a part is missing
    const incomplete: Codec.Codec<Key> = Codec.tuple({ id: Codec.utf8 })
    // @ts-expect-error: a part is of another type
    const other: Codec.Codec<Key> = Codec.tuple({ id: Codec.utf8, at: Codec.int32 })
    const first: Codec.TuplePrefix<Key> = { id: "a" }
    // @ts-expect-error: no part has this name
    const unknown: Codec.TuplePrefix<Key> = { ids: "a" }
    for (const codec of [typed, declared, incomplete, other]) expect(codec.problem).toBeUndefined()
    expect([first, unknown].length).toBe(2)
  })

  it("does not take what lacks a part, or has one that does not fit, and says which", () => {
    const of = (value: unknown) => encode(config, value as { tenant: string; name: string; version: number })
    expect(messageOf(of(undefined))).toBe("Expected an object, actual undefined")
    expect(messageOf(of(null))).toBe("Expected an object, actual null")
    expect(messageOf(of("a"))).toBe("Expected an object, actual a string")
    expect(messageOf(of({ tenant: "a", name: "b" }))).toBe(
      "version: Expected an integer that fits int32, actual undefined"
    )
    expect(messageOf(of({ tenant: 1, name: "b", version: 1 }))).toBe("tenant: Expected a string, actual a number")
    expect(messageOf(of({ tenant: "hidden\uD83D", name: "b", version: 1 }))).toBe(
      "tenant: Expected well-formed text, actual a string with a lone surrogate"
    )
    expect(explanationOf(of({ tenant: "shown\uD83D", name: "b", version: 1 }))).toContain("tenant: Expected")
    expect(explanationOf(of({ tenant: "shown\uD83D", name: "b", version: 1 }))).toContain("shown")
    const throwing = {
      get tenant(): string {
        throw new RangeError("hidden")
      }
    }
    expect(messageOf(of(throwing))).toBe("tenant: a function of the codec threw RangeError")
  })

  it("says where in a nested one", () => {
    const nested = Codec.tuple({ outer: Codec.tuple({ a: Codec.utf8, inner: Codec.int32 }), last: Codec.utf8 })
    const failed = encode(nested, { outer: { a: "", inner: 0.5 }, last: "" })
    expect(messageOf(failed)).toBe("outer.inner: Expected an integer that fits int32, actual a number")
    expect(explanationOf(failed)).toContain("0.5")
    expect(messageOf(decode(nested, hex("0000 0000")))).toBe("outer.inner: Expected 4 bytes (int32), actual 2")
  })

  it.each([
    ["nothing", "", "tenant: Expected the end of a part (0x0000)"],
    ["a part without its end", "61", "tenant: Expected the end of a part (0x0000)"],
    ["half of an end", "6100", "tenant: Expected the end of a part (0x0000)"],
    ["something else after a zero", "610001 0000 0000 80000000", "tenant: Expected the end of a part (0x0000)"],
    ["text that is not UTF-8", "ff0000 0000 80000000", "tenant: Expected UTF-8, actual other bytes (1 in all)"],
    ["the first parts alone", "610000", "name: Expected the end of a part (0x0000)"],
    ["an integer that is cut off", "610000 620000 8000", "version: Expected 4 bytes (int32), actual 2"],
    ["something at the end", "610000 620000 80000000 00", "Expected nothing after the last part, actual 1 bytes"]
  ])("refuses %s", (_, bytes, message) => {
    const decoded = decode(config, hex(bytes))
    expect(messageOf(decoded)).toBe(message)
    expect(explanationOf(decoded)).toContain("0x")
  })

  it("has a problem where there can be no such codec", () => {
    const problemOf = (parts: unknown) => Codec.tuple(parts as { readonly a: Codec.Codec<string> }).problem
    expect(problemOf({ a: Codec.utf8, 1: Codec.utf8 })).toMatch(
      /^Codec.tuple: "1": its name must not be a whole number/
    )
    expect(problemOf({ "01": Codec.utf8, "-1": Codec.utf8, "1.5": Codec.utf8 })).toBeUndefined()
    expect(problemOf({})).toBe("Codec.tuple: there must be at least one part")
    expect(problemOf(undefined)).toBe("Codec.tuple: there must be at least one part")
    expect(problemOf({ a: Codec.utf8, b: "utf8" })).toBe('Codec.tuple: "b": must be a Codec, such as Codec.utf8')
    expect(problemOf({ a: undefined, 0: 1 })).toMatch(/"0": its name .*; "a": must be a Codec/)
    expect(problemOf({ ["__proto__"]: Codec.utf8 })).toBe('Codec.tuple: "__proto__": no part can have this name')
    expect(problemOf({ a: Codec.utf8, [Symbol("b")]: Codec.utf8 })).toContain("no symbol")
    const refused = Codec.tuple({ a: Codec.tuple({ b: Codec.tuple({}) }) })
    expect(refused.problem).toMatch(/^Codec.tuple: "a": Codec.tuple: "b": /)
    expect(messageOf(decode(refused, hex("0000")))).toBe(refused.problem)
  })

  it("is secret if a part is, and then quotes nothing of any", () => {
    expect(config.secret).toBeUndefined()
    const secret: Codec.Codec<string> = { ...Codec.utf8, secret: true }
    const codec = Codec.tuple({ a: Codec.utf8, b: Codec.tuple({ c: secret }), d: Codec.int32 })
    expect(codec.secret).toBe(true)
    for (const bytes of [
      "610000 620000 8000",
      "610000 6200",
      "610000 620000 80000000 6162",
      "ff0000 620000 80000000"
    ]) {
      expect(explanationOf(decode(codec, hex(bytes)))).not.toMatch(/0x[1-9a-f]/)
    }
    expect(explanationOf(encode(codec, { a: "shown\uD83D", b: { c: "" }, d: 1 }))).not.toContain("shown")
  })

  it("does with an Effect what a part needs one for", () => {
    const later: Codec.Codec<string> = Codec.makeEffect({
      decode: (bytes) => Effect.as(Effect.yieldNow, Buffer.from(bytes).toString()),
      encode: (text: string) => Effect.as(Effect.yieldNow, Buffer.from(text))
    })
    const codec = Codec.tuple({ a: Codec.utf8, b: Codec.tuple({ c: later, d: Codec.int32 }), e: later })
    const value = { a: "a\0", b: { c: "\0c", d: -1 }, e: "e" }
    expect(encodeSync(codec, value)).toBe(Codec.suspended)
    return Effect.runPromise(
      Effect.gen(function* () {
        const bytes = yield* codec.encode(value)
        expect(hexOf(bytes)).toBe("6100ff0000" + "00ff630000" + "7fffffff" + "650000")
        expect(decodeSync(codec, bytes)).toBe(Codec.suspended)
        const given = new Uint8Array(bytes)
        const decoding = codec.decode(given)
        given.fill(0)
        for (let i = 0; i < 2; i++) expect(yield* decoding).toEqual(value)
        const failed = yield* Effect.exit(codec.decode(bytes.subarray(0, bytes.length - 2)))
        expect(failureOf(failed).message).toBe("e: Expected the end of a part (0x0000)")
        const inner = yield* Effect.exit(codec.encode({ ...value, b: { c: "", d: 0.5 } }))
        expect(failureOf(inner).message).toBe("b.d: Expected an integer that fits int32, actual a number")
        const more = yield* Effect.exit(codec.decode(Uint8Array.of(...bytes, 1)))
        expect(failureOf(more).message).toBe("Expected nothing after the last part, actual 1 bytes")
      })
    )
  })
})

describe("the prefix of a key", () => {
  const of = (first: unknown, codec: unknown = config): string => {
    const prefix = prefixOf(codec as Codec.Codec<unknown>, first)
    return prefix.problem ?? hexOf((prefix as { readonly bytes: Buffer }).bytes)
  }

  it("is that of its first parts", () => {
    expect(of({})).toBe("")
    expect(of({ tenant: "a" })).toBe("610000")
    expect(of({ tenant: "a", name: "" })).toBe("6100000000")
    expect(of({ name: "", tenant: "a" })).toBe("6100000000")
  })

  it("is that of text and of bytes, where the keys are these", () => {
    expect(of("ab", Codec.utf8)).toBe("6162")
    const NonEmpty = Schema.String.pipe(Schema.brand("Key"))
    expect(of("ü", Codec.string(NonEmpty))).toBe("c3bc")
    expect(of(Uint8Array.of(0, 1), Codec.bytes)).toBe("0001")
    expect(of(Uint8Array.of(0, 1), Codec.int32)).toBe("0001")
  })

  it("is none where something is wrong, and says what", () => {
    expect(of({ name: "b" })).toBe("must have the first parts of the key: name is there, and tenant before it is not")
    expect(of({ tenant: "a", version: 1 })).toBe(
      "must have the first parts of the key: version is there, and name before it is not"
    )
    expect(of({ tennant: "a" })).toBe('must have parts of the key only (tenant, name, version), actual "tennant"')
    expect(of({ tenant: undefined })).toBe("tenant: Expected a string, actual undefined")
    expect(of("a")).toBe("Expected an object, actual a string")
    expect(of(null)).toBe("Expected an object, actual null")
    expect(of(1, Codec.utf8)).toBe("Expected a string, actual a number")
    expect(of("\uD83D", Codec.utf8)).toContain("lone surrogate")
    expect(of(1, Codec.int32)).toBe("must be bytes, as the keys are neither text nor those of Codec.tuple")
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(of(proxy)).toBe("a function of the codec threw TypeError")
    const later = Codec.makeEffect({ decode: () => Effect.succeed(1), encode: () => Effect.succeed(Uint8Array.of(1)) })
    expect(of({ a: 1 }, Codec.tuple({ a: later }))).toBe("cannot be told, as the codec of a part needs an Effect")
    assert.strictEqual(of({ tenant: "a" }), "610000")
  })
})
