/** The keys of grouped tables, as they are in the log. See test/real/ktables.test.ts for the other side. */
import { assert, describe, expect, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { groupedKey, groupedKeyOf } from "../../src/internal/grouped/groupedKey.ts"
import { everyCodec } from "../codec/everyCodec.ts"
import {
  bytesOf,
  decode,
  encode,
  encodeSync,
  explanationOf,
  failureOf,
  isSchemaError,
  messageOf,
  successOf,
  textOf
} from "../codec/outcomes.ts"

const wellFormed = fc.string({ unit: "binary" })

const ServiceId = Schema.NonEmptyString.pipe(Schema.brand("ServiceId"))

const digits = Codec.utf8.pipe(
  Codec.imap((text) => {
    if (!/^-?\d+$/.test(text)) throw new RangeError(`no number: ${text}`)
    return Number(text)
  }, String)
)

const byService = groupedKeyOf(Codec.string(ServiceId), digits)

everyCodec("grouped keys", groupedKey, fc.record({ group: wellFormed, member: wellFormed }))

everyCodec(
  "grouped keys by codecs of their parts",
  byService,
  fc.record({
    group: wellFormed.filter((text) => text !== "").map((text) => ServiceId.make(text)),
    member: fc.integer()
  })
)

describe("grouped keys", () => {
  for (const [group, member, key] of [
    ["europe", "42", "6:europe42"],
    ["", "42", "0:42"],
    ["", "", "0:"],
    ["a", "", "1:a"],
    ["😀", "m", "1:😀m"],
    ["e\u0301", "m", "2:e\u0301m"],
    ["👩‍👩‍👧", "", "5:👩‍👩‍👧"],
    ["12", "34", "2:1234"],
    ["1:a", ":", "3:1:a:"],
    ["\0", "\0\0", "1:\0\0\0"],
    ["\uFEFF", "\uFFFD", "1:\uFEFF\uFFFD"],
    ["x".repeat(1_000), "y", `1000:${"x".repeat(1_000)}y`]
  ]) {
    it(`${JSON.stringify(key.slice(0, 20))} is ${JSON.stringify([group.slice(0, 20), member])}`, () => {
      expect(textOf(successOf(encode(groupedKey, { group, member })))).toBe(key)
      expect(successOf(decode(groupedKey, bytesOf(key)))).toEqual({ group, member })
    })
  }

  for (const [key, says] of [
    ["", "does not begin with a length"],
    ["abc", "does not begin with a length"],
    [":ab", "does not begin with a length"],
    ["-1:ab", "does not begin with a length"],
    ["+1:ab", "does not begin with a length"],
    [" 1:ab", "does not begin with a length"],
    ["١:ab", "does not begin with a length"],
    ["１:ab", "does not begin with a length"],
    ["1", "without a colon"],
    ["1ab", "without a colon"],
    ["1_0:abcdefghijk", "without a colon"],
    ["1 :ab", "without a colon"],
    ["00:ab", "begins with a zero"],
    ["01:ab", "begins with a zero"],
    ["1:", "above that of the rest"],
    ["3:ab", "above that of the rest"],
    ["2:😀", "above that of the rest"],
    [`${"9".repeat(1_000_000)}:ab`, "above that of the rest"],
    [`${"0".repeat(1_000_000)}:ab`, "begins with a zero"],
    [`${"1".repeat(10_000)}:${"a".repeat(20_000)}`, "above that of the rest"]
  ]) {
    it(`${JSON.stringify(key.slice(0, 20))} is foreign: ${says}`, () => {
      const message = messageOf(decode(groupedKey, bytesOf(key)))
      expect(message).toMatch(/^Expected a grouped key such as "5:groupmember", actual /)
      expect(message).toContain(says)
    })
  }

  it("bytes that are not UTF-8 are foreign, wherever they are", () => {
    for (const hex of ["313aff", "313a61ff", "323ac3a9c3", "313aeda0bd", "303ac080", "313a80", "303a80"]) {
      expect(messageOf(decode(groupedKey, Buffer.from(hex, "hex")))).toMatch(/above that of the rest|not UTF-8/)
    }
  })

  it("says nothing of a key, but to who asks for it", () => {
    const outcome = decode(groupedKey, bytesOf("secret"))
    expect(messageOf(outcome)).not.toContain("secret")
    expect(explanationOf(outcome)).toContain("73 65 63 72 65 74".replaceAll(" ", ""))
    // not even then, where a codec calls a part secret
    const hidden = groupedKeyOf(Codec.utf8, { ...Codec.utf8, secret: true })
    expect(hidden.secret).toBe(true)
    expect(explanationOf(decode(hidden, bytesOf("secret")))).not.toContain("736563")
    expect(successOf(decode(hidden, bytesOf("1:ab")))).toEqual({ group: "a", member: "b" })
  })

  it("lone surrogates do not encode: not even two that would be one character, of another group", () => {
    for (const [group, member] of [
      ["\uD83D", "\uDE00"],
      ["\uD83D", ""],
      ["", "\uDE00"]
    ]) {
      const message = messageOf(encode(groupedKey, { group, member }))
      expect(message).toMatch(/^(group|member): Expected well-formed text, actual a string with a lone surrogate$/)
    }
  })

  it("what is no key does not encode", () => {
    for (const value of [undefined, null, "5:ab", { group: "a" }, { group: 1, member: "a" }]) {
      expect(isSchemaError(failureOf(encode(groupedKey, value as never)))).toBe(true)
    }
  })

  it("equal keys are equal pairs, and the other way round", () => {
    const short = fc.string({ unit: fc.constantFrom("a", "1", ":", "😀"), maxLength: 3 })
    fc.assert(
      fc.property(short, short, short, short, (a, b, c, d) => {
        const isSameKey =
          textOf(successOf(encode(groupedKey, { group: a, member: b }))) ===
          textOf(successOf(encode(groupedKey, { group: c, member: d })))
        expect(isSameKey).toBe(a === c && b === d)
      })
    )
  })
})

describe("grouped keys by codecs of their parts", () => {
  it("tell which part does not fit", () => {
    expect(messageOf(decode(byService, bytesOf("0:1")))).toMatch(/^group: /)
    expect(messageOf(decode(byService, bytesOf("1:ab")))).toMatch(/^member: /)
    expect(explanationOf(decode(byService, bytesOf("1:axyz")))).toBe("member: no number: xyz")
    expect(messageOf(encode(byService, { group: "" as never, member: 1 }))).toMatch(/^group: /)
  })

  it("that make no text are refused when they write", () => {
    const byNumber = groupedKeyOf(Codec.utf8, Codec.int32)
    expect(messageOf(encode(byNumber, { group: "a", member: -1 }))).toBe(
      "member: Expected a codec that makes text in UTF-8, actual other bytes"
    )
  })

  it("that are Effects", () => {
    const slowly = Codec.makeEffect<string, never, never>({
      encode: (text) => Effect.as(Effect.yieldNow, bytesOf(text)),
      decode: (bytes) => Effect.as(Effect.yieldNow, textOf(bytes))
    })
    return Effect.runPromise(
      Effect.gen(function* () {
        for (const codec of [groupedKeyOf(slowly, Codec.utf8), groupedKeyOf(Codec.utf8, slowly)]) {
          expect(encodeSync(codec, { group: "😀", member: "m" })).toBe(Codec.suspended)
          const bytes = yield* codec.encode({ group: "😀", member: "m" })
          expect(textOf(bytes)).toBe("1:😀m")
          expect(codec.decodeSync(Buffer.from(bytes), 0, bytes.length)).toBe(Codec.suspended)
          expect(yield* codec.decode(bytes)).toEqual({ group: "😀", member: "m" })
          assert.isTrue(isSchemaError(yield* Effect.flip(codec.decode(bytesOf("foreign")))))
        }
      })
    )
  })

  it("that cannot be used make one that cannot be used", () => {
    const unusable = { ...Codec.utf8, problem: "it does not come back" }
    expect(groupedKeyOf(Codec.utf8, unusable).problem).toBe("member: it does not come back")
    expect(groupedKeyOf(unusable, Codec.utf8).problem).toBe("group: it does not come back")
  })
})
