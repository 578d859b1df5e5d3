/** The rows of a topic's table at one version, with the records that they come from. */
import type { RecordEntry } from "../../../TableSnapshot.ts"
import { NO_HEADERS, withHeaders, type RecordHeaders } from "./recordHeaders.ts"
import type { Records } from "./recordStore.ts"
import { indexInLeaf, leafAt, placeOf, setValue, type Leaf } from "./rowVector.ts"
import { Slots, type SlotsParts } from "./slots.ts"

export class RecordSlots<K, V> extends Slots<K, V, RecordEntry<K, V>> {
  private readonly records: Records<V>

  constructor(parts: SlotsParts<K>, records: Records<V>) {
    super(parts)
    this.records = records
  }

  protected load(_slot: number, leaf: Leaf, i: number): V {
    const made = this.records.valueAt(leaf.held[i])
    if (this.records.once) setValue(leaf, i, made)
    return made
  }

  protected make(_slot: number, leaf: Leaf, i: number): V {
    return this.records.valueAt(leaf.held[i])
  }

  protected entryOf(slot: number, key: K, leaf: Leaf, i: number): RecordEntry<K, V> {
    const { records } = this
    const place = leaf.held[i]
    const entry = {
      key,
      value: this.valueIn(slot, leaf, i),
      partition: records.partitionAt(place),
      offset: records.offsetAt(place),
      timestamp: records.timestampAt(place),
      headers: NO_HEADERS
    }
    return withHeaders(entry, leaf.headers?.[i] as RecordHeaders | undefined)
  }

  /** The order of two rows with values by their records: timestamp, partition, offset. */
  override compareAge(a: number, b: number): number {
    const { records } = this
    const [atA, atB] = [this.placeAt(a), this.placeAt(b)]
    return (
      records.timestampAt(atA) - records.timestampAt(atB) ||
      records.partitionAt(atA) - records.partitionAt(atB) ||
      records.offsetAt(atA) - records.offsetAt(atB)
    )
  }

  private placeAt(slot: number): number {
    return placeOf(leafAt(this.rows, slot).held[indexInLeaf(slot)])
  }
}
