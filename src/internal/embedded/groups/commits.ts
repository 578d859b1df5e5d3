/** What each group was asked to commit, in the order in which it was asked, and what came of it. */
import type { Commit } from "../../../EmbeddedKafka.ts"
import type { OffsetCommitRequest, PartitionCode } from "../../../KafkaProtocol.ts"

/** A commit as it is kept: what becomes of its transaction is filled in later. */
interface Noted {
  commit: Commit
  readonly producerId: bigint | undefined
}

export class Commits {
  private readonly groups = new Map<string, Array<Noted>>()

  of(group: string): ReadonlyArray<Commit> {
    return (this.groups.get(group) ?? []).map(({ commit }) => commit)
  }

  /** Takes note of a commit, with the code of each partition in the order of the request. */
  note(
    request: Pick<OffsetCommitRequest, "groupId" | "memberId" | "generation" | "partitions"> & {
      readonly transactionalId?: string
      readonly producerId?: bigint
    },
    codes: ReadonlyArray<PartitionCode>,
    at: number
  ): void {
    const { generation, groupId, memberId, producerId, transactionalId: id } = request
    let commits = this.groups.get(groupId)
    if (commits === undefined) this.groups.set(groupId, (commits = []))
    for (const [i, { leaderEpoch, metadata, offset, partition, topic }] of request.partitions.entries()) {
      const transaction = id === undefined ? undefined : ({ id, state: "Open" } as const)
      const { errorCode } = codes[i]
      commits.push({
        producerId: errorCode === 0 ? producerId : undefined,
        commit: {
          at,
          memberId,
          generation,
          transaction,
          topic: topic.name,
          partition,
          offset,
          leaderEpoch,
          metadata,
          errorCode
        }
      })
    }
  }

  /** The transaction of a producer has ended. */
  endTransaction(group: string, producerId: bigint, committed: boolean): void {
    for (const noted of this.groups.get(group) ?? []) {
      const { transaction } = noted.commit
      if (noted.producerId !== producerId || transaction?.state !== "Open") continue
      const state = committed ? ("Committed" as const) : ("Aborted" as const)
      noted.commit = { ...noted.commit, transaction: { id: transaction.id, state } }
    }
  }
}
