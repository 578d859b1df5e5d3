/** The content of a table: its rows by key, what is done to many of them, and versions of all. */
import type { Codec } from "../../../Codec.ts"
import { Compaction } from "./compaction.ts"
import { type Evicted, evictRows } from "./eviction.ts"
import { KeyedRows } from "./keyedRows.ts"
import { RecordStore } from "./recordStore.ts"
import { replaceRows } from "./replacing.ts"
import { RecordSlots } from "./recordSlots.ts"
import type { Renumbering } from "./slots.ts"

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

  /**
   * Gives up the room of overwritten values, or the slots of deleted keys, in steps. Users see no difference. Where rows
   * get new slots, `follow` gets them before they have them.
   */
  compact(follow: (to: Renumbering) => Iterator<void, void>): Generator<void, void> {
    return this.compaction.run(follow)
  }

  /** The rows as they are now, for ever. */
  slots(): RecordSlots<K, V> {
    return new RecordSlots<K, V>(
      { key: this.key, index: this.index, keys: this.keys, rows: this.rows.freeze(), size: this.live },
      this.records.share()
    )
  }
}
