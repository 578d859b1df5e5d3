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
    CauseReason: [Schema.CauseReason(S, Schema.Unknown), cause.filter((c) => c.reasons.length > 0).map((c) => c.reasons[0])],
    Chunk: [Schema.Chunk(N), fc.array(number).map(Chunk.fromIterable)],
    Class: [Leaf, leaf],
    "Class of classes": [Tagged, tagged],
    Defect: [Schema.Defect(), fc.oneof(json, text.map((message) => new Error(message)))],
    Enum: [Schema.Enum(Size), fc.constantFrom<Size>(Size.Small, Size.Large)],
    Error: [Broken, text.map((why) => new Broken({ why }))],
    ErrorInstance: [Schema.ErrorInstance(), text.map((message) => new Error(message))],
    Exit: [
      Schema.Exit(N, S, Schema.Unknown),
      fc.oneof(number.map((n) => Exit.succeed(n)), cause.map((c) => Exit.failCause(c)))
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
    JsonFromUrlParamsField: [
      Schema.JsonFromUrlParamsField("a"),
      json
    ],
    Literal: [Schema.Literal("a"), fc.constant("a")],
    "Literal of a bigint": [Schema.Literal(1n), fc.constant(1n)],
    Literals: [Schema.Literals(["a", 1, true]), fc.constantFrom("a", 1, true)],
    NonEmptyArray: [Schema.NonEmptyArray(N), fc.array(number, { minLength: 1 })],
    NullOr: [Schema.NullOr(N), fc.option(number)],
    NullishOr: [Schema.NullishOr(N), fc.oneof(number, fc.constantFrom(null, undefined))],
    Opaque: [Own, fc.record({ a: text })],
    Option: [Schema.Option(N), option(number)],
    "Option of what may be undefined": [Schema.Option(Schema.UndefinedOr(N)), option(fc.option(number, { nil: undefined }))],
    OptionFromNullOr: [Schema.OptionFromNullOr(N), option(number)],
    OptionFromNullishOr: [Schema.OptionFromNullishOr(N, { onNoneEncoding: null }), option(number)],
    OptionFromOptional: [
      Schema.Struct({ a: Schema.OptionFromOptional(N) }),
      fc.record({ a: option(number) })
    ],
    OptionFromOptionalKey: [
      Schema.Struct({ a: Schema.OptionFromOptionalKey(N) }),
      fc.record({ a: option(number) })
    ],
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
      fc.oneof(number.map((n) => Result.succeed(n)), text.map((s) => Result.fail(s)))
    ],
    Struct: [
      Schema.Struct({ a: S, b: Schema.optional(N), c: Schema.UndefinedOr(S), d: Schema.optionalKey(N) }),
      fc.record(
        { a: text, b: fc.option(number, { nil: undefined }), c: fc.option(text, { nil: undefined }), d: number },
        { requiredKeys: ["a", "c"] }
      )
    ],
    "Struct without fields": [
      Schema.Struct({}),
      fc.constantFrom({}, { a: 1 }, [1], "a", 0, true)
    ],
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
      fc.oneof(
        fc.record({ _tag: fc.constant("A"), a: text }),
        fc.record({ _tag: fc.constant("B"), b: number })
      )
    ],
    TemplateLiteral: [Schema.TemplateLiteral(["a", N]), finite.map((n) => `a${n}`)],
    TemplateLiteralParser: [
      Schema.TemplateLiteralParser(["a", Schema.NumberFromString]),
      finite.map((n) => ["a", n])
    ],
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
    JsonObject: fc.dictionary(text.filter((name) => name !== "__proto__"), json),
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
    URLSearchParams: entries.map((all) => new URLSearchParams(all.map(([name, n]) => [name, String(n)]))),
    Uint8Array: fc.uint8Array(),
    Uint8ArrayFromBase64: fc.uint8Array(),
    Uint8ArrayFromBase64Url: fc.uint8Array(),
    Uint8ArrayFromHex: fc.uint8Array(),
    Undefined: fc.constant(undefined),
    UnixPathAddress: decoded(Schema.UnixPathAddressFromString, "/tmp/a"),
    UnixPathAddressFromString: decoded(Schema.UnixPathAddressFromString, "/tmp/a"),
    Unknown: json,
    UnknownFromJsonString: json,
    UrlParams: fromJson(Schema.UrlParams, [["a", "b"], ["a", "c"]]),
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
    "a field": [
      (schema) => Schema.Struct({ a: schema, b: Schema.Number }),
      (a) => fc.record({ a, b: number })
    ],
    "an optional field": [
      (schema) => Schema.Struct({ a: Schema.optional(schema) }),
      (a) => fc.record({ a: fc.option(a, { nil: undefined }) }, { requiredKeys: [] })
    ],
    "a field that may be missing": [
      (schema) => Schema.Struct({ a: Schema.optionalKey(schema) }),
      (a) => fc.record({ a }, { requiredKeys: [] })
    ],
    "in an array": [(schema) => Schema.Array(schema), (values) => fc.array(values, { maxLength: 3 })],
    "in a record": [(schema) => Schema.Record(Schema.String, schema), (values) => fc.dictionary(text, values, { maxKeys: 3 })],
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
    console.log(encoded, 'REFUSED', [...refused].join(' '), 'LOST', [...lost].join(' '), 'NEVER', all.map(([n])=>n).filter((n)=>!written.has(n)&&!refused.has(n)).join(' '))
  })
})
