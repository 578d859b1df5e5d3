import type { Broker } from "../../KafkaProtocol.ts"
import { type Address, addressOf } from "./address.ts"

/** How many brokers of a cluster are remembered for requests that any broker answers, beside the bootstrap list. */
const MAX_KNOWN = 100

/** How many brokers' failures are remembered. */
const MAX_FAILED = 1_000

/** The brokers that can be asked what any broker answers, and the order in which they are. */
export class KnownBrokers {
  private readonly failedAt = new Map<string, number>()
  private known: ReadonlyArray<Broker> = []
  private turn = 0

  constructor(
    private readonly bootstrap: ReadonlyArray<Address>,
    private readonly isConnected: (broker: Address) => boolean
  ) {}

  /** The brokers of a description of the cluster stand for those of the last one. */
  learn(brokers: ReadonlyArray<Broker>): void {
    if (brokers.length > 0) this.known = brokers.slice(0, MAX_KNOWN)
  }

  /** A broker that failed or was slow is asked after the others from now on, until it answers. */
  avoid(broker: Address, now: number): void {
    if (this.failedAt.size >= MAX_FAILED) this.failedAt.clear()
    this.failedAt.set(addressOf(broker), now)
  }

  /** A broker that has answered is as good as the others again. */
  trust(broker: Address): void {
    this.failedAt.delete(addressOf(broker))
  }

  /** Connected ones come first, those last that failed or were slow; the bootstrap list stays a candidate for ever. */
  candidates(): ReadonlyArray<Address> {
    const all = new Map<string, Address>()
    for (const broker of [...this.known, ...this.bootstrap]) {
      if (!all.has(addressOf(broker))) all.set(addressOf(broker), broker)
    }
    const rank = (address: string, broker: Address) => this.failedAt.get(address) ?? (this.isConnected(broker) ? -1 : 0)
    return [...all].sort(([a, x], [b, y]) => rank(a, x) - rank(b, y)).map(([, broker]) => broker)
  }

  /**
   * The candidates, begun with another one each time: a broker that is cut off from the others goes on answering with
   * what it knew.
   */
  inTurn(): ReadonlyArray<Address> {
    const all = this.candidates()
    const sound = all.filter((broker) => !this.failedAt.has(addressOf(broker)))
    const first = sound.length === 0 ? 0 : this.turn++ % sound.length
    return [...sound.slice(first), ...sound.slice(0, first), ...all.filter((broker) => !sound.includes(broker))]
  }
}
