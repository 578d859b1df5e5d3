/**
 * Tokens: the version of one feed's table, and, where that is certain, the place in the topic at that version. They come
 * back from clients, so anything may stand there.
 */
import type { Place } from "../table/place.ts"

export interface Token {
  /** Which feed made it. Versions of different tables, and of a table in different processes, have nothing in common. */
  readonly feed: string
  readonly version: number
  readonly place: Pick<Place, "topicId" | "positions" | "starts"> | undefined
}

/** One partition: its number, where its log begins if that is not at 0, and its position. */
const PARTITION = String.raw`\d{1,10}:(?:\d{1,15}-)?\d{1,15}`

const GRAMMAR = new RegExp(
  String.raw`^([0-9a-f]{16})\.(\d{1,15})(?:\.([a-zA-Z0-9_-]{1,64})\.(${PARTITION}(?:,${PARTITION})*))?$`
)

/** The most characters of a token: it comes back in the header of a request, and these may be few kilobytes in all. */
export const MOST_CHARACTERS = 2048

/** A place that is too long for a token, as it has many partitions, is not in it. */
export const printToken = ({ feed, place, version }: Token): string => {
  const alone = `${feed}.${version}`
  if (place === undefined) return alone
  const { positions, starts, topicId } = place
  const partitions = [...positions].map(([partition, offset]) => {
    const start = starts.get(partition) ?? 0
    return `${partition}:${start === 0 ? "" : `${start}-`}${offset}`
  })
  const whole = `${alone}.${topicId}.${partitions.join()}`
  return whole.length <= MOST_CHARACTERS ? whole : alone
}

/** The token that this text is; `undefined` if it is none. */
export const parseToken = (text: string): Token | undefined => {
  const match = text.length > MOST_CHARACTERS ? null : GRAMMAR.exec(text)
  if (match === null) return undefined
  const [, feed, version, topicId, partitions] = match as unknown as [string, string, string, string?, string?]
  const place = topicId === undefined || partitions === undefined ? undefined : placeOf(topicId, partitions)
  return { feed, version: Number(version), place }
}

const placeOf = (topicId: string, partitions: string): Token["place"] => {
  const positions = new Map<number, number>()
  const starts = new Map<number, number>()
  for (const one of partitions.split(",")) {
    const [partition, ...offsets] = one.split(/[:-]/).map(Number)
    positions.set(partition, offsets.at(-1)!)
    starts.set(partition, offsets.length === 1 ? 0 : offsets[0])
  }
  return { topicId, positions, starts }
}
