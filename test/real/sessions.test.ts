/**
 * Each SASL mechanism on a real Kafka whose sessions are short: tables and writers go on. Who is refused is told, and does
 * not ask again and again. A proxy counts the requests.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import { assert, describe } from "vitest"
import { failureOf } from "../support/exits.ts"
import type { KafkaClient } from "../../src/index.ts"
import * as Lab from "../faults/lab.ts"
import { compacted, openTable, openWriter } from "../faults/openings.ts"
import { Api } from "../faults/Proxy.ts"
import * as KafkaCluster from "../kafka/KafkaCluster.ts"
import { realKafka, topicName } from "../kafka/realKafka.ts"
import {
  changesOf,
  eventually,
  failOnProcessWarnings,
  recordLogs,
  shared,
  statuses,
  statusOf,
  test
} from "../support/live.ts"
import { stopwatch } from "../support/ownTime.ts"

failOnProcessWarnings()

const user = "alice"
const password = "secret"

/**
 * The broker's limit. With OAUTHBEARER, tokens end sooner. It closes a connection that brings it a request when its session is
 * over, and should: a quarter of this is how long a request that was sent in time may be on its way.
 */
const SESSION_MILLIS = 8_000

/** A token says when it ends in whole seconds: it is valid for eight to nine. */
const TOKEN_SECONDS = 9

const SESSIONS = 3

const SASL_HANDSHAKE = 17
/** The first request of each connection. */
const API_VERSIONS = 18

/** A connection authenticates again after three quarters of its session. */
const isDueAfter = (sessionMillis: number): number => (sessionMillis * 3) / 4

const token = (seconds: number) => Effect.map(KafkaCluster.unsecuredToken(user, seconds), Redacted.make)

const withPassword = (
  mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512",
  password: string
): KafkaClient.SaslOptions => ({ mechanism, username: user, password: Redacted.make(password) })

const mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] as const

const right = (mechanism: (typeof mechanisms)[number]): KafkaClient.SaslOptions =>
  mechanism === "OAUTHBEARER" ? { mechanism, token: token(TOKEN_SECONDS) } : withPassword(mechanism, password)

const wrong = (mechanism: (typeof mechanisms)[number]): KafkaClient.SaslOptions =>
  mechanism === "OAUTHBEARER" ? { mechanism, token: token(-60) } : withPassword(mechanism, "wrong")

realKafka("sessions that end, and credentials that are refused", { java: true }, () => {
  const made = shared(
    Lab.make({
      listener: "sasl_plaintext",
      users: { [user]: password },
      config: {
        "connections.max.reauth.ms": String(SESSION_MILLIS),
        "listener.name.client.oauthbearer.connections.max.reauth.ms": "3600000"
      }
    })
  )
  const topic = (lab: Lab.Lab) => {
    const name = topicName()
    return Effect.as(lab.java.createTopic(name, { configs: compacted }), name)
  }

  describe.concurrent("beyond the end of a session", () => {
    for (const mechanism of mechanisms) {
      const sessionMillis = mechanism === "OAUTHBEARER" ? TOKEN_SECONDS * 1000 : SESSION_MILLIS

      test(`${mechanism}: a table and a writer go on over ${SESSIONS} sessions; no failed write, no gap, nothing in the log`, () => {
        const lines: Array<string> = []
        return Effect.gen(function* () {
          const lab = yield* made
          const name = yield* topic(lab)
          const clientId = `lasting-${mechanism}`
          const asked = (api: number) => lab.proxies[0].requests(api, { clientId })
          const options = { sasl: right(mechanism) }
          const begin = yield* Clock.currentTimeMillis
          const table = yield* openTable(lab, clientId, name, {}, options)
          const writer = yield* openWriter(lab, clientId, name, {}, options)
          const [seen, changes] = [yield* statuses(table), yield* changesOf(table)]
          const written: Array<readonly [string, string]> = []
          const write = Effect.gen(function* () {
            const value = `${written.length}`
            const position = yield* writer.set("a", value)
            assert.strictEqual(position.offset, written.length)
            written.push(["a", value])
            yield* table.awaitPosition(position)
            yield* table.barrier()
            assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), value)
          })
          yield* write
          const connections = asked(API_VERSIONS)

          const until = (yield* Clock.currentTimeMillis) + SESSIONS * sessionMillis
          while ((yield* Clock.currentTimeMillis) < until) yield* Effect.andThen(write, Effect.sleep("20 millis"))

          assert.strictEqual(asked(API_VERSIONS), connections, `connections; ${lines.join("\n")}`)
          // Each connection has authenticated once; all else is done again.
          const again = asked(SASL_HANDSHAKE) - connections
          // one to fetch and one to write, and the one of the barriers
          assert.isAtLeast(again, 3 * SESSIONS)
          const shortest = mechanism === "OAUTHBEARER" ? sessionMillis - 1000 : sessionMillis
          const elapsed = (yield* Clock.currentTimeMillis) - begin
          assert.isAtMost(again, connections * (1 + elapsed / isDueAfter(shortest)))

          yield* eventually(
            Effect.sync(() => changes.length),
            (count) => count >= written.length - 1
          )
          // the first one was there before somebody looked, or not
          assert.deepStrictEqual(changes.slice(-(written.length - 1)), written.slice(1))
          const log = yield* lab.java.dump(name)
          assert.deepStrictEqual(
            log.map((record) => [record.key?.toString(), record.value?.toString()]),
            written.map(([key, value]) => [key, value])
          )
          const { acknowledged, requests, writes } = yield* writer.stats
          assert.deepStrictEqual([acknowledged, requests], [writes, writes])
          const { rebuilds, reconnects } = yield* table.stats
          assert.deepStrictEqual([rebuilds, reconnects], [0, 0])
          assert.deepStrictEqual(seen, ["CaughtUp"])
          assert.isTrue(lines.some((line) => line.includes("caught up")))
          const complaints = lines.filter((line) => /level=(WARN|ERROR|FATAL)|module=kafkajs|unhandled/.test(line))
          assert.strictEqual(complaints.join("\n"), "")
        }).pipe(recordLogs(lines))
      })
    }
  })

  test("refused at the start: typed, at once, and one attempt", () =>
    Effect.gen(function* () {
      const lab = yield* made
      const name = yield* topic(lab)
      const clients: Array<string> = []
      const counts = () =>
        clients.map((clientId) => [
          clientId,
          ...[API_VERSIONS, SASL_HANDSHAKE, Api.Metadata].map((api) => lab.proxies[0].requests(api, { clientId }))
        ])
      for (const mechanism of mechanisms) {
        const options = { sasl: wrong(mechanism) }
        const attempts = [
          ["table", Effect.asVoid(openTable(lab, `table-${mechanism}`, name, {}, options))],
          ["writer", Effect.asVoid(openWriter(lab, `writer-${mechanism}`, name, {}, options))]
        ] as const
        for (const [what, open] of attempts) {
          clients.push(`${what}-${mechanism}`)
          const passed = stopwatch()
          // their clients stay
          const error = yield* Effect.flip(open)
          assert.deepStrictEqual(
            [error._tag, error.reason, error.retriable],
            ["KafkaConnectionError", "Authentication", false],
            `${what}, ${mechanism}`
          )
          assert.include(error.message, "authentication failed")
          assert.isBelow(passed(), 2_000)
        }
      }
      const once = clients.map((clientId) => [clientId, 1, 1, 0])
      assert.deepStrictEqual(counts(), once)
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(counts(), once)
    }))

  for (const [what, bad] of [
    ["a token that is refused", token(-60)],
    ["no token", Effect.fail("none today")]
  ] as const) {
    test(`OAUTHBEARER, ${what} when the session ends: failed and healing, few attempts, live again with a good one`, () =>
      Effect.gen(function* () {
        const lab = yield* made
        const name = yield* topic(lab)
        let isGood = true
        const options: Lab.ClientOptions = {
          sasl: {
            mechanism: "OAUTHBEARER",
            token: Effect.suspend<Redacted.Redacted<string>, unknown, never>(() =>
              isGood ? token(TOKEN_SECONDS) : bad
            )
          }
        }
        const clientId = (side: string) => `${side}, ${what}`
        const table = yield* openTable(lab, clientId("table"), name, { deniedRetryInterval: "500 millis" }, options)
        const writer = yield* openWriter(lab, clientId("writer"), name, {}, options)
        const seen = yield* statuses(table)
        yield* table.awaitPosition(yield* writer.set("a", "1"))

        isGood = false
        const status = yield* eventually(statusOf(table), (one) => one._tag === "Failed")
        if (status._tag !== "Failed") return
        assert.deepStrictEqual(
          [status.healing, status.error._tag, status.error.reason],
          [true, "KafkaConnectionError", "Authentication"]
        )
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "1")
        // its session may last for a moment
        yield* eventually(Effect.exit(writer.set("b", "1")), Exit.isFailure)
        const error = failureOf(yield* Effect.exit(writer.set("b", "2")))
        assert.strictEqual(error.reason, "Unauthorized")
        assert.include(error.message, "authentication failed")

        const asked = (side: string) => lab.proxies[0].requests(SASL_HANDSHAKE, { clientId: clientId(side) })
        const before = [asked("table"), asked("writer")]
        const since = yield* Clock.currentTimeMillis
        yield* Effect.sleep("3 seconds")
        const halves = ((yield* Clock.currentTimeMillis) - since) / 500
        // to fetch and for the metadata, every half second; nobody writes
        assert.isAtMost(asked("table") - before[0], 2 * (halves + 2))
        assert.isAtMost(asked("writer") - before[1], 2 * 5)

        isGood = true
        const position = yield* eventually(Effect.exit(writer.set("a", "2")), Exit.isSuccess).pipe(Effect.flatten)
        yield* table.awaitPosition(position)
        assert.strictEqual(table.unsafeSnapshot().getOrUndefined("a"), "2")
        yield* eventually(statusOf(table), ({ _tag }) => _tag === "CaughtUp")
        assert.deepStrictEqual(seen, ["CaughtUp", "Failed", "CaughtUp"])
        const log = yield* lab.java.dump(name)
        assert.notInclude(
          log.map(({ key, value }) => `${key?.toString()}=${value?.toString()}`),
          "b=2"
        )
      }))
  }
})
