/** The schemas of what is told of a table: of its changes, its entries, and the events of a feed. */
import * as Schema from "effect/Schema"
import type { FeedEvent } from "../../../FeedEvent.ts"
import type { DeleteCause, RecordChangeWithoutHeaders, TableChange } from "../../../TableChange.ts"
import type { RecordEntryWithoutHeaders, TableEntry } from "../../../TableSnapshot.ts"

/** What a value encodes to is the business of who decodes it. */
type Told<A> = Schema.Schema<A, unknown>

const told = <A, I>(schema: Schema.Schema<A, I>): Told<A> => schema as unknown as Told<A>

const record = { partition: Schema.Finite, offset: Schema.Finite, timestamp: Schema.Finite }

const CAUSES = ["tombstone", "evicted", "rebuilt", "expired"] as const satisfies ReadonlyArray<DeleteCause>

export const tableChange = <K, V, KI, VI>(
  key: Schema.Schema<K, KI>,
  value: Schema.Schema<V, VI>
): Told<TableChange<K, V>> =>
  told(
    Schema.Union(
      Schema.TaggedStruct("Upsert", { key, value, previous: Schema.Option(value) }),
      Schema.TaggedStruct("Delete", { key, previous: Schema.Option(value) })
    )
  )

export const recordChange = <K, V, KI, VI>(
  key: Schema.Schema<K, KI>,
  value: Schema.Schema<V, VI>
): Told<RecordChangeWithoutHeaders<K, V>> => {
  const fields = { key, previous: Schema.Option(value), ...record, replayed: Schema.Boolean }
  return told(
    Schema.Union(
      Schema.TaggedStruct("Upsert", { ...fields, value }),
      Schema.TaggedStruct("Delete", { ...fields, cause: Schema.Literal(...CAUSES) })
    )
  )
}

export const tableEntry = <K, V, KI, VI>(
  key: Schema.Schema<K, KI>,
  value: Schema.Schema<V, VI>
): Told<TableEntry<K, V>> => told(Schema.Struct({ key, value }))

export const recordEntry = <K, V, KI, VI>(
  key: Schema.Schema<K, KI>,
  value: Schema.Schema<V, VI>
): Told<RecordEntryWithoutHeaders<K, V>> => told(Schema.Struct({ key, value, ...record }))

export const feedEvent = <K, V, KI, VI>(
  key: Schema.Schema<K, KI>,
  value: Schema.Schema<V, VI>
): Told<FeedEvent<K, V>> =>
  told(
    Schema.Union(
      Schema.TaggedStruct("Reset", { size: Schema.Finite }),
      Schema.TaggedStruct("Resumed", {}),
      Schema.TaggedStruct("Entries", { entries: Schema.Array(Schema.Struct({ key, value })) }),
      Schema.TaggedStruct("Changes", {
        changes: Schema.Array(
          Schema.Union(Schema.TaggedStruct("Upsert", { key, value }), Schema.TaggedStruct("Delete", { key }))
        )
      }),
      Schema.TaggedStruct("Live", { version: Schema.Finite, token: Schema.String })
    )
  )

/** The schema of the JSON that the values of a schema become. On Effect 3, that is what they encode to. */
export const jsonOf = <A, I>(schema: Schema.Schema<A, I>): Told<A> => told(schema)
