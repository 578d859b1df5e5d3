/** What `Codec.json` writes comes back as it was; what would not is refused, by the schema or at the write. */
import { assert, describe, it } from "@effect/vitest"
import {
  BigDecimal,
  ByteSize,
  Cause,
  Chunk,
  Data,
  DateTime,
  Duration,
  Effect,
  Equal,
  Exit,
  Graph,
  HashMap,
  HashSet,
  Option,
  Redacted,
  Result,
  Schema,
  SchemaGetter,
  SchemaTransformation,
  type Scope
} from "effect"
import type * as Cookies from "effect/http/Cookies"
import * as Codec from "effect-ktables/Codec"
import * as fc from "fast-check"
import { inspect, isDeepStrictEqual } from "node:util"
import { runInNewContext } from "node:vm"
import { KafkaClient, KafkaTable, KafkaTableWriter } from "../../../src/index.ts"
import { bytesOf as bytes, decode, encode, failureOf, type Outcome, successOf, textOf } from "../outcomes.ts"

const refusal = <A>(result: Outcome<A>): string => failureOf(result).message

const encodeRun: typeof encode = (codec, value) => Effect.runSyncExit(codec.encode(value))
const decodeRun: typeof decode = (codec, encoded) => Effect.runSyncExit(codec.decode(encoded))

type AnySchema = Schema.Codec<unknown, unknown>

const any = (schema: Schema.Top): AnySchema => schema as AnySchema

/** The same up to what JSON does not tell apart: a property that is undefined or missing, 0 and -0. */
const plain = (value: unknown): unknown => {
  if (typeof value === "number") return value === 0 ? 0 : value
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [plain(key), plain(one)]))
  if (Option.isOption(value)) return ["Option", ...Option.toArray(value).map(plain)]
  if (typeof value !== "object" || value === null) return value
  const prototype = Object.getPrototypeOf(value) as { readonly constructor: object } | null
  const isPlain = prototype === null || prototype === Object.prototype
  if (!isPlain && !("fields" in prototype.constructor)) return value
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return [isPlain ? "plain" : prototype, ...fields.map(([name, field]) => [name, plain(field)])]
}

const isSame = (schema: AnySchema, a: unknown, b: unknown): boolean =>
  Schema.toEquivalence(schema)(a, b) || Equal.equals(a, b) || isDeepStrictEqual(plain(a), plain(b))

describe("schemas of effect/Schema", () => {
  class Leaf extends Schema.Class<Leaf>("Leaf")({ a: Schema.String, b: Schema.optional(Schema.Int) }) {}
  class Tagged extends Schema.TaggedClass<Tagged>()("Tagged", { at: Schema.Date, all: Schema.Array(Leaf) }) {}
  class Failed extends Schema.TaggedError<Failed>()("Failed", { why: Schema.String }) {}
  class Broken extends Schema.Error<Broken>("Broken")({ why: Schema.String }) {}
  class Own extends Schema.Opaque<Own>()(Schema.Struct({ a: Schema.String })) {}
  interface Tree {
    readonly name: string
    readonly children: ReadonlyArray<Tree>
  }
  const Tree: Schema.Codec<Tree> = Schema.Struct({
    name: Schema.String,
    children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
  })
  enum Size {
    Small,
    Large = "large"
  }
  const S = Schema.String
  const N = Schema.Number

  /** Values of a schema that are easily written as what it decodes. */
  const decoded = (schema: Schema.Top, ...encoded: ReadonlyArray<unknown>): fc.Arbitrary<unknown> =>
    fc.constantFrom(...encoded.map((one) => Schema.decodeUnknownSync(any(schema))(one)))

  /** The same by the JSON that Effect has for it. */
  const fromJson = (schema: Schema.Top, ...json: ReadonlyArray<unknown>) => decoded(Schema.toCodecJson(schema), ...json)

  const text = fc.string({ unit: "binary" })
  const ascii = fc.string()
  const number = fc.double()
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
  const int = fc.integer()
  const date = fc.date()
  const option = <A>(values: fc.Arbitrary<A>) => fc.option(values, { nil: undefined }).map(Option.fromUndefinedOr)
  const leaf = fc
    .record({ a: text, b: fc.option(int, { nil: undefined }) })
    .map(({ a, b }) => new Leaf(b === undefined ? { a } : { a, b }))
  const tagged = fc
    .record({ at: fc.date({ noInvalidDate: true }), all: fc.array(leaf, { maxLength: 3 }) })
    .map((fields) => new Tagged(fields))
  const { tree } = fc.letrec<{ readonly tree: Tree }>((tie) => ({
    tree: fc.record({
      name: text,
      children: fc.oneof({ maxDepth: 3 }, fc.constant([]), fc.array(tie("tree"), { maxLength: 2 }))
    })
  }))
  const entries = fc.array(fc.tuple(text, number), { maxLength: 5 })
  const utc = fc.date({ noInvalidDate: true }).map((at) => DateTime.makeUnsafe(at))
  const json = fc.jsonValue().filter((value) => !JSON.stringify(value).includes("__proto__"))
  const duration = fc.oneof(
    fc.nat().map((n) => Duration.millis(n)),
    fc.bigInt({ min: 0n, max: 2n ** 62n }).map((n) => Duration.nanos(n)),
    fc.constantFrom(Duration.infinity, Duration.zero, Duration.millis(-5))
  )
  const cause = fc.oneof(
    text.map((error) => Cause.fail(error)),
    json.map((defect) => Cause.die(defect)),
    fc.nat(100).map((id) => Cause.interrupt(id)),
    fc.constant(Cause.empty)
  )
  const ipv4 = ["0.0.0.0", "127.0.0.1", "10.1.2.3", "255.255.255.255", "224.0.0.1", "169.254.1.1"]
  const ipv6 = ["::", "::1", "2001:db8::1", "fe80::1", "ff02::1", "fc00::1"]

  type Made = readonly [schema: Schema.Top, values: fc.Arbitrary<unknown>]

  /** A schema by each function that makes one. */
  const made: Record<string, Made> = {
    Array: [Schema.Array(N), fc.array(number)],
    ArrayEnsure: [Schema.ArrayEnsure(S), fc.array(text)],
    Cause: [Schema.Cause(S, Schema.Unknown), cause],
    CauseReason: [
      Schema.CauseReason(S, Schema.Unknown),
      cause.filter((c) => c.reasons.length > 0).map((c) => c.reasons[0])
    ],
    Chunk: [Schema.Chunk(N), fc.array(number).map(Chunk.fromIterable)],
    Class: [Leaf, leaf],
    "Class of classes": [Tagged, tagged],
    Defect: [
      Schema.Defect(),
      fc.oneof(
        json,
        text.map((message) => new Error(message))
      )
    ],
    Enum: [Schema.Enum(Size), fc.constantFrom<Size>(Size.Small, Size.Large)],
    Error: [Broken, text.map((why) => new Broken({ why }))],
    ErrorInstance: [Schema.ErrorInstance(), text.map((message) => new Error(message))],
    Exit: [
      Schema.Exit(N, S, Schema.Unknown),
      fc.oneof(
        number.map((n) => Exit.succeed(n)),
        cause.map((c) => Exit.failCause(c))
      )
    ],
    Graph: [
      Schema.Graph("directed", S, N),
      fc.tuple(text, text, number).map(([a, b, weight]) =>
        Graph.directed<string, number>((graph) => {
          Graph.addEdge(graph, Graph.addNode(graph, a), Graph.addNode(graph, b), weight)
        })
      )
    ],
    HashMap: [Schema.HashMap(S, N), entries.map((all) => HashMap.fromIterable(all))],
    HashSet: [Schema.HashSet(N), fc.array(number).map((all) => HashSet.fromIterable(all))],
    JsonFromUrlParamsField: [Schema.JsonFromUrlParamsField("a"), json],
    Literal: [Schema.Literal("a"), fc.constant("a")],
    "Literal of a bigint": [Schema.Literal(1n), fc.constant(1n)],
    Literals: [Schema.Literals(["a", 1, true]), fc.constantFrom("a", 1, true)],
    NonEmptyArray: [Schema.NonEmptyArray(N), fc.array(number, { minLength: 1 })],
    NullOr: [Schema.NullOr(N), fc.option(number)],
    NullishOr: [Schema.NullishOr(N), fc.oneof(number, fc.constantFrom(null, undefined))],
    Opaque: [Own, fc.record({ a: text })],
    Option: [Schema.Option(N), option(number)],
    "Option of what may be undefined": [
      Schema.Option(Schema.UndefinedOr(N)),
      option(fc.option(number, { nil: undefined }))
    ],
    OptionFromNullOr: [Schema.OptionFromNullOr(N), option(number)],
    OptionFromNullishOr: [Schema.OptionFromNullishOr(N, { onNoneEncoding: null }), option(number)],
    OptionFromOptional: [Schema.Struct({ a: Schema.OptionFromOptional(N) }), fc.record({ a: option(number) })],
    OptionFromOptionalKey: [Schema.Struct({ a: Schema.OptionFromOptionalKey(N) }), fc.record({ a: option(number) })],
    OptionFromOptionalNullOr: [
      Schema.Struct({ a: Schema.OptionFromOptionalNullOr(N) }),
      fc.record({ a: option(number) })
    ],
    OptionFromUndefinedOr: [Schema.OptionFromUndefinedOr(N), option(number)],
    ReadonlyMap: [Schema.ReadonlyMap(S, N), entries.map((all) => new Map(all))],
    ReadonlySet: [Schema.ReadonlySet(N), fc.array(number).map((all) => new Set(all))],
    Record: [Schema.Record(S, N), fc.dictionary(text, number)],
    "Record of numbers": [Schema.Record(N, N), fc.array(fc.tuple(int, number)).map((all) => Object.fromEntries(all))],
    "Record of symbols": [Schema.Record(Schema.Symbol, N), number.map((n) => ({ [Symbol.for("a")]: n }))],
    "Record of literals": [Schema.Record(Schema.Literals(["a", "b"]), N), fc.record({ a: number, b: number })],
    Redacted: [Schema.Redacted(S), text.map((s) => Redacted.make(s))],
    RedactedFromValue: [Schema.RedactedFromValue(S), text.map((s) => Redacted.make(s))],
    Result: [
      Schema.Result(N, S),
      fc.oneof(
        number.map((n) => Result.succeed(n)),
        text.map((s) => Result.fail(s))
      )
    ],
    Struct: [
      Schema.Struct({ a: S, b: Schema.optional(N), c: Schema.UndefinedOr(S), d: Schema.optionalKey(N) }),
      fc.record(
        { a: text, b: fc.option(number, { nil: undefined }), c: fc.option(text, { nil: undefined }), d: number },
        { requiredKeys: ["a", "c"] }
      )
    ],
    "Struct without fields": [Schema.Struct({}), fc.constantFrom({}, { a: 1 }, [1], "a", 0, true)],
    "Struct with a symbol": [Schema.Struct({ [Symbol.for("a")]: S }), text.map((s) => ({ [Symbol.for("a")]: s }))],
    "Struct with names of prototypes": [
      Schema.Struct({ constructor: N, toString: S, toJSON: S, hasOwnProperty: N }),
      fc.record({ constructor: number, toString: text, toJSON: text, hasOwnProperty: number })
    ],
    StructWithRest: [
      Schema.StructWithRest(Schema.Struct({ a: N }), [Schema.Record(S, N)]),
      fc.tuple(number, fc.dictionary(text, number)).map(([a, rest]) => ({ ...rest, a }))
    ],
    TaggedClass: [Tagged, tagged],
    TaggedError: [Failed, text.map((why) => new Failed({ why }))],
    TaggedStruct: [Schema.TaggedStruct("T", { a: S }), fc.record({ _tag: fc.constant("T"), a: text })],
    TaggedUnion: [
      Schema.TaggedUnion({ A: { a: S }, B: { b: N } }),
      fc.oneof(fc.record({ _tag: fc.constant("A"), a: text }), fc.record({ _tag: fc.constant("B"), b: number }))
    ],
    TemplateLiteral: [Schema.TemplateLiteral(["a", N]), finite.map((n) => `a${n}`)],
    TemplateLiteralParser: [Schema.TemplateLiteralParser(["a", Schema.NumberFromString]), finite.map((n) => ["a", n])],
    Tree: [
      Schema.Tree(N),
      fc.letrec((tie) => ({
        tree: fc.oneof(
          { maxDepth: 2 },
          number,
          fc.array(tie("tree"), { maxLength: 3 }),
          fc.dictionary(text, tie("tree"), { maxKeys: 3 })
        )
      })).tree
    ],
    Tuple: [Schema.Tuple([S, N]), fc.tuple(text, number)],
    "Tuple with an optional element": [
      Schema.Tuple([S, Schema.optionalKey(Schema.UndefinedOr(N))]),
      fc.oneof(fc.tuple(text), fc.tuple(text, fc.option(number, { nil: undefined })))
    ],
    TupleWithRest: [
      Schema.TupleWithRest(Schema.Tuple([S]), [N, Schema.Boolean]),
      fc.tuple(text, fc.array(number), fc.boolean()).map(([s, all, b]) => [s, ...all, b])
    ],
    UndefinedOr: [Schema.UndefinedOr(N), fc.option(number, { nil: undefined })],
    Union: [Schema.Union([Leaf, Tagged, Schema.Boolean]), fc.oneof(leaf, tagged, fc.boolean())],
    UniqueArray: [Schema.UniqueArray(N), fc.uniqueArray(number)],
    UniqueSymbol: [Schema.UniqueSymbol(Symbol.for("a")), fc.constant(Symbol.for("a"))],
    brand: [S.pipe(Schema.brand("B")), text],
    instanceOf: [Schema.instanceOf(Leaf), leaf],
    declare: [Schema.declare((u): u is string => typeof u === "string"), text],
    toType: [Schema.toType(Leaf), leaf],
    toEncoded: [Schema.toEncoded(Tagged), fc.record({ at: date, all: fc.array(fc.record({ a: text })) })],
    fromJsonString: [Schema.fromJsonString(Schema.Struct({ a: N })), fc.record({ a: number })],
    withDecodingDefault: [
      Schema.Struct({
        a: S.pipe(Schema.withDecodingDefault(Effect.succeed(""))),
        b: N.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
      }),
      fc.record({ a: text, b: number })
    ],
    withConstructorDefault: [
      Schema.Struct({ a: S.pipe(Schema.withConstructorDefault(Effect.succeed(""))) }),
      fc.record({ a: text })
    ],
    encodeKeys: [
      Schema.Struct({ a: N, b: Schema.optional(S) }).pipe(Schema.encodeKeys({ a: "c" })),
      fc.record({ a: number, b: text }, { requiredKeys: ["a"] })
    ],
    suspend: [Tree, tree],
    decodeTo: [
      S.pipe(
        Schema.decodeTo(Schema.Date, SchemaTransformation.transform({ decode: (s) => new Date(s), encode: String }))
      ),
      date
    ],
    check: [Schema.Array(N).check(Schema.isMinLength(1)), fc.array(number, { minLength: 1 })],
    "check of a struct": [
      Schema.Struct({ a: N, at: Schema.Date }).check(Schema.makeFilter(({ at }) => at instanceof Date)),
      fc.record({ a: number, at: date })
    ]
  }
  const dns: Record<string, ReadonlyArray<object>> = {
    DnsARecord: [{ _tag: "A", address: "10.0.0.1" }],
    DnsAaaaRecord: [{ _tag: "AAAA", address: "2001:db8::1" }],
    DnsCaaRecord: [{ _tag: "CAA", critical: true, tag: "issue", value: "x" }],
    DnsCnameRecord: [{ _tag: "CNAME", target: "a.example" }],
    DnsMxRecord: [{ _tag: "MX", exchange: "a.example", priority: 1 }],
    DnsNaptrRecord: [
      { _tag: "NAPTR", order: 1, preference: 2, flags: "u", service: "x", regexp: "", replacement: "a.example" }
    ],
    DnsNsRecord: [{ _tag: "NS", host: "a.example" }],
    DnsPtrRecord: [{ _tag: "PTR", host: "a.example" }],
    DnsSoaRecord: [
      { _tag: "SOA", primary: "a.example", admin: "b.example", serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 }
    ],
    DnsSrvRecord: [{ _tag: "SRV", target: "a.example", port: 1, priority: 2, weight: 3 }],
    DnsTlsaRecord: [{ _tag: "TLSA", certUsage: 1, selector: 1, matchingType: 1, data: "0102" }],
    DnsTxtRecord: [{ _tag: "TXT", chunks: ["a", "b"] }]
  }

  /** Values of the schemas that there are by name. */
  const named: Record<string, fc.Arbitrary<unknown>> = {
    Any: json,
    BigDecimal: fc.bigInt().map((n) => BigDecimal.make(n, 3)),
    BigDecimalFromString: fc.bigInt().map((n) => BigDecimal.make(n, 3)),
    BigInt: fc.bigInt(),
    BigIntFromString: fc.bigInt(),
    Boolean: fc.boolean(),
    BooleanFromBit: fc.boolean(),
    BooleanLiterals: fc.boolean(),
    ByteSize: fc.nat().map((n) => ByteSize.bytes(n)),
    ByteSizeFromBigInt: fc.nat().map((n) => ByteSize.bytes(n)),
    ByteSizeFromNumber: fc.nat().map((n) => ByteSize.bytes(n)),
    ByteSizeFromString: fc.nat().map((n) => ByteSize.bytes(n)),
    Char: fc.char(),
    Cookie: fromJson(Schema.Cookies, ["a=b; Path=/"]).map((all) => (all as Cookies.Cookies).cookies["a"]),
    Cookies: fromJson(Schema.Cookies, ["a=b; Path=/", "c=d"]),
    Date: date,
    DateFromMillis: date,
    DateFromString: date,
    DateTimeUtc: utc,
    DateTimeUtcFromDate: utc,
    DateTimeUtcFromHttpDate: utc.map((at) => DateTime.startOf(at, "second")),
    DateTimeUtcFromMillis: utc,
    DateTimeUtcFromString: utc,
    DateTimeZoned: decoded(Schema.DateTimeZonedFromString, "2020-02-01T11:22:33.444+01:00[Europe/Berlin]"),
    DateTimeZonedFromString: decoded(Schema.DateTimeZonedFromString, "2020-02-01T11:22:33.444+00:00[Europe/London]"),
    ...Object.fromEntries(
      Object.entries(dns).map(([name, values]) => [
        name,
        fromJson((Schema as unknown as Record<string, Schema.Top>)[name], ...values)
      ])
    ),
    DnsRecord: fromJson(Schema.DnsRecord, ...Object.values(dns).flat()),
    DnsRecordType: fc.constantFrom("A", "MX"),
    DomainName: fc.constantFrom("a.example", "example"),
    DomainNameFromString: fc.constantFrom("a.example", "example"),
    Duration: duration,
    DurationFromIsoString: fc.nat().map((n) => Duration.millis(n)),
    DurationFromMillis: duration,
    DurationFromNanos: duration.filter((d) => Duration.isFinite(d)),
    DurationFromString: fc.nat().map((n) => Duration.millis(n)),
    FalseLiterals: fc.constantFrom("false", "no", "off", "0", "n"),
    Finite: finite,
    FiniteFromString: finite,
    Headers: fc.dictionary(fc.constantFrom("a", "b", "x-c"), ascii).chain((all) => fromJson(Schema.Headers, all)),
    Host: decoded(Schema.HostFromString, "10.0.0.1", "a.example"),
    HostFromString: decoded(Schema.HostFromString, "10.0.0.1", "a.example"),
    HostPort: decoded(Schema.HostPortFromString, "10.0.0.1:80", "a.example:443"),
    HostPortFromString: decoded(Schema.HostPortFromString, "10.0.0.1:80", "a.example:443"),
    InetAddress: decoded(Schema.InetAddressFromString, "10.0.0.1:80", "[::1]:443"),
    InetAddressFromString: decoded(Schema.InetAddressFromString, "10.0.0.1:80", "[::1]:443"),
    InetAddressV4: decoded(Schema.InetAddressFromString, "10.0.0.1:80"),
    InetAddressV6: decoded(Schema.InetAddressFromString, "[::1]:443"),
    Int: int,
    Json: json,
    JsonObject: fc.dictionary(
      text.filter((name) => name !== "__proto__"),
      json
    ),
    MutableJson: json,
    Natural: fc.nat(),
    NonEmptyString: fc.string({ minLength: 1 }),
    Null: fc.constant(null),
    Number: number,
    NumberFromString: number,
    ObjectKeyword: fc.oneof(fc.array(json), fc.dictionary(ascii, json)),
    Port: fc.nat(65_535),
    PropertyKey: fc.oneof(text, int, fc.constant(Symbol.for("a"))),
    RecordFromCookies: fc.constantFrom({}, { a: "b" }),
    RecordFromUrlParams: fc.constantFrom({}, { a: "b" }, { a: ["b", "c"] }),
    RegExp: fc.constantFrom(/a/, /b+/giu, /\//),
    RetryAfter: decoded(Schema.RetryAfterFromString, "120", "Fri, 31 Dec 1999 23:59:59 GMT"),
    RetryAfterFromString: decoded(Schema.RetryAfterFromString, "120", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ScopedIpv6Literal: fc.constantFrom("fe80::1%eth0"),
    ScopedIpv6LiteralFromString: fc.constantFrom("fe80::1%eth0"),
    SemVer: decoded(Schema.SemVerFromString, "1.2.3", "1.0.0-rc.1+b"),
    SemVerFromString: decoded(Schema.SemVerFromString, "1.2.3", "1.0.0-rc.1+b"),
    SemVerRange: decoded(Schema.SemVerRangeFromString, "^1.2.3", ">=1 <2"),
    SemVerRangeFromString: decoded(Schema.SemVerRangeFromString, "^1.2.3", ">=1 <2"),
    SocketAddress: decoded(Schema.InetAddressFromString, "10.0.0.1:80"),
    StandardSchemaV1FailureResult: fc.constantFrom(
      { issues: [] },
      { issues: [{ message: "a" }, { message: "b", path: ["c", { key: "d" }] }] }
    ),
    String: text,
    StringForLiteralAutocomplete: text,
    StringFromBase64: fc.fullUnicodeString(),
    StringFromBase64Url: fc.fullUnicodeString(),
    StringFromHex: fc.fullUnicodeString(),
    StringFromUriComponent: text,
    Symbol: fc.constantFrom(Symbol.for("a"), Symbol("b")),
    TimeZone: decoded(Schema.TimeZoneFromString, "Europe/London", "+03:00"),
    TimeZoneFromString: decoded(Schema.TimeZoneFromString, "Europe/London", "+03:00"),
    TimeZoneNamed: decoded(Schema.TimeZoneNamedFromString, "Europe/London"),
    TimeZoneNamedFromString: decoded(Schema.TimeZoneNamedFromString, "Europe/London"),
    TimeZoneOffset: fromJson(Schema.TimeZoneOffset, 3_600_000),
    Trim: text.map((s) => s.trim()),
    Trimmed: text.map((s) => s.trim()),
    TrueLiterals: fc.constantFrom("true", "yes", "on", "1", "y"),
    URL: fc.webUrl().map((url) => new URL(url)),
    URLFromString: fc.webUrl().map((url) => new URL(url)),
    URLSearchParams: entries.map(
      (all) => new URLSearchParams(Object.fromEntries(all.map(([name, n]) => [name, String(n)])))
    ),
    Uint8Array: fc.uint8Array(),
    Uint8ArrayFromBase64: fc.uint8Array(),
    Uint8ArrayFromBase64Url: fc.uint8Array(),
    Uint8ArrayFromHex: fc.uint8Array(),
    Undefined: fc.constant(undefined),
    UnixPathAddress: decoded(Schema.UnixPathAddressFromString, "/a"),
    UnixPathAddressFromString: decoded(Schema.UnixPathAddressFromString, "/a"),
    Unknown: json,
    UnknownFromJsonString: json,
    UrlParams: fromJson(Schema.UrlParams, [
      ["a", "b"],
      ["a", "c"]
    ]),
    Void: fc.constant(undefined)
  }
  /** Those of which no value is made, and the reason. */
  const withoutValues: ReadonlyMap<string, string> = new Map([
    ["Never", "it has none"],
    ["File", "it is read by a Promise only"],
    ["FormData", "its files are read by a Promise only"]
  ])
  /** Addresses, of which there are many kinds: the first of some texts that each of them takes. */
  const address = (name: string): fc.Arbitrary<unknown> => {
    const schema = (Schema as unknown as Record<string, Schema.Top>)[`${name.replace(/FromString$/, "")}FromString`]
    const texts = [
      ...[...ipv4, ...ipv6].flatMap((ip) => [ip, `${ip}/8`, `${ip}/64`]),
      "10.0.0.0/8",
      "2001:db8::/32",
      "00:11:22:33:44:55",
      "02:11:22:33:44:55",
      "01:11:22:33:44:55",
      "ff:ff:ff:ff:ff:ff"
    ]
    const values = texts.flatMap((each) => {
      const exit = Schema.decodeUnknownExit(any(schema))(each)
      return Exit.isSuccess(exit) ? [exit.value] : []
    })
    assert.isAbove(values.length, 0, name)
    return fc.constantFrom(...values)
  }
  /** An error, and functions of keys, of which each use is refused, see below. */
  const isOther = (name: string) =>
    name === "SchemaError" || (/Key(FromBytes|FromFormat)?$/.test(name) && name !== "OptionFromOptionalKey")

  it("there is one by every function that has a type's name", () => {
    const functions = Object.entries(Schema).flatMap(([name, value]) =>
      typeof value === "function" && /^[A-Z]/.test(name) && !Schema.isSchema(value) && !isOther(name) ? [name] : []
    )
    assert.isAbove(functions.length, 40)
    assert.deepStrictEqual(
      functions.filter((name) => made[name] === undefined),
      []
    )
  })

  const exported = Object.entries(Schema).flatMap(([name, value]) =>
    Schema.isSchema(value) && !withoutValues.has(name)
      ? [[name, value as Schema.Top, named[name] ?? address(name)] as const]
      : []
  )
  const all = [...exported, ...Object.entries(made).map(([name, [schema, values]]) => [name, schema, values] as const)]

  /** Where a schema may stand in another one. */
  const places: Record<
    string,
    readonly [(schema: AnySchema) => Schema.Top, (values: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>]
  > = {
    alone: [(schema) => schema, (values) => values],
    "a field": [(schema) => Schema.Struct({ a: schema, b: Schema.Number }), (a) => fc.record({ a, b: number })],
    "an optional field": [
      (schema) => Schema.Struct({ a: Schema.optional(schema) }),
      (a) => fc.record({ a: fc.option(a, { nil: undefined }) }, { requiredKeys: [] })
    ],
    "a field that may be missing": [
      (schema) => Schema.Struct({ a: Schema.optionalKey(schema) }),
      (a) => fc.record({ a }, { requiredKeys: [] })
    ],
    "in an array": [(schema) => Schema.Array(schema), (values) => fc.array(values, { maxLength: 3 })],
    "in a record": [
      (schema) => Schema.Record(Schema.String, schema),
      (values) => fc.dictionary(text, values, { maxKeys: 3 })
    ],
    "in a pair": [(schema) => Schema.Tuple([schema, Schema.Null]), (values) => fc.tuple(values, fc.constant(null))],
    "in an Option": [(schema) => Schema.Option(schema), option],
    "in a map": [
      (schema) => Schema.ReadonlyMap(Schema.String, schema),
      (values) => fc.array(fc.tuple(text, values), { maxLength: 3 }).map((pairs) => new Map(pairs))
    ],
    "in a class": [
      (schema) => {
        class Holder extends Schema.Class<Holder>("Holder")({ a: schema }) {}
        return Holder
      },
      // its constructor would check it once more; what has no constructor of its own is made as decoding makes it
      (a) => a
    ],
    suspended: [(schema) => Schema.Struct({ a: Schema.suspend(() => schema) }), (a) => fc.record({ a })]
  }

  /** Those that decode by an Effect, as Effect has written them: no answer at once. */
  const waiting = new Set(["RegExp"])

  const refused = new Set<string>()
  const written = new Set<string>()
  const lost = new Set<string>()
  let encoded = 0
  describe.each(all)("%s", (name, schema, values) => {
    it.each(Object.entries(places))("%s", (place, [placed, within]) => {
      const whole = any(placed(any(schema)))
      const codec = Codec.json(whole)
      const [write, read] = waiting.has(name) ? [encodeRun, decodeRun] : [encode, decode]
      const make = whole as unknown as new (fields: object) => unknown
      const all = place === "in a class" ? values.map((a) => new make({ a })) : within(values)
      fc.assert(
        fc.property(all, (value) => {
          const made = write(codec, value)
          if (codec.problem !== undefined) {
            refused.add(name)
            assert.strictEqual(refusal(made), codec.problem)
            assert.strictEqual(refusal(read(codec, bytes("null"))), codec.problem)
            return
          }
          if (Exit.isFailure(made)) return
          // some schemas lose something by themselves, such as digits of a number
          const own = Effect.runSyncExit(
            Effect.flatMap(Schema.encodeEffect(whole)(value), Schema.decodeUnknownEffect(whole))
          )
          if (Exit.isFailure(own) || !isSame(whole, own.value, value)) {
            lost.add(name)
            return
          }
          encoded++
          written.add(name)
          const back = successOf(read(codec, successOf(made)))
          if (!isSame(whole, back, value)) assert.deepStrictEqual(back, value, textOf(successOf(made)))
        }),
        { numRuns: 15 }
      )
    })
  })

  it("most of it was written, and what is not JSON was refused", () => {
    assert.isAbove(encoded, 20_000)
    assert.deepStrictEqual([...refused].toSorted(), [
      "Cookie",
      "Literal of a bigint",
      "OptionFromNullishOr",
      "OptionFromUndefinedOr",
      "PropertyKey",
      "Record of symbols",
      "StandardSchemaV1FailureResult",
      "Struct with a symbol",
      "Symbol",
      "UniqueSymbol"
    ])
    assert.deepStrictEqual(
      all.map(([name]) => name).filter((name) => !written.has(name) && !refused.has(name)),
      []
    )
  })

  it("what Effect reads by a Promise suspends, and comes back", async () => {
    const codec = Codec.json(Schema.File)
    const file = new File(["abc"], "a.txt", { type: "text/plain", lastModified: 5 })
    assert.strictEqual(codec.encodeSync(file), Codec.suspended)
    const read = await Effect.runPromise(Effect.flatMap(codec.encode(file), codec.decode))
    assert.strictEqual(await read.text(), "abc")
    assert.strictEqual(read.name, "a.txt")
  })

  it("keys of ciphers are refused by Effect itself", () => {
    const codec = Codec.json(Schema.Struct({ key: Schema.AeadKey("AES-256-GCM" as never) }))
    assert.match(refusal(decode(codec, bytes('{"key":"hunter2"}'))), /^key: /)
    assert.notInclude(refusal(decode(codec, bytes('{"key":"hunter2"}'))), "hunter2")
  })
})

describe("the bytes are those of Effect 3", () => {
  class Place extends Schema.Class<Place>("Place")({ host: Schema.String, at: Schema.optional(Schema.Date) }) {}
  it.each([
    ["a Date", Schema.Date, new Date(0), '"1970-01-01T00:00:00.000Z"'],
    ["a number", Schema.Number, 1.5, "1.5"],
    ["a number from text", Schema.NumberFromString, 1.5, '"1.5"'],
    ["bigints", Schema.BigInt, 12345678901234567890n, "12345678901234567890"],
    ["a bigint from text", Schema.BigIntFromString, 5n, '"5"'],
    [
      "undefined",
      Schema.Struct({ a: Schema.UndefinedOr(Schema.Int), b: Schema.optional(Schema.Int) }),
      { a: undefined, b: undefined },
      "{}"
    ],
    ["a class", Place, new Place({ host: "a", at: new Date(0) }), '{"host":"a","at":"1970-01-01T00:00:00.000Z"}'],
    ["an Option", Schema.Option(Schema.Int), Option.some(1), '{"_tag":"Some","value":1}'],
    ["a map", Schema.ReadonlyMap(Schema.String, Schema.Int), new Map([["a", 1]]), '[["a",1]]'],
    ["a HashMap", Schema.HashMap(Schema.String, Schema.Int), HashMap.make(["a", 1]), '[["a",1]]'],
    ["a set", Schema.ReadonlySet(Schema.Int), new Set([1]), "[1]"],
    ["a secret", Schema.Redacted(Schema.String), Redacted.make("a"), '"a"'],
    ["bytes", Schema.Uint8ArrayFromBase64, new Uint8Array([1, 2]), '"AQI="'],
    ["a BigDecimal", Schema.BigDecimal, BigDecimal.make(15n, 1), '"1.5"']
  ] as ReadonlyArray<readonly [string, Schema.Top, unknown, string]>)("%s", (_, schema, value, text) => {
    const codec = Codec.json(any(schema))
    assert.strictEqual(textOf(successOf(encode(codec, value))), text)
    assert.isTrue(isSame(any(schema), successOf(decode(codec, bytes(text))), value))
  })

  it("what is not finite is not written", () => {
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      assert.include(refusal(encode(Codec.json(Schema.Number), value)), "not finite")
      assert.include(
        refusal(encode(Codec.json(Schema.Struct({ a: Schema.NullOr(Schema.Number) })), { a: value })),
        "not finite"
      )
      assert.include(refusal(encode(Codec.json(Schema.Option(Schema.Number)), Option.some(value))), "not finite")
    }
    assert.match(refusal(decode(Codec.json(Schema.Number), bytes('"NaN"'))), /^Expected a number, actual a string$/)
  })
})

describe("a schema that encodes to something which JSON does not have", () => {
  const Inner = Schema.Struct({ at: Schema.Symbol })
  class Place extends Schema.Class<Place>("Place")({ host: Schema.Symbol }) {}
  interface Node {
    readonly next: Node | null
    readonly m: symbol
  }
  const Node: Schema.Codec<Node> = Schema.Struct({
    next: Schema.NullOr(Schema.suspend((): Schema.Codec<Node> => Node)),
    m: Schema.Symbol
  })
  const UndefinedOrInt = Schema.UndefinedOr(Schema.Int)
  const five = Effect.succeed(5)
  const cases: ReadonlyArray<readonly [string, Schema.Top, string]> = [
    ["a field", Inner, "at: a symbol does not come back from JSON; use a string"],
    ["in arrays", Schema.Struct({ all: Schema.Array(Inner) }), "all[*].at: a symbol does"],
    ["in records", Schema.Record(Schema.String, Schema.Array(Schema.Symbol)), "[*][*]: a symbol does"],
    ["in a pair", Schema.Tuple([Schema.String, Schema.Redacted(Schema.Symbol)]), "[1]: a symbol does"],
    ["a member of a union", Schema.Union([Schema.String, Schema.Symbol]), "a symbol does"],
    ["an optional field", Schema.Struct({ a: Schema.optional(Schema.Symbol) }), "a: a symbol does"],
    ["in itself", Node, "m: a symbol does not come back from JSON; use a string"],
    ["behind a filter", Schema.Symbol.check(Schema.makeFilter(() => true)), "a symbol does"],
    [
      "behind a transformation",
      Schema.Symbol.pipe(
        Schema.decodeTo(Schema.String, SchemaTransformation.transform({ decode: String, encode: Symbol.for }))
      ),
      "a symbol does"
    ],
    ["in a class", Place, "host: a symbol does"],
    ["in the type of a class", Schema.toType(Place), "host: a symbol does"],
    ["in an Option", Schema.Struct({ a: Schema.Option(Schema.Symbol) }), "value: a symbol does"],
    [
      "what Effect has no JSON for",
      Schema.Struct({ c: Schema.Cookie }),
      "c: Cookie does not come back from JSON; use a schema"
    ],
    ["a symbol as a name", Schema.Struct({ [Symbol.for("s")]: Schema.String }), "the symbol Symbol(s) as a name does"],
    ["symbols as names", Schema.Record(Schema.Symbol, Schema.String), "symbols as names does"],
    ["a name that is the prototype's", Schema.Struct({ ["__proto__"]: Schema.String }), "the name __proto__ does"],
    ["a bigint literal", Schema.Struct({ a: Schema.Literal(1n) }), "a: a bigint literal does"],
    ["bigints beside numbers", Schema.Union([Schema.BigInt, Schema.Int]), "a bigint beside a number does"],
    [
      "bigints beside numbers that are suspended",
      Schema.Union([Schema.BigInt, Schema.suspend(() => Schema.NullOr(Schema.Number))]),
      "a bigint beside a number does"
    ],
    [
      "something suspended that becomes undefined",
      Schema.Struct({ a: Schema.optional(Schema.suspend(() => Schema.OptionFromUndefinedOr(Schema.Int))) }),
      "something else that becomes undefined does"
    ],
    [
      "something in a record that becomes undefined",
      Schema.Record(Schema.String, Schema.OptionFromUndefinedOr(Schema.Int)),
      "something else that becomes undefined does"
    ],
    [
      "undefined beside a default",
      Schema.Struct({ a: UndefinedOrInt.pipe(Schema.withDecodingDefaultKey(five)) }),
      "undefined as a, beside what stands for none, does"
    ],
    [
      "undefined beside a default for it, too",
      Schema.Struct({ a: UndefinedOrInt.pipe(Schema.withDecodingDefault(five)) }),
      "undefined as a, beside what stands for none, does"
    ],
    [
      "undefined in an Option of what may be missing",
      Schema.Struct({ a: Schema.OptionFromOptionalKey(UndefinedOrInt) }),
      "undefined as a, beside what stands for none, does"
    ],
    [
      "undefined in a map that is a record",
      Schema.Record(Schema.String, UndefinedOrInt).pipe(
        Schema.decodeTo(
          Schema.ReadonlyMap(Schema.toType(Schema.String), Schema.toType(UndefinedOrInt)),
          SchemaTransformation.transform({
            decode: (record: Readonly<Record<string, number | undefined>>): ReadonlyMap<string, number | undefined> =>
              new Map(Object.entries(record)),
            encode: (map: ReadonlyMap<string, number | undefined>) => Object.fromEntries(map)
          })
        )
      ),
      "undefined as a value of a map does"
    ],
    ["several", Schema.Struct({ a: Schema.Symbol, b: Schema.Literal(1n) }), "use a string; b: a bigint literal does"],
    [
      "beside what is made anew at each step",
      Schema.toType(Schema.Struct({ next: Schema.suspend((): Schema.Codec<Node> => Node), at: Schema.Symbol })),
      "at: a symbol does"
    ]
  ]
  it.each(cases)("%s", (_, schema, problem) => {
    const codec = Codec.json(any(schema))
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

  it.effect("is an invalid option of a table and of a writer, by whichever codec", () =>
    Effect.gen(function* () {
      const bad = Codec.json(Inner)
      const said = "at: a symbol does not come back from JSON; use a string"
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
    const Late: Schema.Codec<unknown> = Schema.Unknown
    assert.isUndefined(codec.problem)
    assert.strictEqual(textOf(successOf(encode(codec, { a: 1 }))), '{"a":1}')
    assert.include(refusal(encode(codec, { a: new Date() })), "an instance of Date")
  })
})

describe("where undefined and a name that is missing are the same to a schema", () => {
  const Int = Schema.Int
  const UndefinedOrInt = Schema.UndefinedOr(Int)
  it.each([
    ["a default", Schema.Struct({ a: Int.pipe(Schema.withDecodingDefault(Effect.succeed(5))) }), { a: 1 }],
    [
      "a default that is left out",
      Schema.Struct({ a: Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(5))) }),
      { a: 5 }
    ],
    ["an Option", Schema.Struct({ a: Schema.OptionFromOptional(Int) }), { a: Option.none() }],
    ["an Option of what may be missing", Schema.Struct({ a: Schema.OptionFromOptionalKey(Int) }), { a: Option.none() }],
    ["an Option of null", Schema.Struct({ a: Schema.OptionFromOptionalNullOr(Int) }), { a: Option.none() }],
    [
      "an Option in an Option",
      Schema.Struct({ a: Schema.Option(Schema.Option(UndefinedOrInt)) }),
      { a: Option.some(Option.some(undefined)) }
    ],
    ["an Option of undefined", Schema.Struct({ a: Schema.OptionFromUndefinedOr(Int) }), { a: Option.none() }],
    ["undefined", Schema.Struct({ a: UndefinedOrInt, b: Schema.Undefined }), { a: undefined, b: undefined }],
    ["undefined that is suspended", Schema.Struct({ a: Schema.suspend(() => UndefinedOrInt) }), { a: undefined }],
    ["undefined of a class", class extends Schema.Class<object>("C")({ a: UndefinedOrInt }) {}, undefined],
    [
      "undefined for none",
      Schema.Struct({
        a: Schema.optionalKey(Int).pipe(
          Schema.decodeTo(UndefinedOrInt, {
            decode: SchemaGetter.transformOptional((one: Option.Option<number>) =>
              Option.some(Option.getOrUndefined(one))
            ),
            encode: SchemaGetter.transformOptional((one: Option.Option<number | undefined>) =>
              Option.filter(one, (n) => n !== undefined)
            )
          })
        )
      }),
      { a: undefined }
    ]
  ] as ReadonlyArray<readonly [string, Schema.Top, unknown]>)("%s comes back", (_, schema, value) => {
    const codec = Codec.json(any(schema))
    assert.isUndefined(codec.problem)
    const made = value ?? new (schema as unknown as new (fields: object) => unknown)({ a: undefined })
    const read = successOf(decode(codec, successOf(encode(codec, made))))
    assert.isTrue(isSame(any(schema), read, made), inspect(read))
  })
})

describe("a schema that is made anew at each step", () => {
  interface Tree {
    readonly name: string
    readonly children: ReadonlyArray<Tree>
  }
  const Tree: Schema.Codec<Tree> = Schema.Struct({
    name: Schema.String,
    children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
  })
  interface List {
    readonly name: string
    readonly next: Option.Option<List>
  }
  interface EncodedList {
    readonly name: string
    readonly next?: EncodedList | undefined
  }
  const List: Schema.Codec<List, EncodedList> = Schema.Struct({
    name: Schema.String,
    next: Schema.OptionFromOptional(Schema.suspend((): Schema.Codec<List, EncodedList> => List))
  })
  const tree = { name: "a", children: [{ name: "b", children: [] }] }
  it.each([
    ["the types of another", Schema.toType(Tree), tree],
    ["what another encodes to", Schema.toEncoded(Tree), tree],
    ["what is transformed", List, { name: "a", next: Option.some({ name: "b", next: Option.none() }) }]
  ] as ReadonlyArray<readonly [string, Schema.Top, unknown]>)("of %s", (_, schema, value) => {
    const codec = Codec.json(any(schema))
    assert.isUndefined(codec.problem)
    assert.deepStrictEqual(successOf(decode(codec, successOf(encode(codec, value)))), value)
    // what is told of a failure depends on whether there is a secret anywhere in it
    assert.strictEqual(refusal(decode(codec, bytes('{"name":1}'))), "name: Expected a string, actual a number")
  })
})

describe("text that is JSON itself", () => {
  const Inner = <A>(value: Schema.Codec<A>) => Schema.Struct({ a: Schema.fromJsonString(Schema.Struct({ v: value })) })
  it.each([
    ["a date", Schema.Date, new Date(0)],
    ["a map", Schema.ReadonlyMap(Schema.String, Schema.Int), new Map([["hunter2", 1]])],
    ["what is not finite", Schema.Number, NaN],
    ["undefined in an array", Schema.Array(Schema.UndefinedOr(Schema.Int)), [undefined]],
    ["an instance", Schema.Unknown, { at: new Date(0) }],
    ["a bigint", Schema.BigInt, 5n]
  ] as ReadonlyArray<readonly [string, Schema.Codec<unknown>, unknown]>)("%s in it is refused", (_, schema, v) => {
    const json = Codec.json(Inner(schema))
    assert.match(
      refusal(encode(json, { a: { v } })),
      /^a: Expected (what comes back from JSON|a string that will be decoded as JSON), actual/
    )
    assert.throws(() => json.encodeSync({ a: { v } }))
    const text = Codec.string(Schema.fromJsonString(Schema.Struct({ v: schema })))
    assert.match(
      refusal(encode(text, { v })),
      /^Expected (what comes back from JSON|a string that will be decoded as JSON), actual/
    )
    const twice = Codec.string(
      Schema.StringFromHex.pipe(Schema.decodeTo(Schema.fromJsonString(Schema.Struct({ v: schema }))))
    )
    assert.isTrue(Exit.isFailure(encode(twice, { v })))
  })

  it("what comes back is written, also by a replacer and a reviver", () => {
    const value = { a: { v: { b: [1, "x", null], c: undefined } } }
    const codec = Codec.json(Inner(Schema.Unknown))
    const written = successOf(encode(codec, value))
    assert.strictEqual(textOf(written), '{"a":"{\\"v\\":{\\"b\\":[1,\\"x\\",null]}}"}')
    const dates = Codec.string(
      Schema.fromJsonString(Schema.Struct({ at: Schema.Date }), {
        reviver: (name, part: unknown) => (name === "at" ? new Date(part as string) : part)
      })
    )
    const at = { at: new Date(5) }
    assert.deepStrictEqual(successOf(decode(dates, successOf(encode(dates, at)))), at)
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
    ["data", new (class extends Data.Class<{ readonly a: number }> {})({ a: 1 }), "an instance of"],
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
  const schemas: ReadonlyArray<readonly [string, (value: unknown) => Outcome<Uint8Array>]> = [
    ["Unknown", (value) => encode(Codec.json(Schema.Unknown), value)],
    ["Any", (value) => encode(Codec.json(Schema.Any), { a: [value] })],
    ["Object", (value) => encode(Codec.json(Schema.ObjectKeyword), { a: value })],
    ["a declaration", (value) => encode(Codec.json(Schema.declare((_): _ is unknown => true)), [value])],
    ["in a record", (value) => encode(Codec.json(Schema.Record(Schema.String, Schema.Unknown)), { a: value })],
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
    const text = (value: unknown) => textOf(successOf(encode(Codec.json(Schema.Unknown), value)))
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
  // Effect 4 cannot keep names that a struct does not know: a record beside them is what keeps them
  const kept = Schema.StructWithRest(Service, [Schema.Record(Schema.String, Schema.Unknown)])
  const open: ReadonlyArray<readonly [string, Schema.Top, at: (text: string) => string]> = [
    ["Unknown", Schema.Unknown, (text) => text],
    ["Any", Schema.Any, (text) => `[${text}]`],
    ["Object", Schema.ObjectKeyword, (text) => text],
    ["a record", Schema.Record(Schema.String, Schema.Unknown), (text) => text],
    ["a record within", Schema.Struct({ r: Schema.Record(Schema.String, Schema.Any) }), (text) => `{"r":${text}}`],
    [
      "a record of transformed",
      Schema.Record(Schema.String, Schema.Union([Schema.NumberFromString, Schema.ObjectKeyword])),
      (text) => text
    ],
    [
      "a struct with a record",
      Schema.StructWithRest(Schema.Struct({ a: Schema.Number }), [Schema.Record(Schema.String, Schema.Unknown)]),
      (text) => text.replace("{", '{"a":1,')
    ],
    [
      "a map of a record",
      Schema.Record(Schema.String, Schema.Unknown).pipe(
        Schema.decodeTo(
          Schema.ReadonlyMap(Schema.String, Schema.Unknown),
          SchemaTransformation.transform({
            decode: (names: object) => new Map(Object.entries(names)),
            encode: (map: Map<string, unknown>) => Object.fromEntries(map)
          }) as never
        )
      ),
      (text) => text
    ],
    [
      "a class with something unknown",
      class Holder extends Schema.Class<Holder>("Holder")({ u: Schema.Unknown }) {},
      (text) => `{"u":{"b":[${text}]}}`
    ],
    ["excess that is kept", kept, (text) => text.replace("{", '{"a":1,')],
    ["excess that is kept within", Schema.Struct({ s: kept }), (text) => `{"s":${text.replace("{", '{"a":1,')}}`],
    [
      "bigints beside",
      Schema.Struct({ b: Schema.BigInt, u: Schema.Unknown }),
      (text) => `{"b":12345678901234567890,"u":${text}}`
    ]
  ]
  const refused = "Expected JSON without the name __proto__, actual a string"
  const openTexts: ReadonlyArray<readonly [string, Schema.Top, at: (text: string) => string, place: string]> = [
    [
      "a record in a text that is JSON",
      Schema.Struct({ p: Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)) }),
      (text) => `{"p":${JSON.stringify(text)}}`,
      "p"
    ],
    [
      "something unknown in a text that is JSON, in one that is",
      Schema.Struct({ p: Schema.fromJsonString(Schema.Struct({ q: Schema.fromJsonString(Schema.Unknown) })) }),
      (text) => `{"p":${JSON.stringify(JSON.stringify({ q: `[${text}]` }))}}`,
      "p.q"
    ]
  ]
  describe.each([
    ...open.map((row) => [...row, "The name __proto__ is refused"] as const),
    ...openTexts.map(([name, schema, at, place]) => [name, schema, at, `${place}: ${refused}`] as const)
  ])("%s", (_, schema, at, problem) => {
    it.each(polluting)("refuses %s", (text) => {
      const codec = Codec.json(any(schema))
      const buffer = Buffer.from(at(text))
      assert.strictEqual(refusal(decode(codec, buffer)), problem)
      assert.throws(() => codec.decodeSync(buffer, 0, buffer.length))
      assert.throws(() => codec.stored?.check(buffer, 0, buffer.length) ?? assert.fail("kept as an object"))
      assert.notProperty({}, "admin")
    })

    it("takes it as a text, and other names", () => {
      const codec = Codec.json(any(schema))
      for (const text of [
        '{"x":"__proto__"}',
        '{"x":"\\u005f"}',
        '{"constructor":{"prototype":{"admin":true}}}',
        '{"__proto":1}'
      ]) {
        if (/transformed/.test(_) && !/constructor/.test(text)) continue
        assert.isTrue(Exit.isSuccess(decode(codec, bytes(at(text)))), text)
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
      const value = successOf(decode(codec, buffer))
      assert.deepStrictEqual(Object.keys(value), ["a"])
      assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
      assert.deepStrictEqual(codec.stored?.check(buffer, 0, buffer.length), { a: 1 })
    }
  })

  it("is not encoded within a text that is JSON, where it would be refused", () => {
    const codec = Codec.json(Schema.Struct({ p: Schema.fromJsonString(Schema.Unknown) }))
    assert.throws(() => codec.encodeSync({ p: JSON.parse('{"a":[{"__proto__":1}]}') as unknown }), "__proto__")
    const sound = { p: { a: "__proto__", b: '{"c":1}' } }
    assert.deepStrictEqual(successOf(decode(codec, codec.encodeSync(sound) as Uint8Array)), sound)
  })

  describe.each([
    ["text", (inner: Schema.Codec<unknown>) => Codec.string(Schema.fromJsonString(inner)), (text: string) => text],
    [
      "text of text",
      (inner: Schema.Codec<unknown>) =>
        Codec.string(Schema.StringFromHex.pipe(Schema.decodeTo(Schema.fromJsonString(inner)))),
      (text: string) => Buffer.from(text).toString("hex")
    ],
    [
      "bytes",
      (inner: Schema.Codec<unknown>) =>
        Codec.schema(
          Schema.Uint8Array.pipe(
            Schema.decodeTo(
              Schema.String,
              SchemaTransformation.transform({
                decode: (read) => Buffer.from(read).toString(),
                encode: (text) => Buffer.from(text)
              })
            ),
            Schema.decodeTo(Schema.fromJsonString(inner))
          )
        ),
      (text: string) => text
    ]
  ] as const)("in %s that is JSON, by a codec of a schema", (_, codecOf, at) => {
    const Names = Schema.Record(Schema.String, Schema.Unknown) as Schema.Codec<unknown>
    const schemas = [Names, Schema.Unknown, kept as Schema.Codec<unknown>, Service as Schema.Codec<unknown>]

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
    const codec = Codec.json(Schema.Struct({ p: Schema.fromJsonString(Schema.Unknown), text: Schema.String }))
    const value = { p: 1, text: '{"__proto__":1}' }
    assert.deepStrictEqual(successOf(decode(codec, successOf(encode(codec, value)))), value)
  })

  it("is not encoded, where it would be left out", () => {
    const own = JSON.parse('{"__proto__":"x"}') as Record<string, string>
    const Names = Schema.Record(Schema.String, Schema.String)
    class Holder extends Schema.Class<Holder>("Holder")({ names: Names }) {}
    interface Nested {
      readonly names: Readonly<Record<string, string>>
      readonly next: Nested | null
    }
    const Nested: Schema.Codec<Nested> = Schema.Struct({
      names: Names,
      next: Schema.NullOr(Schema.suspend((): Schema.Codec<Nested> => Nested))
    })
    const written = [
      encode(Codec.json(Names), own),
      encode(Codec.json(Schema.Array(Names)), [{}, own]),
      encode(Codec.json(Schema.Struct({ n: Schema.NullOr(Names) })), { n: own }),
      encode(Codec.json(Schema.Tuple([Schema.String, Names])), ["a", own]),
      encode(Codec.json(Schema.Record(Schema.String, Names)), { a: own }),
      encode(Codec.json(Holder), Object.assign(Object.create(Holder.prototype), { names: own })),
      encode(Codec.json(Nested), { names: {}, next: { names: own, next: null } }),
      encode(
        Codec.json(
          Schema.Record(Schema.String, Schema.String).pipe(
            Schema.decodeTo(
              Schema.ReadonlyMap(Schema.String, Schema.String),
              SchemaTransformation.transform({
                decode: (names: object) => new Map(Object.entries(names)),
                encode: (map: Map<string, unknown>) => Object.fromEntries(map)
              }) as never
            )
          )
        ),
        new Map([["__proto__", "x"]])
      ),
      encode(Codec.json(Schema.ReadonlyMap(Schema.String, Names)), new Map([["a", own]])),
      encode(Codec.json(Schema.ReadonlyMap(Names, Schema.String)), new Map([[own, "a"]])),
      encode(Codec.json(Schema.HashMap(Schema.String, Names)), HashMap.make(["a", own])),
      encode(Codec.json(Schema.ReadonlySet(Names)), new Set([own])),
      encode(Codec.json(Schema.Chunk(Schema.Struct({ n: Names }))), Chunk.make({ n: own })),
      encode(Codec.json(Schema.Option(Names)), Option.some(own)),
      encode(Codec.json(Schema.OptionFromNullOr(Names)), Option.some(own)),
      encode(Codec.json(Schema.Redacted(Names)), Redacted.make(own)),
      encode(Codec.json(Schema.ReadonlySet(Schema.Option(Names))), new Set([Option.some(own)])),
      encode(Codec.json(kept), Object.assign(own, { a: 1 }) as unknown as { a: number }),
      encode(Codec.json(Schema.Unknown), [own]),
      encode(Codec.json(Schema.Struct({ p: Schema.fromJsonString(Names) })), { p: own })
    ]
    for (const [i, result] of written.entries()) {
      assert.isTrue(Exit.isFailure(result), `of ${i}`)
      assert.strictEqual(refusal<unknown>(result), "Not representable as JSON: the name __proto__")
    }
    assert.strictEqual(
      textOf(successOf(encode(Codec.json(Nested), { names: { a: "b" }, next: null }))),
      '{"names":{"a":"b"},"next":null}'
    )
  })
})

describe("bigints are whole numbers", () => {
  const Account = Schema.Struct({
    id: Schema.BigInt,
    n: Schema.Number,
    all: Schema.Array(Schema.NullOr(Schema.BigInt.check(Schema.isGreaterThanBigInt(0n)))),
    by: Schema.Record(Schema.String, Schema.BigInt),
    u: Schema.Unknown,
    o: Schema.optional(Schema.BigInt)
  })
  const codec = Codec.json(Account)
  const big = fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n })

  it("come back with all their digits, and numbers as they were", () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            id: big,
            n: fc.double({ noNaN: true, noDefaultInfinity: true }),
            all: fc.array(fc.option(fc.bigInt({ min: 1n, max: 2n ** 70n }))),
            by: fc.dictionary(
              fc.string().filter((name) => name !== "__proto__"),
              big
            ),
            u: fc.oneof(
              fc.jsonValue().filter((value) => !JSON.stringify(value).includes("__proto__")),
              fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n })
            ),
            o: big
          },
          { requiredKeys: ["id", "n", "all", "by", "u"] }
        ),
        (value) => {
          const read = successOf(decode(codec, successOf(encode(codec, value))))
          assert.isTrue(isDeepStrictEqual(plain(read), plain(value)), inspect(read))
        }
      ),
      { numRuns: 500 }
    )
  })

  it("are read from any text, with spaces and escapes around", () => {
    const read = (text: string) => successOf(decode(codec, bytes(text)))
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
      textOf(successOf(encode(codec, value))),
      '{"id":9007199254740993,"n":1.152921504606847e+18,"all":[1],"by":{"a":-1},"u":18446744073709551616}'
    )
  })

  it("a number that JavaScript does not hold is refused beside them, not changed", () => {
    const text = (n: string) => bytes(`{"id":1,"n":${n},"all":[],"by":{},"u":null}`)
    assert.include(refusal(decode(codec, text("9007199254740993"))), "n: Expected a number, actual a bigint")
    assert.strictEqual(successOf(decode(codec, text("9007199254740992"))).n, 2 ** 53)
    // what JavaScript itself writes
    assert.strictEqual(successOf(decode(codec, text("590295810358705700000"))).n, 2 ** 69)
    for (const id of ["1.5", '"1"', "null"]) {
      assert.include(refusal(decode(codec, bytes(`{"id":${id},"n":1,"all":[],"by":{},"u":null}`))), "id: Expected")
    }
  })

  it("a bigint that would come back as a number is not written", () => {
    const value = { id: 1n, n: 1, all: [], by: {}, u: 5n }
    assert.include(refusal(encode(codec, value)), "a bigint that would come back as a number")
  })

  it("in classes, in what refers to itself, and from nanoseconds", () => {
    class Row extends Schema.Class<Row>("Row")({ id: Schema.BigInt, at: Schema.DurationFromNanos }) {}
    const row = new Row({ id: 2n ** 63n, at: Duration.nanos(2n ** 60n + 1n) })
    const rows = Codec.json(Row)
    assert.isTrue(Equal.equals(successOf(decode(rows, successOf(encode(rows, row)))), row))
    interface List {
      readonly id: bigint
      readonly next: List | null
    }
    const List: Schema.Codec<List> = Schema.Struct({
      id: Schema.BigInt,
      next: Schema.NullOr(Schema.suspend((): Schema.Codec<List> => List))
    })
    const list = { id: 2n ** 60n, next: { id: 3n, next: null } }
    const lists = Codec.json(List)
    assert.deepStrictEqual(successOf(decode(lists, successOf(encode(lists, list)))), list)
  })

  it("what is not JSON is not read with them either", () => {
    assert.strictEqual(refusal(decode(codec, bytes('{"id":12345678901234567890'))), "Invalid JSON")
  })
})

describe("what stands where a schema has Void", () => {
  const codec = Codec.json(Schema.Record(Schema.String, Schema.Void))

  // On Effect 3 it is kept as it is, so that it has to come back. Effect 4 makes undefined of it, in both directions.
  it("is undefined, whatever it was, so that nothing of it is written", () => {
    for (const what of [JSON.parse('{"__proto__":1}'), new Date(0), 1n, Number.NaN, { b: [1, null, "c"] }]) {
      assert.strictEqual(textOf(successOf(encode(codec, { a: what as never }))), "{}")
    }
    assert.deepStrictEqual(successOf(decode(codec, bytes('{"a":{"b":1}}'))), { a: undefined })
  })

  it("and a name may still not be the prototype's", () => {
    assert.include(refusal(encode(codec, JSON.parse('{"__proto__":{}}') as never)), "the name __proto__")
    assert.include(refusal(decode(codec, bytes('{"__proto__":{}}'))), "The name __proto__ is refused")
  })
})
