import type { BatchHeader } from "./batchHeader.ts"
import type { ControlType } from "./controlType.ts"

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/**
 * Tells the batches of aborted transactions in one fetch answer, by the list that the broker gave with it, batch by
 * batch in the order of the log. A transaction is aborted from its first offset in the list to its producer's next
 * abort marker, on either end of which the answer may begin or end.
 */
export class AbortedTransactions {
  /** The list, in the order of first offsets. */
  private readonly upcoming: ReadonlyArray<AbortedTransaction>
  /** How many of the list have begun by now. */
  private taken = 0
  /**
   * Producers that are within an aborted transaction, as texts: the hash of a text has a secret of the process in it,
   * that of a number has none, and a broker could name a million ids of one hash.
   */
  private readonly producers = new Set<string>()

  /** The list may be in any order, name a transaction twice, and name others than those of the answer. */
  constructor(list: ReadonlyArray<AbortedTransaction>) {
    this.upcoming = [...list].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** To be asked about every batch that is no control batch. */
  isAborted(header: BatchHeader): boolean {
    this.take(header)
    return header.isTransactional && this.producers.size > 0 && this.producers.has(textOf(header.producerId))
  }

  /** To be told about every control batch. */
  onControl(header: BatchHeader, type: ControlType): void {
    // A transaction of which the answer has only the marker must not wait for its producer's next one.
    this.take(header)
    if (type === "abort") this.producers.delete(textOf(header.producerId))
  }

  /** Takes from the list what began up to the end of a batch. */
  private take(header: BatchHeader): void {
    const { producers, upcoming } = this
    while (this.taken < upcoming.length && upcoming[this.taken].firstOffset <= header.lastOffset) {
      producers.add(textOf(upcoming[this.taken++].producerId))
    }
  }
}

/** A text that is no index of an array, as such a text hashes as the number that it is. */
const textOf = (producerId: bigint): string => `p${producerId}`
