/** The content of a table: its rows by key, what is done to many of them, and snapshots of all. */
import type { Codec } from "../../../Codec.ts"
import type { RecordSnapshot } from "../../../TableSnapshot.ts"
import { Compaction } from "./compaction.ts"
import { type Evicted, evictRows } from "./eviction.ts"
import { KeyedRows } from "./keyedRows.ts"
import { RecordStore } from "./recordStore.ts"
import { replaceRows } from "./replacing.ts"
import { makeSnapshot } from "./snapshot.ts"

export class TableState<K, V> extends KeyedRows<K, V> {
  private readonly compaction: Compaction<K, V> = new Compaction<K, V>(this)

  constructor(key: Codec<K>, records = new RecordStore<V>(undefined)) {
    super(key, records)
  }

  /** See `replaceRows`. */
  replace(partitions: ReadonlySet<number>, shadow: TableState<K, V>, sameLog: boolean): Generator<void, void> {
    return replaceRows(this, partitions, shadow, sameLog)
  }

  /** See `evictRows`. */
  evict(partition: number, logStart: number): Generator<void, Evicted> {
    return evictRows(this, partition, logStart)
  }

  /** Whether it is time for `compact`. */
  get wantsCompaction(): boolean {
    return this.compaction.isDue
  }

  /** Gives up the room of overwritten values, or the slots of deleted keys, in steps. Users see no difference. */
  compact(): Generator<void, void> {
    return this.compaction.run()
  }

  /** The content as it is now, for ever. */
  snapshot(version: number): RecordSnapshot<K, V> {
    return makeSnapshot<K, V>({
      key: this.key,
      records: this.records.share(),
      index: this.index,
      keys: this.keys,
      rows: this.rows.freeze(),
      size: this.live,
      version
    })
  }
}
