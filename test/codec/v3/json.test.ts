/** What `Codec.json` writes comes back as it was; what would not is refused, by the schema or at the write. */
import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  Chunk,
  Data,
  Duration,
  Effect,
  Either,
  Equal,
  FastCheck,
  HashMap,
  Option,
  Order,
  Redacted,
  Schema,
  type Scope
} from "effect"
import * as Codec from "effect-ktables/Codec"
import { inspect, isDeepStrictEqual } from "node:util"
import { runInNewContext } from "node:vm"
import { KafkaClient, KafkaTable, KafkaTableWriter } from "../../../src/index.ts"

const bytes = (text: string): Uint8Array => Buffer.from(text)
const textOf = (encoded: Uint8Array): string => Buffer.from(encoded).toString("utf8")

const encode = <A>(codec: Codec.Codec<A>, value: A) => Effect.runSync(Effect.either(codec.encode(value)))
const decode = <A>(codec: Codec.Codec<A>, encoded: Uint8Array) => Effect.runSync(Effect.either(codec.decode(encoded)))

const refusal = <A>(result: Either.Either<A, { readonly message: string }>): string =>
  Either.isLeft(result) ? result.left.message : assert.fail("it was not refused")

type AnySchema = Schema.Schema<unknown, unknown>

/** The same up to what JSON does not tell apart: a property that is undefined or missing, 0 and -0. */
const plain = (value: unknown): unknown => {
  if (typeof value === "number") return value === 0 ? 0 : value
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [plain(key), plain(one)]))
  if (typeof value !== "object" || value === null) return value
  const prototype = Object.getPrototypeOf(value) as { readonly constructor: object } | null
  const isPlain = prototype === null || prototype === Object.prototype
  if (!isPlain && !("fields" in prototype.constructor)) return value
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return [isPlain ? "plain" : prototype, ...fields.map(([name, field]) => [name, plain(field)])]
}

const isSame = (schema: AnySchema, a: unknown, b: unknown): boolean =>
  Schema.equivalence(schema)(a, b) || Equal.equals(a, b) || isDeepStrictEqual(plain(a), plain(b))

describe("schemas of effect/Schema", () => {
  /** Those of which no value can be made at random, and the reason. */
  const withoutValues: ReadonlyMap<string, string> = new Map([["Never", "it has none"]])

  class Leaf extends Schema.Class<Leaf>("Leaf")({ a: Schema.String, b: Schema.optional(Schema.Int) }) {}
  class Tagged extends Schema.TaggedClass<Tagged>()("Tagged", { at: Schema.Date, all: Schema.Array(Leaf) }) {}
  class Failed extends Schema.TaggedError<Failed>()("Failed", { why: Schema.String }) {}
  interface Tree {
    readonly name: string
    readonly children: ReadonlyArray<Tree>
  }
  const Tree: Schema.Schema<Tree> = Schema.Struct({
    name: Schema.String,
    children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
  })
  enum Size {
    Small,
    Large = "large"
  }
  const S = Schema.String
  const N = Schema.Number

  /** A schema by each function that makes one. */
  const made: Record<string, Schema.Schema.All> = {
    Array: Schema.Array(N),
    ArrayEnsure: Schema.ArrayEnsure(S),
    Cause: Schema.Cause({ error: S, defect: Schema.Defect }),
    CauseFromSelf: Schema.CauseFromSelf({ error: S, defect: Schema.Unknown }),
    Chunk: Schema.Chunk(N),
    ChunkFromSelf: Schema.ChunkFromSelf(N),
    Class: Leaf,
    Data: Schema.Data(Schema.Struct({ a: S })),
    DataFromSelf: Schema.DataFromSelf(Schema.Struct({ a: S })),
    Either: Schema.Either({ left: S, right: N }),
    EitherFromSelf: Schema.EitherFromSelf({ left: S, right: N }),
    EitherFromUnion: Schema.EitherFromUnion({ left: S, right: N }),
    Enums: Schema.Enums(Size),
    Exit: Schema.Exit({ success: N, failure: S, defect: Schema.Defect }),
    ExitFromSelf: Schema.ExitFromSelf({ success: N, failure: S, defect: Schema.Unknown }),
    HashMap: Schema.HashMap({ key: S, value: N }),
    HashMapFromSelf: Schema.HashMapFromSelf({ key: S, value: N }),
    HashSet: Schema.HashSet(N),
    HashSetFromSelf: Schema.HashSetFromSelf(N),
    List: Schema.List(N),
    ListFromSelf: Schema.ListFromSelf(N),
    Literal: Schema.Literal("a", 1, true, null),
    "Literal of a bigint": Schema.Literal(1n),
    Map: Schema.Map({ key: S, value: N }),
    MapFromRecord: Schema.MapFromRecord({ key: S, value: N }),
    MapFromSelf: Schema.MapFromSelf({ key: S, value: N }),
    NonEmptyArray: Schema.NonEmptyArray(N),
    NonEmptyArrayEnsure: Schema.NonEmptyArrayEnsure(S),
    NonEmptyChunk: Schema.NonEmptyChunk(N),
    NonEmptyChunkFromSelf: Schema.NonEmptyChunkFromSelf(N),
    NullOr: Schema.NullOr(N),
    NullishOr: Schema.NullishOr(N),
    Option: Schema.Option(N),
    OptionFromNullOr: Schema.OptionFromNullOr(N),
    OptionFromNullishOr: Schema.OptionFromNullishOr(N, null),
    OptionFromSelf: Schema.OptionFromSelf(N),
    OptionFromUndefinedOr: Schema.OptionFromUndefinedOr(N),
    ReadonlyMap: Schema.ReadonlyMap({ key: S, value: N }),
    ReadonlyMapFromRecord: Schema.ReadonlyMapFromRecord({ key: S, value: N }),
    ReadonlyMapFromSelf: Schema.ReadonlyMapFromSelf({ key: S, value: N }),
    ReadonlySet: Schema.ReadonlySet(N),
    ReadonlySetFromSelf: Schema.ReadonlySetFromSelf(N),
    Record: Schema.Record({ key: S, value: N }),
    "Record of symbols": Schema.Record({ key: Schema.SymbolFromSelf, value: N }),
    Redacted: Schema.Redacted(S),
    RedactedFromSelf: Schema.RedactedFromSelf(S),
    Set: Schema.Set(N),
    SetFromSelf: Schema.SetFromSelf(N),
    SortedSet: Schema.SortedSet(N, Order.number),
    SortedSetFromSelf: Schema.SortedSetFromSelf(N, Order.number, Order.number),
    Struct: Schema.Struct({ a: S, b: Schema.optional(N), c: Schema.UndefinedOr(S) }),
    "Struct without fields": Schema.Struct({}),
    "Struct with a symbol": Schema.Struct({ [Symbol.for("a")]: S }),
    "Struct with names of prototypes": Schema.Struct({ constructor: N, toString: S, toJSON: S, hasOwnProperty: N }),
    TaggedClass: Tagged,
    TaggedError: Failed,
    TaggedStruct: Schema.TaggedStruct("T", { a: S }),
    TemplateLiteral: Schema.TemplateLiteral("a", N),
    TemplateLiteralParser: Schema.TemplateLiteralParser("a", Schema.NumberFromString),
    Tuple: Schema.Tuple(S, N),
    "Tuple with an optional element": Schema.Tuple(S, Schema.optionalElement(Schema.UndefinedOr(N))),
    UndefinedOr: Schema.UndefinedOr(N),
    Union: Schema.Union(Leaf, Tagged, Schema.Boolean),
    UniqueSymbolFromSelf: Schema.UniqueSymbolFromSelf(Symbol.for("a")),
    brand: S.pipe(Schema.brand("B")),
    instanceOf: Schema.instanceOf(Leaf, { arbitrary: () => (fc) => fc.constant(new Leaf({ a: "" })) }),
    declare: Schema.declare((u): u is string => typeof u === "string").annotations({
      arbitrary: () => (fc) => fc.string()
    }),
    typeSchema: Schema.typeSchema(Leaf),
    parseJson: Schema.parseJson(Schema.Struct({ a: N })),
    optionalWith: Schema.Struct({
      a: Schema.optionalWith(N, { as: "Option" }),
      b: Schema.optionalWith(S, { default: () => "" })
    }),
    split: Schema.split(","),
    suspend: Tree,
    transform: Schema.transform(S, Schema.DateFromSelf, { strict: true, decode: (s) => new Date(s), encode: String })
  }
  /** Functions that make no schema of their own kind: filters, changes of a schema, services. */
  const others = new Set([
    "Config",
    "FromPropertySignature",
    "PropertySignatureDeclaration",
    "PropertySignatureTransformation",
    "TaggedRequest",
    "ToPropertySignature"
  ])

  it("there is one by every function that has a type's name", () => {
    const functions = Object.entries(Schema).flatMap(([name, value]) =>
      typeof value === "function" && /^[A-Z]/.test(name) && !Schema.isSchema(value) && !others.has(name) ? [name] : []
    )
    assert.isAbove(functions.length, 50)
    assert.deepStrictEqual(
      functions.filter((name) => made[name] === undefined),
      []
    )
  })

  const exported = Object.entries(Schema).flatMap(([name, value]) =>
    Schema.isSchema(value) && name !== "Any" ? [[name, value as Schema.Schema.All] as const] : []
  )
  const all = [...exported, ["Any", Schema.Any] as const, ...Object.entries(made)].filter(
    ([name]) => !withoutValues.has(name)
  )

  /** Where a schema may stand in another one. */
  const places: Record<string, (schema: AnySchema) => AnySchema> = {
    alone: (schema) => schema,
    "a field": (schema) => Schema.Struct({ a: schema, b: Schema.Number }) as unknown as AnySchema,
    "an optional field": (schema) => Schema.Struct({ a: Schema.optional(schema) }) as unknown as AnySchema,
    "in an array": (schema) => Schema.Array(schema) as unknown as AnySchema,
    "in a record": (schema) => Schema.Record({ key: Schema.String, value: schema }) as unknown as AnySchema,
    "in a pair": (schema) => Schema.Tuple(schema, Schema.Null) as unknown as AnySchema,
    "in a class": (schema) => {
      class Holder extends Schema.Class<Holder>("Holder")({ a: schema }) {}
      return Holder as unknown as AnySchema
    },
    suspended: (schema) => Schema.Struct({ a: Schema.suspend(() => schema) }) as unknown as AnySchema
  }

  const refused = new Set<string>()
  let encoded = 0
  describe.each(all)("%s", (name, schema) => {
    it.each(Object.entries(places))("%s", (_, place) => {
      const placed = place(schema as AnySchema)
      const codec = Codec.json(placed)
      const values = Arbitrary.make(placed)
      FastCheck.assert(
        FastCheck.property(values, (value) => {
          const written = encode(codec, value)
          if (codec.problem !== undefined) {
            refused.add(name)
            assert.strictEqual(refusal(written), codec.problem)
            assert.strictEqual(refusal(decode(codec, bytes("null"))), codec.problem)
            return
          }
          if (Either.isLeft(written)) return
          // some schemas lose something by themselves, such as digits of a number
          const own = Schema.encodeEither(placed)(value).pipe(Either.flatMap(Schema.decodeUnknownEither(placed)))
          if (Either.isLeft(own) || !isSame(placed, own.right, value)) return
          encoded++
          const read = Either.getOrThrow(decode(codec, written.right))
          if (!isSame(placed, read, value)) assert.deepStrictEqual(read, value, textOf(written.right))
        }),
        { numRuns: 15 }
      )
    })
  })

  it("most of it was written, and what is not JSON was refused", () => {
    assert.isAbove(encoded, 5_000)
    for (const name of all.map(([each]) => each).filter((each) => /FromSelf$/.test(each))) {
      if (!/BigInt/.test(name) && name !== "DataFromSelf") assert.include([...refused], name)
    }
  })
})

describe("a schema that encodes to something which JSON does not have", () => {
  const Inner = Schema.Struct({ at: Schema.DateFromSelf })
  class Place extends Schema.Class<Place>("Place")({ host: Schema.String }) {}
  interface Node {
    readonly next: Node | null
    readonly m: ReadonlyMap<string, number>
  }
  const Node: Schema.Schema<Node> = Schema.Struct({
    next: Schema.NullOr(Schema.suspend((): Schema.Schema<Node> => Node)),
    m: Schema.ReadonlyMapFromSelf({ key: Schema.String, value: Schema.Number })
  })
  const cases: ReadonlyArray<readonly [string, Schema.Schema.All, string]> = [
    ["a field", Inner, "at: DateFromSelf does not come back from JSON; use Schema.Date"],
    ["in arrays", Schema.Struct({ all: Schema.Array(Inner) }), "all[*].at: DateFromSelf does"],
    [
      "in records",
      Schema.Record({ key: Schema.String, value: Schema.Array(Schema.SymbolFromSelf) }),
      "[*][*]: a symbol does"
    ],
    [
      "in a pair",
      Schema.Tuple(Schema.String, Schema.RedactedFromSelf(Schema.String)),
      "[1]: Redacted(<redacted>) does"
    ],
    ["a member of a union", Schema.Union(Schema.String, Schema.DateFromSelf), "DateFromSelf does"],
    [
      "an optional field",
      Schema.Struct({ a: Schema.optional(Schema.OptionFromSelf(Schema.Number)) }),
      "a: Option<number> does"
    ],
    ["in itself", Node, "m: ReadonlyMap<string, number> does not come back from JSON; use Schema.ReadonlyMap"],
    ["behind a filter", Schema.ValidDateFromSelf, "DateFromSelf does"],
    ["behind a transformation", Schema.DateTimeUtcFromDate, "a Date to be decoded into a DateTime.Utc does"],
    ["the type of a class", Schema.typeSchema(Place), "an instance of Place does"],
    ["a symbol as a name", Schema.Struct({ [Symbol.for("s")]: Schema.String }), "the symbol Symbol(s) as a name does"],
    ["a name that is the prototype's", Schema.Struct({ ["__proto__"]: Schema.String }), "the name __proto__ does"],
    ["bigints beside numbers", Schema.Union(Schema.BigIntFromSelf, Schema.Int), "a bigint beside a number does"],
    [
      "bigints beside numbers that are suspended",
      Schema.Union(
        Schema.BigIntFromSelf,
        Schema.suspend(() => Schema.NullOr(Schema.Number))
      ),
      "a bigint beside a number does"
    ],
    [
      "something suspended that becomes undefined",
      Schema.Struct({ a: Schema.optional(Schema.suspend(() => Schema.OptionFromUndefinedOr(Schema.Int))) }),
      "something else that becomes undefined does"
    ],
    [
      "undefined beside a default",
      Schema.Struct({ a: Schema.optionalWith(Schema.UndefinedOr(Schema.Int), { default: () => 5, exact: true }) }),
      "undefined as a, beside what stands for none, does"
    ],
    [
      "undefined in an Option",
      Schema.Struct({ a: Schema.optionalWith(Schema.UndefinedOr(Schema.Int), { as: "Option", exact: true }) }),
      "undefined as a, beside what stands for none, does"
    ],
    [
      "undefined in a map that is a record",
      Schema.MapFromRecord({ key: Schema.String, value: Schema.UndefinedOr(Schema.Int) }),
      "undefined as a value of a map does"
    ],
    [
      "undefined where names must be there",
      Schema.Struct({ s: Schema.Struct({ a: Schema.UndefinedOr(Schema.Int) }) }).annotations({
        parseOptions: { exact: true }
      }),
      "s: a, undefined and not optional, does"
    ],
    [
      "several",
      Schema.Struct({ a: Schema.DateFromSelf, b: Schema.URLFromSelf }),
      "use Schema.Date; b: URLFromSelf does"
    ],
    [
      "beside what is made anew at each step",
      Schema.typeSchema(
        Schema.Struct({ next: Schema.suspend((): Schema.Schema<Node> => Node), at: Schema.DateFromSelf })
      ),
      "at: DateFromSelf does"
    ]
  ]
  it.each(cases)("%s", (_, schema, problem) => {
    const codec = Codec.json(schema as Schema.Schema<unknown>)
    assert.include(codec.problem, problem)
    assert.strictEqual(refusal(encode(codec, {})), codec.problem)
    assert.strictEqual(refusal(decode(codec, bytes("{}"))), codec.problem)
    assert.throws(() => codec.encodeSync({}))
    assert.throws(() => codec.decodeSync(Buffer.from("{}"), 0, 2))
    assert.strictEqual(
      Codec.imap(
        codec,
        (a) => a,
        (b) => b
      ).problem,
      codec.problem
    )
  })

  it.scoped("is an invalid option of a table and of a writer, by whichever codec", () =>
    Effect.gen(function* () {
      const bad = Codec.json(Inner)
      const said = "at: DateFromSelf does not come back from JSON; use Schema.Date"
      for (const made of [
        KafkaTable.make({ topic: "t", value: bad }),
        KafkaTableWriter.make({ topic: "t", value: bad })
      ] as ReadonlyArray<Effect.Effect<unknown, unknown, KafkaClient.KafkaClient | Scope.Scope>>) {
        const error = yield* Effect.flip(made)
        assert.include(error, { _tag: "KafkaInvalidOptionsError" })
        assert.include((error as Error).message, `value: ${said}`)
      }
      const error = yield* Effect.flip(KafkaTable.make({ topic: "t", key: bad, value: Codec.utf8 }))
      assert.include(error.message, `key: ${said}`)
    }).pipe(Effect.provide(KafkaClient.layerMemory()))
  )

  it("a schema whose other half is not there yet is taken, and looked at when there are values", () => {
    const Early = Schema.Struct({ a: Schema.suspend(() => Late) })
    const codec = Codec.json(Early)
    const Late: Schema.Schema<unknown> = Schema.Unknown
    assert.isUndefined(codec.problem)
    assert.strictEqual(textOf(Either.getOrThrow(encode(codec, { a: 1 }))), '{"a":1}')
    assert.include(refusal(encode(codec, { a: new Date() })), "an instance of Date")
  })
})

describe("where undefined and a name that is missing are the same to a schema", () => {
  const Int = Schema.Int
  it.each([
    ["a default", Schema.Struct({ a: Schema.optionalWith(Int, { default: () => 5 }) }), { a: 1 }],
    ["an Option", Schema.Struct({ a: Schema.optionalWith(Int, { as: "Option" }) }), { a: Option.none() }],
    ["null for none", Schema.Struct({ a: Schema.optionalWith(Int, { nullable: true }) }), {}],
    ["names that must be there", Schema.Struct({ a: Int }).annotations({ parseOptions: { exact: true } }), { a: 1 }],
    [
      "names that must be there, elsewhere",
      Schema.Struct({
        a: Schema.Struct({ b: Int }).annotations({ parseOptions: { exact: true } }),
        c: Schema.UndefinedOr(Int)
      }),
      { a: { b: 1 } }
    ],
    [
      "undefined for none",
      Schema.Struct({
        a: Schema.optionalToRequired(Int, Schema.UndefinedOr(Int), {
          decode: Option.getOrUndefined,
          encode: Option.fromNullable
        })
      }),
      { a: undefined }
    ]
  ] as ReadonlyArray<readonly [string, Schema.Schema.All, unknown]>)("%s comes back", (_, schema, value) => {
    const codec = Codec.json(schema as Schema.Schema<unknown>)
    assert.isUndefined(codec.problem)
    const read = Either.getOrThrow(decode(codec, Either.getOrThrow(encode(codec, value))))
    assert.isTrue(isSame(schema as AnySchema, read, value), inspect(read))
  })
})

describe("a schema that is made anew at each step", () => {
  interface Tree {
    readonly name: string
    readonly children: ReadonlyArray<Tree>
  }
  const Tree: Schema.Schema<Tree> = Schema.Struct({
    name: Schema.String,
    children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
  })
  interface List {
    readonly name: string
    readonly next: Option.Option<List>
  }
  interface EncodedList {
    readonly name: string
    readonly next?: EncodedList | undefined
  }
  const List: Schema.Schema<List, EncodedList> = Schema.Struct({
    name: Schema.String,
    next: Schema.optionalWith(
      Schema.suspend((): Schema.Schema<List, EncodedList> => List),
      { as: "Option" }
    )
  })
  const tree = { name: "a", children: [{ name: "b", children: [] }] }
  it.each([
    ["the types of another", Schema.typeSchema(Tree), tree],
    ["what another encodes to", Schema.encodedSchema(Tree), tree],
    ["what another encodes to, up to its filters", Schema.encodedBoundSchema(Tree), tree],
    ["what is transformed", List, { name: "a", next: Option.some({ name: "b", next: Option.none() }) }]
  ] as ReadonlyArray<readonly [string, Schema.Schema.All, unknown]>)("of %s", (_, schema, value) => {
    const codec = Codec.json(schema as Schema.Schema<unknown>)
    assert.isUndefined(codec.problem)
    assert.deepStrictEqual(Either.getOrThrow(decode(codec, Either.getOrThrow(encode(codec, value)))), value)
    // what is told of a failure depends on whether there is a secret anywhere in it
    assert.strictEqual(refusal(decode(codec, bytes('{"name":1}'))), "name: Expected a string, actual a number")
  })
})

describe("text that is JSON itself", () => {
  const Inner = <A>(value: Schema.Schema<A>) => Schema.Struct({ a: Schema.parseJson(Schema.Struct({ v: value })) })
  it.each([
    ["a date", Schema.DateFromSelf, new Date(0)],
    ["a map", Schema.MapFromSelf({ key: Schema.String, value: Schema.Int }), new Map([["hunter2", 1]])],
    ["what is not finite", Schema.Number, NaN],
    ["undefined in an array", Schema.Array(Schema.UndefinedOr(Schema.Int)), [undefined]],
    ["an instance", Schema.Unknown, { at: new Date(0) }],
    ["a bigint", Schema.BigIntFromSelf, 5n]
  ] as ReadonlyArray<readonly [string, Schema.Schema<unknown>, unknown]>)("%s in it is refused", (_, schema, v) => {
    const json = Codec.json(Inner(schema))
    assert.match(refusal(encode(json, { a: { v } })), /^a: Expected (what comes back from JSON|parseJson), actual/)
    assert.throws(() => json.encodeSync({ a: { v } }))
    const text = Codec.string(Schema.parseJson(Schema.Struct({ v: schema })))
    assert.match(refusal(encode(text, { v })), /^Expected (what comes back from JSON|parseJson), actual/)
    const twice = Codec.string(Schema.compose(Schema.StringFromHex, Schema.parseJson(Schema.Struct({ v: schema }))))
    assert.isTrue(Either.isLeft(encode(twice, { v })))
  })

  it("what comes back is written, also by a replacer and a reviver", () => {
    const value = { a: { v: { b: [1, "x", null], c: undefined } } }
    const codec = Codec.json(Inner(Schema.Unknown))
    const written = Either.getOrThrow(encode(codec, value))
    assert.strictEqual(textOf(written), '{"a":"{\\"v\\":{\\"b\\":[1,\\"x\\",null]}}"}')
    const dates = Codec.string(
      Schema.parseJson(Schema.Struct({ at: Schema.DateFromSelf }), {
        reviver: (name, part: unknown) => (name === "at" ? new Date(part as string) : part)
      })
    )
    const at = { at: new Date(5) }
    assert.deepStrictEqual(Either.getOrThrow(decode(dates, Either.getOrThrow(encode(dates, at)))), at)
  })
})

describe("where a schema leaves open what it encodes to", () => {
  class Instance {
    readonly a = 1
  }
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  let deep: unknown = 1
  for (let i = 0; i < 100_000; i++) deep = [deep]
  const sparse = [1, , 2]
  const bad: ReadonlyArray<readonly [string, unknown, string]> = [
    ["a Date", new Date(0), "an instance of Date"],
    ["an invalid Date", new Date(NaN), "an instance of Date"],
    ["a Map", new Map([["a", 1]]), "an instance of Map"],
    ["a Set", new Set([1]), "an instance of Set"],
    ["bytes", new Uint8Array(1), "an instance of Uint8Array"],
    ["an error", new Error("e"), "an instance of Error"],
    ["a boxed string", Object("a"), "an instance of String"],
    ["an instance", new Instance(), "an instance of Instance"],
    ["an array of a class", new (class Rows extends Array {})(), "an instance of Rows"],
    ["an Option", Option.some(1), "an instance of"],
    ["a secret", Redacted.make("hunter2"), "an instance of"],
    ["a duration", Duration.seconds(1), "an instance of"],
    ["a HashMap", HashMap.make(["a", 1]), "an instance of"],
    ["data", Data.struct({ a: 1 }), "an instance of"],
    ["a bigint", 1n, "a bigint"],
    ["a function", () => 1, "a function"],
    ["a method", { toJSON: () => 1 }, "a function"],
    ["a symbol", Symbol("s"), "a symbol"],
    ["a symbol as a name", { [Symbol("s")]: 1 }, "a symbol as a name"],
    ["a prototype's name", JSON.parse('{"__proto__":1}'), "the name __proto__"],
    ["NaN", NaN, "would become null"],
    ["an infinity", -Infinity, "would become null"],
    ["undefined in an array", [undefined], "would become null"],
    ["holes", sparse, "an array with holes"],
    ["an array with names", Object.assign([1], { index: 0 }), "an array with names"],
    ["a match", /a/.exec("a"), "an array with names"],
    ["a cycle", cycle, "it nests too deep, or holds itself"],
    ["endless arrays", deep, "it nests too deep, or holds itself"]
  ]
  const schemas: ReadonlyArray<
    readonly [string, (value: unknown) => Either.Either<Uint8Array, { readonly message: string }>]
  > = [
    ["Unknown", (value) => encode(Codec.json(Schema.Unknown), value)],
    ["Any", (value) => encode(Codec.json(Schema.Any), { a: [value] })],
    ["Object", (value) => encode(Codec.json(Schema.Object), { a: value })],
    ["a declaration", (value) => encode(Codec.json(Schema.declare((_): _ is unknown => true)), [value])],
    [
      "in a record",
      (value) => encode(Codec.json(Schema.Record({ key: Schema.String, value: Schema.Unknown })), { a: value })
    ],
    [
      "an excess property",
      (value) =>
        encode(
          Codec.json(Schema.Struct({ a: Schema.Int }).annotations({ parseOptions: { onExcessProperty: "preserve" } })),
          { a: 1, b: value } as { a: number }
        )
    ],
    ["a struct without fields", (value) => encode(Codec.json(Schema.Array(Schema.Struct({}))), [{ a: value }])]
  ]
  describe.each(schemas)("%s", (_, write) => {
    it.each(bad)("does not encode %s", (_, value, what) => {
      const told = refusal(write(value))
      assert.include(told, `Not representable as JSON: ${what}`.slice(0, what.startsWith("would") ? 26 : undefined))
      assert.include(told, what)
    })
  })

  it("does not encode undefined alone", () => {
    assert.include(refusal(encode(Codec.json(Schema.Unknown), undefined)), "Not representable as JSON: undefined")
    assert.include(
      refusal(encode(Codec.json(Schema.UndefinedOr(Schema.Int)), undefined)),
      "Not representable as JSON: undefined"
    )
  })

  it("encodes what comes back", () => {
    const text = (value: unknown) => textOf(Either.getOrThrow(encode(Codec.json(Schema.Unknown), value)))
    assert.strictEqual(
      text({ a: [1, "x", null, true, {}], b: undefined, c: "null" }),
      '{"a":[1,"x",null,true,{}],"c":"null"}'
    )
    assert.strictEqual(text(Object.assign(Object.create(null), { a: 1 })), '{"a":1}')
    assert.strictEqual(text({ constructor: { prototype: { a: 1 } } }), '{"constructor":{"prototype":{"a":1}}}')
    // of another realm, as in a test runner's sandbox
    assert.strictEqual(text(runInNewContext("({ a: [{}] })")), '{"a":[{}]}')
  })

  it("a filter of a value in an undecided place keeps undefined out of arrays", () => {
    const codec = Codec.json(Schema.Array(Schema.UndefinedOr(Schema.Number)))
    assert.include(refusal(encode(codec, [1, undefined])), "undefined would become null")
    assert.include(refusal(encode(codec, [NaN])), "a number that is not finite would become null")
  })

  it("nothing of a value stands in the message", () => {
    for (const [, value] of bad) {
      const written = encode(Codec.json(Schema.Unknown), { hunter2: [value, "hunter2"] })
      assert.notInclude(refusal(written), "hunter2")
    }
  })
})

describe("the name of the prototype", () => {
  const polluting = [
    '{"__proto__":{"admin":true}}',
    '{"__proto__":1}',
    '{"__proto__":null}',
    '{"\\u005f_proto__":{"admin":true}}',
    '{"__\\u0070roto__":{"admin":true}}',
    '{"\\u005F\\u005F\\u0070\\u0072\\u006F\\u0074\\u006F\\u005F\\u005F":{"admin":true}}'
  ]
  const Service = Schema.Struct({ a: Schema.Number })
  const kept = Service.annotations({ parseOptions: { onExcessProperty: "preserve" } })
  const open: ReadonlyArray<readonly [string, Schema.Schema.All, at: (text: string) => string]> = [
    ["Unknown", Schema.Unknown, (text) => text],
    ["Any", Schema.Any, (text) => `[${text}]`],
    ["Object", Schema.Object, (text) => text],
    ["a record", Schema.Record({ key: Schema.String, value: Schema.Unknown }), (text) => text],
    [
      "a record within",
      Schema.Struct({ r: Schema.Record({ key: Schema.String, value: Schema.Any }) }),
      (text) => `{"r":${text}}`
    ],
    [
      "a record of transformed",
      Schema.Record({ key: Schema.String, value: Schema.Union(Schema.NumberFromString, Schema.Object) }),
      (text) => text
    ],
    [
      "a struct with a record",
      Schema.Struct({ a: Schema.Number }, Schema.Record({ key: Schema.String, value: Schema.Unknown })),
      (text) => text.replace("{", '{"a":1,')
    ],
    ["a map of a record", Schema.MapFromRecord({ key: Schema.String, value: Schema.Unknown }), (text) => text],
    [
      "a class with something unknown",
      class Holder extends Schema.Class<Holder>("Holder")({ u: Schema.Unknown }) {},
      (text) => `{"u":{"b":[${text}]}}`
    ],
    ["excess that is kept", kept, (text) => text.replace("{", '{"a":1,')],
    ["excess that is kept within", Schema.Struct({ s: kept }), (text) => `{"s":${text.replace("{", '{"a":1,')}}`],
    [
      "bigints beside",
      Schema.Struct({ b: Schema.BigIntFromSelf, u: Schema.Unknown }),
      (text) => `{"b":12345678901234567890,"u":${text}}`
    ]
  ]
  const refused = "Expected JSON without the name __proto__, actual a string"
  const openTexts: ReadonlyArray<readonly [string, Schema.Schema.All, at: (text: string) => string, place: string]> = [
    [
      "a record in a text that is JSON",
      Schema.Struct({ p: Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown })) }),
      (text) => `{"p":${JSON.stringify(text)}}`,
      "p"
    ],
    [
      "something unknown in a text that is JSON, in one that is",
      Schema.Struct({ p: Schema.parseJson(Schema.Struct({ q: Schema.parseJson() })) }),
      (text) => `{"p":${JSON.stringify(JSON.stringify({ q: `[${text}]` }))}}`,
      "p.q"
    ]
  ]
  describe.each([
    ...open.map((row) => [...row, "The name __proto__ is refused"] as const),
    ...openTexts.map(([name, schema, at, place]) => [name, schema, at, `${place}: ${refused}`] as const)
  ])("%s", (_, schema, at, problem) => {
    it.each(polluting)("refuses %s", (text) => {
      const codec = Codec.json(schema as Schema.Schema<unknown>)
      const buffer = Buffer.from(at(text))
      assert.strictEqual(refusal(decode(codec, buffer)), problem)
      assert.throws(() => codec.decodeSync(buffer, 0, buffer.length))
      assert.throws(() => codec.stored?.check(buffer, 0, buffer.length) ?? assert.fail("kept as an object"))
      assert.notProperty({}, "admin")
    })

    it("takes it as a text, and other names", () => {
      const codec = Codec.json(schema as Schema.Schema<unknown>)
      for (const text of [
        '{"x":"__proto__"}',
        '{"x":"\\u005f"}',
        '{"constructor":{"prototype":{"admin":true}}}',
        '{"__proto":1}'
      ]) {
        if (/transformed/.test(_) && !/constructor/.test(text)) continue
        assert.isTrue(Either.isRight(decode(codec, bytes(at(text)))), text)
      }
      assert.notProperty({}, "admin")
    })
  })

  it("where the schema has all names, it is left out as others are", () => {
    for (const text of [
      '{"__proto__":{"admin":true},"a":1}',
      '{"a":1,"__proto__":{"admin":true}}',
      '{"a":1,"\\u005f_proto__":{"admin":true}}'
    ]) {
      const codec = Codec.json(Service)
      const buffer = Buffer.from(text)
      const value = Either.getOrThrow(decode(codec, buffer))
      assert.deepStrictEqual(Object.keys(value), ["a"])
      assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
      assert.deepStrictEqual(codec.stored?.check(buffer, 0, buffer.length), { a: 1 })
    }
  })

  it("is not encoded within a text that is JSON, where it would be refused", () => {
    const codec = Codec.json(Schema.Struct({ p: Schema.parseJson() }))
    assert.throws(() => codec.encodeSync({ p: JSON.parse('{"a":[{"__proto__":1}]}') as unknown }), "__proto__")
    const sound = { p: { a: "__proto__", b: '{"c":1}' } }
    assert.deepStrictEqual(Either.getOrThrow(decode(codec, codec.encodeSync(sound) as Uint8Array)), sound)
  })

  describe.each([
    ["text", (inner: Schema.Schema<unknown>) => Codec.string(Schema.parseJson(inner)), (text: string) => text],
    [
      "text of text",
      (inner: Schema.Schema<unknown>) => Codec.string(Schema.compose(Schema.StringFromHex, Schema.parseJson(inner))),
      (text: string) => Buffer.from(text).toString("hex")
    ],
    [
      "bytes",
      (inner: Schema.Schema<unknown>) =>
        Codec.schema(
          Schema.compose(
            Schema.transform(Schema.Uint8ArrayFromSelf, Schema.String, {
              decode: (read) => Buffer.from(read).toString(),
              encode: (text) => Buffer.from(text)
            }),
            Schema.parseJson(inner)
          )
        ),
      (text: string) => text
    ]
  ] as const)("in %s that is JSON, by a codec of a schema", (_, codecOf, at) => {
    const Names = Schema.Record({ key: Schema.String, value: Schema.Unknown }) as Schema.Schema<unknown>
    const schemas = [Names, Schema.Unknown, kept as Schema.Schema<unknown>, Service as Schema.Schema<unknown>]

    it.each(polluting)("refuses %s", (text) => {
      for (const schema of schemas) {
        const read = bytes(at(text.replace("{", '{"a":1,')))
        assert.strictEqual(refusal(decode(codecOf(schema), read)), refused)
      }
    })

    it("does not encode it, where it would be left out or refused", () => {
      for (const own of ['{"__proto__":"x","a":1}', '{"__proto__":{"admin":true},"a":1}']) {
        for (const schema of schemas.slice(0, 3)) {
          assert.include(refusal(encode(codecOf(schema), JSON.parse(own))), "the name __proto__")
        }
        assert.include(refusal(encode(codecOf(Schema.Unknown), [[JSON.parse(own)]])), refused)
      }
    })
  })

  it("stays in text beside, which nothing parses", () => {
    const codec = Codec.json(Schema.Struct({ p: Schema.parseJson(), text: Schema.String }))
    const value = { p: 1, text: '{"__proto__":1}' }
    assert.deepStrictEqual(Either.getOrThrow(decode(codec, Either.getOrThrow(encode(codec, value)))), value)
  })

  it("is not encoded, where it would be left out", () => {
    const own = JSON.parse('{"__proto__":"x"}') as Record<string, string>
    const Names = Schema.Record({ key: Schema.String, value: Schema.String })
    class Holder extends Schema.Class<Holder>("Holder")({ names: Names }) {}
    interface Nested {
      readonly names: Readonly<Record<string, string>>
      readonly next: Nested | null
    }
    const Nested: Schema.Schema<Nested> = Schema.Struct({
      names: Names,
      next: Schema.NullOr(Schema.suspend((): Schema.Schema<Nested> => Nested))
    })
    const written = [
      encode(Codec.json(Names), own),
      encode(Codec.json(Schema.Array(Names)), [{}, own]),
      encode(Codec.json(Schema.Struct({ n: Schema.NullOr(Names) })), { n: own }),
      encode(Codec.json(Schema.Tuple(Schema.String, Names)), ["a", own]),
      encode(Codec.json(Schema.Record({ key: Schema.String, value: Names })), { a: own }),
      encode(Codec.json(Holder), new Holder({ names: own }, true)),
      encode(Codec.json(Nested), { names: {}, next: { names: own, next: null } }),
      encode(
        Codec.json(Schema.MapFromRecord({ key: Schema.String, value: Schema.String })),
        new Map([["__proto__", "x"]])
      ),
      encode(Codec.json(Schema.ReadonlyMap({ key: Schema.String, value: Names })), new Map([["a", own]])),
      encode(Codec.json(Schema.ReadonlyMap({ key: Names, value: Schema.String })), new Map([[own, "a"]])),
      encode(Codec.json(Schema.HashMap({ key: Schema.String, value: Names })), HashMap.make(["a", own])),
      encode(Codec.json(Schema.ReadonlySet(Names)), new Set([own])),
      encode(Codec.json(Schema.Chunk(Schema.Struct({ n: Names }))), Chunk.make({ n: own })),
      encode(Codec.json(Schema.Option(Names)), Option.some(own)),
      encode(Codec.json(Schema.OptionFromNullOr(Names)), Option.some(own)),
      encode(Codec.json(Schema.Redacted(Names)), Redacted.make(own)),
      encode(Codec.json(Schema.ReadonlySet(Schema.Option(Names))), new Set([Option.some(own)])),
      encode(Codec.json(kept), Object.assign(own, { a: 1 }) as unknown as { a: number }),
      encode(Codec.json(Schema.Unknown), [own]),
      encode(Codec.json(Schema.Struct({ p: Schema.parseJson(Names) })), { p: own })
    ]
    for (const [i, result] of written.entries()) {
      assert.isTrue(Either.isLeft(result), `of ${i}`)
      assert.strictEqual(refusal<unknown>(result), "Not representable as JSON: the name __proto__")
    }
    assert.strictEqual(
      textOf(Either.getOrThrow(encode(Codec.json(Nested), { names: { a: "b" }, next: null }))),
      '{"names":{"a":"b"},"next":null}'
    )
  })
})

describe("bigints are whole numbers", () => {
  const Account = Schema.Struct({
    id: Schema.BigIntFromSelf,
    n: Schema.Number,
    all: Schema.Array(Schema.NullOr(Schema.PositiveBigIntFromSelf)),
    by: Schema.Record({ key: Schema.String, value: Schema.BigIntFromSelf }),
    u: Schema.Unknown,
    o: Schema.optional(Schema.BigIntFromSelf)
  })
  const codec = Codec.json(Account)
  const big = FastCheck.bigInt({ min: -(2n ** 80n), max: 2n ** 80n })

  it("come back with all their digits, and numbers as they were", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.record(
          {
            id: big,
            n: FastCheck.double({ noNaN: true, noDefaultInfinity: true }),
            all: FastCheck.array(FastCheck.option(FastCheck.bigInt({ min: 1n, max: 2n ** 70n }))),
            by: FastCheck.dictionary(
              FastCheck.string().filter((name) => name !== "__proto__"),
              big
            ),
            u: FastCheck.oneof(
              FastCheck.jsonValue().filter((value) => !JSON.stringify(value).includes("__proto__")),
              FastCheck.bigInt({ min: 2n ** 53n, max: 2n ** 64n })
            ),
            o: big
          },
          { requiredKeys: ["id", "n", "all", "by", "u"] }
        ),
        (value) => {
          const read = Either.getOrThrow(decode(codec, Either.getOrThrow(encode(codec, value))))
          assert.isTrue(isDeepStrictEqual(plain(read), plain(value)), inspect(read))
        }
      ),
      { numRuns: 500 }
    )
  })

  it("are read from any text, with spaces and escapes around", () => {
    const read = (text: string) => Either.getOrThrow(decode(codec, bytes(text)))
    const all = { n: 1, all: [], by: {}, u: null }
    assert.deepStrictEqual(read('{ "id" : 9007199254740993,"n":1,"all":[],"by":{},"u":null}'), {
      id: 9007199254740993n,
      ...all
    })
    assert.deepStrictEqual(
      read('\n{"n":1,"all":[ 18446744073709551616 , null ],\t"by":{"\\"a\\\\":1},"u":"12345678901234567890","id":-0}'),
      {
        id: 0n,
        n: 1,
        all: [18446744073709551616n, null],
        by: { '"a\\': 1n },
        u: "12345678901234567890"
      }
    )
    assert.deepStrictEqual(read(`{"id":1,"n":1,"all":[],"by":{},"u":[12345678901234567890,1.5e300,true,{}]}`).u, [
      12345678901234567890n,
      1.5e300,
      true,
      {}
    ])
  })

  it("are written as digits", () => {
    const value = { id: 9007199254740993n, n: 2 ** 60, all: [1n], by: { a: -1n }, u: 2n ** 64n }
    assert.strictEqual(
      textOf(Either.getOrThrow(encode(codec, value))),
      '{"id":9007199254740993,"n":1.152921504606847e+18,"all":[1],"by":{"a":-1},"u":18446744073709551616}'
    )
  })

  it("a number that JavaScript does not hold is refused beside them, not changed", () => {
    const text = (n: string) => bytes(`{"id":1,"n":${n},"all":[],"by":{},"u":null}`)
    assert.include(refusal(decode(codec, text("9007199254740993"))), "n: Expected a number, actual a bigint")
    assert.strictEqual(Either.getOrThrow(decode(codec, text("9007199254740992"))).n, 2 ** 53)
    // what JavaScript itself writes
    assert.strictEqual(Either.getOrThrow(decode(codec, text("590295810358705700000"))).n, 2 ** 69)
    for (const id of ["1.5", '"1"', "null"]) {
      assert.include(refusal(decode(codec, bytes(`{"id":${id},"n":1,"all":[],"by":{},"u":null}`))), "id: Expected")
    }
  })

  it("a bigint that would come back as a number is not written", () => {
    const value = { id: 1n, n: 1, all: [], by: {}, u: 5n }
    assert.include(refusal(encode(codec, value)), "a bigint that would come back as a number")
  })

  it("in classes, in what refers to itself, and from nanoseconds", () => {
    class Row extends Schema.Class<Row>("Row")({ id: Schema.BigIntFromSelf, at: Schema.DurationFromNanos }) {}
    const row = new Row({ id: 2n ** 63n, at: Duration.nanos(2n ** 60n + 1n) })
    const rows = Codec.json(Row)
    assert.isTrue(Equal.equals(Either.getOrThrow(decode(rows, Either.getOrThrow(encode(rows, row)))), row))
    interface List {
      readonly id: bigint
      readonly next: List | null
    }
    const List: Schema.Schema<List> = Schema.Struct({
      id: Schema.BigIntFromSelf,
      next: Schema.NullOr(Schema.suspend((): Schema.Schema<List> => List))
    })
    const list = { id: 2n ** 60n, next: { id: 3n, next: null } }
    const lists = Codec.json(List)
    assert.deepStrictEqual(Either.getOrThrow(decode(lists, Either.getOrThrow(encode(lists, list)))), list)
  })

  it("what is not JSON is not read with them either", () => {
    assert.strictEqual(refusal(decode(codec, bytes('{"id":12345678901234567890'))), "Invalid JSON")
  })
})

describe("what stands where a schema has Void", () => {
  const codec = Codec.json(Schema.Record({ key: Schema.String, value: Schema.Void }))

  it("may be anything, so that only what comes back is written", () => {
    for (const what of ['{"__proto__":{}}', '{"a":{"__proto__":1}}']) {
      assert.include(refusal(encode(codec, { "": JSON.parse(what) as never })), "the name __proto__")
    }
    for (const what of [new Date(0), 1n, Number.NaN, new Map()]) {
      assert.isTrue(Either.isLeft(encode(codec, { a: what as never })), inspect(what))
    }
    const written = Either.getOrThrow(encode(codec, { a: { b: [1, null, "c"] } as never }))
    assert.deepStrictEqual<unknown>(Either.getOrThrow(decode(codec, written)), { a: { b: [1, null, "c"] } })
  })
})
