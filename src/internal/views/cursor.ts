/**
 * Cursors: text that names a place in an order, for the next page. It may have been to a browser and back, so that what is
 * read of it may be anything.
 */
import { isList, type Item, type Key } from "./indexKey.ts"

export interface Cursor {
  /** The key of the index; `undefined` where rows are in the order of their own keys. */
  readonly key: Key | undefined
  /** The bytes of the row's own key. */
  readonly row: Buffer
}

/** An item as text, with a letter for its type. */
const writeItem = (item: Item): string =>
  item instanceof Date ? `d${item.getTime()}` : `${(typeof item)[0]}${String(item)}`

/** A key as JSON that no other key has: a list is one, and all else is a text. */
export const writeKey = (key: Key): string | ReadonlyArray<string> =>
  isList(key) ? key.map(writeItem) : writeItem(key)

const readItem = (text: unknown): Item | undefined => {
  if (typeof text !== "string" || text === "") return undefined
  const rest = text.slice(1)
  switch (text[0]) {
    case "s":
      return rest
    case "n": {
      const number = Number(rest)
      return rest === "" || Number.isNaN(number) ? undefined : number
    }
    case "d": {
      const date = new Date(Number(rest))
      return rest === "" || Number.isNaN(date.getTime()) ? undefined : date
    }
    case "b":
      if (rest === "true" || rest === "false") return rest === "true"
      return /^-?\d{1,4000}$/.test(rest) ? BigInt(rest) : undefined
    default:
      return undefined
  }
}

export const writeCursor = ({ key, row }: Cursor): string => {
  const keys = key === undefined ? null : writeKey(key)
  return Buffer.from(JSON.stringify([keys, row.toString("base64url")])).toString("base64url")
}

/** Reads a cursor; `undefined` if this is none. */
export const readCursor = (text: unknown): Cursor | undefined => {
  if (typeof text !== "string" || !/^[\w-]+$/.test(text)) return undefined
  try {
    const all: unknown = JSON.parse(Buffer.from(text, "base64url").toString())
    if (!Array.isArray(all) || all.length !== 2 || typeof all[1] !== "string") return undefined
    const row = Buffer.from(all[1], "base64url")
    const keys: unknown = all[0]
    if (keys === null) return { key: undefined, row }
    const key = Array.isArray(keys) ? keys.map(readItem) : readItem(keys)
    if (key === undefined || (Array.isArray(key) && key.includes(undefined))) return undefined
    return { key: key as Key, row }
  } catch {
    return undefined
  }
}
