/** What is told of a record that does not decode: where it is wrong, and how; nothing that it holds. */
import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, type Option, Redacted, Schema, SchemaIssue, SchemaTransformation } from "effect"
import * as Codec from "effect-ktables/Codec"
import { inspect } from "node:util"
import { explain, kindOfPoison, errorOf } from "../../../src/internal/codec/schema/issue.ts"

const bytes = (text: string): Uint8Array => Buffer.from(text)

const failure = (schema: Schema.Top, value: unknown): Schema.SchemaError =>
  Effect.runSync(Effect.flip(Codec.json(schema as Schema.Codec<unknown, unknown>).decode(bytes(JSON.stringify(value)))))

const Service = Schema.Struct({ host: Schema.String, port: Schema.Int })

class User extends Schema.Class<User>("User")({
  name: Schema.String,
  token: Schema.Redacted(Schema.String.check(Schema.isMinLength(12)))
}) {}

interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.NonEmptyString,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

interface Secrets {
  readonly token: Redacted.Redacted
  readonly next: Option.Option<Secrets>
}
interface EncodedSecrets {
  readonly token: string
  readonly next: EncodedSecrets | null
}
const Secrets: Schema.Codec<Secrets, EncodedSecrets> = Schema.Struct({
  token: Schema.RedactedFromValue(Schema.String),
  next: Schema.OptionFromNullOr(Schema.suspend((): Schema.Codec<Secrets, EncodedSecrets> => Secrets))
})

describe("the place of a fault", () => {
  const cases: ReadonlyArray<readonly [string, Schema.Top, unknown, string]> = [
    ["a field", Service, { host: "h", port: "x" }, "port: Expected a number, actual a string"],
    ["a field of a class", User, { name: 1, token: "x" }, "name: Expected a string, actual a number"],
    ["a missing field", Service, { host: "h" }, "port: is missing"],
    ["the whole", Schema.Int, 1.5, "Expected an integer, actual a number"],
    [
      "an index",
      Schema.Struct({ a: Schema.Array(Service) }),
      { a: [{ host: "h", port: 1 }, { port: 1 }] },
      "a[1].host: is missing"
    ],
    [
      "a pair",
      Schema.Tuple([Schema.String, Service]),
      ["x", { host: null, port: 1 }],
      "[1].host: Expected a string, actual null"
    ],
    [
      "keys of a record are content",
      Schema.Struct({ users: Schema.Record(Schema.String, Service) }),
      { users: { "ann@example.com": { host: "h", port: [] } } },
      "users[*].port: Expected a number, actual an array"
    ],
    [
      "names that a check does not let be are content",
      Schema.Record(Schema.String, Schema.Int).check(Schema.isPropertyNames(Schema.Literals(["host"]))),
      { host: 1, hunter2: 1 },
      '[*]: Expected "host"'
    ],
    [
      "in itself",
      Tree,
      { name: "a", children: [{ name: "b", children: [{ name: "", children: [] }] }] },
      "children[0].children[0].name: Expected a value with a length of at least 1, actual a string"
    ],
    [
      "a member of a union",
      Schema.Struct({ n: Schema.Union([Schema.Int, Schema.Boolean]) }),
      { n: "x" },
      // of the members that may be told apart by a look at the value, Effect 4 tries none
      "n: Expected a number | a boolean, actual a string"
    ],
    [
      "a transformation",
      Schema.Struct({ n: Schema.BigIntFromString }),
      { n: "hunter2" },
      "n: Expected a string representing a bigint, actual a string"
    ],
    [
      // Effect 4 makes NaN of any text, and refuses that
      "what was made of a text",
      Schema.Struct({ n: Schema.FiniteFromString }),
      { n: "hunter2" },
      "n: Expected a finite number, actual a number"
    ],
    [
      "a filter's own path, as far as the schema has it",
      Schema.Struct({ a: Schema.String, b: Schema.String }).check(
        Schema.makeFilter((it) => [
          { path: ["b"], issue: `not ${it.b}` },
          { path: [it.a], issue: `not ${it.a}` }
        ])
      ),
      { a: "hunter2", b: "hunter2" },
      "b: does not pass a check; [*]: does not pass a check"
    ]
  ]
  for (const [name, schema, value, message] of cases) {
    it(name, () => {
      assert.strictEqual(failure(schema, value).message, message)
    })
  }

  // No annotation of Effect 4's asks for all faults: a check may find many.
  it("of many faults, the first ones", () => {
    const names = ["a", "b", "c", "d", "e"]
    const Many = Schema.Struct(Object.fromEntries(names.map((name) => [name, Schema.Unknown]))).check(
      Schema.makeFilter(() => names.map((name) => ({ path: [name], issue: new SchemaIssue.MissingKey(undefined) })))
    )
    assert.strictEqual(
      failure(Many, Object.fromEntries(names.map((name) => [name, 1]))).message,
      "a: is missing; b: is missing; c: is missing; and 2 more"
    )
  })

  it("a name of the schema with control characters is one line", () => {
    const Odd = Schema.Struct({ "a\n\u001b[2J\u2028\u202e": Schema.Int })
    assert.strictEqual(failure(Odd, {}).message, "a\\n\\u001b[2J\\u2028\\u202e: is missing")
  })
})

describe("the kind of a failure to decode", () => {
  const kind = (schema: Schema.Top, value: unknown) => kindOfPoison("Value", failure(schema, value))

  it("is the same for records that are wrong in the same way", () => {
    const List = Schema.Struct({ all: Schema.Record(Schema.String, Schema.Array(Service)) })
    const first = kind(List, { all: { ann: [{ host: "a", port: "hunter2" }] } })
    assert.strictEqual(first, "Value: all[*][*].port: Expected a number, actual a string")
    assert.strictEqual(
      kind(List, {
        all: {
          bob: [
            { host: "b", port: 1 },
            { host: "c", port: "x" }
          ]
        }
      }),
      first
    )
  })

  it("is another one for another part, place, or fault", () => {
    const kinds = [
      kind(Service, { host: "h", port: "x" }),
      kind(Service, { host: "h", port: 1.5 }),
      kind(Service, { host: "h" }),
      kind(Service, { port: 1 }),
      kindOfPoison("Key", failure(Service, { port: 1 }))
    ]
    assert.strictEqual(new Set(kinds).size, kinds.length)
  })

  it("counts no bytes", () => {
    const of = (size: number) =>
      kindOfPoison("Key", Effect.runSync(Effect.flip(Codec.int32.decode(new Uint8Array(size)))))
    assert.strictEqual(of(3), "Key: Expected 4 bytes (int32)")
    assert.strictEqual(of(1_000), of(3))
  })

  it("of what somebody else threw, its name and code", () => {
    class Refused extends Data.TaggedError("Refused")<{ readonly words: string }> {}
    const coded = Object.assign(new TypeError("hunter2"), { code: "ERR_INVALID_URL" })
    assert.strictEqual(
      kindOfPoison("Value", new Refused({ words: "hunter2" })),
      "Value: a function of the codec threw Refused"
    )
    assert.strictEqual(kindOfPoison("Value", coded), "Value: a function of the codec threw TypeError (ERR_INVALID_URL)")
    assert.strictEqual(
      kindOfPoison("Value", new Error("hunter2", { cause: coded })),
      "Value: a function of the codec threw Error, caused by: TypeError (ERR_INVALID_URL)"
    )
    for (const [thrown, name] of [
      ["hunter2", "a string"],
      [undefined, "undefined"],
      [null, "null"],
      [12n, "a bigint"],
      [Object.freeze({ code: "hunter2", name: "hunter2" }), "an object"],
      [{ code: 1234, _tag: "a b" }, "an object"]
    ] as ReadonlyArray<readonly [unknown, string]>) {
      assert.strictEqual(kindOfPoison("Value", thrown), `Value: a function of the codec threw ${name}`)
    }
  })
})

describe("what nobody can look at", () => {
  it("is named all the same", () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const getter = {
      get message(): string {
        throw new Error("no message of me")
      },
      get name(): string {
        throw new Error("no name of me")
      },
      get _tag(): string {
        throw new Error("no tag of me")
      }
    }
    for (const thrown of [proxy, getter]) {
      assert.strictEqual(errorOf(thrown).message, "a function of the codec threw an object")
      assert.notInclude(explain(errorOf(thrown)), "\n")
    }
  })
})

describe("an explanation", () => {
  it("quotes the value that is at fault, on one line", () => {
    const error = failure(Schema.Struct({ n: Schema.BigIntFromString }), { n: "a\n\u001bb" })
    assert.strictEqual(explain(error), `n: Expected a string representing a bigint, got "a\\n\\u001bb"`)
  })

  it("quotes nothing that the schema calls secret, nor what it may stand in", () => {
    const secrets: ReadonlyArray<readonly [Schema.Top, unknown]> = [
      [User, { name: "ann", token: "hunter2" }],
      [User, [{ name: "ann", token: "hunter2" }]],
      [Schema.NullOr(User), { name: "ann", token: "hunter2" }],
      [Schema.Redacted(Schema.Struct({ a: Schema.Int })), { a: "hunter2" }],
      [Schema.Struct({ o: Schema.OptionFromNullOr(Schema.Redacted(Schema.Int)) }), { o: "hunter2" }],
      [Schema.Record(Schema.String, Schema.Redacted(Schema.Int)), { a: "hunter2" }],
      [
        Schema.Struct({ s: Schema.Redacted(Schema.String) }).check(Schema.makeFilter(() => "hunter2")),
        { s: "hunter2" }
      ],
      [Schema.Struct({ s: Schema.RedactedFromValue(Schema.Int) }), { s: "hunter2" }],
      [Schema.ReadonlyMap(Schema.String, Schema.Redacted(Schema.Int)), [["a", "hunter2"]]],
      [
        Schema.Union([Schema.Struct({ s: Schema.Redacted(Schema.Int) }), Schema.Struct({ n: Schema.Int })]),
        { s: "hunter2" }
      ],
      [Schema.Redacted(Schema.Int.check(Schema.makeFilter((n) => `not ${n} hunter2`))), 5],
      // a function that saw the secret speaks of another part
      [
        User.pipe(
          Schema.decodeTo(
            Schema.Int,
            SchemaTransformation.transformEffect<number, User>({
              decode: (user, options) =>
                Effect.fail(
                  new SchemaIssue.Pointer(
                    ["name"],
                    new SchemaIssue.InvalidValue({ message: `of ${Redacted.value(user.token)}` }, user, options)
                  )
                ),
              encode: () => Effect.fail(new SchemaIssue.InvalidValue())
            })
          )
        ),
        { name: "ann", token: "hunter2 is long enough" }
      ],
      [Secrets, { token: "hunter2", next: { token: ["hunter2"], next: null } }],
      [Schema.Struct({ text: Schema.fromJsonString(User) }), { text: '{"name":"ann","token":"hunter2"}' }]
    ]
    for (const [schema, value] of secrets) {
      const error = failure(schema, value)
      for (const printed of [
        explain(error),
        error.message,
        String(error),
        JSON.stringify(error),
        JSON.stringify(error.issue),
        inspect(error, { depth: 20 }),
        inspect(error.issue, { depth: 20, showHidden: true }),
        SchemaIssue.makeFormatterDefault()(error.issue)
      ]) {
        assert.notInclude(printed, "hunter2")
      }
    }
    // its neighbour is no secret
    assert.strictEqual(explain(failure(User, { name: 7, token: "hunter2" })), "name: Expected string, got 7")
  })

  it("has a path of no more than its first and its last steps", () => {
    const Deep: Schema.Codec<unknown> = Schema.suspend(() => Schema.Array(Deep))
    const told = (depth: number) => {
      const text = "[".repeat(depth) + "1" + "]".repeat(depth)
      const error = Effect.runSync(Effect.flip(Codec.json(Deep).decode(bytes(text))))
      // With a stack that is too small for it, it is another fault, and has no path.
      assert.include(error.message, "Expected")
      return error.message
    }
    assert.isTrue(told(64).startsWith(`${"[0]".repeat(64)}: `), told(64))
    assert.isTrue(told(500).startsWith(`${"[0]".repeat(32)}…${"[0]".repeat(32)}: `), told(500))
  })

  it("has an end, and a length", () => {
    const Deep: Schema.Codec<unknown> = Schema.suspend(() => Schema.Array(Deep))
    const text = "[".repeat(5_000) + "1" + "]".repeat(5_000)
    const error = Effect.runSync(Effect.flip(Codec.json(Deep).decode(bytes(text))))
    assert.isBelow(error.message.length, 6_000)
    assert.isBelow(explain(error).length, 6_000)
    assert.isBelow(failure(Schema.Int, "x".repeat(100_000)).message.length, 100)
    assert.isBelow(explain(failure(Schema.Int, "x".repeat(100_000))).length, 6_000)
  })

  it.effect("nor what a codec's own function throws of a secret, though it is asked for", () =>
    Effect.gen(function* () {
      const codec = Codec.imap(
        Codec.string(Schema.RedactedFromValue(Schema.String)),
        (secret): string => {
          throw new Error(`no ${Redacted.value(secret)}`)
        },
        (text) => {
          throw new Error(`no ${text}`)
        }
      )
      for (const attempt of [codec.decode(Buffer.from("hunter2")), codec.encode("hunter2")]) {
        assert.notInclude(
          Codec.explain(yield* Effect.flip(attempt as Effect.Effect<unknown, Schema.SchemaError>)),
          "hunter2"
        )
      }
    })
  )
})
