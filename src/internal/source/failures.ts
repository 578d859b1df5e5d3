import type { ClientError, TopicError } from "../../KafkaError.ts"
import { Signal } from "../signal.ts"

type Failure = ClientError | TopicError

/** Failures on the way to the brokers that stand, by what they are about. Each is cleared by a success there. */
export class Failures {
  private readonly standing = new Map<string, Failure>()
  /** Notified when the first one stands, and when none does any more. */
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

  find(is: (error: Failure) => boolean): Failure | undefined {
    return [...this.standing.values()].find(is)
  }

  /** The one that began last: what is only repeated keeps its place. */
  get last(): Failure | undefined {
    return [...this.standing.values()].at(-1)
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// what a failure is about
// ---------------------------------------------------------------------------------------------------------------------

/** Making sure of the topic, before anything of it is read. */
export const OF_START = "start"
export const ofMetadata = (topic: string): string => `metadata of ${topic}`
export const ofPartition = (topic: string, partition: number): string => `${topic}/${partition}`
export const ofLeader = (leader: number): string => `broker ${leader}`
/** That a partition has no leader. */
export const ofLeadership = (topic: string, partition: number): string => `leader of ${topic}/${partition}`
/** That a broker told this client to wait. */
export const ofThrottle = (leader: number): string => `throttling by broker ${leader}`
