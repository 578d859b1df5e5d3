/** What each group was asked to commit, in the order in which it was asked, and what came of it. */
import type { OffsetCommitPartition, OffsetCommitRequest, PartitionCode } from "../../../KafkaProtocol.ts"
import type { Commit } from "../../../EmbeddedKafka.ts"

export class Commits {
  private readonly groups = new Map<string, Array<Commit>>()

  of(group: string): ReadonlyArray<Commit> {
    return [...(this.groups.get(group) ?? [])]
  }

  /** Takes note of a commit, with the code of each partition in the order of the request. */
  note(
    request: Pick<OffsetCommitRequest, "groupId" | "memberId" | "generation"> & {
      readonly partitions: ReadonlyArray<OffsetCommitPartition>
      readonly transactionalId?: string
    },
    codes: ReadonlyArray<PartitionCode>,
    at: number
  ): void {
    let commits = this.groups.get(request.groupId)
    if (commits === undefined) this.groups.set(request.groupId, (commits = []))
    for (const [i, { leaderEpoch, metadata, offset, partition, topic }] of request.partitions.entries()) {
      commits.push({
        at,
        memberId: request.memberId,
        generation: request.generation,
        transactionalId: request.transactionalId,
        topic: topic.name,
        partition,
        offset,
        leaderEpoch,
        metadata,
        errorCode: codes[i].errorCode
      })
    }
  }
}
