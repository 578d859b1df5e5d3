import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import assert from "node:assert"
import { randomBytes } from "node:crypto"
import { Catalog, Codec, EmbeddedKafka, KafkaClient, KafkaError } from "../../src/index.ts"
import { identify } from "../../src/internal/catalog/configuration.ts"
import { identityBytes, withId } from "../../src/internal/catalog/keys.ts"
import { withoutLogs } from "../support/effect/v4/logs.ts"
import { it } from "../support/ManualClock.ts"

export class Part extends Schema.Class<Part>("Part")({
  sku: Schema.String,
  vendor: Schema.String,
  zone: Schema.String,
  stock: Schema.Int
}) {}

export const part = (sku: string, vendor: string, zone: string, stock = 0) => new Part({ sku, vendor, zone, stock })

export const KEYS = { rowKey: "sku", indexKeys: ["vendor", "zone"] } as const

export class Parts extends Catalog.Tag("app/Parts")<Parts, Part>()(KEYS) {}

/** A catalog of parts, as another process has it: with a client of its own. */
export const catalogOn = (client: KafkaClient.KafkaClient, topic: string, settings: Catalog.CatalogSettings = {}) =>
  Catalog.make(KEYS, { topic, value: Codec.json(Part), ...settings }).pipe(
    Effect.provideService(KafkaClient.KafkaClient, client)
  )

export const skus = (parts: Iterable<Part>): ReadonlyArray<string> => Array.from(parts, ({ sku }) => sku)

export const stocks = (parts: Iterable<Part>): ReadonlyArray<number> => Array.from(parts, ({ stock }) => stock)

/** Runs with a cluster, and a client of it. */
export const withKafka = <A, E>(
  body: (
    kafka: EmbeddedKafka.EmbeddedKafka,
    client: Effect.Effect<KafkaClient.KafkaClient, KafkaError.InvalidOptionsError, Scope.Scope>
  ) => Effect.Effect<A, E, Scope.Scope>
) => Effect.flatMap(EmbeddedKafka.make(), (kafka) => body(kafka, kafka.client()))

/** A test in which no time passes but while `asTimeGoesOn` runs something: what has to come in time does, on any machine. */
export const inOwnTime = <A, E>(name: string, body: () => Effect.Effect<A, E, Scope.Scope>): void =>
  it.effect(name, () => withoutLogs(body()))

/** A key that somebody else writes a record of this identity with. */
export const keyOf = (record: object): Uint8Array => {
  const identity = identify("any", KEYS, record)
  if (identity instanceof KafkaError.InvalidRecordError) return assert.fail(identity.message)
  return withId(identityBytes(identity), randomBytes(16))
}

/** A candidate as somebody else writes it. */
export const candidate = (record: Part) => ({ key: keyOf(record), value: JSON.stringify(record) })

/** The names of the options of a catalog that are wrong. */
export const problemsOf = (error: unknown): ReadonlyArray<string> => {
  assert(error instanceof KafkaError.InvalidOptionsError)
  const { module, problems } = error
  assert.strictEqual(module, "Catalog")
  return problems.map(({ option }) => option)
}

/** Holds up what a client writes first until the gate is opened; what it writes after so many requests is lost. */
export const heldUp = (kafka: EmbeddedKafka.EmbeddedKafka, clientId: string, answered = Number.POSITIVE_INFINITY) =>
  Effect.gen(function* () {
    const arrived = yield* Deferred.make<void>()
    const gate = yield* Deferred.make<void>()
    let requests = 0
    yield* kafka.intercept("Produce", (call, answer) => {
      if (call.clientId !== clientId) return answer
      if (++requests > answered) return Effect.never
      return Deferred.succeed(arrived, undefined).pipe(Effect.andThen(Deferred.await(gate)), Effect.andThen(answer))
    })
    return { arrived, gate }
  })
