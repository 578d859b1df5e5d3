/** The options of a consumer. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import type { Assignor, ConsumerOptions } from "../../KafkaConsumer.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { FetchSettings } from "../../KafkaTable.ts"
import { checkOptions, isTopicName, TOPIC_NAME } from "./check.ts"
import * as codecs from "./codecs.ts"
import {
  boolean,
  type Checked,
  group as optionGroup,
  integer,
  millis,
  type Millis,
  oneOf,
  type Option,
  readSpec,
  type Spec
} from "./spec.ts"
import { FETCH } from "./table.ts"

const ASSIGNORS: ReadonlyArray<Assignor> = ["cooperative-sticky", "range", "roundrobin"]

/** A duration whose default depends on other options. */
const dependentMillis = millis(undefined)

/** Text that goes into requests, and names something. */
const named: Option<string, string | undefined> = {
  read: (check, name, value) => {
    if (value === undefined) return undefined
    check.wireText(name, value)
    if (value === "") check.problem(name, "must not be empty")
    return value
  }
}

const isGlob = (text: string): boolean => /[*?]/.test(text)

/** Names of topics and globs, apart. */
export interface Subscription {
  readonly names: ReadonlyArray<string>
  readonly globs: ReadonlyArray<string>
}

const subscription: Option<string | ReadonlyArray<string>, Subscription> = {
  read: (check, name, value) => {
    const all: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
    if (all.length === 0) check.problem(name, "must name a topic, or a glob of topics")
    all.forEach((one, i) => {
      const place = Array.isArray(value) ? `${name}[${i}]` : name
      if (typeof one === "string" && isGlob(one)) {
        if (!/^[a-zA-Z0-9._*?-]{1,249}$/.test(one)) {
          check.problem(place, "a glob must have only characters of topic names, '*' and '?'")
        }
      } else if (!isTopicName(one)) {
        check.problem(place, `${TOPIC_NAME}; or a glob, with '*' for any characters and '?' for one`)
      }
    })
    const texts = [...new Set(all as ReadonlyArray<string>)]
    return { names: texts.filter((text) => !isGlob(text)), globs: texts.filter(isGlob) }
  }
}

const assignor: Option<Assignor | NonEmptyReadonlyArray<Assignor>, ReadonlyArray<Assignor>> = {
  read: (check, name, value = "cooperative-sticky") => {
    const all: ReadonlyArray<Assignor> = typeof value === "string" ? [value] : value
    if (!Array.isArray(all) || all.length === 0 || all.some((one: Assignor) => !ASSIGNORS.includes(one))) {
      check.problem(name, `must be one of ${ASSIGNORS.join(", ")}, or a list of them`)
    }
    return [...new Set<Assignor>(all)]
  }
}

const commitInterval: Millis<number | undefined> & Option<Duration.Input | "manual", number | undefined> = {
  isMillis: true,
  read: (check, name, value) =>
    value === "manual" ? undefined : value === undefined ? 5_000 : check.millis(name, value)
}

/** The table of the options of a `KafkaConsumer`. */
export const CONSUMER = {
  group: named,
  subscribe: subscription,
  value: codecs.value,
  key: codecs.key,
  protocol: oneOf("classic", "consumer"),
  assignor,
  instanceId: named,
  sessionTimeout: millis(30_000),
  heartbeatInterval: dependentMillis,
  rebalanceTimeout: millis(60_000),
  revokeTimeout: dependentMillis,
  stopTimeout: millis(30_000),
  startTimeout: millis(30_000),
  from: oneOf("earliest", "latest", "fail"),
  commitInterval,
  maxUncommitted: integer(10_000, 1),
  onPoison: oneOf("skip", "fail"),
  isolation: oneOf("read_committed", "read_uncommitted"),
  fetch: optionGroup<FetchSettings, typeof FETCH>(FETCH),
  metadataMaxAge: dependentMillis,
  deniedRetryInterval: millis(30_000),
  checkCrcs: boolean(true),
  logValues: boolean(false)
} satisfies Spec<ConsumerOptions<unknown, unknown>>

/** The options of a consumer, checked, and with their defaults. */
export type ConsumerConfig<K, V> = Omit<
  Checked<typeof CONSUMER>,
  "group" | "key" | "value" | "heartbeatIntervalMillis" | "revokeTimeoutMillis" | "metadataMaxAgeMillis"
> & {
  readonly group: string
  readonly key: Codec<K>
  readonly value: Codec<V>
  readonly heartbeatIntervalMillis: number
  readonly revokeTimeoutMillis: number
  readonly metadataMaxAgeMillis: number
}

export const readConsumerOptions = <K, V>(
  options: ConsumerOptions<K, V>
): Effect.Effect<ConsumerConfig<K, V>, InvalidOptionsError> =>
  checkOptions("KafkaConsumer", (check) => {
    const checked = readSpec(check, CONSUMER, options)
    const { group = "", protocol, rebalanceTimeoutMillis, sessionTimeoutMillis, subscribe } = checked
    if (checked.group === undefined) check.problem("group", "must be the name of a consumer group")
    const heartbeatIntervalMillis = checked.heartbeatIntervalMillis ?? Math.min(3_000, sessionTimeoutMillis / 3)
    if (heartbeatIntervalMillis > sessionTimeoutMillis / 3) {
      check.problem("heartbeatInterval", "must be at most a third of sessionTimeout, so that two may be lost")
    }
    const revokeTimeoutMillis = checked.revokeTimeoutMillis ?? (rebalanceTimeoutMillis * 3) / 4
    if (revokeTimeoutMillis >= rebalanceTimeoutMillis) {
      check.problem(
        "revokeTimeout",
        "must be less than rebalanceTimeout, after which the group goes on without this member"
      )
    }
    if (protocol === "consumer") {
      for (const name of ["assignor", "sessionTimeout", "heartbeatInterval"] as const) {
        if (options[name] !== undefined)
          check.problem(name, 'is of the classic protocol; with "consumer" it is the brokers\'')
      }
    }
    return {
      ...checked,
      group,
      heartbeatIntervalMillis,
      revokeTimeoutMillis,
      metadataMaxAgeMillis: checked.metadataMaxAgeMillis ?? (subscribe.globs.length > 0 ? 30_000 : 300_000)
    }
  })
