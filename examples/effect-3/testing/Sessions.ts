/**
 * A service of one's own, built on a table and a writer: login sessions that all replicas share, and that expire.
 * `Sessions.test.ts` beside it tests it on a Kafka in memory. Nothing in here knows of that: time is Effect's Clock,
 * and Kafka is whichever `KafkaClient` is provided.
 */
import { Context, Data, DateTime, Duration, Effect, Layer, Option, Schedule, Schema } from "effect"
import { Codec, KafkaTable, KafkaTableWriter, type KafkaError } from "effect-ktables"
import { randomUUID } from "node:crypto"

export class Session extends Schema.Class<Session>("Session")({
  user: Schema.NonEmptyString,
  expiresAt: Schema.DateTimeUtc
}) {}

export class SessionTable extends KafkaTable.Tag("examples/SessionTable")<SessionTable, string, Session>() {}
export class SessionWriter extends KafkaTableWriter.Tag("examples/SessionWriter")<SessionWriter, string, Session>() {}

/** Nobody can log in or out at the moment. */
export class SessionsUnavailable extends Data.TaggedError("SessionsUnavailable")<{
  readonly cause: KafkaError.KafkaError
}> {}

export class Sessions extends Context.Tag("examples/Sessions")<
  Sessions,
  {
    /** Gives a token, valid for half an hour, at this replica from now on, at others within milliseconds. */
    readonly login: (user: string) => Effect.Effect<string, SessionsUnavailable>
    readonly logout: (token: string) => Effect.Effect<void, SessionsUnavailable>
    /** Never fails: while Kafka is away, sessions that are known stay so. */
    readonly userOf: (token: string) => Effect.Effect<Option.Option<string>>
  }
>() {}

const LIFETIME = Duration.minutes(30)
const TOPIC = "examples.sessions"

const make = Effect.gen(function* () {
  const table = yield* SessionTable
  const writer = yield* SessionWriter
  const unavailable = Effect.mapError((cause: KafkaError.KafkaError) => new SessionsUnavailable({ cause }))

  // Each replica does this, and that does no harm: a key may be deleted twice.
  const sweep = Effect.gen(function* () {
    const now = yield* DateTime.now
    const expired = (yield* table.entries).filter(({ value }) => DateTime.lessThanOrEqualTo(value.expiresAt, now))
    yield* writer.deleteMany(expired.map(({ key }) => key))
  }).pipe(Effect.catchTag("KafkaWriteError", (error) => Effect.logWarning(`sweep: ${error.message}`)))
  yield* Effect.forkScoped(Effect.schedule(sweep, Schedule.spaced("1 minute")))

  return Sessions.of({
    login: (user) =>
      Effect.gen(function* () {
        const token = randomUUID()
        const expiresAt = DateTime.addDuration(yield* DateTime.now, LIFETIME)
        const position = yield* writer.set(token, new Session({ user, expiresAt }))
        yield* table.awaitPosition(position)
        return token
      }).pipe(unavailable),
    logout: (token) => writer.delete(token).pipe(Effect.flatMap(table.awaitPosition), unavailable),
    userOf: (token) =>
      Effect.gen(function* () {
        const now = yield* DateTime.now
        return (yield* table.get(token)).pipe(
          Option.filter(({ expiresAt }) => DateTime.greaterThan(expiresAt, now)),
          Option.map(({ user }) => user)
        )
      })
  })
})

const options = { topic: TOPIC, value: Codec.json(Session) }

/**
 * Needs a `KafkaClient`. The table and the writer come with it, for tests and for health checks.
 *
 * A broker that has nothing new may say so every ten seconds only: new records do not wait for that. A test's clock has
 * twenty times fewer moments to go through.
 */
export const layer = Layer.scoped(Sessions, make).pipe(
  Layer.provideMerge(KafkaTable.layer(SessionTable, { ...options, fetch: { maxWait: "10 seconds" } })),
  Layer.provideMerge(KafkaTableWriter.layer(SessionWriter, { ...options, deliveryTimeout: "5 seconds" }))
)
