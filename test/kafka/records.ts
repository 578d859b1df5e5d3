/** Records as tests hand them to other clients and get them back, and as JSON carries them there: bytes as base64. */
import * as Schema from "effect/Schema"

/** A string stands for its UTF-8 bytes. */
export type Bytes = string | Uint8Array

export interface RecordToSend {
  readonly key?: Bytes | null
  readonly value?: Bytes | null
  /** The key's by default. */
  readonly partition?: number
  /** Milliseconds; the client's time by default. */
  readonly timestamp?: number
  readonly headers?: ReadonlyArray<{ readonly key: string; readonly value: Bytes | null }>
}

export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: ReadonlyArray<{ readonly key: string; readonly value: Buffer | null }>
}

export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd"

export const Wire = Schema.Struct({
  partition: Schema.Number,
  offset: Schema.Number,
  timestamp: Schema.Number,
  key: Schema.NullOr(Schema.String),
  value: Schema.NullOr(Schema.String),
  headers: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.NullOr(Schema.String) }))
})

export const base64 = (bytes: Bytes | null | undefined): string | null =>
  bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString("base64")

const unbase64 = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, "base64"))

export const toWire = (record: RecordToSend) => ({
  ...record,
  key: base64(record.key),
  value: base64(record.value),
  headers: (record.headers ?? []).map((header) => ({ key: header.key, value: base64(header.value) }))
})

export const fromWire = (record: typeof Wire.Type): ReadRecord => ({
  ...record,
  key: unbase64(record.key),
  value: unbase64(record.value),
  headers: record.headers.map((header) => ({ key: header.key, value: unbase64(header.value) }))
})
