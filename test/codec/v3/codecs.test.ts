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
import { everyCodec } from "../everyCodec.ts"
import {
  bytesOf,
  decode,
  decodeSync,
  embedded,
  encode,
  encodeSync,
  explanationOf,
  failureOf,
  messageOf,
  roundTrip,
  successOf,
  textOf
} from "../outcomes.ts"

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
  const wellFormed = fc.string({ unit: "binary" })
  everyCodec(
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
    )
  )
  everyCodec(
    "json of a union",
    Codec.json(Schema.Union(Circle, Square, Schema.Null, Schema.String)),
    fc.oneof(
      fc.integer().map((radius) => new Circle({ radius })),
      fc.integer().map((side) => new Square({ side })),
      fc.constant(null),
      wellFormed
    )
  )
  everyCodec("schema", Codec.schema(Schema.Uint8ArrayFromSelf), fc.uint8Array())
})

const identity = <A>(a: A): A => a

describe("json", () => {
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

  it("tells of somebody's ParseError what it tells of its own", () => {
    const error = ParseResult.parseError(new ParseResult.Type(Schema.String.ast, 1234))
    const decoded = decode(throwing(error), bytesOf("a"))
    expect(messageOf(decoded)).toBe("Expected a string, actual a number")
    expect(explanationOf(decoded)).toBe("Expected string, actual 1234")
  })
})

describe("makeEffect", () => {
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
          const error = failureOf(exit)
          expect(error).toBeInstanceOf(ParseResult.ParseError)
          expect(error.message).toBe(message)
          expect(Codec.explain(error)).toBe(explanation === "" ? message : explanation)
        }
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
          const error = failureOf(exit)
          expect(error.message).toBe("an Effect of the codec was interrupted")
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

  it.effect("suspends with the codec below", () =>
    Effect.gen(function* () {
      const codec = Codec.imap(Codec.json(Slow), Option.some, (option) => Option.getOrElse(option, () => ""))
      expect(decodeSync(codec, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(encodeSync(codec, Option.some("a"))).toBe(Codec.suspended)
      expect(yield* afterASecond(codec.decode(bytesOf(`"a"`)))).toEqual(Exit.succeed(Option.some("a")))
    })
  )
})
