/** Which topics a consumer subscribes to, of names and globs, and how many partitions they have. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { KafkaClient, TopicSummary } from "../../KafkaClient.ts"
import type { TopicPartition } from "../../KafkaConsumer.ts"
import type { ClientError, TopicError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import type { Subscription } from "../options/consumer.ts"
import { Signal } from "../signal.ts"
import type { MembershipFailure } from "./member/member.ts"

/** A named topic that does not exist is looked for this often, in milliseconds, if not more often than all others. */
const MISSING_MILLIS = 5_000

/** The regular expression of a glob. Names of topics have no character that means something in one, but the dot. */
export const globOf = (glob: string): RegExp =>
  new RegExp(`^${glob.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".")}$`)

export interface Topics {
  /** Looks for the first time. */
  readonly first: Effect.Effect<void, MembershipFailure>
  /** Looks again every so often, until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Names that are subscribed to: those that were given, and what the globs match at present. */
  readonly subscribed: () => ReadonlyArray<string>
  /** How many partitions topics have, asked for now. What does not exist, or is not to be seen, is left out. */
  readonly countsOf: (topics: Iterable<string>) => Effect.Effect<ReadonlyMap<string, number>, MembershipFailure>
  /** Whether a partition was there when this member first looked. */
  readonly wasThere: (partition: TopicPartition) => boolean
  /** The id of a topic that is subscribed to, as of the last look; `undefined` if it has none, or was not there. */
  readonly idOf: (topic: string) => string | undefined
  /** The name of a topic by its id; `undefined` while it is not known. */
  readonly nameOf: (topicId: string) => string | undefined
  /** Whether a topic of this id was there when it was last looked for. */
  readonly isThere: (topicId: string) => boolean
  /** Looks now. What cannot be asked now is asked later. */
  readonly refresh: Effect.Effect<void>
  /** This member leads its group, and acts on new partitions of all topics of the group; or does not. */
  readonly leads: (isLeader: boolean) => void
}

export const makeTopics = ({
  absent,
  ageMillis,
  changed,
  client,
  looked,
  subscription: { globs, names }
}: {
  readonly client: KafkaClient
  readonly subscription: Subscription
  /** How old what is known of topics may be. */
  readonly ageMillis: number
  /** Told that other topics are subscribed to, or have more partitions. */
  readonly changed: () => void
  /** Told of what is subscribed to by name, and is not there, or not to be seen, after each look. */
  readonly absent: (errors: ReadonlyArray<TopicError>) => Effect.Effect<void>
  /** Told of all that is there, after each look but the first. */
  readonly looked: (there: ReadonlyMap<string, number>) => Effect.Effect<void>
}): Topics => {
  const patterns = globs.map(globOf)
  let matched: ReadonlyArray<string> = []
  /** What there was at the first look, and has been there since. */
  const there = new Map<string, number>()
  let hasLooked = false
  /** The partitions of the topics that this member looks at: its own, and those of the group that it leads. */
  let counts: ReadonlyMap<string, number> = new Map()
  let isLeader = false
  /** Notified after each look, as a topic may be missing since. */
  const missed = new Signal()
  const missingMillis = Math.min(MISSING_MILLIS, ageMillis)
  const nameById = new Map<string, string>()
  const idByName = new Map<string, string>()
  /** Why topics were not there, when they were last looked at. */
  const missing = new Map<string, TopicError>()

  const subscribed = () => [...new Set([...names, ...matched])]

  /** Takes note of a topic that is there. */
  const note = ({ partitions, topic: { id, name } }: TopicSummary): readonly [string, number] => {
    missing.delete(name)
    if (id !== undefined) {
      // Another topic has the name by now.
      if ((idByName.get(name) ?? id) !== id) there.delete(name)
      nameById.set(id, name)
      idByName.set(name, id)
    }
    return [name, partitions]
  }

  /** What the globs match at present. One answer tells all of it. */
  const match: Effect.Effect<ReadonlyArray<TopicSummary>, ClientError> = Effect.suspend(() =>
    patterns.length === 0
      ? Effect.succeed([])
      : client.topicsMatching((name) => !name.startsWith("__") && patterns.some((p) => p.test(name)))
  )

  const countOf = (name: string): Effect.Effect<readonly [string, number] | undefined, ClientError> =>
    client.describeTopic(name).pipe(
      Effect.map(({ partitions, topic }) => note({ topic, partitions: partitions.length })),
      // A topic that is not there, or may not be seen, has nothing to be assigned.
      Effect.catchTag("KafkaTopicError", (error) => {
        missing.set(name, error)
        if (idByName.delete(name)) there.delete(name)
        return Effect.succeed(undefined)
      })
    )

  const counted = (topics: Iterable<string>): Effect.Effect<ReadonlyMap<string, number>, ClientError> =>
    Effect.map(
      Effect.forEach([...topics], countOf, { concurrency: 16 }),
      (all) => new Map(all.filter((one) => one !== undefined))
    )

  /** Asks again as long as that may help. */
  const persistent = <A>(ask: Effect.Effect<A, ClientError>, attempt = 0): Effect.Effect<A, ClientError> =>
    Effect.catch(ask, (error) =>
      error.retriable
        ? Effect.flatMap(retryDelay(client, attempt), (millis) => Effect.delay(persistent(ask, attempt + 1), millis))
        : Effect.fail(error)
    )

  const look = Effect.gen(function* () {
    const all = yield* match
    const matching = new Map(all.map(note))
    const others = [...names, ...(isLeader ? counts.keys() : [])].filter((name) => !matching.has(name))
    const now = yield* counted(new Set(others))
    return { found: [...matching.keys()], now: new Map([...matching, ...now]) }
  })

  const countsOf = (topics: Iterable<string>) =>
    Effect.map(persistent(counted(topics)), (found) => {
      counts = found
      missed.notify()
      return found
    })

  const isSame = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>) =>
    a.size === b.size && [...a].every(([topic, count]) => b.get(topic) === count)

  const tellAbsent = Effect.suspend(() =>
    absent(names.flatMap((name) => (missing.has(name) ? [missing.get(name)!] : [])))
  )

  const again = Effect.flatMap(look, ({ found, now }) => {
    const isOther = found.join() !== matched.join()
    const hasGrown = isLeader && !isSame(now, counts)
    matched = found
    counts = now
    for (const topic of there.keys()) if (!now.has(topic)) there.delete(topic)
    missed.notify()
    if (isOther || hasGrown) changed()
    return Effect.andThen(tellAbsent, looked(now))
  })

  /** Waits until what was seen at this time of the Clock is too old, which it is earlier once a named topic is missing. */
  const untilDue = (since: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { version } = missed
      const isMissing = names.some((name) => !counts.has(name))
      const left = since + (isMissing ? missingMillis : ageMillis) - now
      return left <= 0 ? Effect.void : Effect.flatMap(missed.after(version, left), () => untilDue(since))
    })

  return {
    first: Effect.flatMap(persistent(look), ({ found, now }) => {
      matched = found
      counts = now
      if (!hasLooked) for (const [topic, count] of now) there.set(topic, count)
      hasLooked = true
      return tellAbsent
    }),
    run: Effect.forever(
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        // What cannot be asked now is asked next time.
        Effect.andThen(untilDue(now), Effect.ignore(again))
      )
    ),
    subscribed,
    idOf: (topic) => idByName.get(topic),
    nameOf: (topicId) => nameById.get(topicId),
    isThere: (topicId) => {
      const name = nameById.get(topicId)
      return name !== undefined && idByName.get(name) === topicId
    },
    refresh: Effect.ignore(again),
    countsOf,
    wasThere: ({ partition, topic }) => partition < (there.get(topic) ?? 0),
    leads: (leads) => {
      isLeader = leads
    }
  }
}
