/** The waits for a table: until it has caught up, until it has what brokers have now, until it has a position. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { ListedOffset, TopicDescription } from "../../KafkaClient.ts"
import {
  InvalidOptionsError,
  WaitTimeoutError,
  type ClientError,
  type PartitionLag,
  type TopicError
} from "../../KafkaError.ts"
import type { PartitionMetadata } from "../../KafkaProtocol.ts"
import type { TableFailure, WaitError, WaitOptions } from "../../LiveTable.ts"
import type { Position } from "../../Position.ts"
import { retryDelay } from "../client/backoff.ts"
import { readWaitOptions } from "../options/wait.ts"
import { NO_POSITION, positionsIn } from "../position.ts"
import type { Target } from "./publication/waiters.ts"
import { whyBehind } from "./reading/hindrances.ts"
import type { TableParts } from "./reading/parts.ts"
import { withTypedDefects } from "./supervision.ts"

/** The target in a partition whose end is not known: it is never reached. */
const UNKNOWN_TARGET = Number.POSITIVE_INFINITY

/** What each partition has to reach before the table has caught up. */
export const gates = <K, V>(parts: TableParts<K, V>): ReadonlyArray<Target> =>
  [...parts.partitions.values()].map((p) => ({ partition: p.partition, target: p.gate ?? UNKNOWN_TARGET }))

/** The error of a wait whose time is up: what is behind, and what holds it up. */
export const waitTimeout = <K, V>(
  parts: TableParts<K, V>,
  operation: WaitTimeoutError["operation"],
  afterMillis: number,
  targets: ReadonlyArray<Target>,
  asked?: ClientError | TopicError
): WaitTimeoutError => {
  const behind = parts.publication.waiters
    .behind(targets)
    .map((b): PartitionLag => (b.target === UNKNOWN_TARGET ? { ...b, target: undefined } : b))
  const { cause, heldUpBy } = whyBehind(parts, operation, behind, asked)
  return new WaitTimeoutError({
    operation,
    topic: parts.config.topic,
    afterMillis,
    behind,
    heldUpBy,
    bootstrap: parts.client.bootstrap,
    ...(cause === undefined ? {} : { cause })
  })
}

/** Notes the targets of a wait, as far as it knows them, and the failure of what it asked brokers for last. */
type Known = (targets: ReadonlyArray<Target>, asked?: ClientError | TopicError) => void

/** Bounds a wait, if there is anything to wait for. Its error tells what was `known` when the time was up. */
const bounded = <K, V>(
  parts: TableParts<K, V>,
  operation: "awaitCaughtUp" | "barrier" | "awaitPosition",
  options: WaitOptions | undefined,
  wait: (known: Known) => Effect.Effect<void, WaitError> | undefined
): Effect.Effect<void, WaitError> =>
  Effect.suspend(() => {
    const { topic, waitTimeoutMillis } = parts.config
    const within = (millis: number) => {
      let targets: ReadonlyArray<Target> = []
      let asked: ClientError | TopicError | undefined
      const waiting = wait((known, failure) => {
        targets = known
        asked = failure
      })
      if (waiting === undefined) return Effect.void
      return parts.publication.waiters.unlessEnded(withTypedDefects(topic, waiting), millis, () =>
        waitTimeout(parts, operation, millis, targets, asked)
      )
    }
    if (options === undefined) return within(waitTimeoutMillis)
    return Effect.flatMap(readWaitOptions(`KafkaTable.${operation}`, topic, options), ({ timeoutMillis }) =>
      within(timeoutMillis ?? waitTimeoutMillis)
    )
  }).pipe(
    Effect.withSpan(
      `KafkaTable.${operation}`,
      { attributes: { "messaging.destination.name": parts.config.topic } },
      // The captured stack would only point here.
      { captureStackTrace: false }
    )
  )

/**
 * Whether a description has all partitions of a fresh one, and no leader that was deposed since: such a leader may
 * neither know that it was, nor what it has missed.
 */
const knows = (description: TopicDescription, fresh: TopicDescription): boolean =>
  fresh.partitions.every(({ leader, leaderEpoch, partition }, i) => {
    const known = description.partitions[i] as PartitionMetadata | undefined
    if (known?.partition !== partition) return false
    // Without epochs nobody knows which of two leaders is the newer one.
    return leaderEpoch === -1 || known.leaderEpoch === -1 ? known.leader === leader : known.leaderEpoch >= leaderEpoch
  })

/** The high watermarks of all partitions at this moment, from their leaders. */
const highWatermarks = <K, V>(
  parts: TableParts<K, V>,
  known: Known
): Effect.Effect<ReadonlyArray<Target>, TableFailure> => {
  const { client, config } = parts
  const at = { isolation: "read_uncommitted", timestamp: "latest" } as const
  const ask = (description: TopicDescription | undefined): Effect.Effect<ReadonlyArray<Target>, TableFailure> =>
    Effect.gen(function* () {
      // Both are asked for at once, as mostly the description only confirms that the right leaders were asked.
      const describing = yield* Effect.forkChild(client.describeTopic(config.topic))
      const listed = description === undefined ? undefined : yield* client.listOffsets(description, at)
      const fresh = yield* Effect.flatten(Fiber.await(describing))
      const reading = parts.source?.description(parts.config.topic)?.topic.id
      if (reading !== undefined && fresh.topic.id !== undefined && reading !== fresh.topic.id) {
        // Offsets of a topic that was created again say nothing about positions until the reader reads it, too.
        parts.source?.refresh()
        yield* Effect.flatMap(retryDelay(client, 0), Effect.sleep)
        return yield* ask(undefined)
      }
      const isCurrent = description !== undefined && knows(description, fresh)
      if (!isCurrent) parts.source?.refresh()
      const offsets = isCurrent && listed !== undefined ? listed : yield* client.listOffsets(fresh, at)
      const error = offsets.find((o) => o.error !== undefined)?.error
      // A timeout names these targets, those that are not known included.
      const target = (o: ListedOffset): number => (o.error === undefined ? o.offset : UNKNOWN_TARGET)
      known(
        offsets.map((o) => ({ partition: o.partition, target: target(o) })),
        error
      )
      if (error !== undefined) return yield* Effect.fail(error)
      return offsets.map((o) => ({ partition: o.partition, target: o.offset }))
    })
  const attempt = (
    n: number,
    known: TopicDescription | undefined
  ): Effect.Effect<ReadonlyArray<Target>, TableFailure> =>
    Effect.catch(ask(known), (error) =>
      error.retriable || error.reason === "NotFound"
        ? Effect.andThen(
            Effect.flatMap(retryDelay(client, n), Effect.sleep),
            Effect.suspend(() => attempt(n + 1, undefined))
          )
        : Effect.fail(error)
    )
  return Effect.suspend(() => attempt(0, parts.source?.description(parts.config.topic)))
}

/**
 * Waits until the status is `CaughtUp`. Statuses end with the reader, which `Waiters` tells whoever waits: so this does
 * not end then.
 */
const untilCaughtUp = <K, V>(parts: TableParts<K, V>): Effect.Effect<void> =>
  parts.statuses.changes.pipe(
    // This looks at the reader's own status, as anybody may set the ref to something else.
    Stream.takeUntil(() => parts.status._tag === "CaughtUp"),
    Stream.runDrain,
    Effect.andThen(Effect.suspend(() => (parts.status._tag === "CaughtUp" ? Effect.void : Effect.never)))
  )

/** Waits until the table has caught up: see `LiveTable`. */
export const awaitCaughtUp = <K, V>(
  parts: TableParts<K, V>,
  options: WaitOptions | undefined
): Effect.Effect<void, WaitError> =>
  bounded(parts, "awaitCaughtUp", options, (known) => {
    if (parts.latched && parts.status._tag === "CaughtUp") return undefined
    known(gates(parts))
    return untilCaughtUp(parts)
  })

/** Waits until the table has all that brokers have at this moment: see `LiveTable`. */
export const barrier = <K, V>(
  parts: TableParts<K, V>,
  options: WaitOptions | undefined
): Effect.Effect<void, WaitError> =>
  bounded(parts, "barrier", options, (known) =>
    Effect.flatMap(highWatermarks(parts, known), (targets) => {
      known(targets)
      return parts.publication.waiters.await(targets)
    })
  )

/** Waits until the table has these positions: see `LiveTable`. */
export const awaitPosition = <K, V>(
  parts: TableParts<K, V>,
  position: Position | ReadonlyArray<Position>,
  options: WaitOptions | undefined
): Effect.Effect<void, WaitError> =>
  bounded(parts, "awaitPosition", options, (known) => {
    const { config, gone, publication } = parts
    const positions = positionsIn(position)
    const foreign = positions?.find((p) => p.topic !== config.topic)
    if (positions === undefined || foreign !== undefined) {
      const problem =
        foreign === undefined ? NO_POSITION : `of topic "${foreign.topic}", this table is of "${config.topic}"`
      return Effect.fail(
        new InvalidOptionsError({
          module: "KafkaTable.awaitPosition",
          topic: config.topic,
          problems: [{ option: "position", problem }]
        })
      )
    }
    const targets = positions.map((p) => ({ partition: p.partition, target: p.offset + 1 }))
    if (gone !== undefined && targets.some(({ partition }) => gone.partitions.has(partition))) {
      return Effect.fail(gone.error)
    }
    if (publication.waiters.areReached(targets)) return undefined
    known(targets)
    if (targets.some((t) => !parts.partitions.has(t.partition))) parts.source?.refresh()
    return publication.waiters.await(targets)
  })
