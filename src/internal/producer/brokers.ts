import type { Broker } from "../../KafkaProtocol.ts"
import { byLeader, ledBy, nodeKey, nodeKeys, type ByLeader } from "../client/leaders.ts"
import type { Lane } from "./lane.ts"
import type { Signal } from "../signal.ts"

/** What the fiber of one leader and the others know of each other. */
export interface Sender {
  readonly wake: Signal
  /** Since when it has waited for its broker, by the producer's time; `undefined` while it does not. */
  busySince: number | undefined
}

/** The brokers of a producer's cluster: where they are, which lanes each of them leads, and who sends to them. */
export class Brokers {
  readonly senders = new Map<number, Sender>()
  /** The brokers whose addresses are known, by `nodeKey`. */
  private known: ReadonlyMap<string, Broker> = new Map()
  /** The lanes of each leader: its fiber looks at its own lanes only, as there may be many of both. */
  private led: ByLeader<Lane> = new Map()

  /** Takes over which lanes each broker leads. To be called when leaders have changed, or lanes were added. */
  assign(lanes: Iterable<Lane>): void {
    this.led = byLeader(lanes)
  }

  /**
   * Takes over the brokers of the newest description of a topic. One that it does not name has left the cluster, and is
   * kept only as long as it leads a lane of another topic, which was described before.
   */
  learn(described: ReadonlyMap<number, Broker>): void {
    const known = new Map<string, Broker>()
    for (const [nodeId, broker] of described) known.set(nodeKey(nodeId), broker)
    for (const [key, broker] of this.known) if (!known.has(key) && this.led.has(key)) known.set(key, broker)
    this.known = known
  }

  /** The broker of this node id, if its address is known. */
  broker(nodeId: number): Broker | undefined {
    return this.known.get(nodeKey(nodeId))
  }

  /** The lanes of a leader. */
  ledBy(leader: number): ReadonlyArray<Lane> {
    return ledBy(this.led, leader)
  }

  /** Node ids of the brokers that lead something, and whose addresses are known. */
  get leaders(): ReadonlyArray<number> {
    return [...this.led.values()].map(([lane]) => lane.leader).filter((leader) => this.broker(leader) !== undefined)
  }

  /** Brokers that have left the cluster, and that no sender and no lane waits for. */
  departed(lanes: Iterable<Lane>): ReadonlyArray<number> {
    const absent = [...this.senders].filter(
      ([nodeId, { busySince }]) => busySince === undefined && this.broker(nodeId) === undefined
    )
    if (absent.length === 0) return []
    const busy = nodeKeys([...lanes].filter(({ inFlight }) => inFlight).map(({ sentTo }) => sentTo))
    return absent.map(([nodeId]) => nodeId).filter((nodeId) => !busy.has(nodeKey(nodeId)))
  }

  /** Brokers that have not answered for `millis` about a batch of a partition which another broker leads by now. */
  deposed(lanes: Iterable<Lane>, now: number, millis: number): ReadonlySet<number> {
    const found = new Set<number>()
    for (const { inFlight, leader, sentTo } of lanes) {
      if (!inFlight || sentTo === leader || leader === -1) continue
      const since = this.senders.get(sentTo)?.busySince
      if (since !== undefined && now - since >= millis) found.add(sentTo)
    }
    return found
  }

  /** Lets the sender of this leader look for lanes to send, if there is one. */
  wake(leader: number): void {
    this.senders.get(leader)?.wake.notify()
  }

  wakeAll(): void {
    for (const sender of this.senders.values()) sender.wake.notify()
  }
}
