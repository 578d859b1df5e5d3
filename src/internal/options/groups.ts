/** The options of what an operator does to groups. */
import type * as Effect from "effect/Effect"
import type { InvalidOptionsError } from "../../KafkaError.ts"
import type { ListOptions, ResetOptions, ResetTarget } from "../../KafkaGroups.ts"
import { checkOptions, isObject, isTopicName, type OptionCheck, TOPIC_NAME } from "./check.ts"
import { boolean, type Checked, type Option, readSpec, type Spec } from "./spec.ts"

/** A whole number from 0 that a 64-bit field of the protocol, and a number here, can hold. */
const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const WORDS: ReadonlyArray<unknown> = ["earliest", "latest"]

const PROBLEM = 'must be "earliest", "latest", { timestamp: … } or { offsets: […] }'

const readOffsets = (check: OptionCheck, name: string, given: unknown): void => {
  if (!Array.isArray(given) || given.length === 0) return check.problem(name, "must be a list that is not empty")
  const seen = new Set<string>()
  given.forEach((one: unknown, i) => {
    const { offset, partition, topic } = isObject(one) ? (one as Readonly<Record<string, unknown>>) : {}
    if (!isTopicName(topic)) check.problem(`${name}[${i}].topic`, TOPIC_NAME)
    if (!isOffset(partition)) check.problem(`${name}[${i}].partition`, "must be a whole number from 0")
    if (!isOffset(offset)) check.problem(`${name}[${i}].offset`, "must be a whole number from 0")
    const place = `${String(topic)}/${String(partition)}`
    if (seen.has(place)) check.problem(`${name}[${i}]`, "names a partition that is there already")
    seen.add(place)
  })
}

const to: Option<ResetTarget, ResetTarget> = {
  read: (check, name, value) => {
    if (WORDS.includes(value)) return value as ResetTarget
    const given = (isObject(value) ? value : {}) as { readonly timestamp?: unknown; readonly offsets?: unknown }
    if (Object.keys(given).length !== 1) check.problem(name, PROBLEM)
    else if ("offsets" in given) readOffsets(check, `${name}.offsets`, given.offsets)
    else if (!("timestamp" in given)) check.problem(name, PROBLEM)
    else if (!isOffset(given.timestamp)) check.problem(`${name}.timestamp`, "must be milliseconds since the epoch")
    return value as ResetTarget
  }
}

const topics: Option<ReadonlyArray<string>, ReadonlyArray<string> | undefined> = {
  read: (check, name, value, all) => {
    if (value === undefined) return undefined
    if (!Array.isArray(value) || value.length === 0) check.problem(name, "must be a list that is not empty")
    else if (!value.every(isTopicName)) check.problem(name, TOPIC_NAME)
    const { to } = all as { readonly to?: unknown }
    if (isObject(to) && "offsets" in to) check.problem(name, "contradicts to.offsets, which names all partitions")
    return value
  }
}

const words: Option<ReadonlyArray<string>, ReadonlyArray<string>> = {
  read: (check, name, value = []) => {
    if (!Array.isArray(value)) check.problem(name, "must be a list")
    else check.wireText(name, ...(value as ReadonlyArray<string>))
    return value
  }
}

export const RESET = { to, topics, dryRun: boolean(false) } satisfies Spec<ResetOptions>

export const LIST = { states: words, types: words } satisfies Spec<ListOptions>

export const readResetOptions = (options: ResetOptions): Effect.Effect<Checked<typeof RESET>, InvalidOptionsError> =>
  checkOptions("KafkaGroups", (check) => readSpec(check, RESET, options))

export const readListOptions = (
  options: ListOptions | undefined
): Effect.Effect<Checked<typeof LIST>, InvalidOptionsError> =>
  checkOptions("KafkaGroups", (check) => readSpec(check, LIST, options ?? {}))
