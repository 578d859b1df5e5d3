/** What a broker says while somebody authenticates is not obeyed beyond measure, and quoted without the credentials. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Inspectable, Option, Redacted } from "effect"
import * as Fiber from "effect/Fiber"
import Crypto from "node:crypto"
import { inspect } from "node:util"
import { vi } from "vitest"
import { interruptAtOnce } from "../support/effect/v4/fibers.ts"
import { printed } from "../support/effect/v4/causes.ts"
import { loggingTo, ofAllLevels } from "../support/effect/v4/logs.ts"
import { KafkaClient, type KafkaError } from "../../src/index.ts"
import * as FakeBroker from "../support/FakeBroker.ts"
import { eventually } from "../support/live.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"

const { Key } = FakeBroker

const USER = "alice"
const PASSWORD = 's3cret-"of/álice+'

type Mechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"
const SCRAMS = ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const

const withPassword = (mechanism: Mechanism): KafkaClient.SaslOptions => ({
  mechanism,
  username: USER,
  password: Redacted.make(PASSWORD)
})

const clientOf = (
  broker: FakeBroker.FakeBroker,
  sasl: KafkaClient.SaslOptions,
  connectTimeout = "1 minute" as Duration.Input
) => KafkaClient.make({ brokers: [`127.0.0.1:${broker.port}`], connectTimeout, requestTimeout: "1 minute", sasl })

const connect = (broker: FakeBroker.FakeBroker, sasl: KafkaClient.SaslOptions, connectTimeout?: Duration.Input) =>
  Effect.flatMap(clientOf(broker, sasl, connectTimeout), (client) =>
    client.connect({ nodeId: 0, host: "127.0.0.1", port: broker.port })
  )

const nonceOf = (asked: FakeBroker.Asked): string => /r=(.*)$/.exec(FakeBroker.messageOf(asked).toString())![1]

/** A broker whose first message of SCRAM is this, with the client's nonce in place of `NONCE`. */
const scramBroker = (first: string, final?: string) =>
  FakeBroker.make({
    [Key.SaslAuthenticate]: (asked) => {
      const message = FakeBroker.messageOf(asked).toString()
      if (message.startsWith("n,,")) asked.answer(FakeBroker.authenticated(first.replace("NONCE", nonceOf(asked))))
      else if (final !== undefined) asked.answer(FakeBroker.authenticated(final))
    }
  })

const SALT = Buffer.from("salt-of-16-bytes").toString("base64")

const gone = (broker: FakeBroker.FakeBroker) =>
  eventually(
    Effect.sync(() => broker.sockets.size),
    (size) => size === 0
  )

/** Lets time pass for who looks at the clock of `performance`, until the scope ends. */
const laterClock = Effect.acquireRelease(
  Effect.sync(() => {
    const now = performance.now.bind(performance)
    let passed = 0
    const spy = vi.spyOn(performance, "now").mockImplementation(() => now() + passed)
    return { spy, pass: (millis: number) => void (passed += millis) }
  }),
  ({ spy }) => Effect.sync(() => spy.mockRestore())
).pipe(Effect.map(({ pass }) => pass))

/** Counts the iterations of all key derivations of this process. */
const countingIterations = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(Crypto, "pbkdf2")),
  (spy) => Effect.sync(() => spy.mockRestore())
)

describe("SCRAM", () => {
  const whatIs = {
    "2147483647 iterations": `r=NONCEx,s=${SALT},i=2147483647`,
    "100001 iterations": `r=NONCEx,s=${SALT},i=100001`,
    "4095 iterations": `r=NONCEx,s=${SALT},i=4095`,
    "1 iteration": `r=NONCEx,s=${SALT},i=1`,
    "0 iterations": `r=NONCEx,s=${SALT},i=0`,
    "fewer than none": `r=NONCEx,s=${SALT},i=-4096`,
    "a number and more": `r=NONCEx,s=${SALT},i=4096e9`,
    "a hexadecimal number": `r=NONCEx,s=${SALT},i=0x7fffffff`,
    "a number that is not finite": `r=NONCEx,s=${SALT},i=${"9".repeat(400)}`,
    "no number": `r=NONCEx,s=${SALT},i=`,
    "no iterations": `r=NONCEx,s=${SALT}`,
    "two numbers, the second too large": `r=NONCEx,s=${SALT},i=4096,i=2147483647`,
    "no salt": "r=NONCEx,i=4096",
    "an empty salt": "r=NONCEx,s=,i=4096",
    "a salt that is none": "r=NONCEx,s=!!!!,i=4096",
    "a salt of 3000 characters": `r=NONCEx,s=${"A".repeat(3_000)},i=4096`,
    "a nonce that is not ours": `r=other,s=${SALT},i=4096`,
    "a nonce of 3000 characters": `r=NONCE${"x".repeat(3_000)},s=${SALT},i=4096`,
    "a nonce with control characters": `r=NONCE\u001b[2J,s=${SALT},i=4096`,
    "no nonce": `s=${SALT},i=4096`,
    "an extension that must be obeyed": `m=ext,r=NONCEx,s=${SALT},i=4096`,
    "attributes that nobody knows": `r=NONCEx,s=${SALT},i=4096,z=1`,
    "a message of 200 kB": `r=NONCEx,s=${SALT},i=4096,${"i=1,".repeat(50_000)}`,
    "an error": "e=unknown-user",
    nothing: "",
    "what is no SCRAM": "hello"
  }
  for (const mechanism of SCRAMS) {
    for (const [name, first] of Object.entries(whatIs)) {
      it.live(`${mechanism}, ${name}: Authentication, and nothing is computed`, () =>
        Effect.gen(function* () {
          const spy = yield* countingIterations
          const broker = yield* scramBroker(first)
          const error = yield* Effect.flip(connect(broker, withPassword(mechanism)))
          assert.deepStrictEqual([error.reason, error.retriable], ["Authentication", false])
          assert.strictEqual(spy.mock.calls.length, 0)
          assert.match(error.message, /^[\x20-\x7e…]{1,2000}$/)
          yield* gone(broker)
        })
      )
    }

    for (const iterations of [4_096, 100_000]) {
      it.live(`${mechanism}, ${iterations} iterations are computed, and the proof is sent`, () =>
        Effect.gen(function* () {
          const spy = yield* countingIterations
          const broker = yield* scramBroker(`r=NONCEx,s=${SALT},i=${iterations}`, "v=AAAA")
          const error = yield* Effect.flip(connect(broker, withPassword(mechanism)))
          // this broker does not know the password
          assert.include(error.message, "Invalid server signature")
          assert.strictEqual(error.reason, "Authentication")
          assert.deepStrictEqual(new Set(spy.mock.calls.map((call) => call[2])), new Set([iterations]))
          assert.match(FakeBroker.messageOf(broker.of(Key.SaslAuthenticate)[1]).toString(), /,p=[A-Za-z0-9+/]+=*$/)
        })
      )
    }

    it.live(`${mechanism}, a last message that is none: Authentication`, () =>
      Effect.gen(function* () {
        for (const final of ["", "hello", "v=a,e=b", "e=no\u001b[2J", "x=1"]) {
          const broker = yield* scramBroker(`r=NONCEx,s=${SALT},i=4096`, final)
          const error = yield* Effect.flip(connect(broker, withPassword(mechanism)))
          assert.strictEqual(error.reason, "Authentication")
          assert.match(error.message, /^[\x20-\x7e…]+$/)
        }
      })
    )
  }
})

describe("the answers of an authentication", () => {
  const count = (n: number) =>
    FakeBroker.bytesOf((w) => {
      w.int16(0)
      w.int32(n)
    })
  const withLength = (n: number) =>
    FakeBroker.bytesOf((w) => {
      w.int16(0)
      w.nullableString(undefined)
      w.int32(n)
      w.int64(0)
    })
  for (const [name, key, body] of [
    ["2147483647 mechanisms", Key.SaslHandshake, count(2_147_483_647)],
    ["-2 mechanisms", Key.SaslHandshake, count(-2)],
    ["null mechanisms", Key.SaslHandshake, count(-1)],
    ["a mechanism that is cut off", Key.SaslHandshake, Buffer.concat([count(1), Buffer.from([0x7f, 0xff, 1])])],
    ["half a handshake", Key.SaslHandshake, Buffer.from([0])],
    ["a message of 2147483647 bytes", Key.SaslAuthenticate, withLength(2_147_483_647)],
    ["a message of -2 bytes", Key.SaslAuthenticate, withLength(-2)],
    ["nothing", Key.SaslAuthenticate, Buffer.alloc(0)],
    ["an answer and more", Key.SaslAuthenticate, Buffer.concat([FakeBroker.authenticated(), Buffer.alloc(1)])],
    [
      "a handshake of 100 kB",
      Key.SaslHandshake,
      FakeBroker.handshake(Array.from({ length: 10_000 }, () => "PLAIN678"))
    ],
    ["a message of 300 kB", Key.SaslAuthenticate, FakeBroker.authenticated(Buffer.alloc(300_000))],
    ["a session of -1 ms", Key.SaslAuthenticate, FakeBroker.authenticated("", -1)],
    ["a session of -2^63 ms", Key.SaslAuthenticate, FakeBroker.authenticated("", -(2n ** 63n))]
  ] as const) {
    it.live(`${name}: Protocol, and the connection is gone`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({ [key]: ({ answer }) => answer(body) })
        const error = yield* Effect.flip(connect(broker, withPassword("PLAIN")))
        assert.strictEqual(error.reason, "Protocol")
        yield* gone(broker)
      })
    )
  }

  it.live("a session of a millisecond does not have each request authenticate", () =>
    Effect.gen(function* () {
      const broker = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: ({ answer }) => answer(FakeBroker.authenticated("", 1))
      })
      const connection = yield* connect(broker, withPassword("PLAIN"))
      const [took] = yield* Effect.timed(Effect.repeat(connection.request("Metadata", { topics: [] }), { times: 49 }))
      assert.strictEqual(broker.of(Key.Metadata).length, 50)
      // at most one in each three quarters of a second
      assert.isAtMost(broker.of(Key.SaslAuthenticate).length, 2 + Duration.toMillis(took) / 750)
    })
  )

  it.live("a session counts from when it was asked for, however late the answer is seen", () =>
    Effect.gen(function* () {
      const pass = yield* laterClock
      const broker = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: ({ answer }) => {
          pass(32_000)
          answer(FakeBroker.authenticated("", 130_000))
        }
      })
      const connection = yield* connect(broker, withPassword("PLAIN"))
      const timesAfter = (millis: number) => {
        pass(millis)
        return Effect.map(connection.request("Metadata", { topics: [] }), () => broker.of(Key.SaslAuthenticate).length)
      }
      // it is renewed ten seconds before its end, which is after 120 seconds
      assert.deepStrictEqual([yield* timesAfter(64_000), yield* timesAfter(28_000)], [1, 2])
    })
  )

  for (const millis of [0n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
    it.live(`a session of ${millis} ms is one without an end`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make({
          [Key.SaslAuthenticate]: ({ answer }) => answer(FakeBroker.authenticated("", millis))
        })
        const connection = yield* connect(broker, withPassword("PLAIN"))
        yield* Effect.repeat(connection.request("Metadata", { topics: [] }), { times: 4 })
        assert.strictEqual(broker.of(Key.SaslAuthenticate).length, 1)
      })
    )
  }
})

/** All that anybody may write to a log of it. */
const everythingOf = (exit: Exit.Exit<unknown, KafkaError.KafkaError>, lines: ReadonlyArray<string>): string => {
  if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
  const error = Option.getOrThrow(Cause.findErrorOption(exit.cause))
  return [
    error.message,
    String(error),
    printed(exit.cause),
    Inspectable.toStringUnknown(exit),
    inspect(exit, { depth: 20, showHidden: true }),
    ...lines
  ].join("\n")
}

const recordLines =
  (lines: Array<string>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      loggingTo(({ annotations, cause, message }) => {
        lines.push([message, inspect(annotations), printed(cause)].join(" "))
      }),
      ofAllLevels
    )

describe("a broker that quotes the credentials", () => {
  const bytes = Buffer.from(PASSWORD)
  const sasl = `\0${USER}\0${PASSWORD}`
  const forms: Readonly<Record<string, string>> = {
    "as they are": `no such login: ${USER}/${PASSWORD}`,
    "the bytes of SASL": `got ${sasl}`,
    "base64 of the password": `got ${bytes.toString("base64")}`,
    "base64 of SASL": `got ${Buffer.from(sasl).toString("base64")}`,
    "base64 of both": `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`,
    "base64url of SASL": `got ${Buffer.from(sasl).toString("base64url")}`,
    hex: `got ${bytes.toString("hex")}`,
    "hex in capitals": `got ${Buffer.from(sasl).toString("hex").toUpperCase()}`,
    JSON: JSON.stringify({ login: sasl }),
    "a URL": `sasl://${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}@kafka`,
    numbers: `got ${[...Buffer.from(sasl)].join(", ")}`,
    "in capitals": `got ${PASSWORD.toUpperCase()}`,
    "in the other case of each letter": `got ${PASSWORD.replaceAll(/./gu, (c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()))}`,
    backwards: `got ${[...PASSWORD].reverse().join("")}`,
    "a letter a line": [...PASSWORD].join("\n"),
    "with nothing to see between its letters": [...PASSWORD].join("\u200b"),
    "without its last letters": `got ${PASSWORD.slice(0, -3)}...`,
    "each byte as in a URL": `got ${bytes.toString("hex").replaceAll(/../g, "%$&")}`,
    "as in a URL in a URL": `got ${encodeURIComponent(encodeURIComponent(PASSWORD))}`,
    "escapes of C": `got ${bytes.toString("hex").replaceAll(/../g, "\\x$&")}`,
    "octal escapes": `got ${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}`,
    "escapes of JSON": `got ${[...PASSWORD].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}`,
    "JSON in JSON": JSON.stringify(JSON.stringify({ login: sasl })),
    "numbers of HTML": `got ${[...PASSWORD].map((c) => `&#${c.charCodeAt(0)};`).join("")}`,
    "numbers of XML": `got ${[...PASSWORD].map((c) => `&#x${c.charCodeAt(0).toString(16)};`).join("")}`,
    "names of HTML": `got ${PASSWORD.replaceAll('"', "&quot;").replaceAll("/", "&#47;")}`,
    "hex with hyphens": `got ${(bytes.toString("hex").match(/../g) ?? []).join("-")}`,
    "hex in lines": `got ${bytes.toString("hex").replaceAll(/.{16}/g, "$&\n")}`,
    "numbers with signs": `got ${[...new Int8Array(bytes)].join(", ")}`,
    "binary numbers": `got ${[...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join(" ")}`,
    "base64 in lines": `got ${Buffer.from(sasl).toString("base64").replaceAll(/.{16}/g, "$&\r\n")}`,
    "base64 as in JSON": `got ${Buffer.from(sasl).toString("base64").replaceAll("/", "\\/")}`,
    "base64 as in a URL": `got ${encodeURIComponent(Buffer.from(sasl).toString("base64"))}`,
    "base64 in small letters": `got ${Buffer.from(sasl).toString("base64").toLowerCase()}`,
    "base64 of base64": `got ${Buffer.from(bytes.toString("base64")).toString("base64")}`,
    "base64 of hex": `got ${Buffer.from(bytes.toString("hex")).toString("base64")}`,
    "base64 of UTF-16": `got ${Buffer.from(PASSWORD, "utf16le").toString("base64")}`,
    "hex of base64": `got ${Buffer.from(bytes.toString("base64")).toString("hex")}`,
    "its bytes as characters": `got ${bytes.toString("latin1")}`
  }
  /** What of the password would be found in whatever form. */
  const traces = [
    PASSWORD,
    "s3cret",
    bytes.toString("base64").slice(2, 16),
    Buffer.from(`..${PASSWORD}`).toString("base64").slice(6, 18),
    Buffer.from(`.${PASSWORD}`).toString("base64").slice(6, 18),
    bytes.toString("hex").slice(0, 16),
    [...bytes].slice(0, 6).join(", "),
    encodeURIComponent(PASSWORD).slice(-12)
  ].map((trace) => trace.toLowerCase())

  for (const mechanism of ["PLAIN", ...SCRAMS] as const) {
    for (const [name, words] of Object.entries(forms)) {
      it.live(`${mechanism}, ${name}: not quoted, in the error and in the log`, () =>
        Effect.gen(function* () {
          const lines: Array<string> = []
          const broker = yield* FakeBroker.make({
            [Key.SaslAuthenticate]: ({ answer }) => answer(FakeBroker.refusedLogin(words))
          })
          const exit = yield* Effect.exit(connect(broker, withPassword(mechanism))).pipe(recordLines(lines))
          const seen = everythingOf(exit, lines).toLowerCase()
          for (const trace of traces) assert.notInclude(seen, trace)
          assert.include(seen, "authentication during connect")
          assert.match(seen, /<redacted>|are withheld/)
        })
      )
    }
  }

  it.live("when a session is renewed: not quoted either", () =>
    Effect.gen(function* () {
      let refusing = false
      const broker = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: ({ answer }) =>
          answer(refusing ? FakeBroker.refusedLogin(forms["as they are"]) : FakeBroker.authenticated("", 1))
      })
      const lines: Array<string> = []
      const exit = yield* Effect.exit(
        Effect.gen(function* () {
          const connection = yield* connect(broker, withPassword("PLAIN"))
          refusing = true
          yield* Effect.forever(Effect.delay(connection.request("Metadata", { topics: [] }), "50 millis"))
        })
      ).pipe(recordLines(lines))
      const seen = everythingOf(exit, lines)
      assert.include(seen, "Authentication during Metadata")
      assert.notInclude(seen, "s3cret")
      assert.notInclude(seen, USER)
    })
  )

  for (const [name, words] of [
    ["as far as it would be told", `token ${"eyJhbGciOiJSUzI1NiJ9".repeat(20)}`],
    ["its beginning", "no such token: eyJhbGciOiJSUzI1NiJ9eyJ..."],
    ["a part of it", "no such token: ...iJSUzI1NiJ9eyJhbGciOiJSUzI1..."],
    ["base64 of a part of it, cut off", Buffer.from("Bearer eyJhbGciOiJSUzI1NiJ9eyJh").toString("base64").slice(3, 37)]
  ] as const) {
    it.live(`a long token, ${name}: not quoted`, () =>
      Effect.gen(function* () {
        const token = Effect.succeed(Redacted.make("eyJhbGciOiJSUzI1NiJ9".repeat(100)))
        const broker = yield* FakeBroker.make({
          [Key.SaslAuthenticate]: ({ answer }) => answer(FakeBroker.refusedLogin(words))
        })
        const exit = yield* Effect.exit(connect(broker, { mechanism: "OAUTHBEARER", token }))
        const seen = everythingOf(exit, [])
        assert.include(seen, "are withheld")
        assert.notInclude(seen, "JSUzI1")
      })
    )
  }

  it.live("what it says otherwise is told", () =>
    Effect.gen(function* () {
      const words = "Authentication failed: Invalid username or password (user-id alice2)"
      const broker = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: ({ answer }) => answer(FakeBroker.refusedLogin(words))
      })
      assert.include((yield* Effect.flip(connect(broker, withPassword("PLAIN")))).message, words)
    })
  )

  it.live("thirty thousand characters and control characters come as one short line", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const broker = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: ({ answer }) =>
          answer(FakeBroker.refusedLogin(`\u001b[2J\r\nINFO ${"\u202e".repeat(9_000)}`))
      })
      const exit = yield* Effect.exit(connect(broker, withPassword("PLAIN"))).pipe(recordLines(lines))
      const error = Option.getOrThrow(Cause.findErrorOption(Exit.isFailure(exit) ? exit.cause : Cause.empty))
      for (const text of [error.message, (error.cause as Error).message, ...lines]) {
        assert.notMatch(text, /[\u001b\r\u202e]/)
        assert.isBelow(text.length, 20_000)
      }
      assert.notMatch(error.message, /\n/)
      assert.include(error.message, "\\u001b[2J")
    })
  )
})

describe("a broker that lets nobody in", () => {
  it.live("does not keep another one from being asked, and is told if there is none", () =>
    Effect.gen(function* () {
      const refusing = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: ({ answer }) => answer(FakeBroker.refusedLogin("no"))
      })
      const good = yield* FakeBroker.make()
      const asking = (...ports: ReadonlyArray<number>) =>
        Effect.flatMap(
          KafkaClient.make({ brokers: ports.map((port) => `127.0.0.1:${port}`), sasl: withPassword("PLAIN") }),
          (client) => Effect.flip(client.describeTopic("t"))
        )
      // answered, by a broker that knows no topic
      assert.strictEqual((yield* asking(refusing.port, good.port)).reason, "NotFound")
      const { port: unused } = yield* Effect.scoped(FakeBroker.make())
      for (const ports of [
        [refusing.port, unused],
        [unused, refusing.port]
      ]) {
        const error = yield* asking(...ports)
        assert.strictEqual(error.reason, "Authentication")
        assert.include(error.message, `127.0.0.1:${refusing.port}`)
      }
    })
  )
})

describe("the Effect of a token", () => {
  const with_ = (token: Effect.Effect<Redacted.Redacted<string>, unknown>): KafkaClient.SaslOptions => ({
    mechanism: "OAUTHBEARER",
    token
  })
  const ends: Readonly<Record<string, Effect.Effect<Redacted.Redacted<string>, unknown>>> = {
    fails: Effect.fail(new Error("s3cret")),
    dies: Effect.die("s3cret"),
    throws: Effect.suspend(() => {
      throw new Error("s3cret")
    }),
    "is interrupted": Effect.interrupt,
    "interrupts its own fiber": Effect.withFiber((fiber) => {
      interruptAtOnce(fiber)
      return Effect.never
    }),
    "joins a fiber that is interrupted": Effect.flatMap(Effect.forkChild(Effect.interrupt), Fiber.join),
    "gives what is no secret": Effect.succeed("s3cret" as never)
  }
  for (const [name, token] of Object.entries(ends)) {
    it.live(`${name}: Authentication, at once`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make()
        const exit = yield* Effect.exit(
          Effect.timeoutOrElse(connect(broker, with_(token)), {
            // It fails for another reason when the time to connect is over.
            duration: "40 seconds",
            orElse: () => Effect.fail("it hangs")
          })
        )
        if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
        const error = Option.getOrThrow(Cause.findErrorOption(exit.cause))
        if (typeof error === "string") return assert.fail(error)
        assert.strictEqual(error.reason, "Authentication")
        assert.notInclude(error.message, "s3cret")
        yield* gone(broker)
      })
    )
  }

  for (const [name, wait] of [
    ["hangs", Effect.never],
    ["hangs, and may not be interrupted", Effect.uninterruptible(Effect.callback<never>(() => {}))]
  ] as const) {
    it.live(`${name}: Timeout`, () =>
      Effect.gen(function* () {
        const broker = yield* FakeBroker.make()
        const error = yield* Effect.flip(connect(broker, with_(wait), "200 millis"))
        assert.strictEqual(error.reason, "Timeout")
        yield* gone(broker)
      })
    )
  }

  /** A token that is asked for and never comes, and what tells that its Effect began, and was interrupted. */
  const pending = Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const ended = yield* Deferred.make<void>()
    const token = Effect.andThen(Deferred.succeed(begun, void 0), Effect.never).pipe(
      Effect.onInterrupt(() => Deferred.succeed(ended, void 0))
    )
    return { begun: Deferred.await(begun), ended: Effect.timeout(Deferred.await(ended), PATIENCE_MILLIS), token }
  })

  it.live("ends with its connection: the scope is closed", () =>
    Effect.gen(function* () {
      const { begun, ended, token } = yield* pending
      const broker = yield* FakeBroker.make()
      yield* Effect.raceFirst(Effect.scoped(connect(broker, with_(token), "1 minute")), begun)
      yield* ended
    })
  )

  it.live("ends with its connection: the broker closes it", () =>
    Effect.gen(function* () {
      const { begun, ended, token } = yield* pending
      const broker = yield* FakeBroker.make()
      const fiber = yield* Effect.forkChild(Effect.flip(connect(broker, with_(token), "1 minute")))
      yield* begun
      for (const socket of broker.sockets) socket.destroy()
      yield* ended
      assert.strictEqual((yield* Fiber.join(fiber)).reason, "Closed")
    })
  )

  it.live("ends with its connection: its time is over", () =>
    Effect.gen(function* () {
      const { ended, token } = yield* pending
      const broker = yield* FakeBroker.make()
      let hasBegun = false
      const noted = Effect.suspend(() => {
        hasBegun = true
        return token
      })
      // The time is enough for the token to be asked for, sooner or later.
      for (let millis = 200; !hasBegun; millis *= 2) {
        assert.strictEqual((yield* Effect.flip(connect(broker, with_(noted), millis))).reason, "Timeout")
      }
      yield* ended
    })
  )

  it.live("a broker that quotes the token in base64 is not quoted", () =>
    Effect.gen(function* () {
      const token = "header.payload.signature-of-it"
      const lines: Array<string> = []
      const broker = yield* FakeBroker.make({
        [Key.SaslAuthenticate]: (asked) =>
          asked.answer(FakeBroker.refusedLogin(FakeBroker.messageOf(asked).toString("base64")))
      })
      const exit = yield* Effect.exit(connect(broker, with_(Effect.succeed(Redacted.make(token))))).pipe(
        recordLines(lines)
      )
      const seen = everythingOf(exit, lines)
      assert.notInclude(seen, Buffer.from("..payload.signat").toString("base64").slice(4, 16))
      for (const shift of [0, 1, 2]) {
        assert.notInclude(
          seen,
          Buffer.from(`${".".repeat(shift)}${token}`)
            .toString("base64")
            .slice(4, 24)
        )
      }
    })
  )
})
