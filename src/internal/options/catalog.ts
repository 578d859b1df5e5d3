/** The options of a catalog. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { CatalogOptions, CatalogSettings } from "../../Catalog.ts"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import { type OptionCheck, checkOptions, isTopicName } from "./check.ts"
import { prepareCompression, SENDING } from "./sending.ts"
import { asGiven, boolean, type Checked, oneOf, type Option, readSpec, type Spec } from "./spec.ts"
import { TABLE } from "./table.ts"
import { type CheckedTopic, checkedTopic } from "./topic.ts"

const without = <S extends object, Name extends keyof S>(spec: S, ...names: ReadonlyArray<Name>): Omit<S, Name> =>
  Object.fromEntries(Object.entries(spec).filter(([name]) => !names.includes(name as Name))) as Omit<S, Name>

/** Milliseconds since the epoch; minus infinity is the beginning. */
const since: Option<number | DateTime.DateTime, number> = {
  read: (check, name, value) => {
    if (value === undefined) return Number.NEGATIVE_INFINITY
    if (DateTime.isDateTime(value)) return DateTime.toEpochMillis(value)
    if (!Number.isFinite(value)) check.problem(name, "must be a DateTime, or milliseconds since the epoch")
    return value
  }
}

/**
 * What a log is read with. Rows that expire would be other candidates than those of the log, and the claim of the log would
 * go with them.
 */
const READING = without(TABLE, "topic", "key", "headers", "isolation", "expireAfter", "expireAt", "history")

/** What a log is written with. */
const WRITING = without(SENDING, "acks", "idempotent", "partitioner", "metadataMaxAge", "logValues")

/** The table of the options of a catalog. */
export const CATALOG = {
  table: asGiven<string>(),
  topic: asGiven<string>(),
  log: oneOf("compacted", "forever"),
  recoverFrom: since,
  readOnly: boolean(false),
  ...READING,
  ...WRITING
} satisfies Spec<CatalogOptions<unknown>>

/** The end of a log's name, after that of its catalog. */
const LOG = "_WAL"

/** The name of the log. */
const topicOf = (check: OptionCheck, { table, topic }: Pick<Checked<typeof CATALOG>, "table" | "topic">): string => {
  const isNamed = typeof table === "string" && table.trim() !== ""
  if (table !== undefined && !isNamed) check.problem("table", "must be text that is not blank")
  if (table === undefined && topic === undefined) check.problem("table", "must be given, or else topic")
  const name = topic ?? `${isNamed ? table : "table"}${LOG}`
  if (topic === undefined && isNamed && !isTopicName(name)) {
    check.problem("table", `must make a legal topic name with "${LOG}" behind it: see topic`)
  } else check.topic(name)
  return name
}

/** Options of a topic whose log is kept as it is. */
export const KEPT = { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" } as const

/** What the options of a catalog come to. Those of its table and its writer are as they were given, as these read them. */
export interface CatalogSetup {
  readonly topic: string
  /** Milliseconds since the epoch. */
  readonly recoverFrom: number
  /** Whether nothing is written, and the topic is taken as it is. */
  readonly isReadOnly: boolean
  /** What is to be done about a log that does not keep all; `undefined` if it need not, or is taken as it is. */
  readonly keeping: CheckedTopic["onPolicyMismatch"] | undefined
  /** How long it may take to make sure of that. */
  readonly catchUpTimeoutMillis: number
  readonly reading: object
  readonly writing: object
}

const picked = (options: object, ...specs: ReadonlyArray<object>): object => {
  const names = specs.flatMap((spec) => Object.keys(spec))
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)))
}

/** What is to be made of the topic; `undefined` if it is taken as it is. */
const ensured = (
  check: OptionCheck,
  checked: Checked<typeof CATALOG>,
  topic: string,
  options: CatalogSettings
): CheckedTopic | undefined => {
  if (!checked.readOnly) return checkedTopic(check, { ...checked, topic }, options)
  for (const name of ["ensureTopic", "topicSettings"] as const) {
    if (options[name] === undefined || options[name] === false) continue
    check.problem(name, "contradicts readOnly: true, which takes the topic as it is")
  }
  return undefined
}

/** Checks options, those of them that were configured, and what `also` finds wrong with others that belong to them. */
export const readCatalogOptions = <R>(
  given: CatalogOptions<R>,
  configured: Partial<CatalogOptions<R>>,
  also: (check: OptionCheck) => void
): Effect.Effect<CatalogSetup, InvalidOptionsError> =>
  Effect.flatMap(prepareCompression(given), (unusable) =>
    checkOptions("Catalog", (check) => {
      also(check)
      const set = Object.entries(configured).filter(([, value]) => value !== undefined)
      const options: CatalogOptions<R> = set.length === 0 ? given : { ...given, ...Object.fromEntries(set) }
      const checked = readSpec(check, CATALOG, options)
      if (unusable !== undefined) check.problem("compression", unusable)
      const topic = topicOf(check, checked)
      const made = ensured(check, checked, topic, options)
      const isKept = checked.log === "forever"
      const { configs } = options.topicSettings ?? {}
      if (isKept) {
        for (const name of Object.keys(KEPT).filter((name) => configs?.[name] !== undefined)) {
          check.problem(`topicSettings.configs.${name}`, 'contradicts log: "forever", which sets it')
        }
      }
      const settings = isKept ? { topicSettings: { ...options.topicSettings, configs: { ...configs, ...KEPT } } } : {}
      return {
        topic,
        recoverFrom: checked.recoverFrom,
        isReadOnly: checked.readOnly,
        keeping: isKept ? made?.onPolicyMismatch : undefined,
        catchUpTimeoutMillis: checked.catchUpTimeoutMillis,
        reading: {
          ...picked(options, READING),
          ensureTopic: made !== undefined,
          ...(made === undefined ? {} : settings)
        },
        writing: picked(options, WRITING, { metadataMaxAge: 0, logValues: 0 })
      }
    })
  )
