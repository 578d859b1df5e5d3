/** Options that cannot work are refused at construction, by name: whatever Node or a broker would ignore in silence. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { createPrivateKey } from "node:crypto"
import { loggingTo } from "../support/effect/v4/logs.ts"
import { KafkaClient } from "../../src/index.ts"
import { makeAuthority } from "../kafka/certificates.ts"

const BROKERS = ["127.0.0.1:1"]

/** The options with something wrong, and what; none if it is accepted. */
const problemsOf = (options: object) =>
  Effect.scoped(
    Effect.match(KafkaClient.make({ brokers: BROKERS, ...options }), {
      onFailure: ({ problems }) => problems,
      onSuccess: () => []
    })
  )

const namesOf = (options: object) => Effect.map(problemsOf(options), (problems) => problems.map(({ option }) => option))

const NOW = Date.now()
const authority = makeAuthority("ours", NOW)
const other = makeAuthority("others'", NOW)
const client = authority.issue({ name: "client" })
const stranger = other.issue({ name: "stranger" })

const secret = Redacted.make<string>
const encrypted = createPrivateKey(client.key)
  .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "s3same" })
  .toString()

const inOneLine = (text: string) => text.replaceAll("\n", "\\n")
const broken = (text: string) => text.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA")
const garbage = "-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n"
const COMMENT = "# a comment, as bundles have them\n"

describe("tls", () => {
  const accepted: Readonly<Record<string, object | boolean>> = {
    true: true,
    false: false,
    "no options": {},
    "a certificate": { ca: authority.cert },
    several: { ca: [authority.cert, other.cert] },
    "several in one text": { ca: authority.cert + COMMENT + other.cert },
    "without an end of the last line": { ca: authority.cert.trimEnd() },
    "with carriage returns": { ca: authority.cert.replaceAll("\n", "\r\n") },
    "with line ends as two characters": { ca: inOneLine(authority.cert + other.cert) },
    "with line ends as four characters": { ca: authority.cert.replaceAll("\n", "\\r\\n") },
    "an identity": { cert: client.cert, key: secret(client.key) },
    "an identity with its chain": { cert: client.cert + authority.cert, key: secret(client.key) },
    "an identity with line ends as two characters": {
      cert: inOneLine(client.cert),
      key: secret(inOneLine(client.key))
    },
    "an encrypted key": { cert: client.cert, key: secret(encrypted), passphrase: secret("s3same") },
    "a name": { serverName: "kafka.example.com" }
  }
  for (const [name, tls] of Object.entries(accepted)) {
    it.effect(`${name}: accepted`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* problemsOf({ tls }), [])
      })
    )
  }

  const refused: Readonly<Record<string, readonly [tls: unknown, option: string]>> = {
    null: [null, "tls"],
    "a text": ["yes", "tls"],
    "a list": [[authority.cert], "tls"],
    "a number": [1, "tls"],
    "an authority that is garbage": [{ ca: garbage }, "tls.ca"],
    "an authority with a broken line": [{ ca: broken(authority.cert) }, "tls.ca"],
    "an authority that is cut off": [{ ca: authority.cert.slice(0, 200) }, "tls.ca"],
    "a good authority and garbage": [{ ca: authority.cert + garbage }, "tls.ca"],
    "garbage and a good authority": [{ ca: garbage + authority.cert }, "tls.ca"],
    "a good authority and one that is cut off": [{ ca: authority.cert + other.cert.slice(0, 200) }, "tls.ca"],
    "line ends as spaces": [{ ca: authority.cert.replaceAll("\n", " ") }, "tls.ca"],
    "the path of a file": [{ ca: "/etc/ssl/ca.pem" }, "tls.ca"],
    "an empty authority": [{ ca: "" }, "tls.ca"],
    "no authorities": [{ ca: [] }, "tls.ca"],
    "authorities that are null": [{ ca: null }, "tls.ca"],
    "an authority that is a number": [{ ca: 1 }, "tls.ca"],
    "the second of several": [{ ca: [authority.cert, garbage] }, "tls.ca[1]"],
    "an authority that is bytes": [{ ca: [authority.cert, Buffer.from(other.cert)] }, "tls.ca[1]"],
    "a key among the authorities": [{ ca: authority.cert + client.key }, "tls.ca"],
    "a certificate that is garbage": [{ cert: garbage, key: secret(client.key) }, "tls.cert"],
    "an empty certificate": [{ cert: "", key: secret(client.key) }, "tls.cert"],
    "a certificate that is a number": [{ cert: 1, key: secret(client.key) }, "tls.cert"],
    "a chain that is broken": [{ cert: client.cert + garbage, key: secret(client.key) }, "tls.cert"],
    "a key that is garbage": [{ cert: client.cert, key: secret("garbage") }, "tls.key"],
    "a key that is broken": [{ cert: client.cert, key: secret(broken(client.key)) }, "tls.key"],
    "an empty key": [{ cert: client.cert, key: secret("") }, "tls.key"],
    "a key that is not Redacted": [{ cert: client.cert, key: client.key }, "tls.key"],
    "somebody else's key": [{ cert: client.cert, key: secret(stranger.key) }, "tls.key"],
    "a certificate without a key": [{ cert: client.cert }, "tls"],
    "a key without a certificate": [{ key: secret(client.key) }, "tls"],
    "an encrypted key without its passphrase": [{ cert: client.cert, key: secret(encrypted) }, "tls.key"],
    "a wrong passphrase": [{ cert: client.cert, key: secret(encrypted), passphrase: secret("wrong") }, "tls.key"],
    "a passphrase without a key": [{ passphrase: secret("s3same") }, "tls.passphrase"],
    "an empty name": [{ serverName: "" }, "tls.serverName"],
    "a name that is none": [{ serverName: "kafka\n.example" }, "tls.serverName"],
    "a name that is a number": [{ serverName: 1 }, "tls.serverName"],
    "a misspelt option": [{ cacert: authority.cert }, "tls.cacert"]
  }
  for (const [name, [tls, option]] of Object.entries(refused)) {
    it.effect(`${name}: refused, by its name`, () =>
      Effect.gen(function* () {
        const problems = yield* problemsOf({ tls })
        assert.include(
          problems.map((problem) => problem.option),
          option
        )
        // nothing of it, it may be a secret
        for (const text of [client.key, encrypted, "s3same", "garbage"]) {
          assert.notInclude(JSON.stringify(problems), text.slice(30, 60) || text)
        }
      })
    )
  }
})

describe("sasl", () => {
  const good = { mechanism: "PLAIN", username: "alice", password: secret("s3cret") }
  const cases: ReadonlyArray<readonly [name: string, sasl: unknown, options: ReadonlyArray<string>]> = [
    ["all as it should be", good, []],
    ["characters beyond ASCII", { ...good, username: "Älice", password: secret("pässwörd 🔑") }, []],
    ["a token", { mechanism: "OAUTHBEARER", token: Effect.succeed(secret("t")) }, []],
    ["null", null, ["sasl"]],
    ["a text", "PLAIN", ["sasl"]],
    ["a list", [good], ["sasl"]],
    ["no mechanism", {}, ["sasl.mechanism"]],
    ["a mechanism in small letters", { ...good, mechanism: "plain" }, ["sasl.mechanism"]],
    ["a NUL in the user name", { ...good, username: "a\0b" }, ["sasl.username"]],
    ["a line in the user name", { ...good, username: "a\nb" }, ["sasl.username"]],
    ["a user name of half a character", { ...good, username: "\ud800" }, ["sasl.username"]],
    ["an empty user name", { ...good, username: "" }, ["sasl.username"]],
    ["no user name", { ...good, username: undefined }, ["sasl.username"]],
    ["a user name that is a number", { ...good, username: 7 }, ["sasl.username"]],
    ["a NUL in the password", { ...good, password: secret("a\0b") }, ["sasl.password"]],
    ["a line end in the password", { ...good, password: secret("s3cret\n") }, ["sasl.password"]],
    ["an empty password", { ...good, password: secret("") }, ["sasl.password"]],
    ["a password that is no secret", { ...good, password: "s3cret" }, ["sasl.password"]],
    ["a secret that is no text", { ...good, password: Redacted.make(7) }, ["sasl.password"]],
    ["both", { ...good, username: "", password: secret("\0") }, ["sasl.username", "sasl.password"]],
    ["a token that is text", { mechanism: "OAUTHBEARER", token: "t" }, ["sasl.token"]],
    ["no token", { mechanism: "OAUTHBEARER" }, ["sasl.token"]],
    [
      "a password beside a token",
      { mechanism: "OAUTHBEARER", token: Effect.never, password: secret("x") },
      ["sasl.password"]
    ]
  ]
  for (const [name, sasl, options] of cases) {
    it.effect(`${name}: ${options.length === 0 ? "accepted" : options.join(", ")}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* namesOf({ sasl }), options)
        // the same of SCRAM
        if (typeof sasl === "object" && sasl !== null && "mechanism" in sasl && sasl.mechanism === "PLAIN") {
          assert.deepStrictEqual(yield* namesOf({ sasl: { ...sasl, mechanism: "SCRAM-SHA-512" } }), options)
        }
      })
    )
  }
})

describe("the other options", () => {
  const cases: ReadonlyArray<readonly [name: string, options: object, problems: ReadonlyArray<string>]> = [
    ["a client id of 32,767 bytes", { clientId: "ä".repeat(16_383) + "x" }, []],
    ["a client id of 32,768 bytes", { clientId: "ä".repeat(16_384) }, ["clientId"]],
    ["an endless client id", { clientId: "x".repeat(10_000_000) }, ["clientId"]],
    ["a client id with a NUL", { clientId: "a\0" }, ["clientId"]],
    ["a client id with a line end", { clientId: "a\n" }, ["clientId"]],
    ["a client id that is null", { clientId: null }, ["clientId"]],
    ["a client id that is a number", { clientId: 7 }, ["clientId"]],
    ["brokers that are one text", { brokers: "a:1" }, ["brokers"]],
    ["a broker that is null", { brokers: [null, "a:1"] }, ["brokers[0]"]],
    ["a broker with a NUL", { brokers: ["a\0b:1"] }, ["brokers[0]"]],
    ["a broker of 300 characters", { brokers: [`${"a".repeat(300)}:1`] }, ["brokers[0]"]],
    ["a broker with a user", { brokers: ["user@kafka:1"] }, ["brokers[0]"]],
    ["a backoff that is null", { backoff: null }, ["backoff"]],
    ["a backoff that is a number", { backoff: 100 }, ["backoff"]],
    ["a timeout that is null", { requestTimeout: null }, ["requestTimeout"]],
    ["all at once", { tls: null, sasl: null, clientId: "\0", backoff: 1 }, ["clientId", "tls", "sasl", "backoff"]]
  ]
  for (const [name, options, problems] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* namesOf(options), problems)
      })
    )
  }
})

describe("credentials without TLS", () => {
  const plain = { mechanism: "PLAIN", username: "alice", password: secret("s3cret") } as const
  const token = { mechanism: "OAUTHBEARER", token: Effect.succeed(secret("s3cret")) } as const
  const scram = { ...plain, mechanism: "SCRAM-SHA-512" } as const

  /** The warnings of a client: when it is made, and when it connects to some host. */
  const warnings = (options: Partial<KafkaClient.KafkaClientOptions>, ...hosts: ReadonlyArray<string>) => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const client = yield* KafkaClient.make({ brokers: BROKERS, connectTimeout: "50 millis", ...options })
      for (const host of hosts) {
        yield* Effect.exit(Effect.scoped(client.connect({ nodeId: 0, host, port: 1 })))
      }
      return lines
    }).pipe(
      Effect.scoped,
      loggingTo(({ annotations, level, message }) => lines.push(`${level} ${message} ${JSON.stringify(annotations)}`))
    )
  }
  const remote = { brokers: ["kafka-1.invalid:9092", "kafka-2.invalid:9092"] }

  for (const [name, sasl, what] of [
    ["PLAIN", plain, "the password"],
    ["OAUTHBEARER", token, "the token"]
  ] as const) {
    it.live(`${name}: a warning, once, when the client is made`, () =>
      Effect.gen(function* () {
        const lines = yield* warnings({ ...remote, sasl }, "kafka-1.invalid", "kafka-3.invalid")
        assert.strictEqual(lines.length, 1)
        assert.match(lines[0], new RegExp(`^WARN ${name} without TLS: ${what} can be read`))
        assert.include(lines[0], "kafka-1.invalid:9092")
        assert.notInclude(lines[0], "s3cret")
      })
    )
  }

  it.live("a broker on this machine: none, until another one is connected to", () =>
    Effect.gen(function* () {
      const brokers = ["localhost:1", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "kafka.localhost:1"]
      assert.deepStrictEqual(yield* warnings({ brokers, sasl: plain }, "localhost", "::1"), [])
      const lines = yield* warnings({ brokers, sasl: plain }, "localhost", "kafka-1.invalid", "kafka-2.invalid")
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "kafka-1.invalid:1")
      assert.strictEqual((yield* warnings({ brokers: ["127.evil.invalid:1"], sasl: plain })).length, 1)
    })
  )

  it.live("with TLS, by SCRAM, or without credentials: none", () =>
    Effect.gen(function* () {
      for (const options of [{ sasl: plain, tls: true }, { sasl: plain, tls: {} }, { sasl: scram }, {}]) {
        assert.deepStrictEqual(yield* warnings({ ...remote, ...options }), [])
      }
      assert.strictEqual((yield* warnings({ ...remote, sasl: plain, tls: false })).length, 1)
    })
  )
})
