import { describe, expect, it } from "@effect/vitest"
import * as Position from "effect-ktables/Position"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { failureOf, isSchemaError } from "./codec/outcomes.ts"

const at = (topic: string, partition: number, offset: number) => Position.make({ topic, partition, offset })

const position = fc
  .record({
    topic: fc.stringMatching(/^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,20}$/),
    partition: fc.nat(2 ** 31 - 1),
    offset: fc.maxSafeNat()
  })
  .map(Position.make)

describe("Position", () => {
  it("is equal by structure", () => {
    expect(Equal.equals(at("a", 1, 2), at("a", 1, 2))).toBe(true)
    expect(Hash.hash(at("a", 1, 2))).toBe(Hash.hash(at("a", 1, 2)))
    for (const other of [at("b", 1, 2), at("a", 0, 2), at("a", 1, 3)]) {
      expect(Equal.equals(at("a", 1, 2), other)).toBe(false)
    }
    expect(Position.isPosition(at("a", 1, 2))).toBe(true)
    expect(Position.isPosition({ topic: "a", partition: 1, offset: 2 })).toBe(false)
  })

  it("prints as its text and as its parts", () => {
    expect(String(at("my.registry", 3, 1042))).toBe("my.registry@3:1042")
    expect(JSON.parse(JSON.stringify(at("a", 1, 2)))).toEqual({ _id: "Position", topic: "a", partition: 1, offset: 2 })
    expect(inspect(at("a", 1, 2))).toContain("offset: 2")
  })

  it("is ordered by topic, by partition, and by offset within a partition", () => {
    expect(order.isLessThan(Position.Order)(at("a", 9, 9), at("b", 0, 0))).toBe(true)
    expect(order.isLessThan(Position.Order)(at("b", 0, 0), at("a", 9, 9))).toBe(false)
    expect(order.isLessThan(Position.Order)(at("a", 1, 9), at("a", 1, 10))).toBe(true)
    expect(order.isLessThan(Position.Order)(at("a", 2, 0), at("a", 10, 0))).toBe(true)
    expect(Position.Order(at("a", 1, 2), at("a", 1, 2))).toBe(0)
  })

  it("latest keeps the last of each partition", () => {
    const all = [at("a", 0, 5), at("a", 1, 1), at("a", 0, 7), at("b", 0, 1), at("a", 0, 6)]
    expect(Position.latest(all).map(String)).toEqual(["a@0:7", "a@1:1", "b@0:1"])
    expect(Position.latest([])).toEqual([])
  })
})

describe("FromString", () => {
  const decode = (text: string) => Effect.runSyncExit(Schema.decodeUnknownEffect(Position.FromString)(text))

  it("round trips, in characters that an HTTP header takes", () => {
    fc.assert(
      fc.property(position, (self) => {
        const text = Schema.encodeSync(Position.FromString)(self)
        expect(text).toBe(self.toString())
        expect(text).toMatch(/^[a-zA-Z0-9._@:-]+$/)
        expect(Equal.equals(Schema.decodeSync(Position.FromString)(text), self)).toBe(true)
      })
    )
  })

  it.each([
    "",
    "a",
    "a@0",
    "a@0:",
    "a:0@1",
    "@0:1",
    "a@-1:0",
    "a@0:-1",
    "a@00:1",
    "a@0:01",
    "a@0:1.5",
    "a@0:1e3",
    " a@0:1",
    "a@0:1 ",
    "a@0:1\n",
    "a@0:1,a@0:2",
    "grüße@0:1",
    "a b@0:1",
    ".@0:1",
    "..@0:1",
    `${"a".repeat(250)}@0:1`,
    "a@2147483648:0",
    "a@0:9007199254740992",
    "a@0:٣"
  ])("refuses %j", (text) => {
    const result = decode(text)
    expect(isSchemaError(failureOf(result))).toBe(true)
  })

  it("takes the largest that there are", () => {
    const text = `${"a".repeat(249)}@2147483647:9007199254740991`
    expect(decode(text)).toEqual(Exit.succeed(at("a".repeat(249), 2147483647, 9007199254740991)))
    expect(decode("...@0:0")).toEqual(Exit.succeed(at("...", 0, 0)))
  })

  it("says what it expected", () => {
    const result = decode("nowhere")
    expect(failureOf(result).message).toContain(`Expected a position as topic@partition:offset, actual "nowhere"`)
  })

  it.effect.each([at("a b", 0, 1), at("a", -1, 1), at("a", 0, 0.5), at("a", 0, NaN), at("", 0, 0)])(
    "does not encode %s",
    (self) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Schema.encodeEffect(Position.FromString)(self))
        expect(isSchemaError(error)).toBe(true)
        expect(error.message).toContain("Expected a position as topic@partition:offset")
      })
  )
})

describe("ManyFromString", () => {
  const decode = (text: string) => Effect.runSyncExit(Schema.decodeUnknownEffect(Position.ManyFromString)(text))

  it("round trips, in order", () => {
    fc.assert(
      fc.property(fc.array(position, { maxLength: 10 }), (many) => {
        const text = Schema.encodeSync(Position.ManyFromString)(many)
        expect(text).toBe(many.map(String).join(","))
        expect(Schema.decodeSync(Position.ManyFromString)(text).map(String)).toEqual(many.map(String))
      })
    )
  })

  it.each([
    ["", []],
    [" ", []],
    ["a@0:1", ["a@0:1"]],
    ["a@0:1, b@1:2 ,\tc@2:3", ["a@0:1", "b@1:2", "c@2:3"]],
    ["a@0:1,,b@1:2,", ["a@0:1", "b@1:2"]]
  ])("reads %j as a header would be read", (text, expected) => {
    expect(Schema.decodeSync(Position.ManyFromString)(text).map(String)).toEqual(expected)
  })

  it("one that is wrong makes all wrong", () => {
    for (const [text, wrong] of [
      ["a@0:1,b", "b"],
      ["a@0:1 b@0:2", "a@0:1 b@0:2"]
    ] as const) {
      const result = decode(text)
      expect(failureOf(result).message).toContain(`Expected a position as topic@partition:offset, actual "${wrong}"`)
    }
  })
})
