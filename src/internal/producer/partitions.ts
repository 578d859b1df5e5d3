import type { TopicError, WriteError } from "../../KafkaError.ts"
import { isPromise } from "node:util/types"
import { explain, errorOf } from "../codec/schema/issue.ts"
import { KeylessTurn } from "./keylessTurn.ts"
import type { PendingRecord } from "./record.ts"
import type { SendSettings } from "../options/sending.ts"
import type { TopicLanes } from "./topicLanes.ts"

/** How many partitions a topic has, and which of them a record belongs to. */
export class Partitions {
  /** 0 as long as it is not known. */
  count = 0
  /** Says that the topic was created again with fewer partitions, if it was. */
  shrunk: TopicError | undefined
  private readonly keyless = new KeylessTurn()
  private readonly settings: SendSettings
  private readonly random: number

  constructor(settings: SendSettings, random: number) {
    this.settings = settings
    this.random = random
  }

  /** The partition of a record: the one that it asks for, or that of its key; for a record without a key, the next in turn. */
  choose(topic: TopicLanes, record: PendingRecord): number | WriteError {
    const { logValues, partitioner } = this.settings
    let partition: number
    try {
      partition =
        record.partition ??
        (record.key === null
          ? this.keyless.next(topic.lanes, this.count, record.size, this.random)
          : partitioner(record.key, this.count))
    } catch (thrown) {
      // What the partitioner throws may quote the key that it was given.
      const cause = errorOf(thrown, "the partitioner threw")
      const detail = logValues ? `the partitioner threw: ${explain(cause)}` : cause.message
      return topic.error("InvalidPartition", { detail, cause })
    }
    if (Number.isInteger(partition) && partition >= 0 && partition < this.count) return partition
    // The partition may be a new one: the next write will know.
    topic.refresh()
    return this.invalid(topic, partition)
  }

  invalid(topic: TopicLanes, partition: unknown): WriteError {
    return topic.error("InvalidPartition", {
      ...(typeof partition === "number" ? { partition } : {}),
      detail: `${shownPartition(partition)}, of ${this.count} partitions`,
      cause: this.shrunk
    })
  }
}

/** What a partitioner without types returned, in words: it may be anything, and a promise may still be rejected. */
const shownPartition = (partition: unknown): string => {
  if (typeof partition === "number") return String(partition)
  if (isPromise(partition)) partition.catch(() => {})
  return isPromise(partition) ? "a promise" : `a value of type ${typeof partition}`
}
