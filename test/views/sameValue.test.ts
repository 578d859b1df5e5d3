import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { sameValue } from "../../src/internal/views/sameValue.ts"
import { ofRounds } from "../support/rounds.ts"

class User extends Schema.Class<User>("User")({
  name: Schema.String,
  tags: Schema.Array(Schema.String),
  scores: Schema.Array(Schema.Number)
}) {
  get title(): string {
    return `the ${this.name}`
  }
}

class Admin extends User.extend<Admin>("Admin")({}) {}

class Point {
  constructor(
    readonly x: number,
    readonly y: { readonly at: number }
  ) {}
}

/** Equal by its name only. */
class Named implements Equal.Equal {
  constructor(
    readonly name: string,
    readonly note: number
  ) {}
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Named && this.name === that.name
  }
  [Hash.symbol](): number {
    return Hash.string(this.name)
  }
}

/** What it is stands where nobody sees it. */
class Hidden {
  readonly #secret: number
  constructor(secret: number) {
    this.#secret = secret
  }
  get secret(): number {
    return this.#secret
  }
}

class Coded extends Data.TaggedError("Coded")<{ readonly codes: ReadonlyArray<number> }> {}

const user = (score: number, tags: ReadonlyArray<string> = ["a", "b"]) => new User({ name: "u", tags, scores: [score] })

/** Makers of a value; each call makes another one that is the same. */
const makers: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  zero: () => 0,
  one: () => 1,
  "1n": () => 1n,
  "a text that is one": () => "1",
  true: () => true,
  NaN: () => NaN,
  "an array": () => [1, [2], { a: [3] }],
  "another array": () => [1, [2], { a: [4] }],
  "a shorter one": () => [1, [2]],
  "an object that looks like an array": () => ({ 0: 1, 1: [2] }),
  "no items": () => [],
  "no fields": () => ({}),
  "an object": () => ({ a: 1, b: { c: [NaN, null] }, d: undefined }),
  "an object with fewer fields": () => ({ a: 1, b: { c: [NaN, null] } }),
  "an object with other names": () => ({ a: 1, b: { c: [NaN, null] }, e: undefined }),
  "an object without a prototype": () => Object.assign(Object.create(null) as object, { a: 1 }),
  "an object with one": () => ({ a: 1 }),
  "an object with a symbol": () => ({ a: 1, [Symbol.for("s")]: 1 }),
  "an object with another value there": () => ({ a: 1, [Symbol.for("s")]: 2 }),
  "a name that is the prototype's": () => JSON.parse('{"__proto__":{"a":1}}') as unknown,
  "a user": () => user(NaN),
  "another user": () => user(1),
  "a user with other tags": () => user(1, ["a"]),
  "an admin": () => new Admin({ name: "u", tags: ["a", "b"], scores: [1] }),
  "the user's fields": () => ({ name: "u", tags: ["a", "b"], scores: [1] }),
  "a point": () => new Point(1, { at: 2 }),
  "another point": () => new Point(1, { at: 3 }),
  "a date": () => new Date(1_000),
  "another date": () => new Date(2_000),
  "no date": () => new Date(NaN),
  bytes: () => Uint8Array.of(1, 2),
  "other bytes": () => Uint8Array.of(1, 3),
  "fewer bytes": () => Uint8Array.of(1),
  "16 bits": () => Uint16Array.of(1, 2),
  doubles: () => Float64Array.of(NaN, 1),
  "other doubles": () => Float64Array.of(NaN, 2),
  "bigger integers": () => BigInt64Array.of(1n),
  "a map": () =>
    new Map<unknown, unknown>([
      ["a", [1]],
      ["b", new Date(1)]
    ]),
  "a map with another value": () =>
    new Map<unknown, unknown>([
      ["a", [1]],
      ["b", new Date(2)]
    ]),
  "a map with another key": () =>
    new Map<unknown, unknown>([
      ["a", [1]],
      ["c", new Date(1)]
    ]),
  "a map of objects": () =>
    new Map([
      [{ id: 1 }, 1],
      [{ id: 2 }, 2]
    ]),
  "a map of other objects": () =>
    new Map([
      [{ id: 1 }, 1],
      [{ id: 3 }, 2]
    ]),
  "an empty map": () => new Map(),
  "a set": () => new Set(["a", "b"]),
  "another set": () => new Set(["a", "c"]),
  "a set of objects": () => new Set([{ id: 1 }]),
  "a set of other objects": () => new Set([{ id: 2 }]),
  "a pattern": () => /a+/g,
  "a pattern with other flags": () => /a+/i,
  "a URL": () => new URL("http://host/a"),
  "another URL": () => new URL("http://host/b"),
  "an error": () => new Error("a"),
  "an error with another message": () => new Error("b"),
  "an error of another class": () => new TypeError("a"),
  "an error with a cause": () => new Error("a", { cause: { code: 1 } }),
  "an error of Effect's": () => new Coded({ codes: [1] }),
  "another error of Effect's": () => new Coded({ codes: [2] }),
  none: () => Option.none(),
  "some number": () => Option.some(NaN),
  "some array": () => Option.some([user(1)]),
  "some other array": () => Option.some([user(2)]),
  "some URL": () => Option.some(new URL("http://host/a")),
  "some other URL": () => Option.some(new URL("http://host/b")),
  "an exit": () => Exit.succeed([1]),
  "another exit": () => Exit.succeed([2]),
  "a failure": () => Exit.fail("no"),
  "a chunk": () => Chunk.make({ a: NaN }, new Map([["a", user(1)]])),
  "another chunk": () => Chunk.make({ a: NaN }, new Map([["a", user(2)]])),
  "a hash map": () => HashMap.make(["a", 1], ["b", 2]),
  "another hash map": () => HashMap.make(["a", 1], ["b", 3]),
  "a duration": () => Duration.seconds(1),
  "another duration": () => Duration.millis(1)
}

/** Both ways give the same answer. */
const assertSame = (a: unknown, b: unknown, expected: boolean, what: string): void => {
  assert.strictEqual(sameValue(a, b), expected, what)
  assert.strictEqual(sameValue(b, a), expected, `${what}, the other way round`)
}

describe("sameValue", () => {
  for (const [name, make] of Object.entries(makers)) {
    it(`tells ${name} from all others, and from no copy of it`, () => {
      const value = make()
      assertSame(value, value, true, "itself")
      assertSame(value, make(), true, "a copy")
      assertSame({ row: [value] }, { row: [make()] }, true, "a copy within")
      for (const [other, makeOther] of Object.entries(makers)) {
        if (other === name) continue
        assertSame(value, makeOther(), false, other)
        assertSame({ row: [value] }, { row: [makeOther()] }, false, `${other} within`)
      }
    })
  }

  it("takes -0 for 0 everywhere", () => {
    assertSame(-0, 0, true, "alone")
    assertSame([-0, Float64Array.of(-0)], [0, Float64Array.of(0)], true, "in arrays")
    assertSame(Option.some({ a: -0 }), Option.some({ a: 0 }), true, "in an option")
    assertSame(user(-0), user(0), true, "in a class")
  })

  it("takes no notice of the order of names, keys and items of a set", () => {
    assertSame({ a: 1, b: [2] }, { b: [2], a: 1 }, true, "names")
    assertSame(
      new Map([
        ["a", [1]],
        ["b", [2]]
      ]),
      new Map([
        ["b", [2]],
        ["a", [1]]
      ]),
      true,
      "keys"
    )
    assertSame(new Set([1, 2]), new Set([2, 1]), true, "items")
    assertSame({ a: 1, b: 2 }, { b: 1, a: 2 }, false, "names of other values")
  })

  it("goes by what a value says of itself", () => {
    assertSame(new Named("a", 1), new Named("a", 2), true, "the same name")
    assertSame(new Named("a", 1), new Named("b", 1), false, "another name")
    assertSame([new Named("a", 1)], [new Named("a", 2)], true, "within")
  })

  it("sees the fields of classes that extend others with a content", () => {
    class Zoned extends Date {
      constructor(
        readonly zone: string,
        time: number
      ) {
        super(time)
      }
    }
    class List extends Array<number> {
      label = ""
    }
    const listOf = (label: string, item: number): List => {
      const list = new List()
      list.push(item)
      list.label = label
      return list
    }
    assertSame(new Zoned("a", 1), new Zoned("a", 1), true, "a date")
    assertSame(new Zoned("a", 1), new Zoned("b", 1), false, "a date with another field")
    assertSame(new Zoned("a", 1), new Zoned("a", 2), false, "another date")
    assertSame(listOf("a", 1), listOf("a", 1), true, "an array")
    assertSame(listOf("a", 1), listOf("b", 1), false, "an array with another field")
    assertSame(listOf("a", 1), listOf("a", 2), false, "an array with another item")
  })

  it("takes what shows nothing of itself for different", () => {
    assertSame(new Hidden(1), new Hidden(2), false, "private fields")
    assertSame(new URLSearchParams("a=1"), new URLSearchParams("a=2"), false, "a class of the platform")
    assertSame(Promise.resolve(1), Promise.resolve(2), false, "promises")
    assertSame(new Number(1), new Number(2), false, "a number in a box")
    assertSame(
      () => 1,
      () => 1,
      false,
      "functions"
    )
    assertSame({ f: Math.abs }, { f: Math.abs }, true, "one function")
  })

  it("ends for values that hold themselves, or something very often, and for deep ones", () => {
    const cycle = () => {
      const value: Record<string, unknown> = { a: 1 }
      value["left"] = value
      value["right"] = [value]
      return value
    }
    assertSame(cycle(), cycle(), false, "cycles")
    const shared = () => {
      let value: object = { a: 1 }
      for (let i = 0; i < 100; i++) value = { left: value, right: value }
      return value
    }
    assertSame(shared(), shared(), false, "2^100 paths")
    const deep = (levels: number) => {
      let value: object = {}
      for (let i = 0; i < levels; i++) value = { value }
      return value
    }
    assertSame(deep(150), deep(150), true, "deep")
    assertSame(deep(1_000), deep(1_000), false, "deeper than what is looked into")
    assertSame(deep(100_000), deep(100_000), false, "deeper than the stack")
  })

  it("never throws", () => {
    const throwing = () => ({
      get a(): number {
        throw new Error("no")
      }
    })
    assertSame(throwing(), throwing(), false, "getters")
    const revoked = () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    }
    assertSame(revoked(), revoked(), false, "proxies")
    assertSame([revoked()], [{}], false, "a proxy within")
    const unequal = () => ({
      [Equal.symbol]: () => {
        throw new Error("no")
      },
      [Hash.symbol]: () => 1
    })
    assertSame(unequal(), unequal(), false, "an equality")
  })

  it("tells values of JSON as their text does", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
        const text = JSON.stringify(a)
        assertSame(a, JSON.parse(text), true, "a copy")
        const sorted = (value: unknown) =>
          JSON.stringify(value, (_, item: unknown) =>
            typeof item === "object" && item !== null && !Array.isArray(item)
              ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1)))
              : item
          )
        assertSame(a, b, sorted(a) === sorted(b), "another value")
      }),
      { numRuns: ofRounds(500, 50_000) }
    )
  })
})
