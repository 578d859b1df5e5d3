/** What a table has to say about itself at one moment. */
import { Clock, Effect, SubscriptionRef } from "effect"
import type { KafkaTable, LiveTable, TableSnapshot } from "effect-ktables"
import { Services, type Service } from "./registry.ts"

export interface Picture {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly snapshot: Pick<TableSnapshot.RecordSnapshot<string, Service>, "size" | "entries">
  readonly status: LiveTable.TableStatus
  readonly freshness: LiveTable.Freshness
  readonly stats: KafkaTable.TableStats
}

export const look: Effect.Effect<Picture, never, Services> = Effect.gen(function* () {
  const services = yield* Services
  return {
    at: yield* Clock.currentTimeMillis,
    snapshot: services.unsafeSnapshot(),
    status: yield* SubscriptionRef.get(services.status),
    freshness: yield* services.freshness,
    stats: yield* services.stats
  }
})

/** The next moment in which the table has all that the broker has: a heartbeat may just be on its way. */
export const lookWhenCurrent = Effect.gen(function* () {
  let picture = yield* look
  while (!isSettled(picture)) {
    yield* Effect.sleep("10 millis")
    picture = yield* look
  }
  return picture
})

const isSettled = ({ freshness, status }: Picture): boolean =>
  status._tag === "Failed" || (status._tag === "CaughtUp" && freshness.connected && freshness.lag === 0)
