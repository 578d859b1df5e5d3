/** What members of both protocols have in common that a test lets join a group. */
import * as Effect from "effect/Effect"
import type { Coordinator, KafkaClient } from "../../../KafkaClient.ts"
import type { BrokerError, ClientError } from "../../../KafkaError.ts"
import type { ApiName, Request, Response } from "../../../KafkaProtocol.ts"
import { brokerError } from "../../protocol/errorCodes.ts"
import { Signal } from "../../signal.ts"

/** How a member is to be. */
export interface MemberSettings {
  readonly topics: ReadonlyArray<string>
  readonly assignor: string | undefined
  readonly instanceId: string | undefined
  readonly sessionTimeoutMillis: number
  readonly heartbeatIntervalMillis: number
  readonly rebalanceTimeoutMillis: number
}

/** One member: what it has, and what the test wants of it. */
export class Foreign {
  memberId = ""
  /** Partitions as `topic-partition`, by their topic. */
  owned: ReadonlyMap<string, ReadonlySet<number>> = new Map()
  /** Whether it is in the group, and was given its share. */
  hasJoined = false
  /** Whether it gives nothing up for now. */
  isHolding = false
  /** Why it is in the group no more, for good. */
  failure: BrokerError | undefined
  /** Is notified when any of this has changed. */
  readonly changed = new Signal()

  constructor(
    readonly group: string,
    readonly settings: MemberSettings,
    readonly client: KafkaClient,
    private readonly coordinator: Coordinator
  ) {}

  /** Asks the coordinator, as often as it takes until it answers. */
  ask<N extends ApiName>(name: N, request: Request<N>): Effect.Effect<Response<N>, ClientError> {
    return Effect.catch(this.coordinator.request(name, request), (error) =>
      error.retriable ? this.ask(name, request) : Effect.fail(error)
    )
  }

  update(change: Partial<Pick<Foreign, "memberId" | "owned" | "hasJoined" | "isHolding" | "failure">>): void {
    Object.assign(this, change)
    this.changed.notify()
  }

  /** Is out of the group for good. */
  fail(request: string, code: number): BrokerError {
    const failure = brokerError({ code, request, group: this.group })
    this.update({ failure, hasJoined: false, owned: new Map() })
    return failure
  }

  /** Waits for so long, or until something has changed. */
  rest(millis: number): Effect.Effect<void> {
    return this.changed.after(this.changed.version, millis)
  }
}
