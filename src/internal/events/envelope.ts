/**
 * The form of an event's value: `{"schema": "Name:version", "data": …}` in JSON, as kafkaesk has it. Which codec reads the
 * data is told by the schema, so it is looked at first: in the bytes, where it comes first there, as all writers have it.
 */
import * as Effect from "effect/Effect"
import type { Codec } from "../../Codec.ts"
import { viewOf } from "../bytes.ts"
import { codec, rescued } from "../codec/codec.ts"
import * as issue from "../codec/schema/issue.ts"
import { readJson, readJsonWithNames } from "../codec/schema/jsonText.ts"

/** What an envelope holds, whatever its data are. */
export interface Envelope<A> {
  readonly schema: string
  readonly data: A
}

/** How far the schema is looked for in the bytes, before all of them are parsed. */
const PEEKED_BYTES = 512

/** What can be shown of a schema that is not known. */
const IDENTIFIER = /^[\w.-]{1,100}(?::\d{1,9})?$/

const BEGINNING = /^\s*\{\s*"schema"\s*:\s*"([^"\\\u0000-\u001f]*)"/

/** The schema that an envelope names. Throws where there is none. */
export const schemaOf = (buffer: Buffer, start: number, end: number): string => {
  const found = BEGINNING.exec(buffer.toString("utf8", start, Math.min(end, start + PEEKED_BYTES)))
  return found === null ? schemaIn(readJson(buffer, start, end)) : found[1]
}

const schemaIn = (value: unknown): string => {
  const schema = typeof value === "object" && value !== null && "schema" in value ? value.schema : undefined
  if (typeof schema === "string") return schema
  throw issue.codecError('Expected the envelope of an event, {"schema": "Name:version", "data": …}')
}

/** The name and the version in the name of a schema. One without a version is of version 1. */
export const partsOf = (schema: string): { readonly name: string; readonly version: number } => {
  const at = schema.lastIndexOf(":")
  const version = /^[1-9]\d{0,8}$/.test(schema.slice(at + 1)) ? Number(schema.slice(at + 1)) : undefined
  return at === -1 || version === undefined ? { name: schema, version: 1 } : { name: schema.slice(0, at), version }
}

/** How the events of one schema are read. */
export interface Version<A> {
  readonly name: string
  readonly version: number
  readonly codec: Codec<A>
}

const refuse = (): never => {
  throw issue.codecError("This codec only reads events")
}

/** Reads events of any of these versions, each by its codec; none of them is written. */
export const anyOf = <A>(versions: ReadonlyArray<Version<A>>): Codec<A> => {
  const known = new Map(versions.flatMap((one) => idsOf(one).map((id) => [id, one.codec] as const)))
  const codecOf = (buffer: Buffer, start: number, end: number): Codec<A> => {
    const schema = schemaOf(buffer, start, end)
    const found = known.get(schema)
    if (found !== undefined) return found
    const { name } = partsOf(schema)
    const what = versions.some((one) => one.name === name) ? "version of an event" : "event"
    throw issue.codecError(`Expected ${versions.map(idOf).join(" or ")}, actual another ${what}`, {
      // What looks like a name is one, and tells more than anything else; other text may be anything.
      figures: IDENTIFIER.test(schema) ? `, ${schema}` : "",
      quoting: () => `Expected ${versions.map(idOf).join(" or ")}, actual ${issue.excerpt(schema)}`
    })
  }
  return codec<A>({
    text: false,
    ...(versions.some((one) => one.codec.secret === true) ? { secret: true } : {}),
    decodeSync: (buffer, start, end) => codecOf(buffer, start, end).decodeSync(buffer, start, end),
    decode: (bytes) => rescued(() => codecOf(viewOf(bytes), 0, bytes.length).decode(bytes)),
    encodeSync: refuse,
    encode: () => rescued(refuse)
  })
}

export const idOf = ({ name, version }: { readonly name: string; readonly version: number }): string =>
  `${name}:${version}`

/** All ids that an event of a version may have. */
export const idsOf = ({ name, version }: { readonly name: string; readonly version: number }): ReadonlyArray<string> =>
  version === 1 ? [idOf({ name, version }), name] : [idOf({ name, version })]

/** An event whose data nobody knows the schema of. */
export interface OpenEvent {
  readonly schema: string
  readonly name: string
  readonly version: number
  readonly data: unknown
}

/** Reads the envelope of any event, and takes its data as JSON has them. */
export const open: Codec<OpenEvent> = codec<OpenEvent>({
  text: false,
  decodeSync: (buffer, start, end) => {
    const envelope = readJsonWithNames(buffer, start, end)
    const schema = schemaIn(envelope)
    return { schema, ...partsOf(schema), data: (envelope as { readonly data?: unknown }).data }
  },
  decode: (bytes) => rescued(() => Effect.succeed(open.decodeSync(viewOf(bytes), 0, bytes.length) as OpenEvent)),
  encodeSync: refuse,
  encode: () => rescued(refuse)
})
