import type { ClientError, TopicError } from "../../KafkaError.ts"
import { Signal } from "../signal.ts"

type Failure = ClientError | TopicError

/** The failures that stand between a reader and its brokers, by what they are about. A success there clears each. */
export class Failures {
  private readonly standing = new Map<string, Failure>()
  /** Notified when a first failure comes to stand, and when none stands any more. */
  readonly changed = new Signal()

  get size(): number {
    return this.standing.size
  }

  get(about: string): Failure | undefined {
    return this.standing.get(about)
  }

  set(about: string, error: Failure): void {
    const isFirst = this.standing.size === 0
    this.standing.set(about, error)
    if (isFirst) this.changed.notify()
  }

  delete(about: string): void {
    if (this.standing.delete(about) && this.standing.size === 0) this.changed.notify()
  }

  clear(): void {
    for (const about of [...this.standing.keys()]) this.delete(about)
  }

  /** The oldest failure for which `is` holds. */
  find(is: (error: Failure) => boolean): Failure | undefined {
    return [...this.standing.values()].find(is)
  }

  /** The failure that began last. One that is only repeated keeps its place. */
  get last(): Failure | undefined {
    return [...this.standing.values()].at(-1)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// names of what a failure is about
// ---------------------------------------------------------------------------------------------------------------------

/** The step that makes sure of the topic, before anything of it is read. */
export const OF_START = "start"
export const ofMetadata = (topic: string): string => `metadata of ${topic}`
export const ofPartition = (topic: string, partition: number): string => `${topic}/${partition}`
export const ofLeader = (leader: number): string => `broker ${leader}`
/** The fact that a partition has no leader whose address is known. */
export const ofLeadership = (topic: string, partition: number): string => `leader of ${topic}/${partition}`
/** The fact that a broker makes this client wait because of a quota. */
export const ofThrottle = (leader: number): string => `throttling by broker ${leader}`
