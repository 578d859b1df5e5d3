/** A yes of the scanner means that `JSON.parse` gives a value which the schema leaves as it is. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, FastCheck, Schema, type SchemaAST as AST } from "effect"
import { isUtf8 } from "node:buffer"
import { compileScanner } from "../../../src/internal/codec/schema/jsonScanner.ts"
import { shapeOf } from "../../../src/internal/codec/schema/v3/shape.ts"
import { compileDecoder } from "../../../src/internal/codec/schema/v3/decoder.ts"

const Service = Schema.Struct({
  id: Schema.String,
  port: Schema.Int.pipe(Schema.between(0, 65_535)),
  weight: Schema.Number,
  healthy: Schema.Boolean,
  tags: Schema.Array(Schema.String),
  note: Schema.optional(Schema.String),
  zone: Schema.NullOr(Schema.Literal("a", "b", 3)),
  at: Schema.Struct({ x: Schema.NonNegative, y: Schema.optional(Schema.Number) })
})

interface Case {
  readonly name: string
  readonly ast: AST.AST
  readonly texts: FastCheck.Arbitrary<string>
}

const one = <A, I>(name: string, schema: Schema.Schema<A, I>): Case => ({
  name,
  ast: schema.ast,
  texts: Arbitrary.make(schema).map((value) => JSON.stringify(value))
})

const scanned: ReadonlyArray<Case> = [
  one("a service", Service),
  one("an array of them", Schema.Array(Service)),
  one("optional ones alone", Schema.Struct({ a: Schema.optional(Schema.Int), b: Schema.optional(Schema.Boolean) })),
  one("a pair", Schema.Tuple(Schema.String, Schema.Number)),
  one("a pair and more", Schema.Tuple([Schema.Boolean, Schema.Null], Schema.Number)),
  one("one or more", Schema.NonEmptyArray(Schema.Int)),
  one("an object or null", Schema.Struct({ a: Schema.NullOr(Schema.Struct({ b: Schema.Int })) })),
  one("numbers that begin alike", Schema.Struct({ a: Schema.Literal(1, 12, 123), b: Schema.Literal("x", "xy") })),
  one("a brand", Schema.Struct({ a: Schema.NonEmptyTrimmedString.pipe(Schema.brand("A")) }))
]

const scannerOf = (ast: AST.AST) => {
  const shape = shapeOf(ast)
  return shape === undefined ? undefined : compileScanner(shape)
}

const decoders = new Map(scanned.map(({ ast }) => [ast, compileDecoder(ast)]))

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
  return decoders.get(ast)!(parsed) === parsed
}

const isPlain = (text: string): boolean => /^[ -~]*$/.test(text) && !text.includes("\\")

/** Characters that a scanner looks at. */
const piece = FastCheck.constantFrom(
  ...'{}[]:,"\\ 0123456789-+.eEtfn\u0000\u001f\n\t\u007fé'.split(""),
  "true",
  "null",
  "1e999",
  "\ud800"
)

const change = FastCheck.record({
  at: FastCheck.nat(300),
  deleted: FastCheck.nat(3),
  inserted: FastCheck.array(piece, { maxLength: 3 })
})

const changed = (
  text: string,
  changes: ReadonlyArray<typeof change extends FastCheck.Arbitrary<infer A> ? A : never>
) =>
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
    FastCheck.assert(
      FastCheck.property(texts, (text) => {
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
    FastCheck.assert(
      FastCheck.property(texts, FastCheck.nat(3), (text, spaces) => {
        const spread = JSON.stringify(JSON.parse(text), null, spaces).replaceAll("\n", " ")
        if (!isPlain(text)) return
        assert.strictEqual(scan(ast, Buffer.from(` ${spread} `)), isLeftAsItIs(ast, Buffer.from(text)), spread)
      }),
      { numRuns: 200 }
    )
  })

  it("says yes to nothing else", () => {
    FastCheck.assert(
      FastCheck.property(texts, FastCheck.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
        const bytes = Buffer.from(changed(text, changes))
        if (scan(ast, bytes)) assert.isTrue(isLeftAsItIs(ast, bytes), bytes.toString())
      }),
      { numRuns: 3000 }
    )
  })

  it("says no to every part of a text", () => {
    FastCheck.assert(
      FastCheck.property(texts, (text) => {
        const bytes = Buffer.from(text)
        for (let end = 0; end < bytes.length; end++) assert.isFalse(scan(ast, bytes.subarray(0, end)), text)
      }),
      { numRuns: 50 }
    )
  })
})

describe("no scanner is made", () => {
  const User = Schema.Union(Schema.Struct({ a: Schema.Int }), Schema.Struct({ a: Schema.Int, b: Schema.Int }))
  const cases: ReadonlyArray<readonly [name: string, schema: { readonly ast: AST.AST }]> = [
    ["for what is no object", Schema.String],
    ["for anything", Schema.Struct({ a: Schema.Unknown })],
    ["for a record", Schema.Record({ key: Schema.String, value: Schema.Int })],
    ["for two objects, of which one has more fields", Schema.Struct({ a: User })],
    ["for names that are indices", Schema.Struct({ 1: Schema.Int })],
    ["for names with escapes", Schema.Struct({ 'a"b': Schema.Int })],
    ["for __proto__", Schema.Struct({ ["__proto__"]: Schema.Int })],
    ["for a class", class A extends Schema.Class<A>("A")({ a: Schema.Int }) {}],
    ["for a filter of an object", Schema.Struct({ a: Schema.Int }).pipe(Schema.filter(() => true))],
    [
      "with options of its own",
      Schema.Struct({ a: Schema.Int }).annotations({ parseOptions: { onExcessProperty: "error" } })
    ]
  ]
  it.each(cases)("%s", (_, { ast }) => {
    assert.isUndefined(scannerOf(ast))
  })
})

it("a filter that throws is no yes", () => {
  const schema = Schema.Struct({
    a: Schema.Int.pipe(
      Schema.filter(() => {
        throw new Error("oh")
      })
    )
  })
  assert.isFalse(scan(schema.ast, Buffer.from('{"a":1}')))
})
