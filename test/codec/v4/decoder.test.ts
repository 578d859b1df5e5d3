/** What decodes at once answers what Schema answers, or nothing; what is called plain is left as it is by Schema. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Schema, SchemaParser, SchemaTransformation } from "effect"
import * as fc from "fast-check"
import { UNDECIDED } from "../../../src/internal/codec/schema/parsers.ts"
import { jsonParsersOf } from "../../../src/internal/codec/schema/v4/parsers.ts"

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
const Tree: Schema.Codec<Tree> = Schema.Struct({
  value: Schema.Number,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

const Flat = Schema.Struct({ a: Schema.String, b: Schema.Int, c: Schema.Boolean, d: Schema.Array(Schema.String) })
const flat = '{"a":"x","b":1,"c":true,"d":["p","q"]}'
const flatInAnotherOrder = '{"d":["y"],"more":0,"c":false,"b":2,"a":""}'

interface Sample {
  readonly name: string
  readonly schema: Schema.Codec<unknown, unknown>
  readonly valid: ReadonlyArray<string>
}

const sample = <A, I>(name: string, schema: Schema.Codec<A, I>, ...valid: ReadonlyArray<string>): Sample => ({
  name,
  schema: schema,
  valid
})

/** Their valid values are not left to Schema. */
const compiled: ReadonlyArray<Sample> = [
  sample("string", Schema.String, '"x"', '""', '"é"'),
  sample("number", Schema.Number, "1", "-0.5", "1e300"),
  sample("boolean", Schema.Boolean, "true", "false"),
  sample("unknown", Schema.Unknown, "null", '{"a":[1]}'),
  sample("null", Schema.Null, "null"),
  sample("literals", Schema.NullOr(Schema.Literals(["a", "b", 3])), '"a"', '"b"', "3", "null"),
  sample("positive", Schema.Int.check(Schema.isGreaterThan(0)), "1", "4000000000"),
  sample("trimmed text", Schema.Trimmed.check(Schema.isNonEmpty()), '"x"'),
  sample("brand", Schema.String.check(Schema.isMinLength(1)).pipe(Schema.brand("Name")), '"x"'),
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
  sample("tuple", Schema.Tuple([Schema.String, Schema.Number]), '["a",1]'),
  sample("record", Schema.Record(Schema.String, Schema.Number), "{}", '{"x":1,"y":2}', '{"2":1,"1":2,"a":3}'),
  sample(
    "record, copied within",
    Schema.Record(Schema.String, Flat),
    `{"x":${flat},"y":${flatInAnotherOrder},"z":${flat}}`
  ),
  sample("union of simple", Schema.Union([Schema.String, Schema.Number]), '"a"', "1"),
  sample("class", Point, '{"x":1,"y":2}', '{"y":1,"x":2,"z":3}'),
  sample("class within", Schema.Struct({ point: Point, n: Schema.Number }), '{"point":{"x":1,"y":2},"n":3}'),
  sample(
    "tagged classes",
    Schema.Union([Circle, Square]),
    '{"_tag":"Circle","radius":1}',
    '{"side":1,"_tag":"Square"}',
    '{"_tag":"Square","side":1,"at":{"x":1,"y":2}}'
  ),
  sample(
    "tagged structs",
    Schema.Union([
      Schema.Struct({ kind: Schema.Literal("a"), value: Schema.Number }),
      Schema.Struct({ kind: Schema.Literal("b"), value: Schema.String })
    ]),
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
    Schema.Struct({ a: Schema.Number.pipe(Schema.withDecodingDefault(Effect.succeed(7))), b: Schema.String }),
    '{"b":"x"}',
    '{"a":1,"b":"x"}'
  ),
  sample("renamed", Schema.Struct({ a: Schema.String }).pipe(Schema.encodeKeys({ a: "x" })), '{"x":"y"}'),
  sample(
    "union of structs",
    Schema.Union([Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.Number })]),
    '{"a":"x"}',
    '{"b":1}',
    '{"a":"x","b":1}'
  ),
  sample("union of transformations", Schema.Union([Schema.NumberFromString, Schema.String]), '"1"', '"x"'),
  sample(
    "members out of order",
    Schema.Union([Schema.Struct({ a: Schema.String }), Schema.Struct({ kind: Schema.Literal("k"), a: Schema.String })]),
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
    Schema.Struct({
      a: Schema.Number.pipe(Schema.catchDecoding(() => Effect.succeed(Option.some(0)))),
      b: Schema.String
    }),
    '{"a":1,"b":"x"}',
    '{"a":"bad","b":"x"}'
  ),
  sample(
    "fallback in a union",
    Schema.Union([Schema.Number.pipe(Schema.catchDecoding(() => Effect.succeed(Option.some(0)))), Schema.String]),
    '"x"',
    "1",
    "true"
  ),
  sample(
    "names by pattern",
    Schema.Record(Schema.String.check(Schema.isPattern(/^x/)), Schema.Number),
    '{"x1":1}',
    '{"y":"other"}'
  ),
  sample(
    "fields and record",
    Schema.StructWithRest(Schema.Struct({ a: Schema.String }), [Schema.Record(Schema.String, Schema.Unknown)]),
    '{"a":"x","b":1}'
  ),
  sample("tuple with optional", Schema.Tuple([Schema.String, Schema.optionalKey(Schema.Number)]), '["a"]', '["a",1]'),
  sample(
    "array with end",
    Schema.TupleWithRest(Schema.Tuple([]), [Schema.Number, Schema.String]),
    '["x"]',
    '[1,2,"x"]'
  ),
  sample("empty struct", Schema.Struct({}), "{}", "1", '"x"', '{"a":1}'),
  sample("template", Schema.TemplateLiteral(["a", Schema.Number]), '"a1"')
]

/** As `JSON.parse` gives it: each call another object. */
const fresh = (json: string): unknown => JSON.parse(json) as unknown

const parsersOf = (schema: Schema.Codec<unknown, unknown>) => {
  const { form, isPlain, parse, parseFast } = jsonParsersOf(schema)
  assert.isUndefined(form.problem)
  const isOfEffect = SchemaParser.decodeUnknownExit(Schema.toCodecJson(schema))
  return { isPlain, parse, parseFast, isOfEffect }
}

type Known = ReturnType<typeof parsersOf>

const known = new Map<Schema.Codec<unknown, unknown>, Known>()

const parsers = (schema: Schema.Codec<unknown, unknown>): Known => {
  const made = known.get(schema) ?? parsersOf(schema)
  known.set(schema, made)
  return made
}

/** Effect's own JSON codec has null for undefined, and texts for numbers that are not finite: it may take more. */
const takesMore = (json: string): boolean => /null|NaN|Infinity/.test(json)

const assertSame = (one: unknown, other: unknown): void => {
  assert.deepStrictEqual(one, other)
  // with the order of fields, which `deepStrictEqual` does not look at
  assert.strictEqual(JSON.stringify(one), JSON.stringify(other))
}

/** Do all ways to decode give the same? False if it is refused. */
const agree = (schema: Schema.Codec<unknown, unknown>, json: string): boolean => {
  const { isOfEffect, isPlain, parse, parseFast } = parsers(schema)
  const exit = Effect.runSyncExit(parse(fresh(json)))
  const fast = parseFast(fresh(json))
  if (fast === UNDECIDED) assert.isTrue(Exit.isFailure(exit), `nothing at once for ${json}`)
  else assertSame(fast, Exit.isSuccess(exit) ? exit.value : assert.fail(`Schema refuses ${json}`))
  const theirs = isOfEffect(fresh(json))
  if (Exit.isSuccess(exit) && Exit.isSuccess(theirs)) assertSame(exit.value, theirs.value)
  else if (Exit.isSuccess(exit) || (Exit.isSuccess(theirs) && !takesMore(json)))
    lenient.push([Exit.isSuccess(exit), json])
  const value = fresh(json)
  if (isPlain?.(value) === true)
    assertSame(value, Exit.isSuccess(exit) ? exit.value : assert.fail(`${json} is not plain`))
  return Exit.isSuccess(exit)
}

/** Where only one of the two JSON codecs takes a text, and whether it is ours. */
const lenient: Array<readonly [ours: boolean, json: string]> = []

/** Nearly right: fields gone, added, in another order, of another type. */
const mutated = (value: unknown): fc.Arbitrary<unknown> => {
  const anything: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 1 })
  if (Array.isArray(value)) {
    const list: ReadonlyArray<unknown> = value
    return fc
      .tuple(fc.nat(list.length), fc.nat(1), anything)
      .map(([at, removed, one]) => list.toSpliced(at, removed, one))
  }
  if (typeof value !== "object" || value === null) return anything
  const entries = Object.entries(value)
  const names = fc.constantFrom(...entries.map(([name]) => name), "extra", "toString", "0")
  return fc.oneof(
    names.map((name): unknown => Object.fromEntries(entries.filter(([other]) => other !== name))),
    fc.tuple(names, anything).map(([name, one]): unknown => ({ ...value, [name]: one })),
    fc.shuffledSubarray(entries, { minLength: entries.length }).map((all): unknown => Object.fromEntries(all)),
    names.chain((name) => {
      const found = entries.find(([other]) => other === name)
      return mutated(found?.[1]).map((one): unknown => ({ ...value, [name]: one }))
    })
  )
}

describe("what decodes at once", () => {
  for (const { name, schema, valid } of compiled) {
    it(`answers: ${name}`, () => {
      for (const json of valid) assert.isTrue(agree(schema, json), json)
    })
  }

  for (const { name, schema, valid } of [...compiled, ...others]) {
    it(`as Schema, or not at all: ${name}`, () => {
      lenient.length = 0
      for (const json of valid) agree(schema, json)
      const nearlyValid = fc
        .constantFrom(...valid)
        .chain((json) => mutated(fresh(json)))
        .map((value) => JSON.stringify(value))
      fc.assert(
        fc.property(fc.oneof({ weight: 5, arbitrary: nearlyValid }, fc.json()), (json) => {
          agree(schema, json)
        }),
        { numRuns: 300 }
      )
      // where undefined may be, only ours takes what is missing: Effect's has null there
      assert.deepStrictEqual(
        lenient.filter(([ours]) => !(ours && name.includes("undefined"))),
        []
      )
    })
  }

  it("is plain where nothing changes, and only there", () => {
    const { isPlain } = parsers(Flat)
    assert.isTrue(isPlain?.(fresh(flat)))
    for (const json of [flatInAnotherOrder, "null", "{}", "[]", `{"a":"x","b":1.5,"c":true,"d":[]}`]) {
      assert.isFalse(isPlain?.(fresh(json)), json)
    }
    for (const schema of [Point, Schema.Date, Schema.Struct({ n: Schema.NumberFromString }), Schema.BigInt]) {
      assert.isUndefined(parsers(schema).isPlain)
    }
  })

  it("a field that is named as the prototype is none", () => {
    const named = parsers(Schema.Struct({ a: Schema.Number }))
    assert.deepStrictEqual(named.parseFast(fresh('{"__proto__":{"x":1},"a":1}')), { a: 1 })
    assert.isFalse(named.isPlain?.(fresh('{"__proto__":{"x":1},"a":1}')))
  })

  it("instances of a class are instances", () => {
    const point = parsers(Point).parseFast(fresh('{"x":1,"y":2}'))
    assert.instanceOf(point, Point)
    assert.strictEqual(point.sum, 3)
  })

  it("what is not valid is left to Schema", () => {
    for (const json of ["null", "{}", '{"a":1,"b":1,"c":true,"d":[]}', '{"a":"x","b":1.5,"c":true,"d":[]}', "[]"]) {
      assert.strictEqual(
        parsers(Flat as unknown as Schema.Codec<unknown, unknown>).parseFast(fresh(json)),
        UNDECIDED,
        json
      )
    }
  })

  it("what needs an Effect is left to Schema", () => {
    const later = Schema.String.pipe(
      Schema.decodeTo(
        Schema.String,
        SchemaTransformation.transformEffect({
          decode: (text: string) => Effect.delay(Effect.succeed(text), "1 second"),
          encode: (text: string) => Effect.succeed(text)
        })
      )
    )
    const { parseFast } = jsonParsersOf(Schema.Struct({ a: later }))
    assert.strictEqual(parseFast(fresh('{"a":"x"}')), UNDECIDED)
  })
})
