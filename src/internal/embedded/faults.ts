/** What is made to go wrong: which requests it is for, and what becomes of them. */
import * as Effect from "effect/Effect"
import type { Call, Fault, FaultTarget, RequestName, Requests } from "../../EmbeddedKafka.ts"
import type { FetchedPartition, FetchResponse } from "../../KafkaClient.ts"
import { ConnectionError } from "../../KafkaError.ts"
import { kindOf } from "./calls.ts"
import type { Cluster } from "./cluster.ts"

export interface InjectedFault {
  readonly fault: Fault
  readonly target: FaultTarget
  /** How many requests it was for. */
  hits: number
}

/** Where a request came in. */
export interface Origin {
  readonly address: string
  /** Holds the next requests on this connection back for so long. */
  readonly mute: (millis: number) => Effect.Effect<void>
}

type Response<N extends RequestName> = Requests[N]["response"]

export class Faults {
  private readonly injected: Array<InjectedFault> = []
  private readonly cluster: Cluster

  constructor(cluster: Cluster) {
    this.cluster = cluster
  }

  add(fault: Fault, target: FaultTarget): InjectedFault {
    const injected = { fault, target, hits: 0 }
    this.injected.push(injected)
    return injected
  }

  remove(injected: InjectedFault): void {
    this.injected.splice(this.injected.indexOf(injected), 1)
  }

  /** A request's fate: `answer` carries it out, or a part of it. */
  apply<N extends RequestName>(
    call: Call<N>,
    origin: Origin,
    answer: (request: Call<N>["request"]) => Effect.Effect<Response<N>, ConnectionError>
  ): Effect.Effect<Response<N>, ConnectionError> {
    const found = this.injected.find((injected) => !damages(injected.fault) && isFor(injected, call))
    const answered = found === undefined ? answer(call.request) : this.fate(found, call, origin, answer)
    if (call.name !== "fetch") return answered
    // what damages records is for answers that have some, also to a fetch that was waiting already
    return Effect.map(answered, (response) => {
      const damaging = this.injected.find((injected) => damages(injected.fault) && isFor(injected, call))
      return damaging === undefined ? response : damage(damaging, response as FetchResponse)
    })
  }

  private fate<N extends RequestName>(
    found: InjectedFault,
    call: Call<N>,
    origin: Origin,
    answer: (request: Call<N>["request"]) => Effect.Effect<Response<N>, ConnectionError>
  ): Effect.Effect<Response<N>, ConnectionError> {
    const { fault, target } = found
    found.hits++
    switch (fault._tag) {
      case "Disconnect": {
        const lost = Effect.fail(
          new ConnectionError({
            reason: "Closed",
            broker: origin.address,
            request: call.name === "connect" ? "connect" : "connection",
            detail: "closed by the broker"
          })
        )
        return fault.applied === true ? Effect.zipRight(answer(call.request), lost) : lost
      }
      case "Hang":
        return fault.applied === true ? Effect.zipRight(answer(call.request), Effect.never) : Effect.never
      case "Delay":
        return Effect.zipLeft(answer(call.request), Effect.sleep(fault.millis))
      case "ErrorCode":
        return this.refuse(call, origin, fault.code, target, answer)
      case "Throttle":
        return Effect.zipLeft(throttled(call, fault.millis, answer), origin.mute(fault.millis))
      case "Truncate":
      case "Corrupt":
        return answer(call.request)
    }
  }

  private refuse<N extends RequestName>(
    call: Call<N>,
    origin: Origin,
    code: number,
    target: FaultTarget,
    answer: (request: Call<N>["request"]) => Effect.Effect<Response<N>, ConnectionError>
  ): Effect.Effect<Response<N>, ConnectionError> {
    if (call.name === "connect") {
      const detail = `the broker answered error code ${code}`
      return Effect.fail(
        new ConnectionError({ reason: "Authentication", broker: origin.address, request: "connect", detail })
      )
    }
    const kind = kindOf(call)
    const { meant, rest } = kind.split(call.request, { topic: target.topic, partition: target.partition })
    const refused = kind.refuse(meant, code, this.cluster)
    return rest === undefined
      ? Effect.succeed(refused)
      : Effect.map(answer(rest), (response) => kind.merge(refused, response))
  }
}

const damages = (fault: Fault): boolean => fault._tag === "Truncate" || fault._tag === "Corrupt"

const isFor = ({ fault, hits, target }: InjectedFault, call: Call<RequestName>): boolean => {
  if (target.times !== undefined && hits >= target.times) return false
  if (damages(fault) && call.name !== "fetch") return false
  const { clientId, node, partition, request, topic } = target
  if (request !== undefined && !(typeof request === "string" ? [request] : request).includes(call.name)) return false
  if (clientId !== undefined && clientId !== call.clientId) return false
  if (node !== undefined && node !== call.node) return false
  const kind = kindOf(call)
  if (topic !== undefined && !kind.topicsOf(call.request).includes(topic)) return false
  return partition === undefined || kind.partitionsOf(call.request).includes(partition)
}

/** A fetch gets no records, not even the names of its partitions. All else is carried out, and says to wait. */
const throttled = <N extends RequestName>(
  call: Call<N>,
  millis: number,
  answer: (request: Call<N>["request"]) => Effect.Effect<Response<N>, ConnectionError>
): Effect.Effect<Response<N>, ConnectionError> => {
  if (call.name === "fetch") {
    const empty: FetchResponse = { errorCode: 0, throttleMillis: millis, partitions: [] }
    return Effect.succeed(empty)
  }
  return Effect.map(answer(call.request), (response) =>
    call.name === "produce" ? ({ ...(response as object), throttleMillis: millis } as Response<N>) : response
  )
}

const damage = (injected: InjectedFault, response: FetchResponse): FetchResponse => {
  const { fault, target } = injected
  const isMeant = (p: FetchedPartition) =>
    p.records.length > 0 && (target.partition === undefined || target.partition === p.partition)
  if (!response.partitions.some(isMeant)) return response
  injected.hits++
  return {
    ...response,
    partitions: response.partitions.map((p) => (isMeant(p) ? { ...p, records: damaged(fault, p.records) } : p))
  }
}

/** Records of a fetch answer are a copy of the log's: they may be changed. */
const damaged = (fault: Fault, records: Buffer): Buffer => {
  if (fault._tag === "Truncate") return records.subarray(0, fault.bytes)
  if (fault._tag !== "Corrupt") return records
  const at = fault.at ?? records.length >> 1
  if (at < records.length) records[at] ^= 1
  return records
}
