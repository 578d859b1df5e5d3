/**
 * What the requests have in common: which version to speak, and the part of the headers that depends on it.
 */
import type { Parts } from "./parts.ts"
import { ProtocolViolation, Reader, Writer } from "./wire.ts"

export const KIB = 1024
export const MIB = 1024 * KIB

/** Its answers have the oldest header in all versions, as a client may not know yet what the broker speaks. */
export const API_VERSIONS_KEY = 18

/**
 * The versions of a request that somebody speaks, both ends included.
 *
 * @since 0.2.0
 * @category models
 */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** What a driver has to know of one of Kafka's requests to send it, in the versions that this library speaks. */
export interface Message<Request, Response> {
  readonly key: number
  /** The name that Kafka gives to the request. */
  readonly name: string
  readonly versions: VersionRange
  /** The newest version that can say what this request says. Default: the newest of `versions`. */
  readonly maxVersion?: (request: Request) => number
  readonly flexible: (version: number) => boolean
  /** How long the request lets the broker wait before it answers, in milliseconds. Default: 0. */
  readonly waitMillis?: (request: Request) => number
  /** No answer is larger, whatever there is to tell: a larger one is not taken. */
  readonly maxAnswerBytes: number
  readonly encode: (version: number, request: Request, writer: Writer) => void
  /** Fails with a `ProtocolViolation`, and with nothing else, whatever the bytes are. */
  readonly decode: (version: number, reader: Reader, request: Request) => Response
}

/** A request as a connection takes it: it is in the table of `apis.ts`. */
export interface Api<Request, Response> extends Message<Request, Response> {
  readonly parts: Parts<Request, Response>
}

/**
 * The newest version that both sides speak, no newer than `maxVersion`. `undefined` if there is none: the broker is too
 * old, or so new that it dropped all that we know, or does not have the request at all.
 */
export const negotiate = (
  api: { readonly versions: VersionRange },
  broker: VersionRange | undefined,
  maxVersion = Number.POSITIVE_INFINITY
): number | undefined => {
  if (broker === undefined) return undefined
  const version = Math.min(api.versions.max, broker.max, maxVersion)
  return version >= Math.max(api.versions.min, broker.min) ? version : undefined
}

/**
 * All that follows the client id. In flexible versions the header itself ends with tagged fields, which who writes the
 * header (up to the client id) does not know of: their empty section comes first.
 */
export const encodeRequest = <Request, Response>(
  api: Message<Request, Response>,
  version: number,
  request: Request
): Buffer => {
  const writer = new Writer(api.flexible(version))
  writer.tags()
  api.encode(version, request, writer)
  return writer.toBuffer()
}

/** `payload` is all that follows the correlation id. Throws a `ProtocolViolation`. */
export const decodeResponse = <Request, Response>(
  api: Message<Request, Response>,
  version: number,
  payload: Buffer,
  request: Request
): Response => {
  const reader = new Reader(payload, api.flexible(version))
  if (api.key !== API_VERSIONS_KEY) reader.tags()
  const response = api.decode(version, reader, request)
  reader.finish()
  return response
}

/**
 * A topic by its name and, where the cluster has them (Kafka 2.8 and later), its id.
 *
 * @since 0.1.0
 * @category models
 */
export interface TopicRef {
  readonly name: string
  /** 22 characters of base64url, as Kafka prints it. */
  readonly id: string | undefined
}

/**
 * One partition of one topic.
 *
 * @since 0.2.0
 * @category models
 */
export interface TopicPartition {
  readonly topic: TopicRef
  readonly partition: number
}

/** Partitions by their topic, as requests send them: topics in the order in which they come first. */
export const byTopic = <P extends TopicPartition>(
  partitions: ReadonlyArray<P>
): ReadonlyArray<{ readonly topic: TopicRef; readonly partitions: ReadonlyArray<P> }> => {
  const topics = new Map<string, { readonly topic: TopicRef; readonly partitions: Array<P> }>()
  for (const p of partitions) {
    const found = topics.get(p.topic.name)
    if (found === undefined) topics.set(p.topic.name, { topic: p.topic, partitions: [p] })
    else found.partitions.push(p)
  }
  return [...topics.values()]
}

/**
 * Gathers the partitions of an answer: those that were not asked for are dropped, those that are missing stay so, and
 * one that is there twice makes the answer unusable, as nobody can tell which of the two holds.
 */
export class Partitions<A extends { readonly partition: number }> {
  private readonly asked: ReadonlyArray<{
    readonly topic: TopicRef
    readonly partitions: ReadonlySet<number>
    readonly found: Map<number, A & TopicPartition>
  }>

  constructor(asked: ReadonlyArray<TopicPartition>) {
    this.asked = byTopic(asked).map(({ partitions, topic }) => ({
      topic,
      partitions: new Set(partitions.map((p) => p.partition)),
      found: new Map()
    }))
  }

  /** What an answer says of one topic, by whatever it names that. */
  add(isTopic: (topic: TopicRef) => boolean, answers: ReadonlyArray<A>): void {
    const asked = this.asked.find(({ topic }) => isTopic(topic))
    if (asked === undefined) return
    const { found, partitions, topic } = asked
    for (const answer of answers) {
      if (!partitions.has(answer.partition)) continue
      if (found.has(answer.partition)) throw new ProtocolViolation(`partition ${answer.partition} answered twice`)
      found.set(answer.partition, { topic, ...answer })
    }
  }

  get all(): ReadonlyArray<A & TopicPartition> {
    return this.asked.flatMap(({ found }) => [...found.values()])
  }
}

/**
 * @since 0.1.0
 * @category answers
 */
export interface AdminResponse {
  readonly errorCode: number
  /** What the broker said, where it said something. */
  readonly errorMessage: string | undefined
}

/** The one answer to a request about one topic. */
export const only = <A>(answers: ReadonlyArray<A | undefined>, topic: string): A => {
  const found = answers.filter((a) => a !== undefined)
  if (found.length !== 1) throw new ProtocolViolation(`${found.length} answers about topic "${topic}"`)
  return found[0]!
}
