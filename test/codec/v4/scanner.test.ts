/** A yes of the scanner means that `JSON.parse` gives a value which the schema leaves as it is. */
import { assert, describe, it } from "@effect/vitest"
import { Exit, Schema, type SchemaAST as AST, SchemaParser } from "effect"
import * as fc from "fast-check"
import { isUtf8 } from "node:buffer"
import { isDeepStrictEqual } from "node:util"
import { compileScanner } from "../../../src/internal/codec/schema/jsonScanner.ts"
import { shapeOf } from "../../../src/internal/codec/schema/v4/shape.ts"

const Service = Schema.Struct({
  id: Schema.String,
  port: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })),
  weight: Schema.Number,
  healthy: Schema.Boolean,
  tags: Schema.Array(Schema.String),
  note: Schema.optional(Schema.String),
  zone: Schema.NullOr(Schema.Literals(["a", "b", 3])),
  at: Schema.Struct({ x: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)), y: Schema.optional(Schema.Number) })
})

interface Case {
  readonly name: string
  readonly ast: AST.AST
  readonly texts: fc.Arbitrary<string>
}

const one = <A, I>(name: string, schema: Schema.Codec<A, I>, values: fc.Arbitrary<A>): Case => ({
  name,
  ast: schema.ast,
  texts: values.map((value) => JSON.stringify(value))
})

const text = fc.string()
const number = fc.double({ noNaN: true, noDefaultInfinity: true })

const service: fc.Arbitrary<typeof Service.Type> = fc.record(
  {
    id: text,
    port: fc.nat(65_535),
    weight: number,
    healthy: fc.boolean(),
    tags: fc.array(text, { maxLength: 4 }),
    note: text,
    zone: fc.constantFrom("a" as const, "b" as const, 3 as const, null),
    at: fc.record(
      { x: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), y: number },
      { requiredKeys: ["x"] }
    )
  },
  { requiredKeys: ["id", "port", "weight", "healthy", "tags", "zone", "at"] }
)

const scanned: ReadonlyArray<Case> = [
  one("a service", Service, service),
  one("an array of them", Schema.Array(Service), fc.array(service, { maxLength: 4 })),
  one(
    "optional ones alone",
    Schema.Struct({ a: Schema.optional(Schema.Int), b: Schema.optionalKey(Schema.Boolean) }),
    fc.record({ a: fc.integer(), b: fc.boolean() }, { requiredKeys: [] })
  ),
  one("a pair", Schema.Tuple([Schema.String, Schema.Number]), fc.tuple(text, number)),
  one(
    "a pair and more",
    Schema.TupleWithRest(Schema.Tuple([Schema.Boolean, Schema.Null]), [Schema.Number]),
    fc.tuple(fc.boolean(), fc.array(number)).map(([a, more]) => [a, null, ...more] as const)
  ),
  one(
    "one or more",
    Schema.NonEmptyArray(Schema.Int),
    fc.array(fc.integer(), { minLength: 1 }) as unknown as fc.Arbitrary<readonly [number, ...Array<number>]>
  ),
  one(
    "an object or null",
    Schema.Struct({ a: Schema.NullOr(Schema.Struct({ b: Schema.Int })) }),
    fc.record({ a: fc.option(fc.record({ b: fc.integer() })) })
  ),
  one(
    "numbers that begin alike",
    Schema.Struct({ a: Schema.Literals([1, 12, 123]), b: Schema.Literals(["x", "xy"]) }),
    fc.record({
      a: fc.constantFrom(1 as const, 12 as const, 123 as const),
      b: fc.constantFrom("x" as const, "xy" as const)
    })
  ),
  one(
    "a brand",
    Schema.Struct({ a: Schema.Trimmed.check(Schema.isNonEmpty()).pipe(Schema.brand("A")) }),
    fc.record({ a: text.map((each) => `a${each.trim()}`.trim()) }) as never
  )
]

const scannerOf = (ast: AST.AST) => {
  const shape = shapeOf(ast)
  return shape === undefined ? undefined : compileScanner(shape)
}

const decoders = new Map(
  scanned.map(({ ast }) => [ast, SchemaParser.decodeUnknownExit(Schema.make<Schema.Codec<unknown>>(ast))])
)

const scan = (ast: AST.AST, bytes: Uint8Array): boolean => {
  const isSame = scannerOf(ast)
  assert(isSame !== undefined)
  // what is around it must not count
  return ['"', "}", "]", "0", " "].every((around) => {
    const all = Buffer.concat([Buffer.from(around), bytes, Buffer.from(around)])
    return isSame(all, 1, 1 + bytes.length)
  })
}

const isLeftAsItIs = (ast: AST.AST, bytes: Buffer): boolean => {
  if (!isUtf8(bytes)) return false
  let parsed: unknown
  try {
    parsed = JSON.parse(bytes.toString("utf8"))
  } catch {
    return false
  }
  // Schema makes everything anew: what it leaves as it is has the same fields in the same order
  const exit = decoders.get(ast)!(parsed)
  return (
    Exit.isSuccess(exit) &&
    isDeepStrictEqual(exit.value, parsed) &&
    JSON.stringify(exit.value) === JSON.stringify(parsed)
  )
}

const isPlain = (text: string): boolean => /^[ -~]*$/.test(text) && !text.includes("\\")

/** Characters that a scanner looks at. */
const piece = fc.constantFrom(
  ...'{}[]:,"\\ 0123456789-+.eEtfn\u0000\u001f\n\t\u007fé'.split(""),
  "true",
  "null",
  "1e999",
  "\ud800"
)

const change = fc.record({
  at: fc.nat(300),
  deleted: fc.nat(3),
  inserted: fc.array(piece, { maxLength: 3 })
})

const changed = (text: string, changes: ReadonlyArray<typeof change extends fc.Arbitrary<infer A> ? A : never>) =>
  changes.reduce(
    (before, { at, deleted, inserted }) =>
      before.slice(0, at % (before.length + 1)) +
      inserted.join("") +
      before.slice((at % (before.length + 1)) + deleted),
    text
  )

describe.each(scanned)("the scanner of $name", ({ ast, texts }) => {
  it("knows what an encoder writes, if it is plain", () => {
    let plain = 0
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.from(text)
        if (!isPlain(text)) return
        plain++
        assert.strictEqual(scan(ast, bytes), isLeftAsItIs(ast, bytes), text)
      }),
      { numRuns: 500 }
    )
    assert.isAbove(plain, 50)
  })

  it("and with spaces between", () => {
    fc.assert(
      fc.property(texts, fc.nat(3), (text, spaces) => {
        const spread = JSON.stringify(JSON.parse(text), null, spaces).replaceAll("\n", " ")
        if (!isPlain(text)) return
        assert.strictEqual(scan(ast, Buffer.from(` ${spread} `)), isLeftAsItIs(ast, Buffer.from(text)), spread)
      }),
      { numRuns: 200 }
    )
  })

  it("says yes to nothing else", () => {
    fc.assert(
      fc.property(texts, fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
        const bytes = Buffer.from(changed(text, changes))
        if (scan(ast, bytes)) assert.isTrue(isLeftAsItIs(ast, bytes), bytes.toString())
      }),
      { numRuns: 3000 }
    )
  })

  it("says no to every part of a text", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = Buffer.from(text)
        for (let end = 0; end < bytes.length; end++) assert.isFalse(scan(ast, bytes.subarray(0, end)), text)
      }),
      { numRuns: 50 }
    )
  })
})

describe("no scanner is made", () => {
  const User = Schema.Union([Schema.Struct({ a: Schema.Int }), Schema.Struct({ a: Schema.Int, b: Schema.Int })])
  const cases: ReadonlyArray<readonly [name: string, schema: { readonly ast: AST.AST }]> = [
    ["for what is no object", Schema.String],
    ["for anything", Schema.Struct({ a: Schema.Unknown })],
    ["for a record", Schema.Record(Schema.String, Schema.Int)],
    ["for two objects, of which one has more fields", Schema.Struct({ a: User })],
    ["for names that are indices", Schema.Struct({ 1: Schema.Int })],
    ["for names with escapes", Schema.Struct({ 'a"b': Schema.Int })],
    ["for __proto__", Schema.Struct({ ["__proto__"]: Schema.Int })],
    ["for a class", class A extends Schema.Class<A>("A")({ a: Schema.Int }) {}],
    ["for a filter of an object", Schema.Struct({ a: Schema.Int }).check(Schema.makeFilter(() => true))],
    ["for a struct of other names", Schema.Struct({ a: Schema.Int }).pipe(Schema.encodeKeys({ a: "b" }))],
    ["for bigints", Schema.Struct({ a: Schema.BigInt })],
    ["for exactly one of several", Schema.Struct({ a: Schema.Union([Schema.Int, Schema.Null], { mode: "oneOf" }) })]
  ]
  it.each(cases)("%s", (_, { ast }) => {
    assert.isUndefined(scannerOf(ast))
  })
})

it("a filter that throws is no yes", () => {
  const schema = Schema.Struct({
    a: Schema.Int.check(
      Schema.makeFilter(() => {
        throw new Error("oh")
      })
    )
  })
  assert.isFalse(scan(schema.ast, Buffer.from('{"a":1}')))
})
