/**
 * Tokens: the version of one feed's table, and, where that is certain, the place in the topic at that version. They come
 * back from clients, so anything may stand there.
 */
import type { Place } from "../table/place.ts"

export interface Token {
  /** Which feed made it. Versions of different tables, and of a table in different processes, have nothing in common. */
  readonly feed: string
  readonly version: number
  readonly place: Pick<Place, "topicId" | "positions"> | undefined
}

const GRAMMAR = /^([0-9a-f]{16})\.(\d{1,15})(?:\.([a-zA-Z0-9_-]{1,64})\.(\d{1,10}:\d{1,15}(?:,\d{1,10}:\d{1,15})*))?$/

export const printToken = ({ feed, place, version }: Token): string => {
  const positions = [...(place?.positions ?? [])].map(([partition, offset]) => `${partition}:${offset}`)
  return [feed, version, ...(place === undefined ? [] : [place.topicId, positions.join()])].join(".")
}

/** The token that this text is; `undefined` if it is none. */
export const parseToken = (text: string): Token | undefined => {
  const match = GRAMMAR.exec(text)
  if (match === null) return undefined
  const [, feed, version, topicId, positions] = match as unknown as [string, string, string, string?, string?]
  const place =
    topicId === undefined || positions === undefined
      ? undefined
      : {
          topicId,
          positions: new Map(positions.split(",").map((one) => one.split(":").map(Number) as [number, number]))
        }
  return { feed, version: Number(version), place }
}
