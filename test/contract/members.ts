/** Members of groups that are scripted by a test, request by request, on connections of their own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KafkaClient, KafkaError, KafkaProtocol } from "../../src/index.ts"
import { decodeAssignment, encodeAssignment, encodeSubscription } from "../../src/internal/protocol/consumerProtocol.ts"
import { eventually } from "../support/live.ts"
import { newName, type Kafka } from "./suite.ts"

/** Answers by which a coordinator asks to be looked for again. */
const TRANSIENT: ReadonlySet<number> = new Set([14, 15, 16])

export type Connected = Effect.Effect<
  KafkaClient.BrokerConnection,
  KafkaError.ConnectionError | KafkaError.InvalidOptionsError,
  Scope.Scope
>

/** Connections to the coordinator of a key, one each time. */
export const coordinatorOf = (kafka: Kafka, type: KafkaProtocol.CoordinatorType, key: string): Connected =>
  Effect.gen(function* () {
    const client = yield* kafka.client
    const [host, port] = client.bootstrap.split(",")[0].split(":")
    const first = yield* client.connect({ nodeId: -1, host, port: Number(port) })
    const found = yield* eventually(first.request("FindCoordinator", { type, key }), ({ errorCode }) => errorCode === 0)
    const connection = yield* client.connect(found.coordinator!)
    if (type === "transaction") return connection
    // A broker that has just become the coordinator does not know its groups yet.
    const look = { groupId: key, member: undefined, requireStable: false, partitions: [] }
    yield* eventually(connection.request("OffsetFetch", look), ({ errorCode }) => !TRANSIENT.has(errorCode))
    return connection
  })

export interface Joining {
  readonly topics?: ReadonlyArray<string>
  readonly sessionTimeoutMillis?: number
  readonly rebalanceTimeoutMillis?: number
  readonly memberId?: string
  readonly instanceId?: string
  readonly protocolType?: string
  /** Names of assignors, the favourite first. */
  readonly protocols?: ReadonlyArray<string>
}

/** What came of joining, with the ids of members by the names that the test gives them. */
export interface Joined {
  readonly code: number
  readonly generation: number
  readonly protocol: string | undefined
  readonly leader: string
  readonly members: ReadonlyArray<string>
}

/** A group that no other test has, and its members. */
export class ScriptedGroup {
  readonly id = newName()
  private readonly names = new Map<string, string>([["", ""]])

  constructor(readonly kafka: Kafka) {}

  get connected(): Connected {
    return coordinatorOf(this.kafka, "group", this.id)
  }

  /** The name of a member. */
  nameOf(memberId: string): string {
    return this.names.get(memberId) ?? `unknown ${memberId}`
  }

  name(memberId: string, name: string): void {
    if (!this.names.has(memberId)) this.names.set(memberId, name)
  }

  member(name: string, joining: Joining = {}) {
    return Effect.map(this.connected, (connection) => new ScriptedMember(this, connection, name, joining))
  }

  /** What a topic's partitions are committed at, by an onlooker. */
  committed(connection: KafkaClient.BrokerConnection, topic: string, partitions: ReadonlyArray<number>) {
    const ref = { name: topic, id: undefined }
    return Effect.map(
      connection.request("OffsetFetch", {
        groupId: this.id,
        member: undefined,
        requireStable: true,
        partitions: partitions.map((partition) => ({ topic: ref, partition }))
      }),
      (answer) => [answer.errorCode, ...answer.partitions.map((p) => p.errorCode || p.offset)]
    )
  }
}

/** One member of the classic protocol. It does nothing but what the test says. */
export class ScriptedMember {
  memberId = ""
  generation = -1
  protocolName = ""

  constructor(
    readonly group: ScriptedGroup,
    readonly connection: KafkaClient.BrokerConnection,
    readonly name: string,
    private joining: Joining
  ) {}

  private get self(): KafkaProtocol.GroupMember {
    const { generation, memberId } = this
    return { groupId: this.group.id, generation, memberId, instanceId: this.joining.instanceId }
  }

  /** Joins once. */
  joinOnce(joining: Joining = {}) {
    const all = { ...this.joining, ...joining }
    const { topics = ["topic"], protocols = ["range"], protocolType = "consumer" } = all
    const metadata = encodeSubscription({
      topics,
      userData: undefined,
      ownedPartitions: [],
      generation: -1,
      rackId: undefined
    })
    return Effect.map(
      this.connection.request("JoinGroup", {
        groupId: this.group.id,
        sessionTimeoutMillis: all.sessionTimeoutMillis ?? 30_000,
        rebalanceTimeoutMillis: all.rebalanceTimeoutMillis ?? 60_000,
        memberId: all.memberId ?? this.memberId,
        instanceId: all.instanceId,
        protocolType,
        protocols: protocols.map((name) => ({ name, metadata })),
        reason: "the test says so"
      }),
      (answer) => {
        this.group.name(answer.memberId, this.name)
        if (answer.memberId !== "") this.memberId = answer.memberId
        if (answer.errorCode === 0) {
          this.generation = answer.generation
          this.protocolName = answer.protocolName ?? ""
        }
        return answer
      }
    )
  }

  /** Joins, again with the id that it is given. */
  join(joining: Joining = {}) {
    return Effect.flatMap(this.joinOnce(joining), (answer) =>
      answer.errorCode === 79 ? this.joinOnce(joining) : Effect.succeed(answer)
    ).pipe(Effect.map((answer) => this.shown(answer)))
  }

  shown(answer: KafkaProtocol.JoinGroupResponse): Joined {
    return {
      code: answer.errorCode,
      generation: answer.generation,
      protocol: answer.protocolName,
      leader: this.group.nameOf(answer.leader) + (answer.skipAssignment ? ", which skips" : ""),
      members: answer.members.map(({ memberId }) => this.group.nameOf(memberId)).sort()
    }
  }

  /** Asks for its assignment, and hands a plan in where it has one: numbers of partitions by the members' names. */
  sync(
    plan: ReadonlyArray<readonly [member: ScriptedMember, ...partitions: ReadonlyArray<number>]> = [],
    rest: Partial<KafkaProtocol.SyncGroupRequest> = {}
  ) {
    return Effect.map(
      this.connection.request("SyncGroup", {
        ...this.self,
        protocolType: "consumer",
        protocolName: this.protocolName,
        assignments: plan.map(([{ memberId }, ...partitions]) => ({
          memberId,
          assignment: encodeAssignment({ partitions: [{ topic: "topic", partitions }], userData: undefined })
        })),
        rebalanceTimeoutMillis: 60_000,
        ...rest
      }),
      ({ assignment, errorCode }) => [
        errorCode,
        ...decodeAssignment(assignment).partitions.flatMap(({ partitions }) => partitions)
      ]
    )
  }

  heartbeat(rest: Partial<KafkaProtocol.HeartbeatRequest> = {}) {
    return Effect.map(this.connection.request("Heartbeat", { ...this.self, ...rest }), ({ errorCode }) => errorCode)
  }

  leave(rest: Partial<KafkaProtocol.LeaveGroupRequest> = {}) {
    const { groupId, instanceId, memberId } = this.self
    return Effect.map(
      this.connection.request("LeaveGroup", { groupId, memberId, instanceId, reason: undefined, ...rest }),
      ({ errorCode }) => errorCode
    )
  }

  commit(
    topic: string,
    offsets: Readonly<Record<number, number>>,
    rest: Partial<KafkaProtocol.OffsetCommitRequest> = {}
  ) {
    const ref = { name: topic, id: undefined }
    return Effect.map(
      this.connection.request("OffsetCommit", {
        ...this.self,
        partitions: Object.entries(offsets).map(([partition, offset]) => ({
          topic: ref,
          partition: Number(partition),
          offset,
          leaderEpoch: -1,
          metadata: undefined
        })),
        ...rest
      }),
      ({ partitions }) =>
        Object.fromEntries(
          [...partitions].sort((a, b) => a.partition - b.partition).map((p) => [p.partition, p.errorCode])
        )
    )
  }
}
