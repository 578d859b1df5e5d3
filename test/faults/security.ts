/** Rights and credentials that are taken away, and given back. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { assert } from "vitest"
import type { LiveTable } from "../../src/index.ts"
import type * as JavaClient from "../kafka/JavaClient.ts"
import { eventually, statusOf } from "../support/live.ts"
import { SOONER_MILLIS } from "../support/patience.ts"
import * as Lab from "./lab.ts"
import { Api } from "./Proxy.ts"
import { bothSides, type Scenario } from "./rows.ts"
import * as Trial from "./trial.ts"

const user = "alice"
const mechanism = "SCRAM-SHA-256"
const password = "secret"

const client: Lab.ClientOptions = { sasl: { mechanism, username: user, password: Redacted.make(password) } }

const right = (operation: string): JavaClient.Acl => ({ user, resource: "topic", name: "*", operation })

/** Everything that tables and writers need is allowed, on all topics. */
export const lab = Effect.tap(
  Lab.make({ listener: "sasl_plaintext", users: { [user]: password }, acls: true }),
  ({ java }) => java.addAcls(["describe", "describe_configs", "read", "write"].map(right))
)

/** How often what was refused is tried again. */
const RETRY_MILLIS = 1_000

/** How many requests of a kind a client makes in three seconds, or in how many they are on a busy machine. */
const requestsIn3Seconds = ({ proxies: [proxy] }: Lab.Lab, api: number, clientId: string) =>
  Effect.gen(function* () {
    const before = proxy.requests(api, { clientId })
    const begin = performance.now()
    yield* Effect.sleep("3 seconds")
    return { requests: proxy.requests(api, { clientId }) - before, seconds: (performance.now() - begin) / 1_000 }
  })

const isDenied = (status: LiveTable.TableStatus): boolean => status._tag === "Failed" && status.healing

const failuresSince = ({ load }: Trial.World, from: number): ReadonlyArray<string> =>
  load.operations.slice(from).flatMap(({ outcome }) => (outcome?._tag === "Failed" ? [outcome.reason] : []))

/** It was denied, its content was frozen and readable, and it is live again. */
const isLiveAgain = ({ statuses, table }: Trial.World) =>
  Effect.gen(function* () {
    // the last of what was refused (partitions, metadata) may have its next turn after all records are there
    yield* eventually(statusOf(table), ({ _tag }) => _tag === "CaughtUp", SOONER_MILLIS)
    assert.deepStrictEqual([...new Set(statuses)], ["CaughtUp", "Failed"])
    assert.strictEqual((yield* table.stats).rebuilds, 0)
  })

export const scenarios: ReadonlyArray<Scenario> = [
  Trial.underLoad("the rights to read and to write are revoked, and granted again", bothSides("denied"), (lab) => ({
    client,
    table: { deniedRetryInterval: RETRY_MILLIS },
    // Nobody gives up before he was refused.
    writer: { deliveryTimeout: "2 minutes" },
    fault: (world) =>
      Effect.gen(function* () {
        const { load, table, writers } = world
        const rights = [right("read"), right("write")]
        yield* Effect.acquireRelease(lab.java.removeAcls(rights), () => Effect.orDie(lab.java.addAcls(rights)))
        const status = yield* eventually(statusOf(table), isDenied)
        if (status._tag === "Failed") {
          assert.deepStrictEqual([status.error._tag, status.error.reason], ["KafkaBrokerError", "Unauthorized"])
        }
        const from = load.operations.length
        yield* eventually(
          Effect.sync(() => failuresSince(world, from).length),
          (count) => count > 20
        )
        assert.deepStrictEqual([...new Set(failuresSince(world, from))], ["Unauthorized"])

        // one write, one request
        yield* load.pause
        const version = table.unsafeSnapshot().version
        const before = lab.proxies[0].requests(Api.Produce, { clientId: "patient" })
        assert.strictEqual((yield* Effect.flip(writers.get("patient")!.set("k1", "v"))).reason, "Unauthorized")
        assert.strictEqual(lab.proxies[0].requests(Api.Produce, { clientId: "patient" }), before + 1)
        // each of four partitions is asked for once in a while
        const { requests, seconds } = yield* requestsIn3Seconds(lab, Api.Fetch, "reader")
        assert.isAtMost(requests, 4 * (1 + seconds))
        assert.strictEqual(table.unsafeSnapshot().version, version)
        assert.isAbove(table.unsafeSnapshot().size, 0)
        yield* load.resume
      }),
    then: isLiveAgain
  })),

  Trial.underLoad("credentials are withdrawn, and given back", bothSides("denied"), (lab) => ({
    client,
    table: { deniedRetryInterval: RETRY_MILLIS },
    // Nobody gives up before he was refused.
    writer: { deliveryTimeout: "2 minutes" },
    fault: (world) =>
      Effect.gen(function* () {
        const { load, table } = world
        yield* Effect.acquireRelease(lab.java.deleteScram(user, mechanism), () =>
          Effect.orDie(lab.java.upsertScram(user, mechanism, password))
        )
        // who is in, stays in
        yield* lab.proxies[0].reset()
        const status = yield* eventually(statusOf(table), isDenied)
        if (status._tag === "Failed") {
          assert.deepStrictEqual([status.error._tag, status.error.reason], ["KafkaConnectionError", "Authentication"])
        }
        const from = load.operations.length
        yield* eventually(
          Effect.sync(() => failuresSince(world, from).length),
          (count) => count > 20
        )
        assert.deepStrictEqual([...new Set(failuresSince(world, from))], ["Unauthorized"])
        assert.isAbove(table.unsafeSnapshot().size, 0)
        // SCRAM takes two requests; for the metadata and to fetch, however many partitions and writes there are
        const [ofReader, ofWriter] = yield* Effect.all(
          [
            requestsIn3Seconds(lab, Api.SaslAuthenticate, "reader"),
            requestsIn3Seconds(lab, Api.SaslAuthenticate, "patient")
          ],
          { concurrency: 2 }
        )
        assert.isAtMost(ofReader.requests, 2 * 4 * ofReader.seconds)
        assert.isAtMost(ofWriter.requests, 2 * 10 * ofWriter.seconds)
      }),
    then: isLiveAgain
  }))
]
