/** Record batches by Kafka's own code, in a JVM beside the test. See KafkaRecords.java. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { EncodableRecord } from "../../src/internal/recordBatch/encode.ts"
import { compiled, logSettings, quickStart } from "../kafka/java.ts"
import { awaitExit, lastLines } from "../kafka/process.ts"
import type { TestKafkaError } from "../kafka/TestKafkaError.ts"
import type { ReadRecord } from "./support.ts"

const source = new URL("KafkaRecords.java", import.meta.url).href

export interface BatchToEncode {
  readonly magic: 0 | 1 | 2
  /** In the order of `codecs`. */
  readonly codec: number
  /** Milliseconds, of all records; `undefined`: each has its own. */
  readonly logAppendTime: number | undefined
  readonly baseOffset: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly isTransactional: boolean
  readonly records: ReadonlyArray<EncodableRecord>
}

export interface Marker {
  readonly type: "commit" | "abort"
  readonly offset: number
  readonly timestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
}

/** A batch as Kafka reads it. */
export interface KafkaBatch {
  readonly magic: number
  readonly lastOffset: number
  readonly nextOffset: number
  readonly maxTimestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly partitionLeaderEpoch: number
  readonly codec: number
  readonly logAppendTime: boolean
  readonly isTransactional: boolean
  readonly isControl: boolean
  /** -1 if it is none. */
  readonly controlType: number
  readonly coordinatorEpoch: number
  readonly records: ReadonlyArray<ReadRecord>
}

export interface KafkaRecords {
  /** With leader epoch 7. */
  readonly encode: (batch: BatchToEncode) => Promise<Buffer>
  readonly encodeMarker: (marker: Marker) => Promise<Buffer>
  /** Complete batches, with their checksums checked. What Kafka throws instead, as text. */
  readonly decode: (bytes: Buffer) => Promise<ReadonlyArray<KafkaBatch> | string>
}

class Writer {
  private readonly parts: Array<Buffer> = []

  int8(value: number): this {
    return this.number(1, (bytes) => bytes.writeInt8(value))
  }
  int16(value: number): this {
    return this.number(2, (bytes) => bytes.writeInt16BE(value))
  }
  int32(value: number): this {
    return this.number(4, (bytes) => bytes.writeInt32BE(value))
  }
  int64(value: number | bigint): this {
    return this.number(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)))
  }
  part(value: Uint8Array | null): this {
    this.int32(value === null ? -1 : value.length)
    if (value !== null) this.parts.push(Buffer.from(value))
    return this
  }
  bytes(value: Buffer): this {
    this.parts.push(value)
    return this
  }
  frame(): Buffer {
    const content = Buffer.concat(this.parts)
    const size = Buffer.alloc(4)
    size.writeInt32BE(content.length)
    return Buffer.concat([size, content])
  }
  private number(size: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(size)
    write(bytes)
    this.parts.push(bytes)
    return this
  }
}

class Reader {
  private readonly bytes: Buffer
  private at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length
  }
  int8(): number {
    return this.bytes.readInt8(this.take(1))
  }
  int16(): number {
    return this.bytes.readInt16BE(this.take(2))
  }
  int32(): number {
    return this.bytes.readInt32BE(this.take(4))
  }
  int64(): bigint {
    return this.bytes.readBigInt64BE(this.take(8))
  }
  part(): Buffer | null {
    const length = this.int32()
    if (length < 0) return null
    const start = this.take(length)
    return this.bytes.subarray(start, start + length)
  }
  list<A>(read: () => A): ReadonlyArray<A> {
    return Array.from({ length: this.int32() }, read)
  }
  private take(size: number): number {
    const start = this.at
    this.at += size
    return start
  }
}

const readBatch = (from: Reader): KafkaBatch => ({
  magic: from.int8(),
  lastOffset: Number(from.int64()),
  nextOffset: Number(from.int64()),
  maxTimestamp: Number(from.int64()),
  producerId: from.int64(),
  producerEpoch: from.int16(),
  baseSequence: from.int32(),
  partitionLeaderEpoch: from.int32(),
  codec: from.int8(),
  logAppendTime: from.int8() === 1,
  isTransactional: from.int8() === 1,
  isControl: from.int8() === 1,
  controlType: from.int32(),
  coordinatorEpoch: from.int32(),
  records: from.list(() => ({
    offset: Number(from.int64()),
    timestamp: Number(from.int64()),
    key: from.part(),
    value: from.part(),
    headers: from.list(() => ({ key: from.part()!.toString("utf8"), value: from.part() }))
  }))
})

const encodeRequest = (batch: BatchToEncode): Writer => {
  const writer = new Writer()
    .int8(0)
    .int8(batch.magic)
    .int8(batch.codec)
    .int8(batch.logAppendTime === undefined ? 0 : 1)
    .int64(batch.logAppendTime ?? -1)
    .int64(batch.baseOffset)
    .int64(batch.producerId)
    .int16(batch.producerEpoch)
    .int32(batch.baseSequence)
    .int8(batch.isTransactional ? 1 : 0)
    .int32(batch.records.length)
  for (const { headers, key, timestamp, value } of batch.records) {
    writer.int64(timestamp).part(key).part(value).int32(headers.length)
    for (const [name, part] of headers) writer.part(Buffer.from(name)).part(part)
  }
  return writer
}

const markerRequest = (marker: Marker): Writer =>
  new Writer()
    .int8(2)
    .int8(marker.type === "abort" ? 0 : 1)
    .int64(marker.offset)
    .int64(marker.timestamp)
    .int64(marker.producerId)
    .int16(marker.producerEpoch)
    .int32(marker.coordinatorEpoch)

/** Starts the JVM; it ends with the scope. */
export const make: Effect.Effect<KafkaRecords, TestKafkaError, Scope.Scope> = Effect.gen(function* () {
  const classes = yield* compiled(source)
  const waiting: Array<{ readonly resolve: (answer: Buffer) => void; readonly reject: (error: Error) => void }> = []
  let errors = ""
  let received = Buffer.alloc(0)

  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const args = ["-Xmx512m", ...quickStart, ...logSettings("stderr"), "-cp", classes, "KafkaRecords"]
      const started = spawn("java", args, { stdio: ["pipe", "pipe", "pipe"] })
      const gone = (why: string) => {
        for (const { reject } of waiting.splice(0)) reject(new Error(`the JVM ${why}\n${lastLines(errors, 30)}`))
      }
      started.on("error", (cause) => gone(`did not start: ${cause.message}`))
      started.on("close", (code, signal) => gone(`ended: ${code ?? signal}`))
      started.stdin.on("error", () => {})
      started.stderr.on("data", (chunk: Buffer) => {
        errors = (errors + chunk.toString()).slice(-20_000)
      })
      started.stdout.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
          const end = 4 + received.readInt32BE(0)
          waiting.shift()?.resolve(received.subarray(4, end))
          received = received.subarray(end)
        }
      })
      return started
    }),
    (child) =>
      Effect.suspend(() => {
        child.stdin.end()
        return Effect.flatMap(awaitExit(child, "3 seconds"), (gone) =>
          gone ? Effect.void : Effect.sync(() => child.kill("SIGKILL"))
        )
      })
  )

  const ask = (request: Writer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject })
      child.stdin.write(request.frame())
    })
  const refusalOf = (answer: Buffer): string | undefined => (answer[0] === 1 ? answer.toString("utf8", 1) : undefined)
  const bytesOf = async (request: Writer): Promise<Buffer> => {
    const answer = await ask(request)
    const refusal = refusalOf(answer)
    if (refusal !== undefined) throw new Error(refusal)
    return answer.subarray(1)
  }
  return {
    encode: (batch) => bytesOf(encodeRequest(batch)),
    encodeMarker: (marker) => bytesOf(markerRequest(marker)),
    decode: async (bytes) => {
      const answer = await ask(new Writer().int8(1).bytes(bytes))
      const refusal = refusalOf(answer)
      if (refusal !== undefined) return refusal
      const reader = new Reader(answer.subarray(1))
      const batches: Array<KafkaBatch> = []
      while (!reader.isAtEnd) batches.push(readBatch(reader))
      return batches
    }
  }
})
