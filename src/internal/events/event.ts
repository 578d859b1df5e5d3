/** Definitions of events, and how their records are read and written. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Codec } from "../../Codec.ts"
import type { DecodedEvent, EventOptions, KafkaEvent, TypeId as EventTypeId } from "../../KafkaEvent.ts"
import { unusable } from "../codec/codec.ts"
import { imap } from "../codec/functions.ts"
import * as issue from "../codec/schema/issue.ts"
import { json } from "../codec/schemaCodec.ts"
import { jsonSchemaOf } from "../codec/schema/v4/jsonSchema.ts"
import { UNFIT } from "../options/check.ts"
import { anyOf, idOf, idsOf, type Version } from "./envelope.ts"

/** @internal */
export const TypeId: EventTypeId = Symbol.for("effect-ktables/KafkaEvent") as EventTypeId

/** What is known of an event apart from what its users see. */
interface Inside<A> {
  /** How its records are read, by the version that they were written in; `undefined` for one that has no envelope. */
  readonly versions: ReadonlyArray<Version<A>> | undefined
  /** What its values are by; `undefined` for one that has no envelope. */
  readonly schema: Schema.Codec<unknown, unknown> | undefined
}

const insides = new WeakMap<object, Inside<unknown>>()

const insideOf = <Name extends string, A>(event: KafkaEvent<Name, A>): Inside<A> => insides.get(event) as Inside<A>

/** @internal */
export const isKafkaEvent = (u: unknown): u is KafkaEvent.Any => Predicate.hasProperty(u, TypeId) && insides.has(u)

type Definition<Name extends string, A> = Pick<KafkaEvent<Name, A>, "codec" | "key" | "name" | "version">

const define = <Name extends string, A>(
  { codec, key, name, version }: Definition<Name, A>,
  inside: Inside<A>
): KafkaEvent<Name, A> => {
  const event: KafkaEvent<Name, A> = { [TypeId]: TypeId, name, version, id: idOf({ name, version }), codec, key }
  insides.set(event, inside as Inside<unknown>)
  return event
}

const noKey = () => undefined

/** What is wrong with the name or the version of an event. */
const problemOf = (name: unknown, version: unknown): string | undefined => {
  if (typeof name !== "string" || name === "" || name.includes(":") || UNFIT.test(name)) {
    return "the name of an event must be text without ':' and control characters"
  }
  return Number.isSafeInteger(version) && (version as number) >= 1 && (version as number) < 1e9
    ? undefined
    : "the version of an event must be a whole number from 1 on"
}

/** An event whose records are read by `versions`, and written by the last of them. */
const ofVersions = <Name extends string, A>(
  definition: Omit<Definition<Name, A>, "codec">,
  versions: ReadonlyArray<Version<A>>,
  schema: Inside<A>["schema"]
): KafkaEvent<Name, A> => {
  const own = versions[versions.length - 1].codec
  const { encode, encodeSync, problem } = own
  const codec: Codec<A> = { ...anyOf(versions), encode, encodeSync, ...(problem === undefined ? {} : { problem }) }
  return define({ ...definition, codec }, { versions, schema })
}

/** What the value of a record is by. An event of version 1 may be written without its version. */
const envelopeOf = <A, I>(event: { readonly name: string; readonly version: number }, data: Schema.Codec<A, I>) =>
  Schema.Struct({ schema: event.version === 1 ? Schema.Literals(idsOf(event)) : Schema.Literal(idOf(event)), data })

/** @internal */
export const make = <const Name extends string, A, I>(
  name: Name,
  schema: Schema.Codec<A, I>,
  { key = noKey, version = 1 }: EventOptions<A> = {}
): KafkaEvent<Name, A> => {
  const problem = problemOf(name, version)
  const id = idOf({ name, version })
  const envelope = envelopeOf({ name, version }, schema)
  const codec =
    problem === undefined
      ? imap(
          json(envelope),
          ({ data }) => data,
          (data: A) => ({ schema: id, data })
        )
      : unusable<A>(problem)
  return ofVersions({ name, version, key }, [{ name, version, codec }], envelope as never)
}

/** @internal */
export const fromCodec = <const Name extends string, A>(
  name: Name,
  codec: Codec<A>,
  { key = noKey, version = 1 }: EventOptions<A> = {}
): KafkaEvent<Name, A> => {
  const problem = problemOf(name, version)
  return define(
    { name, version, key, codec: problem === undefined ? codec : unusable<A>(problem) },
    { versions: undefined, schema: undefined }
  )
}

/** What is wrong with making one version of another. */
const problemOfStep = (from: KafkaEvent.Any, to: KafkaEvent.Any): string | undefined => {
  if (from.name !== to.name) return `an event evolves under its own name, and not from ${from.id} to ${to.id}`
  if (from.version >= to.version) return `an event evolves to a later version, and not from ${from.id} to ${to.id}`
  if (insideOf(from).versions === undefined || insideOf(to).versions === undefined) {
    return "an event of a codec has no envelope, which would tell its version"
  }
  return from.codec.problem ?? to.codec.problem
}

/** @internal */
export const evolve = <Name extends string, A, B>(
  from: KafkaEvent<Name, A>,
  to: KafkaEvent<Name, B>,
  up: (data: A) => B
): KafkaEvent<Name, B> => {
  const { key, name, version } = to
  const problem = problemOfStep(from, to)
  const refuse = (): never => {
    throw issue.codecError("An older version of an event is not written")
  }
  const older = insideOf(from).versions?.map((one) => ({ ...one, codec: imap(one.codec, up, refuse) })) ?? []
  const own = insideOf(to).versions ?? []
  const newer = new Set(own.map((one) => one.version))
  if (problem !== undefined) {
    return ofVersions({ name, version, key }, [{ name, version, codec: unusable<B>(problem) }], undefined)
  }
  // What `to` reads already, it goes on reading in its own way.
  return ofVersions(
    { name, version, key },
    [...older.filter((one) => !newer.has(one.version)), ...own],
    insideOf(to).schema
  )
}

/** @internal */
export const jsonSchema = (
  event: KafkaEvent.Any,
  { of = "data" }: { readonly of?: "data" | "value" } = {}
): Readonly<Record<string, unknown>> | undefined => {
  const { schema } = insideOf(event)
  return schema === undefined ? undefined : jsonSchemaOf(schema, of === "data" ? ["data"] : [], event.id)
}

// ---------------------------------------------------------------------------------------------------------------------
// for subscriptions
// ---------------------------------------------------------------------------------------------------------------------

/** What is wrong with reading these events together. */
export const problemOfEvents = (events: ReadonlyArray<KafkaEvent.Any>): string | undefined => {
  if (events.length === 0) return "must have an event"
  if (!events.every(isKafkaEvent)) return "must be events that KafkaEvent.make or KafkaEvent.fromCodec has made"
  const problem = events.find((event) => event.codec.problem !== undefined)
  if (problem !== undefined) return `${problem.id}: ${problem.codec.problem}`
  const bare = events.find((event) => insideOf(event).versions === undefined)
  if (bare !== undefined && events.length > 1) {
    return `${bare.id} has no envelope, so that nothing tells its records from those of other events`
  }
  const ids = new Map<string, KafkaEvent.Any>()
  for (const event of events) {
    for (const { name, version } of insideOf(event).versions ?? []) {
      const id = idOf({ name, version })
      const other = ids.get(id)
      if (other !== undefined) return `two events read ${id}: a schema is defined once`
      ids.set(id, event)
    }
  }
  return undefined
}

/** Reads the records of these events. */
export const decodedOf = <E extends KafkaEvent.Any>(events: ReadonlyArray<E>): Codec<KafkaEvent.Decoded<E>> => {
  const [first] = events
  const tagged = (name: string, version: number) => (data: unknown) =>
    ({ _tag: name, version, data }) satisfies DecodedEvent<string, unknown>
  const untagged = ({ data }: DecodedEvent<string, unknown>) => data
  const read =
    insideOf(first).versions === undefined
      ? imap(first.codec as Codec<unknown>, tagged(first.name, first.version), untagged)
      : anyOf(
          events.flatMap((event) =>
            insideOf(event as KafkaEvent<string, unknown>).versions!.map(({ codec, name, version }) => ({
              name,
              version,
              codec: imap(codec, tagged(name, version), untagged)
            }))
          )
        )
  return read as unknown as Codec<KafkaEvent.Decoded<E>>
}
