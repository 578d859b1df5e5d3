/** Finds out what holds a table up, as far as that is known, for waits that time out and for `freshness`. */
import type { ClientError, HeldUp, HeldUpReason, PartitionLag, TopicError } from "../../../KafkaError.ts"
import { isDenial } from "../../source/context.ts"
import { OF_START, ofLeader, ofLeadership, ofMetadata, ofPartition, ofThrottle } from "../../source/failures.ts"
import type { TableParts } from "./parts.ts"

type Failure = ClientError | TopicError

/** The failure that stands between a partition and the table, if any: the one that says most. */
const failureOf = <K, V>({ config, failures, source }: TableParts<K, V>, partition: number): Failure | undefined => {
  const { topic } = config
  const leader = source?.cursors(topic).get(partition)?.leader ?? -1
  return (
    failures.get(ofLeadership(topic, partition)) ??
    failures.get(ofPartition(topic, partition)) ??
    failures.get(ofThrottle(leader)) ??
    failures.get(ofLeader(leader))
  )
}

/** The codes by which brokers say that a partition has no leader. */
const NO_LEADER = new Set(["LEADER_NOT_AVAILABLE", "LISTENER_NOT_FOUND"])

const reasonOf = (failure: Failure): HeldUpReason => {
  if (isDenial(failure)) return "Denied"
  if (failure._tag !== "KafkaBrokerError") return "Unreachable"
  if (NO_LEADER.has(failure.codeName)) return "NoLeader"
  return failure.codeName === "THROTTLING_QUOTA_EXCEEDED" ? "Throttled" : "Unreachable"
}

/** A failure that a wait may give as its cause. */
type WaitFailure = NonNullable<TableParts<never, never>["restartsAfter"]>

interface Hindrance {
  readonly reason: HeldUpReason
  /** The failure that is behind it, if one is. */
  readonly failure?: WaitFailure | undefined
}

/** What holds a partition up, whatever is waited for; `undefined` if nothing is known to hold it up. */
const hindranceOf = <K, V>(parts: TableParts<K, V>, partition: number): Hindrance | undefined => {
  if (parts.restartsAfter !== undefined) return { reason: "Restart", failure: parts.restartsAfter }
  const failure = failureOf(parts, partition)
  if (failure !== undefined) return { reason: reasonOf(failure), failure }
  const p = parts.partitions.get(partition)
  if (p === undefined) return undefined
  if (p.rebuild !== undefined) return { reason: "Rebuild" }
  if (parts.waitsFor !== undefined) return { reason: parts.waitsFor }
  if (p.corruptAt !== undefined && p.corruptAt === p.position) return { reason: "Corrupt" }
  const source = parts.source?.cursors(parts.config.topic).get(partition)
  if (source === undefined || p.visible === undefined) return undefined
  const { highWatermark, lastStableOffset } = source
  const isHeldBack = parts.config.isolation === "read_committed" && lastStableOffset < highWatermark
  return isHeldBack && p.visible >= lastStableOffset ? { reason: "Transaction" } : undefined
}

/** What holds up a wait for `target`, where nothing holds up the partition itself. */
const reasonOfWait = <K, V>(
  parts: TableParts<K, V>,
  operation: string,
  { partition, position, target }: PartitionLag
): Hindrance => {
  const source = parts.source?.cursors(parts.config.topic).get(partition)
  const failure = parts.failures.get(ofMetadata(parts.config.topic)) ?? parts.failures.get(OF_START)
  if (source?.connected !== true && failure !== undefined) return { reason: reasonOf(failure), failure }
  if (source === undefined)
    return { reason: parts.source?.description(parts.config.topic) === undefined ? "Unknown" : "NoPartition" }
  if (position === undefined || target === undefined || !source.connected) return { reason: "Unknown" }
  const end = parts.config.isolation === "read_committed" ? source.lastStableOffset : source.highWatermark
  if (position < end) return { reason: "Records" }
  return { reason: operation === "awaitPosition" && target > source.highWatermark ? "EndOfLog" : "Unknown" }
}

/** Each reason once, with all of its partitions, in the order in which the reasons come first. */
const grouped = (all: Iterable<readonly [partition: number, reason: HeldUpReason]>): ReadonlyArray<HeldUp> => {
  const partitions = new Map<HeldUpReason, Array<number>>()
  for (const [partition, reason] of all) {
    const known = partitions.get(reason)
    if (known === undefined) partitions.set(reason, [partition])
    else known.push(partition)
  }
  return Object.freeze(
    [...partitions].map(([reason, list]) => Object.freeze({ reason, partitions: Object.freeze(list) }))
  )
}

/**
 * Why a wait is behind, and the first failure among the reasons. `asked` is the failure of what the wait itself has
 * asked brokers for, if it has met one: it is the reason for partitions whose target is not known.
 */
export const whyBehind = <K, V>(
  parts: TableParts<K, V>,
  operation: string,
  behind: ReadonlyArray<PartitionLag>,
  asked: Failure | undefined
): { readonly heldUpBy: ReadonlyArray<HeldUp>; readonly cause: WaitFailure | undefined } => {
  let cause: WaitFailure | undefined
  const reasons = behind.map((one): readonly [number, HeldUpReason] => {
    const own =
      one.target === undefined && asked !== undefined ? { reason: reasonOf(asked), failure: asked } : undefined
    const found = hindranceOf(parts, one.partition) ?? own ?? reasonOfWait(parts, operation, one)
    cause ??= found.failure
    return [one.partition, found.reason]
  })
  if (behind.length > 0) return { heldUpBy: grouped(reasons), cause }
  // Nothing is known to be behind: no broker has said anything yet, or the table is between two runs of its reader.
  const failure = parts.restartsAfter ?? asked ?? parts.failures.find(isDenial) ?? parts.failures.last
  if (failure === undefined) return { heldUpBy: [], cause: undefined }
  const reason = parts.restartsAfter === undefined ? reasonOf(failure as Failure) : "Restart"
  return { heldUpBy: Object.freeze([Object.freeze({ reason, partitions: Object.freeze([]) })]), cause: failure }
}

/** What holds the table up at this moment, by partition. */
export const hindrances = <K, V>(parts: TableParts<K, V>): ReadonlyArray<HeldUp> =>
  grouped(
    [...parts.partitions.keys()].flatMap((partition) => {
      const found = hindranceOf(parts, partition)
      return found === undefined ? [] : [[partition, found.reason] as const]
    })
  )
