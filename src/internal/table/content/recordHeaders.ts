/**
 * Headers of records stay bytes until somebody asks for them: a header takes two bytes, compressed almost none, and as
 * objects a hundred times as many. So what a table holds is bounded by the bytes that it has read.
 */
import type { Header, RecordInfo, TableChange } from "../../../TableChange.ts"
import { decodeHeaders } from "../../recordBatch/recordRanges.ts"

/** The headers of a record that has none, or whose headers are not kept, and of each record before `withHeaders`. */
export const NO_HEADERS: ReadonlyArray<Header> = []

/** The headers of one record, copied. */
export class RecordHeaders {
  /** The bytes as text in latin1, as a small buffer of its own would take several times as much memory. */
  private readonly bytes: string
  private readonly count: number

  /** Copies the headers from a range that a decoded batch gave, and which is known to be sound. */
  constructor(bytes: Buffer, start: number, end: number, count: number) {
    this.bytes = bytes.toString("latin1", start, end)
    this.count = count
  }

  decode(): ReadonlyArray<Header> {
    const bytes = Buffer.from(this.bytes, "latin1")
    return decodeHeaders(bytes, 0, bytes.length, this.count)
  }
}

/**
 * Gives an entry or a change its headers, and returns it. They are made when they are first asked for, and kept from
 * then on. They are an enumerable property of its own, as all others are, so that a copy by `...` has them.
 */
export const withHeaders = <A extends RecordInfo>(record: A, headers: RecordHeaders | undefined): A => {
  if (headers === undefined) return record
  let made: ReadonlyArray<Header> | undefined
  return Object.defineProperty(record, "headers", {
    enumerable: true,
    configurable: true,
    get: () => (made ??= headers.decode())
  })
}

/** A copy of a change with another previous value. Its headers are not made before they are asked for either. */
export const withPrevious = <Change extends TableChange<unknown, unknown>>(
  change: Change,
  previous: Change["previous"]
): Change => {
  const headers = Object.getOwnPropertyDescriptor(change, "headers")
  if (headers?.get === undefined) return { ...change, previous }
  const copy = Object.defineProperties({}, Object.getOwnPropertyDescriptors(change)) as Change
  return Object.defineProperty(copy, "previous", {
    value: previous,
    enumerable: true,
    configurable: true,
    writable: true
  })
}
