/** What is made to go wrong: which requests it is for, and what becomes of them. */
import * as Effect from "effect/Effect"
import type { Call, CallName, CallResponse, Fault, FaultTarget } from "../../EmbeddedKafka.ts"
import { ConnectionError } from "../../KafkaError.ts"
import type { FetchedPartition, FetchResponse, Request } from "../../KafkaProtocol.ts"
import { apiOf } from "../protocol/apis.ts"
import type { Parts, Place } from "../protocol/parts.ts"

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

/** Carries a request out, or a part of it. */
type CarryOut<N extends CallName> = (request: Call<N>["request"]) => Effect.Effect<CallResponse<N>, ConnectionError>

export class Faults {
  private readonly injected: Array<InjectedFault> = []

  add(fault: Fault, target: FaultTarget): InjectedFault {
    const injected = { fault, target, hits: 0 }
    this.injected.push(injected)
    return injected
  }

  remove(injected: InjectedFault): void {
    this.injected.splice(this.injected.indexOf(injected), 1)
  }

  /** A request's fate. */
  apply<N extends CallName>(
    call: Call<N>,
    origin: Origin,
    answer: CarryOut<N>
  ): Effect.Effect<CallResponse<N>, ConnectionError> {
    const found = this.injected.find((injected) => !damages(injected.fault) && isFor(injected, call))
    const answered = found === undefined ? answer(call.request) : this.fate(found, call, origin, answer)
    if (call.name !== "Fetch") return answered
    // A fault that damages records is for answers that have some, that to a fetch which waits already included.
    return Effect.map(answered, (response) => {
      const damaging = this.injected.find((injected) => damages(injected.fault) && isFor(injected, call))
      return damaging === undefined ? response : (damage(damaging, response as FetchResponse) as CallResponse<N>)
    })
  }

  private fate<N extends CallName>(
    found: InjectedFault,
    call: Call<N>,
    origin: Origin,
    answer: CarryOut<N>
  ): Effect.Effect<CallResponse<N>, ConnectionError> {
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
        return fault.applied === true ? Effect.andThen(answer(call.request), lost) : lost
      }
      case "Hang":
        return fault.applied === true ? Effect.andThen(answer(call.request), Effect.never) : Effect.never
      case "Delay":
        return Effect.tap(answer(call.request), Effect.sleep(fault.millis))
      case "ErrorCode":
        return this.refuse(call, origin, fault.code, target, answer)
      case "Throttle":
        return Effect.tap(throttled(call, fault.millis, answer), origin.mute(fault.millis))
      case "Truncate":
      case "Corrupt":
        return answer(call.request)
    }
  }

  private refuse<N extends CallName>(
    call: Call<N>,
    origin: Origin,
    code: number,
    target: FaultTarget,
    answer: CarryOut<N>
  ): Effect.Effect<CallResponse<N>, ConnectionError> {
    if (call.name === "connect") {
      const detail = `the broker answered error code ${code}`
      return Effect.fail(
        new ConnectionError({ reason: "Authentication", broker: origin.address, request: "connect", detail })
      )
    }
    const parts = partsOf<N>(call)
    const { meant, rest } = parts.split(call.request, (place) => isMeant(target, place))
    const refused = parts.refuse(meant, code)
    return rest === undefined
      ? Effect.succeed(refused)
      : Effect.map(answer(rest), (response) => parts.merge(refused, response))
  }
}

/** The parts of any request but `connect`, which has none. */
const partsOf = <N extends CallName>({ name }: Call<N>): Parts<Call<N>["request"], CallResponse<N>> =>
  apiOf(name as Exclude<CallName, "connect">).parts as unknown as Parts<Call<N>["request"], CallResponse<N>>

const isMeant = ({ partition, topic }: FaultTarget, place: Place): boolean =>
  (topic === undefined || topic === place.topic) && (partition === undefined || partition === place.partition)

/** The group that a request is about, if it is about one. */
const groupOf = ({ name, request }: Call<CallName>): string | undefined => {
  if (request === undefined) return undefined
  if (name !== "FindCoordinator") return "groupId" in request ? request.groupId : undefined
  const { key, type } = request as Request<"FindCoordinator">
  return type === "group" ? key : undefined
}

const damages = (fault: Fault): boolean => fault._tag === "Truncate" || fault._tag === "Corrupt"

const isFor = ({ fault, hits, target }: InjectedFault, call: Call<CallName>): boolean => {
  if (target.times !== undefined && hits >= target.times) return false
  if (damages(fault) && call.name !== "Fetch") return false
  const { clientId, group, node, partition, request, topic } = target
  if (request !== undefined && !(typeof request === "string" ? [request] : request).includes(call.name)) return false
  if (clientId !== undefined && clientId !== call.clientId) return false
  if (node !== undefined && node !== call.node) return false
  if (group !== undefined && group !== groupOf(call)) return false
  if (topic === undefined && partition === undefined) return true
  return (
    call.name !== "connect" &&
    partsOf(call)
      .placesOf(call.request)
      .some((place) => isMeant(target, place))
  )
}

/** A fetch gets no records, not even the names of its partitions. All else is carried out, and says to wait. */
const throttled = <N extends CallName>(
  call: Call<N>,
  millis: number,
  answer: CarryOut<N>
): Effect.Effect<CallResponse<N>, ConnectionError> => {
  if (call.name === "Fetch") {
    const empty: FetchResponse = { errorCode: 0, throttleMillis: millis, partitions: [] }
    return Effect.succeed(empty as CallResponse<N>)
  }
  return Effect.map(answer(call.request), (response) =>
    typeof response === "object" && "throttleMillis" in response ? { ...response, throttleMillis: millis } : response
  )
}

const damage = (injected: InjectedFault, response: FetchResponse): FetchResponse => {
  const { fault, target } = injected
  const isDamaged = ({ partition, records, topic }: FetchedPartition) =>
    records.length > 0 && isMeant(target, { topic: topic.name, partition })
  if (!response.partitions.some(isDamaged)) return response
  injected.hits++
  return {
    ...response,
    partitions: response.partitions.map((p) => (isDamaged(p) ? { ...p, records: damaged(fault, p.records) } : p))
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
