/** A compiled decoder answers what Schema answers, or leaves it to Schema. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, ParseResult, Schema, type SchemaAST as AST } from "effect"
import * as FastCheck from "fast-check"
import { UNDECIDED } from "../../../src/internal/codec/schema/parsers.ts"
import { compileDecoder } from "../../../src/internal/codec/schema/v3/decoder.ts"

class Point extends Schema.Class<Point>("Point")({ x: Schema.Number, y: Schema.Number }) {
  get sum(): number {
    return this.x + this.y
  }
}
class Circle extends Schema.TaggedClass<Circle>()("Circle", { radius: Schema.Number }) {}
class Square extends Schema.TaggedClass<Square>()("Square", { side: Schema.Number, at: Schema.optional(Point) }) {}

interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.Number,
  children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
})

const Flat = Schema.Struct({ a: Schema.String, b: Schema.Int, c: Schema.Boolean, d: Schema.Array(Schema.String) })
const flat = '{"a":"x","b":1,"c":true,"d":["p","q"]}'
const flatInAnotherOrder = '{"d":["y"],"more":0,"c":false,"b":2,"a":""}'

interface Sample {
  readonly name: string
  readonly ast: AST.AST
  readonly valid: ReadonlyArray<string>
}

const sample = <A, I>(name: string, schema: Schema.Schema<A, I>, ...valid: ReadonlyArray<string>): Sample => ({
  name,
  ast: schema.ast,
  valid
})

/** Their valid values are not left to Schema. */
const compiled: ReadonlyArray<Sample> = [
  sample("string", Schema.String, '"x"', '""', '"é"'),
  sample("number", Schema.Number, "1", "-0.5", "1e300"),
  sample("boolean", Schema.Boolean, "true", "false"),
  sample("unknown", Schema.Unknown, "null", '{"a":[1]}'),
  sample("null", Schema.Null, "null"),
  sample("literals", Schema.Literal("a", "b", 3, null), '"a"', '"b"', "3", "null"),
  sample("positive", Schema.Int.pipe(Schema.positive()), "1", "4000000000"),
  sample("trimmed text", Schema.NonEmptyTrimmedString, '"x"'),
  sample("brand", Schema.String.pipe(Schema.minLength(1), Schema.brand("Name")), '"x"'),
  sample("flat", Flat, flat, flatInAnotherOrder),
  sample("nested", Schema.Struct({ flat: Flat, name: Schema.String }), `{"flat":${flat},"name":"n"}`),
  sample("nested, copied within", Schema.Struct({ flat: Flat }), `{"flat":${flatInAnotherOrder}}`),
  sample(
    "optional",
    Schema.Struct({ a: Schema.optional(Schema.String), b: Schema.Number, c: Schema.optional(Schema.Number) }),
    '{"b":1}',
    '{"a":"x","b":1}',
    '{"b":1,"c":2}',
    '{"c":2,"b":1,"a":"x"}'
  ),
  sample(
    "nullable",
    Schema.Struct({ a: Schema.NullOr(Schema.String), b: Schema.NullOr(Flat) }),
    '{"a":null,"b":null}',
    `{"a":"x","b":${flat}}`,
    `{"a":"x","b":${flatInAnotherOrder}}`
  ),
  sample("array", Schema.Array(Schema.Number), "[]", "[1,2,3]"),
  sample("array, copied within", Schema.Array(Flat), `[${flat},${flatInAnotherOrder},${flat}]`),
  sample("non-empty array", Schema.NonEmptyArray(Schema.String), '["a"]', '["a","b"]'),
  sample("tuple", Schema.Tuple(Schema.String, Schema.Number), '["a",1]'),
  sample(
    "record",
    Schema.Record({ key: Schema.String, value: Schema.Number }),
    "{}",
    '{"x":1,"y":2}',
    '{"2":1,"1":2,"a":3}'
  ),
  sample(
    "record, copied within",
    Schema.Record({ key: Schema.String, value: Flat }),
    `{"x":${flat},"y":${flatInAnotherOrder},"z":${flat}}`
  ),
  sample("union of simple", Schema.Union(Schema.String, Schema.Number), '"a"', "1"),
  sample("class", Point, '{"x":1,"y":2}', '{"y":1,"x":2,"z":3}'),
  sample("class within", Schema.Struct({ point: Point, n: Schema.Number }), '{"point":{"x":1,"y":2},"n":3}'),
  sample(
    "tagged classes",
    Schema.Union(Circle, Square),
    '{"_tag":"Circle","radius":1}',
    '{"side":1,"_tag":"Square"}',
    '{"_tag":"Square","side":1,"at":{"x":1,"y":2}}'
  ),
  sample(
    "tagged structs",
    Schema.Union(
      Schema.Struct({ kind: Schema.Literal("a"), value: Schema.Number }),
      Schema.Struct({ kind: Schema.Literal("b"), value: Schema.String })
    ),
    '{"kind":"a","value":1}',
    '{"value":"x","kind":"b"}'
  ),
  sample("date", Schema.Date, '"2020-01-01T00:00:00.000Z"'),
  sample(
    "number from text",
    Schema.Struct({ n: Schema.NumberFromString, m: Schema.Array(Schema.NumberFromString) }),
    '{"n":"1","m":["2","3"]}',
    '{"m":[],"n":"4"}'
  ),
  sample(
    "recursive",
    Tree,
    '{"value":1,"children":[]}',
    '{"value":1,"children":[{"children":[],"value":2},{"value":3,"children":[{"value":4,"children":[],"x":0}]}]}'
  ),
  sample("numbers as names", Schema.Struct({ b: Schema.String, 1: Schema.Number }), '{"b":"x","1":2}'),
  sample("option", Schema.Struct({ o: Schema.OptionFromNullOr(Schema.Number) }), '{"o":null}', '{"o":1}')
]

/** Of these, parts or all are left to Schema. */
const others: ReadonlyArray<Sample> = [
  sample(
    "default value",
    Schema.Struct({ a: Schema.optionalWith(Schema.Number, { default: () => 7 }), b: Schema.String }),
    '{"b":"x"}',
    '{"a":1,"b":"x"}'
  ),
  sample(
    "renamed",
    Schema.Struct({ a: Schema.propertySignature(Schema.String).pipe(Schema.fromKey("x")) }),
    '{"x":"y"}'
  ),
  sample(
    "union of structs",
    Schema.Union(Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.Number })),
    '{"a":"x"}',
    '{"b":1}',
    '{"a":"x","b":1}'
  ),
  sample("union of transformations", Schema.Union(Schema.NumberFromString, Schema.String), '"1"', '"x"'),
  sample(
    "members out of order",
    Schema.Union(Schema.Struct({ a: Schema.String }), Schema.Struct({ kind: Schema.Literal("k"), a: Schema.String })),
    '{"a":"x"}',
    '{"kind":"k","a":"x"}',
    '{"kind":"j","a":"x"}'
  ),
  sample(
    "missing, but undefined is allowed",
    Schema.Struct({ a: Schema.UndefinedOr(Schema.String), b: Schema.Unknown }),
    "{}",
    '{"a":"x","b":null}'
  ),
  sample(
    "fallback",
    Schema.Struct({ a: Schema.Number.annotations({ decodingFallback: () => Either.right(0) }), b: Schema.String }),
    '{"a":1,"b":"x"}',
    '{"a":"bad","b":"x"}'
  ),
  sample(
    "fallback in a union",
    Schema.Union(Schema.Number.annotations({ decodingFallback: () => Either.right(0) }), Schema.String),
    '"x"',
    "1",
    "true"
  ),
  sample(
    "no excess",
    Schema.Struct({ a: Schema.Number }).annotations({ parseOptions: { onExcessProperty: "error" } }),
    '{"a":1}'
  ),
  sample(
    "excess kept",
    Schema.Struct({ a: Schema.Number }).annotations({ parseOptions: { onExcessProperty: "preserve" } }),
    '{"a":1}',
    '{"b":2,"a":1}'
  ),
  sample(
    "names by pattern",
    Schema.Record({ key: Schema.String.pipe(Schema.pattern(/^x/)), value: Schema.Number }),
    '{"x1":1}',
    '{"y":"other"}'
  ),
  sample(
    "fields and record",
    Schema.Struct({ a: Schema.String }, Schema.Record({ key: Schema.String, value: Schema.Unknown })),
    '{"a":"x","b":1}'
  ),
  sample("tuple with optional", Schema.Tuple(Schema.String, Schema.optionalElement(Schema.Number)), '["a"]', '["a",1]'),
  sample("array with end", Schema.Tuple([], Schema.Number, Schema.String), '["x"]', '[1,2,"x"]'),
  sample("empty struct", Schema.Struct({}), "{}", "1", '"x"', '{"a":1}'),
  sample("template", Schema.TemplateLiteral("a", Schema.Number), '"a1"')
]

/** As `JSON.parse` gives it: each call another object. */
const fresh = (json: string): unknown => JSON.parse(json) as unknown

/** `UNDECIDED` where Schema is to say what is wrong, which may be that it throws: at a discriminator with `toString: null`. */
const decodedOf = (ast: AST.AST, json: string): unknown => {
  try {
    return compileDecoder(ast)(fresh(json))
  } catch {
    return UNDECIDED
  }
}

/** Are they the same, with the order of fields, which `deepStrictEqual` does not look at? False if left to Schema. */
const agree = (ast: AST.AST, json: string): boolean => {
  const decoded = decodedOf(ast, json)
  if (decoded === UNDECIDED) return false
  const right = ParseResult.decodeUnknownEither(Schema.make<unknown, unknown>(ast))(fresh(json))
  if (Either.isLeft(right)) return assert.fail(`Schema refuses ${json}`)
  assert.deepStrictEqual(decoded, right.right)
  assert.strictEqual(JSON.stringify(decoded), JSON.stringify(right.right))
  return true
}

/** Nearly right: fields gone, added, in another order, of another type. */
const mutated = (value: unknown): FastCheck.Arbitrary<unknown> => {
  const anything: FastCheck.Arbitrary<unknown> = FastCheck.jsonValue({ maxDepth: 1 })
  if (Array.isArray(value)) {
    const list: ReadonlyArray<unknown> = value
    return FastCheck.tuple(FastCheck.nat(list.length), FastCheck.nat(1), anything).map(([at, removed, one]) =>
      list.toSpliced(at, removed, one)
    )
  }
  if (typeof value !== "object" || value === null) return anything
  const entries = Object.entries(value)
  const names = FastCheck.constantFrom(...entries.map(([name]) => name), "extra", "toString", "0")
  return FastCheck.oneof(
    names.map((name): unknown => Object.fromEntries(entries.filter(([other]) => other !== name))),
    FastCheck.tuple(names, anything).map(([name, one]): unknown => ({ ...value, [name]: one })),
    FastCheck.shuffledSubarray(entries, { minLength: entries.length }).map((all): unknown => Object.fromEntries(all)),
    names.chain((name) => {
      const found = entries.find(([other]) => other === name)
      return mutated(found?.[1]).map((one): unknown => ({ ...value, [name]: one }))
    })
  )
}

describe("schemas as plain functions", () => {
  for (const { ast, name, valid } of compiled) {
    it(`decides by itself: ${name}`, () => {
      for (const json of valid) assert.isTrue(agree(ast, json), json)
    })
  }

  for (const { ast, name, valid } of [...compiled, ...others]) {
    it(`as Schema, or not at all: ${name}`, () => {
      for (const json of valid) agree(ast, json)
      const nearlyValid = FastCheck.constantFrom(...valid)
        .chain((json) => mutated(fresh(json)))
        .map((value) => JSON.stringify(value))
      FastCheck.assert(
        FastCheck.property(FastCheck.oneof({ weight: 5, arbitrary: nearlyValid }, FastCheck.json()), (json) => {
          agree(ast, json)
        }),
        { numRuns: 300 }
      )
    })
  }

  it("leaves to Schema what Schema throws at", () => {
    const union = Schema.Union(
      Schema.Struct({ kind: Schema.Literal("a"), a: Schema.String }),
      Schema.Struct({ kind: Schema.Literal("b"), b: Schema.Number })
    )
    assert.isFalse(agree(union.ast, '{"kind":{"toString":null},"a":"x"}'))
  })

  it("a field that is named as the prototype is none", () => {
    const numbers = Schema.Record({ key: Schema.String, value: Schema.Number }).ast
    assert.isFalse(agree(numbers, '{"__proto__":1}'))
    assert.isTrue(agree(Schema.Struct({ a: Schema.Number }).ast, '{"__proto__":{"x":1},"a":1}'))
  })

  it("instances of a class are instances", () => {
    const point = compileDecoder(Point.ast)(fresh('{"x":1,"y":2}'))
    assert.instanceOf(point, Point)
    assert.strictEqual(point.sum, 3)
  })

  it("what is not valid is left to Schema", () => {
    for (const json of ["null", "{}", '{"a":1,"b":1,"c":true,"d":[]}', '{"a":"x","b":1.5,"c":true,"d":[]}', "[]"]) {
      assert.strictEqual(compileDecoder(Flat.ast)(fresh(json)), UNDECIDED, json)
    }
  })

  it("what needs an Effect is left to Schema", () => {
    const later = Schema.transformOrFail(Schema.String, Schema.String, {
      decode: (text) => Effect.delay(Effect.succeed(text), "1 second"),
      encode: ParseResult.succeed
    })
    assert.strictEqual(compileDecoder(Schema.Struct({ a: later }).ast)(fresh('{"a":"x"}')), UNDECIDED)
  })
})
