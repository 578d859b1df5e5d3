/** TLS, credentials and rights on a real Kafka: what is granted works, what is not is a typed error that tells no secret. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import buffer from "node:buffer"
import { createPrivateKey } from "node:crypto"
import * as Tls from "node:tls"
import { assert, vi } from "vitest"
import { failureOf } from "../support/exits.ts"
import { errorsOf, printed } from "../support/effect/v4/causes.ts"
import { tracerOf } from "../support/effect/v4/tracer.ts"
import { Catalog, Codec, KafkaClient, KafkaTableWriter } from "../../src/index.ts"
import { KEYS, part, Part } from "../catalog/support.ts"
import { makeAuthority, type Certificate } from "../kafka/certificates.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { leftovers } from "../support/leftovers.ts"
import { everythingOf, oldMemory } from "../support/oldMemory.ts"
import {
  changesOf,
  eventually,
  failOnProcessWarnings,
  recordLogs,
  shared,
  sooner,
  statuses,
  statusOf,
  test
} from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"
import { PATIENCE_MILLIS } from "../support/patience.ts"
import { countingProxy, listening, open, withClient, type Settings } from "./support.ts"

failOnProcessWarnings()

const compacted = { "cleanup.policy": "compact" }

/** Each of a kind that is found wherever it would turn up. */
const passwords = {
  reader: "s3cret-of-reader",
  writer: "s3cret-of-writer",
  describer: "s3cret-of-describer",
  nobody: "s3cret-of-nobody",
  changing: "s3cret-of-changing"
} as const
type User = keyof typeof passwords

/** What it would look like, written by whatever means. */
const formsOf = (secret: string): ReadonlyArray<string> => {
  const bytes = Buffer.alloc(Buffer.byteLength(secret), secret)
  const hex = bytes.toString("hex")
  return [
    secret,
    bytes.toString("base64").replaceAll("=", "").slice(0, -1),
    hex,
    hex.match(/../g)!.join(" "),
    [...bytes].join(","),
    [...bytes].join(", ")
  ]
}

/** Sets variables of the environment, and shows whole buffers, until the scope ends. */
const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { INSPECT_MAX_BYTES } = buffer
      buffer.INSPECT_MAX_BYTES = 100_000
      for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
      return INSPECT_MAX_BYTES
    }),
    (shownBytes) =>
      Effect.sync(() => {
        buffer.INSPECT_MAX_BYTES = shownBytes
        vi.unstubAllEnvs()
      })
  )

/** Spans as a tracer gets them, with all that is added to them until the end. */
const recordSpans =
  (spans: Array<unknown>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withTracer(effect, tracerOf({ begun: (span) => spans.push(span) }))

const openWriter = (
  client: KafkaClient.KafkaClientOptions,
  topic: string,
  settings: KafkaTableWriter.WriterSettings = {}
) => KafkaTableWriter.make<string, string>({ topic, value: Codec.utf8, ...settings }).pipe(withClient(client))

/**
 * Sessions end while tests run, so that authenticating again is a part of all of them. A request that was sent in time may be on
 * its way for a quarter of this.
 */
const SESSION_MILLIS = 8_000

realKafka("a table on a Kafka with TLS, credentials and rights", { java: true }, () => {
  const kafka = shared(
    Effect.gen(function* () {
      let connections = Effect.succeed(0)
      const cluster = yield* KafkaCluster.make({
        listener: "sasl_ssl",
        users: passwords,
        acls: true,
        config: {
          "connections.max.reauth.ms": String(SESSION_MILLIS),
          "listener.name.client.ssl.client.auth": "requested"
        },
        advertise: (node) =>
          Effect.map(countingProxy(node), (proxy) => {
            connections = proxy.count
            const [host = "", port = ""] = proxy.address.split(":")
            return { host, port: Number(port) }
          })
      })
      const java = yield* JavaClient.make(cluster.adminBrokers)
      const { brokers, tls } = cluster
      if (tls === undefined) return assert.fail("no TLS")
      const sasl = (
        username: User,
        mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" = "SCRAM-SHA-512",
        password: string = passwords[username]
      ): KafkaClient.SaslOptions => ({ mechanism, username, password: Redacted.make(password) })
      const as = (options: KafkaClient.SaslOptions): KafkaClient.KafkaClientOptions => ({
        brokers,
        tls: { ca: tls.ca },
        sasl: options
      })
      /** A topic with one record, and who may do what to it. */
      const topic = (rights: ReadonlyArray<readonly [User, string]>) =>
        Effect.gen(function* () {
          const name = topicName()
          yield* java.createTopic(name, { configs: compacted })
          yield* java.addAcls(
            rights.map(([user, operation]) => ({ user, resource: "topic", name, operation }) as const)
          )
          yield* java.produce(name, [{ key: "a", value: "1" }])
          return name
        })
      return { brokers, tls, java, sasl, as, topic, connections }
    })
  )

  const token = (username: User): KafkaClient.SaslOptions => ({
    mechanism: "OAUTHBEARER",
    token: Effect.map(KafkaCluster.unsecuredToken(username), Redacted.make)
  })

  for (const mechanism of ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] as const) {
    test(`${mechanism} over TLS: a table with READ and DESCRIBE, a writer with WRITE and DESCRIBE, and nothing else`, () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const { as, connections, sasl, topic } = yield* kafka
        const options = (user: User) => as(mechanism === "OAUTHBEARER" ? token(user) : sasl(user, mechanism))
        const name = yield* topic([
          ["reader", "read"],
          ["reader", "describe"],
          ["writer", "write"],
          ["writer", "describe"]
        ])
        // all that can be asked of either, with the options that everybody has
        const table = yield* open(options("reader"), name)
        const writer = yield* openWriter(options("writer"), name)
        const seen = yield* statuses(table)
        const changes = yield* changesOf(table)
        const before = yield* connections
        const begin = yield* Clock.currentTimeMillis
        const written: Array<readonly [string, string | null]> = []
        // beyond the end of a session
        while ((yield* Clock.currentTimeMillis) < begin + SESSION_MILLIS * 1.4) {
          const value = `${written.length}`
          written.push(["a", value], ["b", value], ["b", null])
          const positions = yield* writer.setMany([
            ["a", value],
            ["b", value]
          ])
          yield* table.awaitPosition([...positions, yield* writer.delete("b")])
          yield* table.barrier()
          assert.deepStrictEqual([...table.unsafeSnapshot()], [["a", value]])
          yield* Effect.sleep("50 millis")
        }
        yield* eventually(
          Effect.sync(() => changes.length),
          (count) => count === written.length
        )
        assert.deepStrictEqual(changes, written)
        assert.deepStrictEqual(seen, ["CaughtUp"])
        assert.strictEqual((yield* table.stats).reconnects, 0)
        // the same connections all along
        assert.isAtMost((yield* connections) - before, 1, lines.join("\n"))
        // what is not known without more rights is said once, and is nothing to worry about
        const said = lines.filter((line) => !line.includes("caught up"))
        assert.deepStrictEqual(
          said.map((line) => /level=(\w+)/.exec(line)?.[1]),
          ["INFO", "INFO", "INFO"],
          said.join("\n")
        )
        assert.lengthOf(
          said.filter((line) => line.includes("cleanup.policy may not be read (DESCRIBE_CONFIGS)")),
          2
        )
        assert.lengthOf(
          said.filter((line) => line.includes("delete.retention.ms may not be read")),
          1
        )
      }).pipe(recordLogs(lines))
    })
  }

  test("a catalog that is read-only needs READ and nothing else; another one needs WRITE, too", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const { as, java, sasl } = yield* kafka
      const name = topicName()
      yield* java.createTopic(name, { configs: compacted })
      yield* java.addAcls([
        { user: "reader", resource: "topic", name, operation: "read" },
        { user: "writer", resource: "topic", name, operation: "read" },
        { user: "writer", resource: "topic", name, operation: "write" }
      ])
      const catalogOf = (user: User, settings: Catalog.CatalogSettings = {}) =>
        Catalog.make(KEYS, { topic: name, value: Codec.json(Part), ...settings }).pipe(withClient(as(sasl(user))))
      const reader = yield* catalogOf("reader", { readOnly: true })
      const writer = yield* catalogOf("writer")
      yield* writer.insert(part("a", "ACME", "eu"))
      yield* reader.barrier()
      assert.strictEqual(yield* reader.size, 1)
      assert.strictEqual((yield* Effect.flip(reader.delete({ sku: "a" })))._tag, "KafkaCatalogReadOnlyError")
      const denied = yield* Effect.flip(catalogOf("reader"))
      assert.deepInclude(denied, { _tag: "KafkaBrokerError", reason: "Unauthorized" })
      assert.include(denied.message, "unless it is readOnly")
    }).pipe(recordLogs(lines))
  })

  test("a password that is changed while running: failed and healing, few attempts, live again with the old one", () =>
    Effect.gen(function* () {
      const { as, connections, java, sasl, topic } = yield* kafka
      const name = yield* topic([["changing", "read"]])
      const table = yield* open(as(sasl("changing", "SCRAM-SHA-512")), name, { deniedRetryInterval: "500 millis" })
      const seen = yield* statuses(table)
      yield* java.upsertScram("changing", "SCRAM-SHA-512", "another one")
      const status = yield* eventually(statusOf(table), (one) => one._tag === "Failed")
      if (status._tag !== "Failed") return
      assert.deepStrictEqual(
        [status.healing, status.error._tag, status.error.reason],
        [true, "KafkaConnectionError", "Authentication"]
      )
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "1")
      yield* java.produce(name, [{ key: "a", value: "2" }])
      const [before, since] = [yield* connections, yield* Clock.currentTimeMillis]
      yield* Effect.sleep("2 seconds")
      const halves = ((yield* Clock.currentTimeMillis) - since) / 500
      assert.isAtMost((yield* connections) - before, 2 * (halves + 2))
      assert.strictEqual((yield* statusOf(table))._tag, "Failed")
      yield* java.upsertScram("changing", "SCRAM-SHA-512", passwords.changing)
      yield* sooner(table.get("a"), (value) => value._tag === "Some" && value.value === "2")
      yield* table.barrier()
      assert.deepStrictEqual(seen, ["CaughtUp", "Failed", "CaughtUp"])
    }))

  test("without READ, or without any right: typed, and says which right is missing", () =>
    Effect.gen(function* () {
      const { as, sasl, topic } = yield* kafka
      const name = yield* topic([["describer", "describe"]])
      for (const user of ["describer", "nobody"] as const) {
        for (const ensureTopic of [true, false]) {
          const error = failureOf(yield* Effect.exit(open(as(sasl(user)), name, { ensureTopic })))
          assert.strictEqual(error.reason, "Unauthorized", `${user}: ${error.message}`)
          assert.include(error.message, name)
          assert.include(error.message, "READ")
        }
      }
    }))

  test("with no more rights than these, a policy that has to be right and a topic that is missing are typed errors", () =>
    Effect.gen(function* () {
      const { as, java, sasl, topic } = yield* kafka
      const name = yield* topic([
        ["reader", "read"],
        ["reader", "describe"],
        ["writer", "write"],
        ["writer", "describe"]
      ])
      const missing = topicName()
      yield* java.addAcls(
        (
          [
            ["reader", "read"],
            ["reader", "describe"],
            ["writer", "write"],
            ["writer", "describe"]
          ] as const
        ).map(([user, operation]) => ({ user, resource: "topic", name: missing, operation }) as const)
      )
      const sides = [
        ["a table", (topic: string, settings: Settings) => Effect.asVoid(open(as(sasl("reader")), topic, settings))],
        [
          "a writer",
          (topic: string, settings: Settings) => Effect.asVoid(openWriter(as(sasl("writer")), topic, settings))
        ]
      ] as const
      for (const [side, attempt] of sides) {
        const strict = { topicSettings: { onPolicyMismatch: "fail" } } as const
        const unchecked = yield* Effect.flip(attempt(name, strict))
        assert.deepStrictEqual([unchecked._tag, unchecked.reason], ["KafkaTopicError", "Unauthorized"], side)
        assert.include(unchecked.message, "DESCRIBE_CONFIGS", side)
        const uncreated = yield* Effect.flip(attempt(missing, {}))
        assert.deepStrictEqual([uncreated._tag, uncreated.reason], ["KafkaTopicError", "Unauthorized"], side)
        assert.include(uncreated.message, "CREATE", side)
        const unfound = yield* Effect.flip(attempt(missing, { ensureTopic: false }))
        assert.deepStrictEqual([unfound._tag, unfound.reason], ["KafkaTopicError", "NotFound"], side)
        yield* attempt(name, { ensureTopic: false })
      }
      assert.notInclude(yield* java.listTopics, missing)
    }))

  test("READ revoked while running: failed and healing, content readable, live again after the grant", () =>
    Effect.gen(function* () {
      const { as, java, sasl, topic } = yield* kafka
      const name = yield* topic([
        ["reader", "read"],
        ["reader", "describe"]
      ])
      const acl = { user: "reader", resource: "topic", name, operation: "read" } as const
      const table = yield* open(as(sasl("reader")), name, { deniedRetryInterval: "300 millis" })
      const seen = yield* statuses(table)
      for (const round of [2, 3]) {
        assert.strictEqual(yield* java.removeAcls([acl]), 1)
        const status = yield* eventually(statusOf(table), (one) => one._tag === "Failed")
        if (status._tag !== "Failed") return
        assert.isTrue(status.healing)
        assert.deepStrictEqual([status.error._tag, status.error.reason], ["KafkaBrokerError", "Unauthorized"])
        assert.strictEqual((yield* table.freshness).lastFailure?.reason, "Unauthorized")
        yield* java.produce(name, [{ key: "a", value: `${round}` }])
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), `${round - 1}`)
        yield* java.addAcls([acl])
        yield* table.barrier()
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), `${round}`)
        yield* eventually(statusOf(table), (one) => one._tag === "CaughtUp")
      }
      assert.deepStrictEqual(seen, ["CaughtUp", "Failed", "CaughtUp", "Failed", "CaughtUp"])
    }))

  test("certificates: private authority, unknown authority, another host, a client's own", () =>
    Effect.gen(function* () {
      const { brokers, sasl, tls, topic } = yield* kafka
      const name = yield* topic([["reader", "read"]])
      const attempt = (
        options: KafkaClient.KafkaClientOptions["tls"],
        catchUpTimeout: NonNullable<Settings["catchUpTimeout"]> = PATIENCE_MILLIS
      ) =>
        Effect.exit(
          Effect.scoped(
            open({ brokers, sasl: sasl("reader"), ...(options === undefined ? {} : { tls: options }) }, name, {
              catchUpTimeout,
              onCatchUpTimeout: "fail"
            })
          )
        )
      const own = { cert: tls.client.cert, key: Redacted.make(tls.client.key) }
      assert.isTrue(Exit.isSuccess(yield* attempt({ ca: tls.ca })))
      const someoneElse = makeAuthority("another-ca", yield* Clock.currentTimeMillis)
      const several = { ca: [someoneElse.cert, tls.ca], ...own, serverName: "localhost" }
      assert.isTrue(Exit.isSuccess(yield* attempt(several)))
      for (const [what, options] of [
        ["Node's own authorities", true],
        ["another authority of that name", { ca: tls.otherCa }],
        ["another host", { ca: tls.ca, serverName: "elsewhere.invalid" }]
      ] as const) {
        const passed = stopwatch()
        const error = failureOf(yield* attempt(options))
        assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Tls"], what)
        assert.isBelow(passed(), 1_500)
      }
      const forged = makeAuthority("test-ca", yield* Clock.currentTimeMillis).issue({ name: "client" })
      const withForged = { ca: tls.ca, cert: forged.cert, key: Redacted.make(forged.key) }
      const refused = failureOf(yield* attempt(withForged, "5 seconds"))
      const reason = refused._tag === "KafkaWaitTimeoutError" ? refused.cause?.reason : refused.reason
      assert.include(["Tls", "Closed"], reason)
      // met in plain, and without credentials
      for (const options of [undefined, { ca: tls.ca }] as const) {
        const error = yield* Effect.flip(
          Effect.flatMap(KafkaClient.KafkaClient, (client) => client.describeTopic(name)).pipe(
            withClient({ brokers, ...(options === undefined ? {} : { tls: options }) })
          )
        )
        assert.strictEqual(error._tag, "KafkaConnectionError")
        assert.include(["Protocol", "Closed"], error.reason)
      }
    }))

  test("certificates that are expired, or of another address", () =>
    Effect.gen(function* () {
      const authority = makeAuthority("test-ca", yield* Clock.currentTimeMillis)
      const met = (certificate: Certificate) =>
        Effect.gen(function* () {
          const peer = yield* listening(() => Tls.createServer(certificate, (socket) => socket.end("no Kafka")))
          const client = yield* KafkaClient.make({ brokers: [peer.address], tls: { ca: authority.cert } })
          return yield* Effect.flip(client.describeTopic("topic"))
        })
      for (const [what, certificate, words] of [
        ["expired", authority.issue({ name: "broker", hosts: ["127.0.0.1"], expired: true }), "expired"],
        ["another address", authority.issue({ name: "broker", hosts: ["localhost", "127.0.0.2"] }), "127.0.0.1"]
      ] as const) {
        const error = yield* met(certificate)
        assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Tls"], what)
        assert.include(error.message, words)
      }
      // one that is in order is met: what comes then is not Kafka's
      const sound = yield* met(authority.issue({ name: "broker", hosts: ["127.0.0.1"] }))
      assert.deepStrictEqual([sound._tag, sound.reason], ["KafkaConnectionError", "Protocol"])
    }))

  test("no secret in any error, log line, span, or inspected value", () =>
    Effect.gen(function* () {
      // all that kafkajs could ever say, its debug lines and buffers included
      yield* environment({
        KAFKAJS_LOG_LEVEL: "DEBUG",
        KAFKAJS_DEBUG_PROTOCOL_BUFFERS: "1",
        KAFKAJS_DEBUG_EXTENDED_PROTOCOL_BUFFERS: "1"
      })
      const { as, brokers, java, sasl, tls, topic } = yield* kafka
      // by chance, it could hold any secret that somebody has had in memory
      const old = "s3cret-of-old-memory"
      yield* oldMemory(old)
      const name = yield* topic([
        ["changing", "read"],
        ["changing", "write"],
        ["describer", "describe"]
      ])
      const wrong = "s3cret-that-is-wrong"
      const refused = `${Buffer.from("s3cret").toString("base64url")}.not-a-token.`
      const provider = "s3cret-of-the-provider"
      const token = yield* KafkaCluster.unsecuredToken("changing")
      const passphrase = "s3cret-phrase"
      const key = createPrivateKey(tls.client.key)
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase })
        .toString()
      const own = { cert: tls.client.cert, key: Redacted.make(key), passphrase: Redacted.make(passphrase) }
      const bearer = (token: Effect.Effect<Redacted.Redacted<string>, unknown>): KafkaClient.KafkaClientOptions =>
        as({ mechanism: "OAUTHBEARER", token })

      const shown: Array<string> = []
      const note = (value: unknown) => {
        shown.push(everythingOf(value))
        shown.push(String(value))
        try {
          shown.push(JSON.stringify(value) ?? "")
        } catch {
          // circular
        }
      }
      const noteExit = <A, E>(exit: Exit.Exit<A, E>) => {
        note(exit)
        if (Exit.isSuccess(exit)) return
        shown.push(printed(exit.cause))
        for (const failure of errorsOf(exit.cause)) {
          note(failure)
          if (failure instanceof Error) note([failure.message, failure.stack, failure.cause])
        }
      }

      const spans: Array<unknown> = []
      yield* Effect.gen(function* () {
        const refusals: Readonly<Record<string, KafkaClient.KafkaClientOptions>> = {
          "PLAIN, wrong password": as(sasl("changing", "PLAIN", wrong)),
          "SCRAM-SHA-256, wrong password": as(sasl("changing", "SCRAM-SHA-256", wrong)),
          "SCRAM-SHA-512, wrong password": as(sasl("changing", "SCRAM-SHA-512", wrong)),
          "no rights": as(sasl("describer")),
          "token refused": bearer(Effect.succeed(Redacted.make(refused))),
          "token with a line end": bearer(Effect.succeed(Redacted.make(`${refused}\n`))),
          "token not redacted": bearer(Effect.succeed(refused as never)),
          "no token, an error": bearer(Effect.fail(new Error(`client_secret=${provider}`))),
          "no token, an object": bearer(Effect.fail({ _tag: "ResponseError", request: { body: provider } })),
          "no token, a text": bearer(Effect.fail(provider)),
          "no token, a defect": bearer(Effect.die(new Error(provider))),
          "no token, a rejection": bearer(Effect.tryPromise(() => Promise.reject(new Error(provider)))),
          "another authority": { ...as(sasl("changing")), tls: { ca: tls.otherCa, ...own } },
          "plain on TLS": { brokers, sasl: sasl("changing"), connectTimeout: "1 second", requestTimeout: "1 second" },
          "option by another name": { ...as(sasl("changing")), clientID: wrong } as KafkaClient.KafkaClientOptions,
          "password in the address": { ...as(sasl("changing")), brokers: [`kafka://changing:${wrong}@127.0.0.1:9092`] },
          "password not redacted": as({ mechanism: "PLAIN", username: "changing", password: wrong as never }),
          "wrong passphrase": {
            ...as(sasl("changing")),
            tls: { ca: tls.ca, ...own, passphrase: Redacted.make(wrong) }
          },
          "key not redacted": { ...as(sasl("changing")), tls: { ca: tls.ca, ...own, key: key as never } },
          "key that is none": { ...as(sasl("changing")), tls: { ca: tls.ca, ...own, key: Redacted.make(wrong) } }
        }
        for (const [what, options] of Object.entries(refusals)) {
          const settings = { catchUpTimeout: "2 seconds", onCatchUpTimeout: "fail" } as const
          const table = yield* Effect.exit(Effect.scoped(open(options, name, settings)))
          const writer = yield* Effect.exit(Effect.scoped(openWriter(options, name, { deliveryTimeout: "2 seconds" })))
          const layer = KafkaClient.layer(options)
          const built = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
          assert.isTrue(Exit.isFailure(table) && Exit.isFailure(writer), what)
          note(layer)
          for (const exit of [table, writer, built]) noteExit<unknown, unknown>(exit)
        }

        // let in, by each of the mechanisms
        let isThere = true
        const lost = Effect.suspend(() =>
          isThere ? Effect.succeed(Redacted.make(token)) : Effect.fail(new Error(`client_secret=${provider}`))
        )
        const accepted = [
          as(sasl("changing", "PLAIN")),
          as(sasl("changing", "SCRAM-SHA-256")),
          { ...as(sasl("changing")), tls: { ca: tls.ca, ...own } },
          bearer(lost)
        ]
        const opened = yield* Effect.forEach(accepted, (options) =>
          Effect.gen(function* () {
            note(KafkaClient.layer(options))
            const client = yield* KafkaClient.make(options)
            note([
              client,
              yield* client.connect({ nodeId: 1, host: "127.0.0.1", port: Number(brokers[0].split(":")[1]) })
            ])
            const table = yield* open(options, name, { deniedRetryInterval: "300 millis" })
            const writer = yield* openWriter(options, name)
            yield* table.awaitPosition(yield* writer.setMany([["b", "1"]]))
            note([table, writer, yield* table.stats, yield* writer.stats])
            return { table, writer }
          })
        )
        // and out, when their sessions end
        isThere = false
        yield* java.upsertScram("changing", "SCRAM-SHA-512", "another one")
        for (const { table, writer } of opened.slice(2)) {
          note(yield* eventually(statusOf(table), (one) => one._tag === "Failed"))
          note([table, yield* table.freshness])
          noteExit(yield* Effect.exit(table.barrier({ timeout: "300 millis" })))
          noteExit(yield* eventually(Effect.exit(writer.set("b", "2")), Exit.isFailure))
        }
        isThere = true
        yield* java.upsertScram("changing", "SCRAM-SHA-512", passwords.changing)
        for (const { table } of opened) yield* eventually(statusOf(table), (one) => one._tag === "CaughtUp")
      }).pipe(recordLogs(shown), recordSpans(spans), Effect.scoped)
      note(spans)

      const told = shown.join("\n")
      // what is looked through is what it is meant to be
      for (const part of [
        "Authentication",
        "kafkajs: Request SaslAuthenticate",
        "KafkaTable.make",
        "KafkaTableWriter.setMany",
        "KafkaInvalidOptionsError",
        "ResponseError"
      ]) {
        assert.include(told, part)
      }
      const lineOf = (pem: string) => pem.split("\n")[1]
      const keys = [lineOf(key), lineOf(tls.client.key)]
      const secrets = [...Object.values(passwords), old, wrong, refused, provider, token, passphrase, ...keys]
      for (const secret of secrets) {
        for (const form of formsOf(secret)) {
          const at = told.indexOf(form)
          assert.strictEqual(at, -1, `${secret} as ${form}: ${told.slice(Math.max(0, at - 300), at + 100)}`)
        }
      }
    }))

  test("closed while it is not let in, and while it authenticates: nothing is left", () =>
    Effect.gen(function* () {
      const { as, sasl, topic } = yield* kafka
      const name = yield* topic([["reader", "read"]])
      for (const [what, options, after] of [
        ["refused", sasl("reader", "PLAIN", "wrong"), undefined],
        ["used", sasl("reader"), undefined],
        ["in TCP or TLS", sasl("reader"), 3],
        ["in TLS", sasl("reader"), 10],
        ["in SASL", sasl("reader"), 25],
        ["waiting for a token", { mechanism: "OAUTHBEARER", token: Effect.never } as const, 200],
        [
          "token refused",
          { mechanism: "OAUTHBEARER", token: Effect.succeed(Redacted.make("none")) } as const,
          undefined
        ]
      ] as const) {
        const { left, told } = yield* leftovers(
          open(as(options), name),
          after === undefined ? {} : { interruptAfter: after }
        )
        const { millisToClose, ...rest } = left
        assert.deepStrictEqual(rest, { connections: 0, fibers: 0, timers: 0 }, `${what}, ${told}`)
        assert.isBelow(millisToClose, 2_000)
      }
    }))
})
