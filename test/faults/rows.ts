/**
 * The faults that have a promised outcome, for a table, for a writer, and for a member of a consumer group. Each scenario names
 * those that it shows.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Lab } from "./lab.ts"

export type Side = "table" | "writer" | "member"

export interface Row {
  readonly fault: string
  /** What is promised; `undefined` where there is nothing to promise. */
  readonly table?: string
  readonly writer?: string
  readonly member?: string
  /** Why there can be no scenario yet. */
  readonly notYet?: string
}

const row = <R extends Row>(self: R): R => self

export const rows = {
  crash: row({
    fault: "broker crash, restart, connection reset, leader move",
    table: "serves its last state, says that it is reconnecting and how stale it is; resumes at its own position",
    writer: "in the log exactly once if acknowledged; otherwise the outcome is unknown, never plain failed",
    member: "goes on with what it has; commits when the coordinator is back"
  }),
  frozen: row({
    fault: "frozen broker, half-open connection",
    table: "detected within an idle timeout; other partitions go on; metadata comes from another broker",
    writer: "the same; the next attempt goes to the new leader",
    member: "takes its partitions for lost after a session, and has a share again when the coordinator answers"
  }),
  offline: row({
    fault: "one partition offline",
    table: "the others stay live; the gate names the missing one; never caught up before",
    writer: "typed, for that partition's keys only"
  }),
  absent: row({
    fault: "broker absent at start",
    table: "keeps trying until the catch-up timeout; then degraded or a typed error, as configured, on time",
    writer: "typed error at its deadline"
  }),
  head: row({
    fault: "log start moved past the position (retention, DeleteRecords)",
    table:
      "rebuilds that partition beside the live state and swaps: keys with no surviving record disappear, no read sees a half-empty table, LogTruncated is reported",
    member: "goes on where the log begins, reports that, and commits it"
  }),
  tail: row({
    fault: "log shorter than the position, fenced epoch",
    table: "reported as data loss; rebuilt; the gate's target is taken anew",
    writer: "retries on fresh metadata"
  }),
  deleted: row({
    fault: "topic deleted",
    table: "typed; content frozen; the topic is never re-created",
    writer: "typed; never auto-created",
    member: "reports it, and has nothing to do; never re-created by it"
  }),
  recreated: row({
    fault: "topic deleted and re-created",
    table: "typed with both topic ids; frozen, or cleared and replayed where opted in; rows of two lives never mixed",
    member: "works on the new one from its beginning"
  }),
  grown: row({
    fault: "partitions added",
    table:
      "found within the metadata age, read from 0; the newest record by timestamp wins for a key in two partitions, whatever the arrival order",
    writer: "the partition count is current before hashing",
    member: "found within the metadata age, worked on from 0"
  }),
  tombstones: row({
    fault: "tombstone already removed by compaction (long outage, slow first replay)",
    table: "full replay, and says why: deleted keys never come back"
  }),
  transactions: row({
    fault: "open or aborted transactions",
    table: "gate at the last stable offset; no aborted value ever visible; an open one appears after its commit"
  }),
  poison: row({
    fault: "poison record",
    table: "typed, with topic, partition, offset, cause; the policy applies; the position still advances",
    writer: "encode error before any I/O",
    member: "left out, or the end of the consumer, as configured; what is behind it is done"
  }),
  corrupt: row({
    fault: "corrupt batch",
    table:
      "fetched once more on a fresh connection, then that partition fails typed; never skipped silently, no wrong value ever visible"
  }),
  denied: row({
    fault: "ACL revoked, bad credentials",
    table: "typed; content frozen and readable; retried slowly; live again after the grant",
    writer: "typed, no retry storm"
  }),
  throttled: row({
    fault: "quota throttling",
    table: "slow, not failed; an empty throttled answer is not at the end",
    writer: "slow"
  }),
  checkpoint: row({
    fault: "local checkpoint unusable, disk full, killed in the middle of writing it",
    table: "a warning, the table stays live; the next start uses the older checkpoint or replays in full, never a mix",
    notYet: "tables have no local checkpoint"
  }),
  replicas: row({
    fault: "NOT_ENOUGH_REPLICAS, MESSAGE_TOO_LARGE",
    writer:
      "retried to the deadline (after NOT_ENOUGH_REPLICAS_AFTER_APPEND the record may exist); too large fails at once"
  }),
  closed: row({
    fault: "interruption, scope closed: in any state, broker up or frozen",
    table: "closed within 5 s; no socket, fiber or timer left; waiters fail typed",
    writer: "accepted writes flushed, bounded",
    member: "what is under way ends and is committed, bounded; it leaves its group"
  }),
  paused: row({
    fault: "event loop blocked, process stopped, clock jumps",
    table: "no false failure, resumes",
    writer: "no false failure, resumes",
    member: "lost after a session: it is told so, and for how long it was blocked, commits nothing, and joins again"
  }),
  killed: row({
    fault: "a member is killed",
    member: "others have its partitions after a session; only what it had not committed is done again"
  }),
  cutOff: row({
    fault: "a member cannot reach the brokers",
    member: "takes its partitions for lost after a session, commits nothing of them, and has a share again later"
  }),
  answers: row({
    fault: "answers of the coordinator are lost",
    member: "asks again; nothing is committed that was not done, and no partition stays without an owner"
  }),
  long: row({
    fault: "the work on a record takes longer than the session",
    member: "heartbeats go on, nothing is lost"
  }),
  revoked: row({
    fault: "the work on a record takes longer than the revoke timeout",
    member: "interrupted; what was done is committed, and the next owner does that record"
  }),
  churn: row({
    fault: "members come and go in good order, under load",
    member: "nothing is done twice, nothing is lost"
  }),
  instance: row({
    fault: "two members have the same instance id",
    member: "the older one fails typed, the newer one works"
  }),
  matched: row({
    fault: "a topic appears that a glob matches",
    member: "found within the metadata age, worked on from its beginning"
  })
} as const satisfies Readonly<Record<string, Row>>

export type RowName = keyof typeof rows

export type Covers = ReadonlyArray<readonly [RowName, Side]>

export const bothSides = (name: RowName): Covers => [
  [name, "table"],
  [name, "writer"]
]

export interface Scenario {
  readonly name: string
  readonly covers: Covers
  readonly run: (lab: Lab, seed: number) => Effect.Effect<void, unknown, Scope.Scope>
  /** Of the whole test, where it takes long even on a quiet machine. */
  readonly timeoutMillis?: number
}
