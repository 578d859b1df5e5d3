/**
 * The keys of a catalog's log. Each key is written once, and then only deleted, so that compaction takes no record away
 * that another one of the same key came after:
 *
 *     0x01  row key in UTF-8  fingerprint, 16 bytes  0x00  id of the write, 16 bytes
 *     0x00  which fields are keys, as JSON           0x00  id of the write, 16 bytes
 *
 * What stands before the last 17 bytes is the identity of a record. All records of an identity are its candidates, of which
 * one is shown. The second form claims the log for a configuration: it is a candidate, too, of which the first one counts.
 */
import type { Identity } from "../../Catalog.ts"
import type { Codec } from "../../Codec.ts"
import { codec, fromSync } from "../codec/codec.ts"
import { codecError } from "../codec/schema/issue.ts"
import { encodeText, readText } from "../codec/schema/text.ts"
import { murmur2 } from "../partitioner.ts"

const CLAIM = 0x00
const RECORD = 0x01
const END = 0x00

export const FINGERPRINT_BYTES = 16
export const ID_BYTES = 16
const SUFFIX_BYTES = 1 + ID_BYTES

/** The key of a record that claims the log, as text: see `lockTextOf`. */
export class Claim {
  constructor(readonly text: string) {}
}

/** The key of any record of the log, without its id. */
export type CandidateKey = Identity | Claim

const foreign = () => codecError("Expected a key of a catalog, actual other bytes")

/** The bytes of a key before its id. */
export const identityIn = (key: Buffer): Buffer => key.subarray(0, key.length - SUFFIX_BYTES)

/** The id of a key. */
export const idIn = (key: Buffer): Buffer => key.subarray(key.length - ID_BYTES)

/** Whether a key claims the log. */
export const isClaim = (key: Buffer): boolean => key[0] === CLAIM

/** A key of an identity with an id. */
export const withId = (identity: Uint8Array, id: Uint8Array): Buffer =>
  Buffer.concat([identity, Uint8Array.of(END), id])

/** The identity of all claims of a log, with the text of one of them. */
export const claimBytes = (text: string): Buffer => Buffer.concat([Uint8Array.of(CLAIM), encodeText(text)])

/** A fingerprint as it is told: other digits would be another text of the same bytes. */
const FINGERPRINT = new RegExp(`^[0-9a-f]{${2 * FINGERPRINT_BYTES}}$`)

export const identityBytes = ({ fingerprint, rowKey }: Identity): Buffer => {
  if (typeof fingerprint !== "string" || !FINGERPRINT.test(fingerprint)) {
    throw codecError(`Expected a fingerprint of ${2 * FINGERPRINT_BYTES} hexadecimal digits in lower case`)
  }
  return Buffer.concat([Uint8Array.of(RECORD), encodeText(rowKey), Buffer.from(fingerprint, "hex")])
}

const readIdentity = (buffer: Buffer, start: number, end: number): Identity => {
  const middle = end - FINGERPRINT_BYTES
  if (middle <= start || buffer[start] !== RECORD) throw foreign()
  return { rowKey: readText(buffer, start + 1, middle), fingerprint: buffer.toString("hex", middle, end) }
}

/** Identities, as they stand before the id of a key. */
export const identityCodec: Codec<Identity> = fromSync(false, readIdentity, identityBytes)

/** The keys of the log, as its table reads them. A table never writes, so what it would write has no id. */
export const candidateCodec: Codec<CandidateKey> = codec({
  ...fromSync<CandidateKey>(
    false,
    (buffer, start, end) => {
      const last = end - SUFFIX_BYTES
      if (last < start || buffer[last] !== END) throw foreign()
      if (buffer[start] === CLAIM && last > start) return new Claim(readText(buffer, start + 1, last))
      return readIdentity(buffer, start, last)
    },
    (key) => (key instanceof Claim ? claimBytes(key.text) : identityBytes(key))
  )
})

/** All candidates of an identity, and all claims, are in one partition as long as none is added. */
export const partitionOf = (key: Uint8Array, partitions: number): number =>
  murmur2(key[0] === CLAIM ? key.subarray(0, 1) : key.subarray(0, key.length - SUFFIX_BYTES), partitions)
