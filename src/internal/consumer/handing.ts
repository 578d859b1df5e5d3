/** Hands out what was fetched: decoded, in the order of each partition, as much as may be unfinished at a time. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { ConsumerFailure } from "../../KafkaConsumer.ts"
import { CorruptBatchError } from "../../KafkaError.ts"
import { millisOf } from "../effect/v4/clock.ts"
import { prepareCodecs } from "../recordBatch/compression.ts"
import { BatchCorruption } from "../recordBatch/corruption.ts"
import { SLICE_MILLIS, yieldToEventLoop } from "../yield.ts"
import { type DecodingSettings, PartitionDecoder, type Stop } from "./decoding.ts"
import type { OwnedPartition } from "./ownedPartition.ts"
import { type ConsumerParts, failConsumer, MAX_FETCHED_BYTES } from "./parts.ts"
import { makePoisonLines, type PoisonLines } from "./poisonLines.ts"
import type { ConsumedRecord } from "./record.ts"
import type { Settled } from "./settling.ts"

/** Loads zstd, where this Node has none. If it does not load in 10 seconds, batches in zstd are refused. */
const loadCompression = Effect.ignore(Effect.timeout(Effect.tryPromise(prepareCodecs), 10_000))

type Chunk<K, V> = NonEmptyReadonlyArray<ConsumedRecord<K, V>>

export class Handing<K, V> {
  private readonly settings: DecodingSettings<K, V>
  /** Which partition is looked at first, so that each has its turn. */
  private turn = 0
  private readonly tellOf: PoisonLines

  constructor(
    private readonly parts: ConsumerParts<K, V>,
    private readonly settled: Settled<K, V>
  ) {
    const { config } = parts
    this.tellOf = makePoisonLines(config.group)
    this.settings = {
      key: config.key,
      value: config.value,
      committedOnly: config.isolation === "read_committed",
      group: config.group,
      failOnPoison: config.onPoison === "fail",
      logValues: config.logValues,
      decode: { checkCrcs: config.checkCrcs, maxBatchBytes: config.fetch.maxBatchBytes }
    }
  }

  /** Waits for records of any partition, or of this one; `undefined` once nothing of it is handed out any more. */
  next(only?: OwnedPartition): Effect.Effect<Chunk<K, V> | undefined, ConsumerFailure> {
    return Effect.suspend(() => {
      const { parts } = this
      const { version } = parts.ready
      if (parts.failure !== undefined) return Effect.fail(parts.failure)
      if (parts.isEnding || only?.phase === "closing" || only?.phase === "gone") return Effect.succeed(undefined)
      const found = only === undefined ? this.pick() : this.isReady(only) ? only : undefined
      return found === undefined
        ? Effect.flatMap(parts.ready.after(version), () => this.next(only))
        : this.decode(found, only)
    })
  }

  private isReady(p: OwnedPartition): boolean {
    return (
      p.phase === "open" &&
      !p.isHeldBack &&
      p.fetched.length > 0 &&
      p.prefix !== undefined &&
      p.prefix.size < this.parts.config.maxUncommitted
    )
  }

  private pick(): OwnedPartition | undefined {
    const all = [...this.parts.owned.values()]
    for (let i = 0; i < all.length; i++) {
      const p = all[(this.turn + i) % all.length]
      if (!this.isReady(p)) continue
      this.turn = (this.turn + i + 1) % all.length
      return p
    }
    return undefined
  }

  private decode(p: OwnedPartition, only: OwnedPartition | undefined) {
    const begun = p.decoder as PartitionDecoder<K, V> | undefined
    const decoder = begun ?? new PartitionDecoder(this.settings, this.settled, p, p.fetched[0], p.prefix!.position)
    p.decoder = decoder as PartitionDecoder<unknown, unknown>
    return this.goOn(p, decoder, [], only)
  }

  /** Goes on with an answer until it is decoded, there is no more room, or something has to be waited for. */
  private goOn(
    p: OwnedPartition,
    decoder: PartitionDecoder<K, V>,
    out: Array<ConsumedRecord<K, V>>,
    only: OwnedPartition | undefined
  ): Effect.Effect<Chunk<K, V> | undefined, ConsumerFailure> {
    const again = () => this.goOn(p, decoder, out, only)
    const { config, isEnding } = this.parts
    // It may have been given up or held back, be read elsewhere, or all be over, since this began: nothing of it was handed out.
    if (p.decoder !== decoder || p.phase !== "open" || p.isHeldBack || isEnding) {
      if (p.decoder === decoder) p.decoder = undefined
      return this.next(only)
    }
    const most = config.maxUncommitted - p.prefix!.size
    let stop: Stop | BatchCorruption
    try {
      stop = decoder.run(out, most, performance.now() + SLICE_MILLIS)
    } catch (error) {
      // A bug of the decoder stays a defect.
      if (!(error instanceof BatchCorruption)) throw error
      stop = error
    }
    switch (stop) {
      case "more":
        return Effect.flatMap(yieldToEventLoop, again)
      case "compression":
        return Effect.flatMap(loadCompression, () => {
          decoder.compressionIsLoaded()
          return again()
        })
      case "key":
      case "value":
        return Effect.flatMap(decoder.decodeByEffect(stop), again)
      default: {
        // The one that ends the consumer is told by that.
        const leftOut = stop === "poison" ? decoder.poison.slice(0, -1) : [...decoder.poison]
        this.handOut(p, decoder, out)
        if (stop === "done") p.takeFirst()
        else if (stop === "poison") failConsumer(this.parts, decoder.poison.at(-1)!)
        else if (stop !== "full") this.onCorruption(p, decoder, stop)
        decoder.poison.length = 0
        this.fetchOn(p)
        const next = isNonEmpty(out) ? Effect.succeed(out) : this.next(only)
        return leftOut.length === 0 ? next : Effect.andThen(this.tellOf(leftOut), next)
      }
    }
  }

  /** Hands records out in one step: none of a partition that is given up meanwhile is handed out half. */
  private handOut(p: OwnedPartition, decoder: PartitionDecoder<K, V>, out: ReadonlyArray<ConsumedRecord<K, V>>): void {
    const { clock, config, health, metrics, poison } = this.parts
    const prefix = p.prefix!
    if (out.length > 0) {
      const first = out[0].handOut(prefix)
      for (let i = 1; i < out.length; i++) out[i].handOut(prefix)
      p.noteHandedOut(first, millisOf(clock))
      if (p.corruptAt !== undefined && decoder.position > p.corruptAt) p.corruptAt = undefined
      if (prefix.size >= config.maxUncommitted) health.block(p, true)
    }
    prefix.passTo(decoder.position)
    this.settled.advanced()
    metrics.handedOut(p.topic, out.length, decoder.poison.length)
    for (const error of decoder.poison) poison.tell(error)
  }

  /** Has a partition fetched again of which enough was held. */
  private fetchOn(p: OwnedPartition): void {
    if (p.fetchedBytes < MAX_FETCHED_BYTES) this.parts.source.hold(p.topic, p.partition, false)
  }

  /** Asks for a corrupt batch once more, on a fresh connection, as it may have been the network. */
  private onCorruption(p: OwnedPartition, decoder: PartitionDecoder<K, V>, corruption: BatchCorruption): void {
    const { position } = decoder
    if (p.corruptAt === position) {
      const { baseOffset, detail, reason } = corruption
      const { partition, topic } = p
      return failConsumer(this.parts, new CorruptBatchError({ reason, topic, partition, baseOffset, detail }))
    }
    p.corruptAt = position
    p.dropFetched()
    this.parts.source.refetch(p.topic, p.partition, position)
  }
}

const isNonEmpty = <A>(all: ReadonlyArray<A>): all is NonEmptyReadonlyArray<A> => all.length > 0
