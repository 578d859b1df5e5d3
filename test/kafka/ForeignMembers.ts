/**
 * Members of consumer groups by other clients, several in one process of theirs.
 *
 * Lines of JSON go in: `{"op": "begin", "name", "topic", "config"}` and `{"op": "close", "name"}`. Lines come out, each with the
 * name of its member: `{"owned": [0, 2]}` whenever that has changed, `{"value": "…"}` for each record that it has consumed,
 * and at its end `{"closed": true}` or `{"error": "…"}`.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { ownFile } from "./cache.ts"
import { compiled, logSettings, quickStart } from "./java.ts"
import { packages, packagesOf } from "./Librdkafka.ts"
import { awaitExit, lastLines, until } from "./process.ts"
import { TestKafkaError } from "./TestKafkaError.ts"

export type Client = "java" | "librdkafka" | "aiokafka"

export type Assignor = "range" | "roundrobin" | "cooperative-sticky"

export interface MemberOptions {
  readonly topic: string
  readonly group: string
  /** Of the classic protocol, the favourite first; "consumer" for the other protocol. */
  readonly assignors: NonEmptyReadonlyArray<Assignor> | "consumer"
  /** For a static member. */
  readonly instanceId?: string
  /** Of the classic protocol; in the consumer protocol the group has it. {@link SESSION_MILLIS} by default. */
  readonly sessionMillis?: number
}

export interface ForeignMember {
  /** The partitions that it owns; `undefined` before it has said so. */
  readonly owned: Effect.Effect<ReadonlyArray<number> | undefined, TestKafkaError>
  /** All that it has owned, one after the other. */
  readonly history: ReadonlyArray<ReadonlyArray<number>>
  /** The values that it has consumed, in their order. */
  readonly consumed: ReadonlyArray<string>
  /** Why it has ended by itself; `undefined` while it goes on. */
  readonly failure: Effect.Effect<string | undefined>
  /** Leaves the group in good order. */
  readonly close: Effect.Effect<void, TestKafkaError>
}

export interface ForeignMembers {
  readonly begin: (options: MemberOptions) => Effect.Effect<ForeignMember>
  /** SIGKILL: all of its members are gone without a word. Returns when the process is gone. */
  readonly kill: Effect.Effect<void>
}

const JAVA = "org.apache.kafka.clients.consumer"
const JAVA_ASSIGNORS: Record<Assignor, string> = {
  range: `${JAVA}.RangeAssignor`,
  roundrobin: `${JAVA}.RoundRobinAssignor`,
  "cooperative-sticky": `${JAVA}.CooperativeStickyAssignor`
}

/** Who ends leaves its group, so that nobody has to wait until its session is over. */
export const SESSION_MILLIS = 30_000
export const BEAT_MILLIS = 200
const COMMIT_MILLIS = 500

/** The settings of Java's client and librdkafka, which have most of their names in common. */
const dotted = (
  client: Client,
  brokers: ReadonlyArray<string>,
  { assignors, group, instanceId, sessionMillis = SESSION_MILLIS }: MemberOptions
) => ({
  "bootstrap.servers": brokers.join(","),
  "group.id": group,
  "client.id": client,
  "auto.offset.reset": "earliest",
  "auto.commit.interval.ms": COMMIT_MILLIS,
  ...(instanceId === undefined ? {} : { "group.instance.id": instanceId }),
  ...(assignors === "consumer"
    ? { "group.protocol": "consumer" }
    : {
        "session.timeout.ms": sessionMillis,
        "heartbeat.interval.ms": BEAT_MILLIS,
        "partition.assignment.strategy": assignors
          .map((name) => (client === "java" ? JAVA_ASSIGNORS[name] : name))
          .join(",")
      })
})

const configOf = (client: Client, brokers: ReadonlyArray<string>, options: MemberOptions): object =>
  client === "aiokafka"
    ? {
        bootstrap_servers: brokers.join(","),
        group_id: options.group,
        client_id: client,
        auto_offset_reset: "earliest",
        auto_commit_interval_ms: COMMIT_MILLIS,
        session_timeout_ms: options.sessionMillis ?? SESSION_MILLIS,
        heartbeat_interval_ms: BEAT_MILLIS,
        ...(options.instanceId === undefined ? {} : { group_instance_id: options.instanceId }),
        assignors: options.assignors
      }
    : dotted(client, brokers, options)

const Line = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    owned: Schema.optional(Schema.Array(Schema.Number)),
    value: Schema.optional(Schema.String),
    closed: Schema.optional(Schema.Boolean),
    error: Schema.optional(Schema.String)
  })
)
const decodeLine = Schema.decodeSync(Line)

/** What is known of a member. */
interface Told {
  owned: ReadonlyArray<number> | undefined
  readonly history: Array<ReadonlyArray<number>>
  readonly consumed: Array<string>
  isClosed: boolean
  error: string | undefined
}

/** The program of a client: prepared, and then started with these arguments and settings. */
const programOf = (client: Client): Effect.Effect<() => ChildProcess, TestKafkaError> => {
  const python = (script: string, directory: string) => () =>
    spawn("python3", [ownFile(`members/${script}`)], {
      env: { ...process.env, PYTHONPATH: directory, PYTHONDONTWRITEBYTECODE: "1" },
      stdio: ["pipe", "pipe", "pipe"]
    })
  switch (client) {
    case "java":
      return Effect.map(
        compiled("members/Members.java"),
        (classes) => () =>
          spawn("java", ["-Xmx256m", ...quickStart, ...logSettings("stderr"), "-cp", classes, "Members"], {
            stdio: ["pipe", "pipe", "pipe"]
          })
      )
    case "librdkafka":
      return Effect.map(packages, (directory) => python("librdkafka_members.py", directory))
    case "aiokafka":
      return Effect.map(packagesOf("aiokafka==0.14.0"), (directory) => python("aiokafka_members.py", directory))
  }
}

/** Starts the process of a client; it ends with the scope, or with this process. */
export const make = (
  client: Client,
  brokers: ReadonlyArray<string>
): Effect.Effect<ForeignMembers, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const start = yield* programOf(client)
    const members = new Map<string, Told>()
    let errors = ""
    let ended: string | undefined
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = start()
        started.stdin!.on("error", () => {})
        started.stderr!.on("data", (chunk: Buffer) => {
          errors = (errors + chunk.toString()).slice(-20_000)
        })
        started.on("error", (cause) => (ended = cause.message))
        started.on("close", (code, signal) => (ended = `it has ended: ${code ?? signal}`))
        createInterface({ input: started.stdout! }).on("line", (text) => {
          const { closed, error, name, owned, value } = decodeLine(text)
          const told = members.get(name)
          if (told === undefined) return
          if (owned !== undefined) told.history.push((told.owned = owned))
          told.isClosed ||= closed === true
          told.error ??= error
          if (value !== undefined) told.consumed.push(value)
        })
        return started
      }),
      (started) =>
        Effect.suspend(() => {
          started.stdin!.end()
          return awaitExit(started, "3 seconds").pipe(
            Effect.flatMap((gone) => (gone ? Effect.void : Effect.sync(() => started.kill("SIGKILL"))))
          )
        })
    )

    const send = (line: object) => Effect.sync(() => void child.stdin!.write(`${JSON.stringify(line)}\n`))

    const failed = (told: Told): TestKafkaError | undefined => {
      const why = told.error ?? ended
      if (why === undefined) return undefined
      return new TestKafkaError({ reason: "process", message: `${client}: ${why}\n${lastLines(errors, 30)}` })
    }

    return {
      kill: Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        Effect.asVoid(awaitExit(child))
      ),
      begin: (options) =>
        Effect.gen(function* () {
          const name = `${client}-${members.size}`
          const told: Told = { owned: undefined, history: [], consumed: [], isClosed: false, error: undefined }
          members.set(name, told)
          yield* send({ op: "begin", name, topic: options.topic, config: configOf(client, brokers, options) })
          const look = Effect.suspend(() => {
            const failure = failed(told)
            return failure === undefined ? Effect.succeed(told) : Effect.fail(failure)
          })
          return {
            owned: Effect.map(look, ({ isClosed, owned }) => (isClosed ? undefined : owned)),
            history: told.history,
            consumed: told.consumed,
            failure: Effect.sync(() => told.error ?? ended),
            close: Effect.gen(function* () {
              yield* send({ op: "close", name })
              const isClosed = yield* until(Effect.map(look, (one) => one.isClosed))
              if (!isClosed) return yield* new TestKafkaError({ reason: "timeout", message: `${name} does not close` })
            })
          }
        })
    }
  })
