import { assert, describe, expect, it } from "@effect/vitest"
import * as Codec from "effect-ktables/Codec"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as TestClock from "effect/testing/TestClock"
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

class Service extends Schema.Class<Service>("Service")({ host: Schema.String, port: Schema.Int }) {}

class Circle extends Schema.TaggedClass<Circle>()("Circle", { radius: Schema.Finite }) {}
class Square extends Schema.TaggedClass<Square>()("Square", { side: Schema.Finite }) {}

class Refused extends Data.TaggedError("Refused")<{ readonly code: number }> {}
class Explained extends Data.TaggedError("Explained")<{ readonly message: string; readonly cause?: unknown }> {}

const ownWords = (from: (text: string) => Effect.Effect<string, SchemaIssue.Issue>, to: typeof from) =>
  Schema.String.pipe(Schema.decodeTo(Schema.String, SchemaTransformation.transformEffect({ decode: from, encode: to })))

/** Waits on the clock, as a call to a registry would wait on the network. */
const Slow = ownWords(
  (text) =>
    Effect.sleep("1 second").pipe(
      Effect.andThen(
        text === "bad"
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "slowly refused" }, text, { reportInput: true }))
          : Effect.succeed(text)
      )
    ),
  (text) => Effect.as(Effect.sleep("1 second"), text)
)

const afterASecond = <A, E>(self: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(self))
    yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

const schemaError = (value: unknown) =>
  failureOf(Effect.runSyncExit(Schema.decodeUnknownEffect(Schema.String, { reportInput: true })(value)))

const identity = <A>(a: A): A => a

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
        names: Schema.Record(Schema.String, Schema.Array(Schema.Boolean)),
        note: Schema.optional(Schema.String)
      })
    ),
    fc.record(
      {
        at: fc.date({ noInvalidDate: true }),
        n: fc.integer(),
        big: fc.bigInt(),
        maybe: fc.option(wellFormed, { nil: undefined }).map(Option.fromUndefinedOr),
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
    Codec.json(Schema.Union([Circle, Square, Schema.Null, Schema.String])),
    fc.oneof(
      fc.integer().map((radius) => new Circle({ radius })),
      fc.integer().map((side) => new Square({ side })),
      fc.constant(null),
      wellFormed
    )
  )
  everyCodec("schema", Codec.schema(Schema.Uint8Array), fc.uint8Array())
})

describe("json", () => {
  // On Effect 4 no annotation asks for all errors, or for excess properties to be errors: a check can do the latter.
  it("goes by checks of names", () => {
    const Strict = Schema.Record(Schema.String, Schema.Int).check(Schema.isPropertyNames(Schema.Literals(["a", "b"])))
    expect(messageOf(decode(Codec.json(Strict), bytesOf(`{"a":1,"hunter2":1}`)))).not.toContain("hunter2")
    expect(roundTrip(Codec.json(Strict), { a: 1 })).toEqual({ a: 1 })
  })

  it("turns what a schema's functions throw into a SchemaError", () => {
    const Throws = Schema.String.pipe(
      Schema.decodeTo(
        Schema.String,
        SchemaTransformation.transform<string, string>({
          decode: () => {
            throw new TypeError("cannot read")
          },
          encode: () => {
            throw new TypeError("cannot write")
          }
        })
      )
    )
    const Filters = Schema.String.check(
      Schema.makeFilter(() => {
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

  it("what gives no Effect, though it should, is a SchemaError", () => {
    const Wrong = ownWords(
      () => undefined as never,
      () => undefined as never
    )
    expect(messageOf(decode(Codec.json(Wrong), bytesOf(`"a"`)))).toBe("a function of the codec threw TypeError")
    expect(messageOf(encode(Codec.json(Wrong), "a"))).toBe("a function of the codec threw TypeError")
  })

  it("takes no schema that still needs services", () => {
    class Registry extends Context.Service<Registry, string>()("test/Registry") {}
    const Needy = Schema.String.pipe(
      Schema.decodeTo(
        Schema.String,
        SchemaTransformation.transformEffect({
          decode: () => Effect.map(Registry, (text) => text),
          encode: (text: string) => Effect.succeed(text)
        })
      )
    )
    // @ts-expect-error: Registry is not provided
    Codec.json(Needy)
    // @ts-expect-error: Registry is not provided
    Codec.string(Needy)
  })

  it("is not suspended by a member of a union, or a field, that does not fit", () => {
    const codec = Codec.json(
      Schema.Struct({
        at: Schema.optional(Schema.Date),
        n: Schema.Union([Schema.FiniteFromString, Schema.BooleanFromBit, Schema.Literal("none")])
      })
    )
    for (const value of [{ n: 1 }, { at: undefined, n: true }, { at: new Date(0), n: "none" as const }]) {
      expect(roundTrip(codec, value)).toEqual(value)
    }
    expect(decodeSync(codec, bytesOf(`{"n":"x"}`))).not.toBe(Codec.suspended)
    expect(encodeSync(codec, { n: null as never })).not.toBe(Codec.suspended)
  })

  it("a fallback is taken at once", () => {
    const Fallback = Schema.Struct({
      a: Schema.NumberFromString.check(Schema.isFinite()).pipe(
        Schema.catchDecoding(() => Effect.succeed(Option.some(7)))
      )
    })
    expect(successOf(decode(Codec.json(Fallback), bytesOf(`{"a":"x"}`)))).toEqual({ a: 7 })
    expect(successOf(decode(Codec.json(Fallback), bytesOf(`{"a":"1"}`)))).toEqual({ a: 1 })
  })
})

describe("json values that a table may keep as bytes", () => {
  it("are not what a schema transforms", () => {
    expect(Codec.json(Service).stored).toBeUndefined()
    expect(Codec.json(Schema.NumberFromString).stored).toBeUndefined()
    expect(Codec.json(Schema.Struct({ at: Schema.Date })).stored).toBeUndefined()
    expect(
      Codec.json(Schema.Struct({ n: Schema.Int.pipe(Schema.withDecodingDefault(Effect.succeed(1))) })).stored
    ).toBeUndefined()
    expect(Codec.json(Schema.Struct({ n: Schema.BigInt })).stored).toBeUndefined()
  })

  it("are no instances of a class that is only declared", () => {
    expect(Codec.json(Schema.Struct({ u: Schema.Unknown })).stored?.check(...embedded(bytesOf('{"u":1}')))).toEqual({
      u: 1
    })
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
      expect(Schema.isSchemaError(exit.value)).toBe(true)
      expect(exit.value.message).toBe("name: Expected a string, actual a string")
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
        ownWords(
          (text) =>
            Effect.sync(() => {
              started++
              return text
            }),
          Effect.succeed
        )
      )
      expect(decodeSync(counting, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(started).toBe(0)
      expect(yield* counting.decode(bytesOf(`"a"`))).toBe("a")
      expect(started).toBe(1)
    })
  )

  it.effect("is never taken for a mismatch by a union or a fallback, wherever it stands", () =>
    Effect.gen(function* () {
      const union = Codec.json(
        Schema.Union([Schema.Struct({ kind: Schema.String, name: Slow }), Schema.Struct({ kind: Schema.String })])
      )
      const fallback = Codec.json(Slow.pipe(Schema.catchDecoding(() => Effect.succeed(Option.some("the fallback")))))
      const option = Codec.json(Schema.Option(Slow))
      const bytes = bytesOf(`{"kind":"x","name":"a"}`)
      expect(decodeSync(union, bytes)).toBe(Codec.suspended)
      expect(yield* afterASecond(union.decode(bytes))).toEqual(Exit.succeed({ kind: "x", name: "a" }))
      expect(decodeSync(fallback, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(yield* afterASecond(fallback.decode(bytesOf(`"a"`)))).toEqual(Exit.succeed("a"))
      expect(decodeSync(option, bytesOf(`{"_tag":"Some","value":"a"}`))).toBe(Codec.suspended)
      expect(yield* afterASecond(option.decode(bytesOf(`{"_tag":"Some","value":"a"}`)))).toEqual(
        Exit.succeed(Option.some("a"))
      )
      expect(successOf(decode(option, bytesOf(`{"_tag":"None"}`)))).toEqual(Option.none())
    })
  )

  it.effect("defects of its Effects are SchemaErrors, interruption stays interruption", () =>
    Effect.gen(function* () {
      const dies = Codec.json(ownWords(() => Effect.suspend(() => Effect.die(new Error("it died"))), Effect.succeed))
      const failure = yield* Effect.flip(dies.decode(bytesOf(`"a"`)))
      expect(failure.message).toBe("a function of the codec threw Error")
      expect(Codec.explain(failure)).toBe("it died")

      const fiber = yield* Effect.forkChild(codec.decode(bytesOf(`{"name":"a"}`)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      expect(Exit.hasInterrupts(exit)).toBe(true)
    })
  )
})

describe("string", () => {
  const Id = Schema.NonEmptyString.pipe(Schema.brand("Id"))

  it("checks what it reads and writes", () => {
    const codec = Codec.string(Id)
    expect(messageOf(decode(codec, new Uint8Array(0)))).toContain("a value with a length of at least 1")
    expect(messageOf(encode(codec, "" as typeof Id.Type))).toContain("a value with a length of at least 1")
    expect(roundTrip(codec, Id.make("a"))).toBe("a")
  })

  it("is text only if the schema does no more than check", () => {
    const Fallback = Schema.NonEmptyString.pipe(Schema.catchDecoding(() => Effect.succeed(Option.some("none"))))
    expect(Codec.string(Schema.String).text).toBe(true)
    expect(Codec.string(Id).text).toBe(true)
    expect(Codec.string(Schema.String.check(Schema.isUUID())).text).toBe(true)
    expect(Codec.string(Schema.Literals(["a", "b"])).text).toBe(true)
    expect(Codec.string(Schema.TemplateLiteral(["id-", Schema.Number])).text).toBe(true)
    expect(Codec.string(Schema.Trim).text).toBe(false)
    expect(Codec.string(Schema.NumberFromString).text).toBe(false)
    expect(Codec.string(Fallback).text).toBe(false)
    expect(Codec.string(Schema.Union([Fallback, Schema.Literal("a")])).text).toBe(false)
  })
})

describe("schema", () => {
  it("gives the schema bytes of its own", () => {
    const codec = Codec.schema(Schema.Uint8Array)
    const buffer = Buffer.from([1, 2, 3])
    const decoded = codec.decodeSync(buffer, 0, 2)
    assert(decoded !== Codec.suspended)
    buffer.fill(0)
    expect([...decoded]).toEqual([1, 2])
  })
})

describe("make", () => {
  it("tells of somebody's SchemaError what it tells of its own", () => {
    const error = schemaError(1234)
    const codec = Codec.make<string>({
      decode: () => {
        throw error
      },
      encode: () => bytesOf("")
    })
    const decoded = decode(codec, bytesOf("a"))
    expect(messageOf(decoded)).toBe("Expected a string, actual a number")
    expect(explanationOf(decoded)).toBe("Expected string, got 1234")
  })
})

describe("makeEffect", () => {
  it.effect("failures and defects are SchemaErrors", () =>
    Effect.gen(function* () {
      const of = (effect: () => Effect.Effect<never, unknown>) =>
        Codec.makeEffect<string, unknown, unknown>({ decode: effect, encode: effect })
      const interrupted = yield* Effect.forkChild(Effect.never)
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
          "a SchemaError",
          of(() => Effect.fail(schemaError(1))),
          "Expected a string, actual a number",
          "Expected string, got 1"
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
          of(() => Effect.failCause(Cause.combine(Cause.interrupt(), Cause.die(new Error("defect"))))),
          `${threw} Error`,
          "defect"
        ],
        ["nothing", of(() => Effect.failCause(Cause.empty)), "an Effect of the codec was interrupted", ""]
      ]
      for (const [name, codec, message, explanation] of cases) {
        for (const effect of [Effect.asVoid(codec.decode(bytesOf("a"))), Effect.asVoid(codec.encode("a"))]) {
          const error = failureOf(yield* Effect.exit(effect))
          expect(Schema.isSchemaError(error), name).toBe(true)
          expect(error.message).toBe(message)
          expect(Codec.explain(error)).toBe(explanation === "" ? message : explanation)
        }
      }
    })
  )

  it.effect("an asynchronous schema and imap tell of an interruption alike", () =>
    Effect.gen(function* () {
      const interrupt = () => Effect.suspend(() => Effect.interrupt)
      const codec = Codec.json(Schema.Struct({ a: ownWords(interrupt, interrupt) }))
      const through = Codec.imap(codec, identity, identity)
      for (const { decode, encode } of [codec, through]) {
        for (const effect of [Effect.asVoid(decode(bytesOf('{"a":"x"}'))), Effect.asVoid(encode({ a: "x" }))]) {
          expect(failureOf(yield* Effect.exit(effect)).message).toBe("an Effect of the codec was interrupted")
        }
      }
    })
  )
})

describe("imap", () => {
  it.effect("suspends with the codec below", () =>
    Effect.gen(function* () {
      const codec = Codec.imap(Codec.json(Slow), Option.some, (option) => Option.getOrElse(option, () => ""))
      expect(decodeSync(codec, bytesOf(`"a"`))).toBe(Codec.suspended)
      expect(encodeSync(codec, Option.some("a"))).toBe(Codec.suspended)
      expect(yield* afterASecond(codec.decode(bytesOf(`"a"`)))).toEqual(Exit.succeed(Option.some("a")))
    })
  )
})
