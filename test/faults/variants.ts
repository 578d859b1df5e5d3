/** Clients that are broken on purpose, each in a way that real ones are: the oracle must find out about them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { KafkaClient, KafkaError, type KafkaTableWriter } from "../../src/index.ts"
import { ATTRIBUTES_AT, CRC_AT } from "../../src/internal/recordBatch/batchHeader.ts"
import { crc32c } from "../../src/internal/recordBatch/checksum.ts"
import { FetchedBatches } from "../../src/internal/recordBatch/fetchedBatches.ts"
import { RecordRanges } from "../../src/internal/recordBatch/recordRanges.ts"
import { answering, type Answers } from "../support/answering.ts"
import { impatient, type Lab } from "./lab.ts"
import type { Writer } from "./load.ts"

/** A client on connections of which some requests are answered by somebody else. */
const broken = (
  lab: Pick<Lab, "brokers">,
  clientId: string,
  answers: Answers
): Effect.Effect<KafkaClient.KafkaClient, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const sound = yield* KafkaClient.make({ brokers: lab.brokers, clientId, ...impatient })
    return yield* KafkaClient.fromDriver({
      bootstrap: lab.brokers.map((address) => {
        const [host, port] = address.split(":")
        return { host, port: Number(port) }
      }),
      backoff: sound.backoff,
      connect: (broker) =>
        Effect.map(sound.connect({ nodeId: -1, ...broker }), (connection) => answering(connection, answers))
    })
  })

const LAST_OFFSET_DELTA_AT = 23

/** Batches as if they ended with their last record, and without those that are empty, or behind the position then. */
const endingWithLastRecord = (records: Buffer, fetchOffset: number): Buffer => {
  const ranges = new RecordRanges()
  const batches = new FetchedBatches(Buffer.from(records), fetchOffset)
  const kept: Array<Buffer> = []
  for (let header = batches.next(); header !== undefined; header = batches.next()) {
    batches.decode(ranges)
    if (ranges.count === 0) continue
    const lastDelta = ranges.offsetDelta[ranges.count - 1]
    if (header.baseOffset + lastDelta < fetchOffset) continue
    const batch = Buffer.from(records.subarray(header.start, header.end))
    batch.writeInt32BE(lastDelta, LAST_OFFSET_DELTA_AT)
    batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT)
    kept.push(batch)
  }
  return Buffer.concat(kept)
}

/** Goes on behind the last record that it got, instead of behind the batch: compaction leaves such batches (K15). */
export const positionByLastRecord = (lab: Pick<Lab, "brokers">, clientId: string) =>
  broken(lab, clientId, {
    Fetch: (request, ask) =>
      Effect.map(ask(request), (answer) => ({
        ...answer,
        partitions: answer.partitions.map((found) => {
          const { fetchOffset } = request.partitions.find(({ partition }) => partition === found.partition)!
          return { ...found, records: endingWithLastRecord(found.records, fetchOffset) }
        })
      }))
  })

/** Knows topics by their names only, and reads on at its position in another one of that name (K24). */
export const byName = (lab: Pick<Lab, "brokers">, clientId: string) =>
  broken(lab, clientId, {
    Fetch: (request, ask) =>
      ask({
        ...request,
        partitions: request.partitions.map((p) => ({ ...p, topic: { ...p.topic, id: undefined } }))
      }),
    Metadata: (request, ask) =>
      Effect.map(ask(request), (answer) => ({
        ...answer,
        topics: answer.topics.map((topic) => ({ ...topic, id: undefined }))
      }))
  })

/** Takes any partition for empty when it starts: caught up with nothing. */
export const noGate = (lab: Pick<Lab, "brokers">, clientId: string) =>
  broken(lab, clientId, {
    ListOffsets: (request, ask) =>
      Effect.map(ask(request), (answer) => ({
        partitions: answer.partitions.map((found) => ({ ...found, offset: 0 }))
      }))
  })

/** Calls an outcome that nobody knows a plain failure. */
export const certainOfFailure = (writer: Writer): Writer => {
  const plain = <A>(write: Effect.Effect<A, KafkaError.WriteError>) =>
    Effect.mapError(write, (error) =>
      error.reason === "UnknownOutcome" ? new KafkaError.WriteError({ ...error, reason: "Timeout" }) : error
    )
  return {
    ...writer,
    set: (...args: Parameters<KafkaTableWriter.KafkaTableWriter<string, string>["set"]>) => plain(writer.set(...args))
  }
}
