/** Which topics a consumer subscribes to, of names and globs, and how many partitions they have. */
import * as Effect from "effect/Effect"
import type { KafkaClient } from "../../KafkaClient.ts"
import type { TopicPartition } from "../../KafkaConsumer.ts"
import type { ClientError } from "../../KafkaError.ts"
import { retryDelay } from "../client/backoff.ts"
import type { Subscription } from "../options/consumer.ts"
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
  /** The name of a topic by its id; `undefined` while it is not known. */
  readonly nameOf: (topicId: string) => string | undefined
  /** Looks now. What cannot be asked now is asked later. */
  readonly refresh: Effect.Effect<void>
  /** This member leads its group, and acts on new partitions of all topics of the group; or does not. */
  readonly leads: (isLeader: boolean) => void
}

export const makeTopics = ({
  ageMillis,
  changed,
  client,
  subscription: { globs, names }
}: {
  readonly client: KafkaClient
  readonly subscription: Subscription
  /** How old what is known of topics may be. */
  readonly ageMillis: number
  /** Told that other topics are subscribed to, or have more partitions. */
  readonly changed: () => void
}): Topics => {
  const patterns = globs.map(globOf)
  let matched: ReadonlyArray<string> = []
  /** What there was at the first look. */
  let there: ReadonlyMap<string, number> | undefined
  /** The partitions of the topics that this member looks at: its own, and those of the group that it leads. */
  let counts: ReadonlyMap<string, number> = new Map()
  let isLeader = false
  const nameById = new Map<string, string>()

  const subscribed = () => [...new Set([...names, ...matched])]

  /** The names that the globs match at present. */
  const match = Effect.suspend(() =>
    patterns.length === 0
      ? Effect.succeed([])
      : Effect.map(
          client.topicsMatching((name) => !name.startsWith("__") && patterns.some((p) => p.test(name))),
          (all) => all.map(({ topic }) => topic.name)
        )
  )

  const countOf = (topic: string): Effect.Effect<readonly [string, number] | undefined, ClientError> =>
    client.describeTopic(topic).pipe(
      Effect.map(({ partitions, topic: { id } }) => {
        if (id !== undefined) nameById.set(id, topic)
        return [topic, partitions.length] as const
      }),
      // A topic that is not there, or may not be seen, has nothing to be assigned.
      Effect.catchTag("KafkaTopicError", () => Effect.succeed(undefined))
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
    const found = yield* match
    const now = yield* counted(isLeader ? new Set([...names, ...found, ...counts.keys()]) : [...names, ...found])
    return { found, now }
  })

  const countsOf = (topics: Iterable<string>) =>
    Effect.map(persistent(counted(topics)), (found) => {
      counts = found
      return found
    })

  const isSame = (a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>) =>
    a.size === b.size && [...a].every(([topic, count]) => b.get(topic) === count)

  const again = Effect.map(look, ({ found, now }) => {
    const isOther = found.join() !== matched.join()
    const hasGrown = isLeader && !isSame(now, counts)
    matched = found
    counts = now
    if (isOther || hasGrown) changed()
  })

  return {
    first: Effect.map(persistent(look), ({ found, now }) => {
      matched = found
      counts = now
      there ??= now
    }),
    run: Effect.forever(
      Effect.suspend(() => {
        const isMissing = names.some((name) => !counts.has(name))
        // What cannot be asked now is asked next time.
        return Effect.andThen(
          Effect.sleep(isMissing ? Math.min(MISSING_MILLIS, ageMillis) : ageMillis),
          Effect.ignore(again)
        )
      })
    ),
    subscribed,
    nameOf: (topicId) => nameById.get(topicId),
    refresh: Effect.ignore(again),
    countsOf,
    wasThere: ({ partition, topic }) => partition < (there?.get(topic) ?? 0),
    leads: (leads) => {
      isLeader = leads
    }
  }
}
