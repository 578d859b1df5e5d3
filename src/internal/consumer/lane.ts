/** A lane of `runForEach`, and which records go through which. */
import type { Committable } from "../../KafkaConsumer.ts"
import { Signal } from "../signal.ts"
import type { ConsumedRecord } from "./record.ts"

/** Records of which one is worked on at a time, in their order. */
export class Lane<K, V> {
  /** Records that wait, from `first` on. */
  private waiting: Array<ConsumedRecord<K, V>> = []
  private first = 0
  readonly news = new Signal()
  /** The record that is worked on. */
  current: ConsumedRecord<K, V> | undefined
  /** How many records were taken. */
  taken = 0
  isOver = false
  /** Whether its fiber is interrupted, to be started again. */
  isInterrupted = false

  add(record: ConsumedRecord<K, V>): void {
    this.waiting.push(record)
    this.news.notify()
  }

  get size(): number {
    return this.waiting.length - this.first
  }

  /** Gives back what waits and is not wanted any more. */
  giveBack(isUnwanted: (record: ConsumedRecord<K, V>) => boolean): void {
    const all = this.waiting.slice(this.first)
    this.waiting = all.filter((record) => !isUnwanted(record))
    this.first = 0
    for (const record of all) if (isUnwanted(record)) record.giveBack()
  }

  /** Takes the next record. */
  take(): ConsumedRecord<K, V> | undefined {
    if (this.first === this.waiting.length) return undefined
    const record = this.waiting[this.first++]
    this.taken++
    if (this.first > 64 && this.first * 2 > this.waiting.length) {
      this.waiting.splice(0, this.first)
      this.first = 0
    }
    return record
  }
}

/** Which lane a text or a number belongs to (FNV-1a). */
export const laneOf = (by: string | number, lanes: number): number => {
  if (typeof by !== "string" && Number.isFinite(by)) return Math.abs(Math.trunc(by)) % lanes
  // Without types, it may be anything.
  const text = String(by)
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % lanes
}

/** By the key where it has a text of its own, or is bytes, else by the partition. */
export const byKey = ({ key, partition, topic }: Committable<unknown, unknown>): string =>
  typeof key === "string" || typeof key === "number" || typeof key === "bigint"
    ? `${topic}:${partition}:${key}`
    : key instanceof Uint8Array
      ? `${topic}:${partition}:${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1")}`
      : `${topic}:${partition}`
