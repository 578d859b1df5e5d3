/** What a catalog has to show, by going through all of its log. */
import { part, type Part } from "./support.ts"

/** A record of the log. */
interface Logged {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** A record of the catalog, with its place in the log. */
export interface Row {
  readonly part: Part
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
}

/** Whether a key is that of a record, and of nothing else that a log has. */
const isOfRecord = (key: string): boolean => key.charCodeAt(0) === 1

/** What a log has of each identity: of all records that are the last one of their key, the first one. */
export const contentOf = (log: Iterable<Logged>): ReadonlyMap<string, Row> => {
  const latest = new Map<string, Logged>()
  // Ids are never used again, so a key is in one partition.
  for (const record of log) if (record.key !== null) latest.set(Buffer.from(record.key).toString("latin1"), record)
  const partitions = new Map<string, Map<number, Row>>()
  for (const [key, { offset, partition, timestamp, value }] of latest) {
    if (value === null || !isOfRecord(key)) continue
    const identity = key.slice(0, -17)
    const firsts = partitions.get(identity) ?? new Map<number, Row>()
    partitions.set(identity, firsts)
    const before = firsts.get(partition)
    if (before !== undefined && before.offset < offset) continue
    const { sku, stock, vendor, zone } = JSON.parse(Buffer.from(value).toString()) as Part
    firsts.set(partition, { part: part(sku, vendor, zone, stock), partition, offset, timestamp })
  }
  const content = new Map<string, Row>()
  for (const [identity, firsts] of partitions) {
    const [first] = [...firsts.values()].sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition)
    content.set(identity, first)
  }
  return content
}

export const shown = (row: Row): string =>
  `${row.part.sku} ${row.part.vendor} ${row.part.stock} @${row.partition}:${row.offset}`

/** Whether a filter asks for a record, as it is documented. */
export const isAsked = ({ sku, vendor, zone }: Part, filter: Readonly<Record<string, string>>): boolean =>
  (filter["sku"] === undefined || filter["sku"] === sku) &&
  (filter["vendor"] === undefined || filter["vendor"].toLowerCase() === vendor.toLowerCase()) &&
  (filter["zone"] === undefined || filter["zone"].toLowerCase() === zone.toLowerCase()) &&
  (filter["rowFrom"] === undefined || sku >= filter["rowFrom"]) &&
  (filter["rowTo"] === undefined || sku <= filter["rowTo"])

/** The naive answer to a filter. */
export const matching = (content: Iterable<Row>, filter: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  [...content]
    .filter(({ part }) => isAsked(part, filter))
    .map(({ part: { sku, stock } }) => `${sku} ${stock}`)
    .sort()
