/**
 * What all requests have in common: which version to speak, the part of the headers that depends on the version, and
 * how partitions are grouped and gathered.
 */
import type { Parts } from "./parts.ts"
import { ProtocolViolation, Reader, Writer } from "./wire.ts"

export const KIB = 1024
export const MIB = 1024 * KIB

/**
 * The key of ApiVersions, whose answers have the oldest header in all versions, as a client may not know yet what the
 * broker speaks.
 */
export const API_VERSIONS_KEY = 18

/**
 * A range of versions of a request, or of levels of a feature, both ends included.
 *
 * @since 0.2.0
 * @category models
 */
export interface VersionRange {
  /** The oldest one. */
  readonly min: number
  /** The newest one. */
  readonly max: number
}

/** What a driver has to know of one of Kafka's requests to send it, in the versions that this library speaks. */
export interface Message<Request, Response> {
  /** The number that Kafka gives to the request (`api_key`). */
  readonly key: number
  /** The name that Kafka gives to the request. */
  readonly name: string
  /** The versions that this library speaks. */
  readonly versions: VersionRange
  /** The newest version that can say what this request says. Default: the newest of `versions`. */
  readonly maxVersion?: (request: Request) => number
  /** The oldest version that can say what this request says. Default: the oldest of `versions`. */
  readonly minVersion?: (request: Request) => number
  /** Whether a version has the flexible encoding: see `wire.ts`. */
  readonly flexible: (version: number) => boolean
  /** How long the request lets the broker wait before it answers, in milliseconds. Default: 0. */
  readonly waitMillis?: (request: Request) => number
  /** The most bytes that an answer may have, whatever there is to tell. A larger one is not taken. */
  readonly maxAnswerBytes: number
  readonly encode: (version: number, request: Request, writer: Writer) => void
  /** Throws a `ProtocolViolation`, and nothing else, whatever the bytes are. */
  readonly decode: (version: number, reader: Reader, request: Request) => Response
}

/** A request that a connection takes by its name, in the table of `apis.ts`. */
export interface Api<Request, Response> extends Message<Request, Response> {
  readonly parts: Parts<Request, Response>
}

/** The versions of ours that can say what a request says. */
export const versionsFor = <Request, Response>(
  { maxVersion, minVersion, versions: { max, min } }: Message<Request, Response>,
  request: Request
): VersionRange => ({
  min: Math.max(min, minVersion?.(request) ?? min),
  max: Math.min(max, maxVersion?.(request) ?? max)
})

/**
 * The newest version that both sides speak. It is `undefined` if there is none: the broker is too old, or so new that
 * it dropped all versions of ours, or does not have the request at all.
 */
export const negotiate = (ours: VersionRange, broker: VersionRange | undefined): number | undefined => {
  if (broker === undefined) return undefined
  const version = Math.min(ours.max, broker.max)
  return version >= Math.max(ours.min, broker.min) ? version : undefined
}

/**
 * Makes all bytes of a request that follow the client id in its header. In flexible versions the header ends with
 * tagged fields: their empty section comes first here, as whoever writes the header up to the client id does not know
 * the version.
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

/** Reads an answer. `payload` is all that follows the correlation id. Throws a `ProtocolViolation`. */
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
  /** The topic's name. */
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
  /** The partition's number, from 0. */
  readonly partition: number
}

/** Whether the topics of all these have ids, by which a request may name them. */
export const haveIds = (partitions: ReadonlyArray<TopicPartition>): boolean =>
  partitions.every(({ topic }) => topic.id !== undefined)

/** Writes which topic is meant: by its id in versions that go by ids, else by its name. */
export const writeTopic = (writer: Writer, { id, name }: TopicRef, isById: boolean): void => {
  if (!isById) return writer.string(name)
  if (id === undefined) throw new Error(`topic "${name}" has no id to be named by`)
  writer.uuid(id)
}

/** Reads which topic is meant, as a condition on those that were asked for. */
export const readTopic = (reader: Reader, isById: boolean): ((topic: TopicRef) => boolean) => {
  if (isById) {
    const id = reader.uuid()
    return (topic) => topic.id === id
  }
  const name = reader.string()
  return (topic) => topic.name === name
}

/**
 * Groups partitions by their topic, as requests send them: topics are in the order in which they come first. They are told
 * apart by their names or, where a request names them by their ids, by those: a topic that was created again has another one.
 */
export const byTopic = <P extends TopicPartition>(
  partitions: ReadonlyArray<P>,
  isById = false
): ReadonlyArray<{ readonly topic: TopicRef; readonly partitions: ReadonlyArray<P> }> => {
  // A lone write has one partition, and needs no map to be grouped by.
  if (partitions.length === 1) return [{ topic: partitions[0].topic, partitions }]
  const topics = new Map<string, { readonly topic: TopicRef; readonly partitions: Array<P> }>()
  for (const p of partitions) {
    const key = isById ? (p.topic.id ?? "") : p.topic.name
    const found = topics.get(key)
    if (found === undefined) topics.set(key, { topic: p.topic, partitions: [p] })
    else found.partitions.push(p)
  }
  return [...topics.values()]
}

/** Finds a partition among those of an answer, by the name of its topic and its number. */
export const finderOf = <P extends TopicPartition>(
  partitions: ReadonlyArray<P>
): ((topic: string, partition: number) => P | undefined) => {
  // The answer to a lone write needs no map to be looked up in, either.
  if (partitions.length === 1) {
    const [only] = partitions
    return (topic, partition) => (only.partition === partition && only.topic.name === topic ? only : undefined)
  }
  const topics = new Map<string, Map<number, P>>()
  for (const found of partitions) {
    const { name } = found.topic
    const others = topics.get(name)
    if (others === undefined) topics.set(name, new Map([[found.partition, found]]))
    else others.set(found.partition, found)
  }
  return (topic, partition) => topics.get(topic)?.get(partition)
}

/** In place of a topic that was not asked for, while what an answer says of it is read. */
const NOT_ASKED: TopicRef = { name: "", id: undefined }

/**
 * Gathers the partitions of an answer. Those that were not asked for are dropped, and those that are missing stay so.
 * One that is there twice makes the answer unusable, as nobody can tell which of the two holds.
 */
export class Partitions<P extends TopicPartition> {
  /** The partitions that were asked for, and are in the answer. */
  readonly all: Array<P> = []
  private readonly asked: ReadonlyArray<{
    readonly topic: TopicRef
    /** Whether each of the partitions has been answered. */
    readonly answered: Map<number, boolean>
  }>

  constructor(asked: ReadonlyArray<TopicPartition>, isById = false) {
    this.asked = byTopic(asked, isById).map(({ partitions, topic }) => ({
      topic,
      answered: new Map(partitions.map(({ partition }) => [partition, false]))
    }))
  }

  /** Takes what an answer says of one topic, which `isTopic` recognises by the name or the id in the answer. */
  take(isTopic: (topic: TopicRef) => boolean, read: (topic: TopicRef) => ReadonlyArray<P>): void {
    const asked = this.asked.find(({ topic }) => isTopic(topic))
    const found = read(asked?.topic ?? NOT_ASKED)
    if (asked === undefined) return
    for (const p of found) {
      const isAnswered = asked.answered.get(p.partition)
      if (isAnswered === undefined) continue
      if (isAnswered) throw new ProtocolViolation(`partition ${p.partition} answered twice`)
      asked.answered.set(p.partition, true)
      this.all.push(p)
    }
  }
}

/**
 * The answer to a request that changes or describes one topic.
 *
 * @since 0.1.0
 * @category answers
 */
export interface AdminResponse {
  /** Kafka's error code, 0 if there is no error. */
  readonly errorCode: number
  /** What the broker said of the error, in one line; `undefined` if it said nothing. */
  readonly errorMessage: string | undefined
}

/** Takes the one answer out to a request about one topic. Throws if there is none, or more than one. */
export const only = <A>(answers: ReadonlyArray<A | undefined>, topic: string): A => {
  const found = answers.filter((a) => a !== undefined)
  if (found.length !== 1) throw new ProtocolViolation(`${found.length} answers about topic "${topic}"`)
  return found[0]!
}

/** Takes the one answer out to a request about one group. Throws if there is none, or more than one. */
export const onlyGroup = <A>(answers: ReadonlyArray<{ readonly id: string; readonly answer: A }>, group: string): A => {
  const found = answers.filter(({ id }) => id === group)
  if (found.length !== 1) throw new ProtocolViolation(`${found.length} answers about group "${group}"`)
  return found[0].answer
}
