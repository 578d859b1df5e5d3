import type { Broker } from "../../KafkaProtocol.ts"
import { type Address, addressOf } from "./address.ts"

/** How many brokers of a cluster are remembered for requests that any broker answers, beside the bootstrap list. */
const MAX_KNOWN = 100

/** How many brokers' failures are remembered. */
const MAX_FAILED = 1_000

/** The brokers that can be asked what any broker answers, and the order in which they are asked. */
export class KnownBrokers {
  /** When brokers failed or were slow, by their addresses, in milliseconds of the Clock. */
  private readonly failedAt = new Map<string, number>()
  private known: ReadonlyArray<Broker> = []
  private turn = 0

  constructor(
    private readonly bootstrap: ReadonlyArray<Address>,
    private readonly isConnected: (broker: Address) => boolean
  ) {}

  /** Takes over the brokers of a description of the cluster, in place of those of the last one. */
  learn(brokers: ReadonlyArray<Broker>): void {
    if (brokers.length > 0) this.known = brokers.slice(0, MAX_KNOWN)
  }

  /** Notes that a broker failed or was slow: until it answers, it is asked after the others. */
  avoid(broker: Address, now: number): void {
    if (this.failedAt.size >= MAX_FAILED) this.failedAt.clear()
    this.failedAt.set(addressOf(broker), now)
  }

  /** Notes that a broker has answered: it is as good as the others again. */
  trust(broker: Address): void {
    this.failedAt.delete(addressOf(broker))
  }

  /**
   * All brokers to ask, in their order: first those that are connected, last those that failed or were slow. The
   * bootstrap list is always among them.
   */
  candidates(): ReadonlyArray<Address> {
    const all = new Map<string, Address>()
    for (const broker of [...this.known, ...this.bootstrap]) {
      if (!all.has(addressOf(broker))) all.set(addressOf(broker), broker)
    }
    const rank = (address: string, broker: Address) => this.failedAt.get(address) ?? (this.isConnected(broker) ? -1 : 0)
    return [...all].sort(([a, x], [b, y]) => rank(a, x) - rank(b, y)).map(([, broker]) => broker)
  }

  /**
   * The candidates, beginning with another sound one each time, as a broker that is cut off from the others goes on
   * answering with what it knew.
   */
  inTurn(): ReadonlyArray<Address> {
    const all = this.candidates()
    const sound = all.filter((broker) => !this.failedAt.has(addressOf(broker)))
    const first = sound.length === 0 ? 0 : this.turn++ % sound.length
    return [...sound.slice(first), ...sound.slice(0, first), ...all.filter((broker) => !sound.includes(broker))]
  }
}
