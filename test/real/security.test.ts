/** TLS, credentials and rights on a real Kafka: what is granted works, what is not is a typed error that tells no secret. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Tls from "node:tls"
import { inspect } from "node:util"
import { assert } from "vitest"
import { KafkaClient } from "../../src/index.ts"
import { makeAuthority } from "../kafka/certificates.ts"
import * as JavaClient from "../kafka/JavaClient.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import { leftovers } from "../support/leftovers.ts"
import {
  eventually,
  failOnProcessWarnings,
  failureOf,
  recordLogs,
  shared,
  statuses,
  statusOf,
  test
} from "../support/live.ts"
import { countingProxy, listening, open, withClient } from "./support.ts"

failOnProcessWarnings()

const compacted = { "cleanup.policy": "compact" }

/** Each of a kind that is found wherever it would turn up. */
const passwords = {
  reader: "s3cret-of-reader",
  describer: "s3cret-of-describer",
  nobody: "s3cret-of-nobody",
  changing: "s3cret-of-changing"
} as const
type User = keyof typeof passwords

/** Sessions end while tests run, so that authenticating again is a part of all of them. */
const SESSION_MILLIS = 3_000

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

  const mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const

  for (const mechanism of mechanisms) {
    test(`${mechanism}: reads with READ and DESCRIBE alone, beyond the end of sessions`, () =>
      Effect.gen(function* () {
        const { as, connections, java, sasl, topic } = yield* kafka
        const name = yield* topic([
          ["reader", "read"],
          ["reader", "describe"]
        ])
        const table = yield* open(as(sasl("reader", mechanism)), name)
        const seen = yield* statuses(table)
        const before = yield* connections
        const begin = yield* Clock.currentTimeMillis
        for (let i = 2; (yield* Clock.currentTimeMillis) < begin + SESSION_MILLIS * 1.7; i++) {
          yield* java.produce(name, [{ key: "a", value: `${i}` }])
          yield* table.barrier()
          assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), `${i}`)
          yield* Effect.sleep("100 millis")
        }
        assert.deepStrictEqual(seen, ["CaughtUp"])
        assert.strictEqual((yield* table.stats).reconnects, 0)
        // the same connections all along
        assert.isAtMost((yield* connections) - before, 1)
      }))
  }

  test("OAUTHBEARER: a token for each session", () =>
    Effect.gen(function* () {
      const { as, java, topic } = yield* kafka
      const name = yield* topic([["reader", "read"]])
      let asked = 0
      const token = Effect.map(KafkaCluster.unsecuredToken("reader", 3_600), (text) => {
        asked++
        return Redacted.make(text)
      })
      const table = yield* open(as({ mechanism: "OAUTHBEARER", token }), name)
      const seen = yield* statuses(table)
      const first = asked
      assert.isAtLeast(first, 1)
      yield* eventually(
        Effect.sync(() => asked),
        (count) => count > first
      )
      yield* java.produce(name, [{ key: "a", value: "2" }])
      yield* table.barrier()
      assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "2")
      assert.deepStrictEqual(seen, ["CaughtUp"])

      const failing = { mechanism: "OAUTHBEARER", token: Effect.fail("no token today") } as const
      const error = failureOf(yield* Effect.exit(open(as(failing), name)))
      assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Authentication"])
      assert.include(error.message, "no token today")
    }))

  test("wrong credentials: a typed error at once, and few attempts", () =>
    Effect.gen(function* () {
      const { as, connections, sasl, topic } = yield* kafka
      const name = yield* topic([["reader", "read"]])
      for (const mechanism of mechanisms) {
        const before = yield* connections
        const begin = yield* Clock.currentTimeMillis
        const error = failureOf(yield* Effect.exit(open(as(sasl("reader", mechanism, "wrong")), name)))
        assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Authentication"], mechanism)
        assert.isFalse(error.retriable)
        assert.isBelow((yield* Clock.currentTimeMillis) - begin, 3_000)
        assert.strictEqual((yield* connections) - before, 1)
      }
    }))

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
      const before = yield* connections
      yield* Effect.sleep("2 seconds")
      assert.isAtMost((yield* connections) - before, 12)
      assert.strictEqual((yield* statusOf(table))._tag, "Failed")
      yield* java.upsertScram("changing", "SCRAM-SHA-512", passwords.changing)
      yield* eventually(table.get("a"), (value) => value._tag === "Some" && value.value === "2")
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

  test("the topic's policy may not be read: fine, unless it has to be right; missing topics may not be created", () =>
    Effect.gen(function* () {
      const { as, java, sasl, topic } = yield* kafka
      const name = yield* topic([["reader", "read"]])
      const error = failureOf(
        yield* Effect.exit(open(as(sasl("reader")), name, { topicSettings: { onPolicyMismatch: "fail" } }))
      )
      assert.deepStrictEqual([error._tag, error.reason], ["KafkaTopicError", "Unauthorized"])
      const missing = topicName()
      yield* java.addAcls([{ user: "reader", resource: "topic", name: missing, operation: "read" }])
      const refused = failureOf(yield* Effect.exit(open(as(sasl("reader")), missing)))
      assert.deepStrictEqual([refused._tag, refused.reason], ["KafkaTopicError", "Unauthorized"])
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
      const attempt = (options: KafkaClient.KafkaClientOptions["tls"]) =>
        Effect.exit(
          Effect.scoped(
            open(
              {
                brokers,
                sasl: sasl("reader"),
                requestTimeout: "2 seconds",
                connectTimeout: "2 seconds",
                ...(options === undefined ? {} : { tls: options })
              },
              name,
              { catchUpTimeout: "2 seconds", onCatchUpTimeout: "fail" }
            )
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
        const begin = yield* Clock.currentTimeMillis
        const error = failureOf(yield* attempt(options))
        assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Tls"], what)
        assert.isBelow((yield* Clock.currentTimeMillis) - begin, 1_500)
      }
      const forged = makeAuthority("test-ca", yield* Clock.currentTimeMillis).issue({ name: "client" })
      const refused = failureOf(yield* attempt({ ca: tls.ca, cert: forged.cert, key: Redacted.make(forged.key) }))
      const reason = refused._tag === "KafkaWaitTimeoutError" ? refused.cause?.reason : refused.reason
      assert.include(["Tls", "Closed"], reason)
      // met in plain, and without credentials
      for (const options of [undefined, { ca: tls.ca }] as const) {
        const error = yield* Effect.flip(
          Effect.flatMap(KafkaClient.KafkaClient, (client) => client.describeTopic(name)).pipe(
            withClient({ brokers, ...(options === undefined ? {} : { tls: options }), connectTimeout: "2 seconds" })
          )
        )
        assert.strictEqual(error._tag, "KafkaConnectionError")
        assert.include(["Protocol", "Closed"], error.reason)
      }
    }))

  test("certificates that are expired, or of another address", () =>
    Effect.gen(function* () {
      const authority = makeAuthority("test-ca", yield* Clock.currentTimeMillis)
      for (const [what, certificate] of [
        ["expired", authority.issue({ name: "broker", hosts: ["127.0.0.1"], expired: true })],
        ["another address", authority.issue({ name: "broker", hosts: ["localhost", "127.0.0.2"] })]
      ] as const) {
        const peer = yield* listening(() => Tls.createServer(certificate))
        const error = failureOf(
          yield* Effect.exit(open({ brokers: [peer.address], tls: { ca: authority.cert } }, "topic"))
        )
        assert.deepStrictEqual([error._tag, error.reason], ["KafkaConnectionError", "Tls"], what)
      }
    }))

  test("no secret in any error, log line, or inspected value", () =>
    Effect.gen(function* () {
      const { as, java, sasl, tls, topic } = yield* kafka
      const name = yield* topic([
        ["changing", "read"],
        ["describer", "describe"]
      ])
      const wrong = "s3cret-that-is-wrong"
      const token = `${Buffer.from("s3cret").toString("base64url")}.not-a-token.`
      const key = tls.client.key
      const shown: Array<string> = []
      const note = (value: unknown) => {
        shown.push(inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null }))
        shown.push(String(value))
        try {
          shown.push(JSON.stringify(value) ?? "")
        } catch {
          // circular
        }
      }
      yield* Effect.gen(function* () {
        const clients = [
          as(sasl("changing", "PLAIN", wrong)),
          as(sasl("changing", "SCRAM-SHA-256", wrong)),
          as(sasl("describer")),
          as({ mechanism: "OAUTHBEARER", token: Effect.succeed(Redacted.make(token)) }),
          { ...as(sasl("changing")), tls: { ca: tls.otherCa, cert: tls.client.cert, key: Redacted.make(key) } },
          { ...as(sasl("changing")), clientID: wrong }
        ]
        for (const client of clients) {
          const exit = yield* Effect.exit(open(client, name))
          assert.isTrue(Exit.isFailure(exit))
          if (Exit.isFailure(exit)) {
            shown.push(Cause.pretty(exit.cause, { renderErrorCause: true }))
            note(exit)
            note(failureOf(exit))
          }
        }
        const table = yield* open(as(sasl("changing")), name, { deniedRetryInterval: "300 millis" })
        note(table)
        note(yield* KafkaClient.make(as(sasl("changing"))))
        yield* java.upsertScram("changing", "SCRAM-SHA-512", "another one")
        note(yield* eventually(statusOf(table), (one) => one._tag === "Failed"))
        note(yield* table.freshness)
        note(yield* Effect.exit(table.barrier({ timeout: "300 millis" })))
        yield* java.upsertScram("changing", "SCRAM-SHA-512", passwords.changing)
        yield* eventually(statusOf(table), (one) => one._tag === "CaughtUp")
      }).pipe(recordLogs(shown))
      assert.isAbove(shown.length, 30)
      const told = shown.join("\n")
      assert.include(told, "Authentication")
      assert.include(told, "module=kafkajs")
      const secrets = [...Object.values(passwords), wrong, token, key, key.split("\n")[1]]
      const forms = secrets.flatMap((secret) => [
        secret,
        Buffer.from(secret).toString("base64").replaceAll("=", "").slice(0, -1),
        Buffer.from(secret).toString("hex"),
        Buffer.from(secret).toString("hex").match(/../g)!.join(" ")
      ])
      for (const [i, form] of forms.entries()) {
        const at = told.indexOf(form)
        assert.strictEqual(at, -1, `form ${i % 4} of secret ${Math.floor(i / 4)}: ${told.slice(at - 300, at + 100)}`)
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
        ["waiting for a token", { mechanism: "OAUTHBEARER", token: Effect.never } as const, 200]
      ] as const) {
        const { left } = yield* leftovers(open(as(options), name), after === undefined ? {} : { interruptAfter: after })
        const { millisToClose, ...rest } = left
        assert.deepStrictEqual(rest, { connections: 0, fibers: 0, timers: 0 }, what)
        assert.isBelow(millisToClose, 2_000)
      }
    }))
})
