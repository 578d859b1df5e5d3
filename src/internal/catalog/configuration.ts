/** Which fields of records are keys, and what that makes of a record: its identity, and what it is found by. */
import { createHash } from "node:crypto"
import type { CatalogKeys, Identity } from "../../Catalog.ts"
import { InvalidRecordError } from "../../KafkaError.ts"
import { FINGERPRINT_BYTES } from "./keys.ts"

/**
 * The form of a text in which case does not count, whatever the language: lower case of upper case of lower case, as `ẞ` has
 * only the first, and `ß` and `ς` only become what they are told to be the same as by the second.
 */
export const folded = (text: string): string => text.toLowerCase().toUpperCase().toLowerCase()

/** Half of a character, which is nothing in UTF-8. */
const LONE_SURROGATE = /\p{Cs}/u

/** Whether a value can be a key of a record. */
export const isKeyText = (value: unknown): value is string =>
  typeof value === "string" && value.trim() !== "" && !LONE_SURROGATE.test(value)

/** What a field of a record must be. */
export const KEY_TEXT = "must be text that is not blank, without halves of surrogate pairs"

/** A field of a record; `undefined` if it has none, or is no record. */
export const fieldOf = (record: unknown, field: string): unknown =>
  typeof record === "object" && record !== null ? (record as Readonly<Record<string, unknown>>)[field] : undefined

/** The fields that are keys, the row key first. */
export const fieldsOf = ({ indexKeys, rowKey }: CatalogKeys): ReadonlyArray<string> => [rowKey, ...indexKeys]

/** The same configuration as one text, in whatever order the index keys were given. */
export const lockTextOf = ({ indexKeys, rowKey }: CatalogKeys): string =>
  JSON.stringify({ rowKey, indexKeys: [...indexKeys].sort() })

/** The configuration of such a text; `undefined` if it is something else. */
export const keysOfLock = (text: string): CatalogKeys | undefined => {
  try {
    const { indexKeys, rowKey } = JSON.parse(text) as CatalogKeys
    return typeof rowKey === "string" && Array.isArray(indexKeys) ? { rowKey, indexKeys } : undefined
  } catch {
    return undefined
  }
}

/** 128 bits of SHA-256 of the index values, case-folded, in the order of their fields' names, each after its length. */
const fingerprintOf = (indexKeys: ReadonlyArray<string>, record: unknown): string => {
  const hash = createHash("sha256")
  const length = Buffer.alloc(4)
  for (const field of [...indexKeys].sort()) {
    const value = Buffer.from(folded(fieldOf(record, field) as string))
    length.writeUInt32BE(value.length)
    hash.update(length).update(value)
  }
  return hash.digest().toString("hex", 0, FINGERPRINT_BYTES)
}

/** The identity of a record, or what is missing in it: all of it. */
export const identify = (topic: string, keys: CatalogKeys, record: unknown): Identity | InvalidRecordError => {
  const fields = fieldsOf(keys).filter((field) => !isKeyText(fieldOf(record, field)))
  if (fields.length > 0) return new InvalidRecordError({ topic, fields })
  return { rowKey: fieldOf(record, keys.rowKey) as string, fingerprint: fingerprintOf(keys.indexKeys, record) }
}
