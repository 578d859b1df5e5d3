/** Clients between a table and its cluster, that do what a cluster does at times, when the test wants it. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { KafkaError, type KafkaClient } from "../../src/index.ts"
import { answering } from "../support/answering.ts"

/** What `held` can hold. */
export type Step = "connect" | "describeTopic" | "ListOffsets" | "InitProducerId" | "Fetch" | "Produce"

export interface Held {
  readonly client: KafkaClient.KafkaClient
  /** How many answers are being held back now. */
  readonly waiting: Effect.Effect<number>
  /** From now on, answers come as they are. */
  readonly release: Effect.Effect<void>
  /** From now on, answers are held back once more. */
  readonly hold: Effect.Effect<void>
}

/** Holds answers back, and failures, too. */
export const held = (client: KafkaClient.KafkaClient, steps: ReadonlyArray<Step>): Effect.Effect<Held> =>
  Effect.map(Latch.make(false), (latch) => {
    let waiting = 0
    const wait = Effect.acquireUseRelease(
      Effect.sync(() => waiting++),
      () => latch.await,
      () => Effect.sync(() => waiting--)
    )
    const at =
      (step: Step) =>
      <A, E, R>(answer: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        steps.includes(step) ? Effect.flatten(Effect.tap(Effect.exit(answer), wait)) : answer
    return {
      client: {
        ...client,
        connect: (broker) =>
          at("connect")(client.connect(broker)).pipe(
            Effect.map((connection) =>
              answering(connection, {
                Fetch: (request, ask) => at("Fetch")(ask(request)),
                Produce: (request, ask) => at("Produce")(ask(request))
              })
            )
          ),
        describeTopic: (topic) => at("describeTopic")(client.describeTopic(topic)),
        listOffsets: (topic, what) => at("ListOffsets")(client.listOffsets(topic, what)),
        initProducerId: at("InitProducerId")(client.initProducerId)
      },
      waiting: Effect.sync(() => waiting),
      release: Effect.asVoid(latch.open),
      hold: Effect.asVoid(latch.close)
    }
  })

const closed = (request: string) => new KafkaError.ConnectionError({ reason: "Closed", broker: "", request })

/** Whose leader of `partition` does not say where it begins, the first time: as leaders do that have just been elected. */
export const late = (client: KafkaClient.KafkaClient, partition: number): KafkaClient.KafkaClient => {
  let asked = 0
  return {
    ...client,
    listOffsets: (description, at) =>
      Effect.map(client.listOffsets(description, at), (offsets) =>
        // once for the beginning, and once for the end
        asked++ < 2
          ? offsets.map((one) =>
              one.partition === partition ? { ...one, offset: -1, error: closed("ListOffsets") } : one
            )
          : offsets
      )
  }
}

/** Whose connections break at every `nth` fetch, the answer lost. */
export const breaking = (client: KafkaClient.KafkaClient, nth: number): KafkaClient.KafkaClient => {
  let fetches = 0
  return {
    ...client,
    connect: (broker) =>
      Effect.map(client.connect(broker), (connection) => {
        let isOpen = true
        return {
          ...answering(connection, {
            Fetch: (request, ask) =>
              Effect.flatMap(ask(request), (answer) => {
                if (++fetches % nth === 0) isOpen = false
                return isOpen ? Effect.succeed(answer) : Effect.fail(closed("Fetch"))
              })
          }),
          isOpen: () => isOpen && connection.isOpen()
        }
      })
  }
}

/** A client whose network flips bits, and how often it has done so. */
export interface Corrupting {
  readonly client: KafkaClient.KafkaClient
  readonly times: Effect.Effect<number>
}

/**
 * Flips a bit in what is fetched from `offset` on, in so many answers: in the last byte of the first batch's last value, so
 * that nothing but its checksum tells. Batches must not be compressed, and their last record must have no headers.
 */
export const corrupting = (client: KafkaClient.KafkaClient, offset: number, times: number): Corrupting => {
  let left = times
  const corrupted: KafkaClient.KafkaClient = {
    ...client,
    connect: (broker) =>
      Effect.map(client.connect(broker), (connection) =>
        answering(connection, {
          Fetch: (request, ask) =>
            Effect.map(ask(request), (answer) => ({
              ...answer,
              partitions: answer.partitions.map((one) => {
                const asked = request.partitions.find(({ partition }) => partition === one.partition)
                if (one.records.length === 0 || asked === undefined || asked.fetchOffset < offset || left === 0)
                  return one
                left--
                const records = Buffer.from(one.records)
                // what comes behind the value is one byte, the count of headers
                const end = 12 + records.readInt32BE(8)
                records[end - 2] ^= 1
                return { ...one, records }
              })
            }))
        })
      )
  }
  return { client: corrupted, times: Effect.sync(() => times - left) }
}
