/**
 * What the requests have in common: which version to speak, and the part of the headers that depends on it.
 */
import { ProtocolViolation, Reader, Writer } from "./wire.ts"

export const KIB = 1024
export const MIB = 1024 * KIB

/** Both ends included. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** One of Kafka's requests, in the versions that this library speaks. */
export interface Api<Request, Response> {
  readonly key: number
  /** As Kafka calls it. */
  readonly name: string
  readonly versions: VersionRange
  readonly flexible: (version: number) => boolean
  /** No answer is larger, whatever there is to tell: a larger one is not taken. */
  readonly maxAnswerBytes: number
  readonly encode: (version: number, request: Request, writer: Writer) => void
  /** Fails with a `ProtocolViolation`, and with nothing else, whatever the bytes are. */
  readonly decode: (version: number, reader: Reader, request: Request) => Response
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
  api: Api<Request, Response>,
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
  api: Api<Request, Response>,
  version: number,
  payload: Buffer,
  request: Request
): Response => {
  const reader = new Reader(payload, api.flexible(version))
  reader.tags()
  const response = api.decode(version, reader, request)
  reader.finish()
  return response
}

/**
 * Gathers the partitions of an answer: those that were not asked for are dropped, those that are missing stay so, and
 * one that is there twice makes the answer unusable, as nobody can tell which of the two holds.
 */
export class Partitions<A extends { readonly partition: number }> {
  private readonly asked: ReadonlySet<number>
  private readonly found = new Map<number, A>()

  constructor(asked: ReadonlyArray<{ readonly partition: number }>) {
    this.asked = new Set(asked.map((p) => p.partition))
  }

  add(answers: ReadonlyArray<A>): void {
    for (const answer of answers) {
      if (!this.asked.has(answer.partition)) continue
      if (this.found.has(answer.partition)) throw new ProtocolViolation(`partition ${answer.partition} answered twice`)
      this.found.set(answer.partition, answer)
    }
  }

  get all(): ReadonlyArray<A> {
    return [...this.found.values()]
  }
}

/** The one answer to a request about one topic. */
export const only = <A>(answers: ReadonlyArray<A | undefined>, topic: string): A => {
  const found = answers.filter((a) => a !== undefined)
  if (found.length !== 1) throw new ProtocolViolation(`${found.length} answers about topic "${topic}"`)
  return found[0]!
}
