/** Messages as who sees them at night: what happened, where, what to do, on one line. */
import { assert, describe, it, vi } from "@effect/vitest"
import { Cause, Effect, Inspectable, Schema } from "effect"
import { format, inspect } from "node:util"
import type { KafkaProtocol } from "../src/index.ts"
import { Codec, KafkaClient, KafkaError } from "../src/index.ts"
import { brokerError } from "../src/internal/protocol/errorCodes.ts"
import { connectionError } from "./support/FakeCluster.ts"
import {
  causes as printedCauses,
  explanationOfAge,
  explanationOfName,
  explanationOfPort,
  faultsOfMany,
  formatted,
  linesOfLoggers,
  logPretty,
  Many,
  Secret,
  somebodysError,
  User
} from "./v4/errorPrinting.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const Service = Schema.Struct({ host: Schema.String, port: Schema.Int })

const undecodable = (value: string, schema: Schema.Codec<unknown, never> = Service as never) =>
  Effect.runSync(Effect.flip(Codec.json(schema).decode(bytes(value))))

const poison = (parts: Partial<ConstructorParameters<typeof KafkaError.PoisonRecordError>[0]>) =>
  new KafkaError.PoisonRecordError({
    reason: "Value",
    topic: "t",
    partition: 3,
    offset: 42,
    timestamp: 0,
    key: bytes("search"),
    value: bytes("{}"),
    cause: undecodable(`{"host":"h","port":1.5}`),
    ...parts
  })

const write = (parts: Partial<ConstructorParameters<typeof KafkaError.WriteError>[0]>) =>
  new KafkaError.WriteError({ reason: "Timeout", topic: "t", ...parts })

const wait = (parts: Partial<ConstructorParameters<typeof KafkaError.WaitTimeoutError>[0]>) =>
  new KafkaError.WaitTimeoutError({
    operation: "start",
    topic: "t",
    afterMillis: 30_000,
    behind: [],
    bootstrap: "a:9092,b:9092",
    ...parts
  })

const refused = new KafkaError.ConnectionError({
  reason: "Unreachable",
  broker: "a:9092",
  request: "connect",
  detail: "connect ECONNREFUSED 10.0.0.1:9092"
})

const denied = new KafkaError.BrokerError({
  reason: "Unauthorized",
  code: 29,
  codeName: "TOPIC_AUTHORIZATION_FAILED",
  retriable: false,
  request: "Fetch",
  broker: "a:9092",
  topic: "t",
  partition: 3,
  detail: "not you"
})

describe("messages", () => {
  const begins: ReadonlyArray<readonly [string, Error, string]> = [
    [
      "options",
      new KafkaError.InvalidOptionsError({
        module: "KafkaTable",
        topic: "t",
        problems: [
          { option: "key", problem: "must be a Codec" },
          { option: "acks", problem: "must be one of all, leader" }
        ]
      }),
      `KafkaTable of topic "t": invalid options. key: must be a Codec; acks: must be one of all, leader`
    ],
    [
      "a connection",
      refused,
      "Unreachable during connect, broker a:9092 (connect ECONNREFUSED 10.0.0.1:9092). Check the address"
    ],
    [
      "connections",
      new KafkaError.ConnectionError({ reason: "Timeout", broker: "a:9092,b:9092", request: "Metadata" }),
      "Timeout during Metadata, brokers a:9092, b:9092. The broker or the network"
    ],
    [
      "more connections than a line holds",
      new KafkaError.ConnectionError({
        reason: "Closed",
        broker: Array.from({ length: 20 }, (_, i) => `b${i}:1`).join(","),
        request: "Metadata"
      }),
      "Closed during Metadata, brokers b0:1, b1:1, b2:1, b3:1, b4:1, b5:1, b6:1, b7:1 and 12 more. The broker"
    ],
    [
      "what OpenSSL says",
      new KafkaError.ConnectionError({ reason: "Tls", broker: "a:9092", request: "connect", detail: "one\n  two\n" }),
      "Tls during connect, broker a:9092 (one two). Check the certificate authority"
    ],
    [
      "a broker",
      denied,
      `TOPIC_AUTHORIZATION_FAILED on Fetch, topic "t" partition 3, broker a:9092 (not you). Grant the rights`
    ],
    [
      "a code that says more than its reason",
      new KafkaError.BrokerError({
        reason: "Unavailable",
        code: 19,
        codeName: "NOT_ENOUGH_REPLICAS",
        retriable: true,
        request: "Produce"
      }),
      "NOT_ENOUGH_REPLICAS on Produce. Fewer replicas are in sync than min.insync.replicas asks for"
    ],
    [
      "a topic that is missing",
      new KafkaError.TopicError({ reason: "NotFound", topic: "t", broker: "a:9092" }),
      `NotFound: topic "t", broker a:9092. Check its name, and that this is the right cluster`
    ],
    [
      "a topic that was deleted",
      new KafkaError.TopicError({ reason: "Deleted", topic: "t", expected: "one" }),
      `Deleted: topic "t" (its topic id was one). A table keeps its content`
    ],
    [
      "a topic's other life",
      new KafkaError.TopicError({ reason: "Recreated", topic: "t", expected: "one", actual: "two" }),
      `Recreated: topic "t" (expected topic id one, found two). Rows of two lives`
    ],
    [
      "a topic's policy",
      new KafkaError.TopicError({ reason: "PolicyMismatch", topic: "t", expected: "compact", actual: "delete" }),
      `PolicyMismatch: topic "t" (expected compact, found delete). Records would be evicted`
    ],
    [
      "a corrupt batch",
      new KafkaError.CorruptBatchError({
        reason: "TooLarge",
        topic: "t",
        partition: 3,
        baseOffset: 42,
        detail: "200 bytes, the limit is 100"
      }),
      `TooLarge: corrupt record batch, topic "t" partition 3 offset 42 (200 bytes, the limit is 100). If you trust`
    ],
    [
      "a truncated log",
      new KafkaError.LogTruncatedError({ reason: "Head", topic: "t", partition: 3, from: 10, to: 42 }),
      `Log truncated: topic "t" partition 3 now begins at 42, the table was at 10. The partition is rebuilt`
    ],
    [
      "a log that lost its end",
      new KafkaError.LogTruncatedError({ reason: "Tail", topic: "t", partition: 3, from: 42, to: 10 }),
      `Log truncated: topic "t" partition 3 now ends at 10, it reached 42 before. The partition is rebuilt`
    ],
    [
      "a truncated log, of a consumer",
      new KafkaError.LogTruncatedError({ reason: "Head", topic: "t", partition: 3, from: 10, to: 42, group: "g" }),
      `Log truncated: group "g" topic "t" partition 3 now begins at 42, the group was at 10. ` +
        "What was in between is gone. Check the topic's cleanup.policy and retention."
    ],
    [
      "a log that lost its end, of a consumer",
      new KafkaError.LogTruncatedError({ reason: "Tail", topic: "t", partition: 3, from: 42, to: 10, group: "g" }),
      `Log truncated: group "g" topic "t" partition 3 now ends at 10, it reached 42 before. ` +
        "The cluster lost acknowledged records: check unclean leader election and min.insync.replicas."
    ],
    [
      "a poison record of a consumer",
      poison({ group: "g" }),
      `Value not decodable: group "g" topic "t" partition 3 offset 42: port: Expected an integer, actual a number. ` +
        "It is not handed out: fix the producer or the schema."
    ],
    [
      "a poison value: the place in it, not the schema's tree",
      poison({}),
      `Value not decodable: topic "t" partition 3 offset 42: port: Expected an integer, actual a number. ` +
        "The key keeps its prior value: fix the producer or the schema."
    ],
    [
      "a poison value, for who asked for values",
      poison({ logValues: true }),
      `Value not decodable: topic "t" partition 3 offset 42, key "search": ${explanationOfPort}. ` +
        "The key keeps its prior value: fix the producer or the schema."
    ],
    [
      "a poison key",
      poison({ reason: "Key", key: Uint8Array.of(0xff, 0), cause: undecodable("{") }),
      `Key not decodable: topic "t" partition 3 offset 42: Invalid JSON. The record was skipped`
    ],
    [
      "a poison key that is no text, for who asked for values",
      poison({ reason: "Key", key: Uint8Array.of(0xff, 0), cause: undecodable("{"), logValues: true }),
      `Key not decodable: topic "t" partition 3 offset 42, key 0xff00 (2 bytes): Invalid JSON: `
    ],
    [
      "a write that timed out",
      write({ partition: 3, detail: "not sent within 10 ms", cause: refused }),
      `Timeout: a write to topic "t" partition 3 was not acknowledged (not sent within 10 ms). ` +
        "It is not in the log: safe to write again. Last failure: Unreachable during connect, broker a:9092"
    ],
    [
      "a write that was refused",
      write({ reason: "Unauthorized", partition: 3, cause: denied }),
      `Unauthorized: a write to topic "t" partition 3 was not acknowledged. It is not in the log: grant WRITE and ` +
        "DESCRIBE on the topic; if credentials were refused, check them. Later writes succeed then. " +
        "Cause: TOPIC_AUTHORIZATION_FAILED on Fetch"
    ],
    [
      "a start without an answer",
      wait({}),
      `start timed out after 30000 ms: topic "t". No answer in time from brokers a:9092, b:9092.`
    ],
    [
      "a start that takes long",
      wait({
        behind: [{ partition: 3, position: 5, target: 42 }],
        heldUpBy: [{ reason: "Records", partitions: [3] }]
      }),
      `start timed out after 30000 ms: topic "t". Partitions behind: 3 at 5 of 42. Held up: still reading: more time is needed, a longer timeout (partition 3).`
    ],
    [
      "a wait for a partition that is none",
      wait({
        operation: "awaitPosition",
        behind: [{ partition: 9, position: undefined, target: 1 }],
        heldUpBy: [{ reason: "NoPartition", partitions: [9] }]
      }),
      `awaitPosition timed out after 30000 ms: topic "t". Partitions behind: 9 at ? of 1. Held up: the topic has no such partition (partition 9).`
    ],
    [
      "a wait under a transaction",
      wait({ operation: "barrier", behind: [{ partition: 3, position: 5, target: 42 }] }),
      `barrier timed out after 30000 ms: topic "t". Partitions behind: 3 at 5 of 42. It is not known why.`
    ],
    [
      "wait held up by several, one of them a failure",
      wait({
        operation: "barrier",
        behind: [
          { partition: 3, position: 5, target: 42 },
          { partition: 4, position: 5, target: undefined },
          { partition: 5, position: 5, target: 6 }
        ],
        heldUpBy: [
          { reason: "Subscriber", partitions: [3, 5] },
          { reason: "Unreachable", partitions: [4] }
        ],
        cause: refused
      }),
      `barrier timed out after 30000 ms: topic "t". Partitions behind: 3 at 5 of 42, 4 at 5 of ?, 5 at 5 of 6. Held up: a subscriber with back-pressure does not take its changes, and the table's reader waits for it (partition 3, 5); the leader cannot be reached, or refuses for now (partition 4). Last failure: Unreachable during`
    ],
    [
      "a wait with a failure on the way",
      wait({ behind: [{ partition: 3, position: 5, target: undefined }], cause: refused }),
      `start timed out after 30000 ms: topic "t". Partitions behind: 3 at 5 of ?. Last failure: Unreachable during`
    ],
    [
      "a table that was closed",
      new KafkaError.TableClosedError({ topic: "t" }),
      `The table of topic "t" was closed while somebody waited on it: its scope (its layer) ended first.`
    ],
    [
      "a record without its keys",
      new KafkaError.InvalidRecordError({ topic: "t", fields: ["sku", "zone"] }),
      `A record without all of its keys is not for the catalog of topic "t": sku, zone must be text that is not blank, without halves of`
    ],
    [
      "a log of other keys",
      new KafkaError.CatalogLockedError({
        topic: "t",
        configured: { rowKey: "sku", indexKeys: ["vendor"] },
        locked: { rowKey: "id", indexKeys: ["vendor", "zone"] }
      }),
      `The log of a catalog is locked to other keys: topic "t" was written with rowKey "id", indexKeys "vendor", "zone", and this catalog has rowKey "sku", indexKeys "vendor".`
    ],
    [
      "a catalog that is read-only",
      new KafkaError.CatalogReadOnlyError({ topic: "t", operation: "insert" }),
      `A catalog that is read-only has no insert: topic "t". Nothing was written. Acquire it without readOnly`
    ],
    [
      "a right on a group",
      brokerError({ code: 30, request: "OffsetFetch", broker: "b:1", group: "g" }),
      `GROUP_AUTHORIZATION_FAILED on OffsetFetch, group "g", broker b:1. Grant READ on the group`
    ],
    [
      "a right on a transactional id",
      brokerError({ code: 53, request: "FindCoordinator", transactionalId: "tx" }),
      `TRANSACTIONAL_ID_AUTHORIZATION_FAILED on FindCoordinator, transactional id "tx". Grant WRITE`
    ],
    [
      "a group with members",
      new KafkaError.GroupError({ reason: "NotEmpty", group: "g", detail: "2 members, Stable" }),
      `NotEmpty: group "g" (2 members, Stable). Nothing was changed: stop its members first`
    ],
    [
      "an offset that is none",
      new KafkaError.GroupError({ reason: "OutOfRange", group: "g", topic: "t", partition: 3, detail: "offset 9" }),
      `OutOfRange: group "g" topic "t" partition 3 (offset 9). Nothing was changed: give an offset`
    ],
    [
      "a bug",
      new KafkaError.DefectError({ topic: "t", cause: new TypeError("x is not a function") }),
      `A bug of effect-ktables, or of the driver that it was given, topic "t": x is not a function. The content stays`
    ]
  ]

  for (const [name, { message }, expected] of begins) {
    it(name, () => {
      assert.strictEqual(message.slice(0, expected.length), expected)
      assert.notMatch(message, /\n|undefined| {2}|\.\.$/)
    })
  }

  it("what somebody else wrote stays on one line, and short", () => {
    const text = "x\n".repeat(10_000)
    for (const logValues of [false, true]) {
      const parts = { cause: undecodable(JSON.stringify({ host: 1, port: text })), key: bytes(text), logValues }
      const { message } = poison(parts)
      assert.notMatch(message, /\n/)
      assert.isBelow(message.length, 7_000)
    }
    let deep = "1"
    for (let i = 0; i < 5_000; i++) deep = `[${deep}]`
    interface Deep extends ReadonlyArray<Deep> {}
    const Deep: Schema.Codec<Deep> = Schema.suspend((): Schema.Codec<Deep> => Schema.Array(Deep))
    assert.isBelow(poison({ cause: undecodable(deep, Deep as never), logValues: true }).message.length, 5_000)
  })

  it("of many faults in one value, the first ones", () => {
    const cause = undecodable("{}", Many as never)
    assert.include(poison({ cause }).message, `: ${faultsOfMany}. The key`)
  })
})

describe("what others wrote is one line without control characters, in every message", () => {
  // a new line, ESC, NUL, a byte order mark, line and paragraph separators, a turned direction, half a pair, and long
  const evil = "a\nb\r\u001b[2J\u0000\ufeff\u2028\u2029\u202e\ud800" + "z".repeat(100_000)
  const cause = new Error(evil)
  const errors: Record<string, Error> = {
    options: new KafkaError.InvalidOptionsError({
      module: "KafkaTable",
      topic: evil,
      problems: [{ option: evil, problem: evil }]
    }),
    connection: new KafkaError.ConnectionError({
      reason: "Closed",
      broker: `${evil},${evil}`,
      request: evil,
      detail: evil,
      cause
    }),
    broker: new KafkaError.BrokerError({
      reason: "Rejected",
      code: 1,
      codeName: evil,
      retriable: false,
      request: evil,
      broker: evil,
      topic: evil,
      detail: evil
    }),
    topic: new KafkaError.TopicError({
      reason: "Recreated",
      topic: evil,
      broker: evil,
      expected: evil,
      actual: evil,
      detail: evil,
      cause
    }),
    deleted: new KafkaError.TopicError({ reason: "Deleted", topic: "t", expected: evil }),
    corrupt: new KafkaError.CorruptBatchError({
      reason: "Malformed",
      topic: evil,
      partition: 0,
      baseOffset: 0,
      detail: evil
    }),
    truncated: new KafkaError.LogTruncatedError({ reason: "Head", topic: evil, partition: 0, from: 0, to: 1 }),
    poison: poison({
      topic: evil,
      key: bytes(evil),
      logValues: true,
      cause: undecodable(JSON.stringify({ port: evil }))
    }),
    "poison by whatever": poison({ key: bytes(evil), logValues: true, cause: cause as never }),
    write: write({
      reason: "Rejected",
      topic: evil,
      detail: evil,
      cause: new KafkaError.ConnectionError({ reason: "Closed", broker: evil, request: evil })
    }),
    wait: wait({ topic: evil, bootstrap: `${evil},${evil}` }),
    closed: new KafkaError.TableClosedError({ topic: evil }),
    "a record": new KafkaError.InvalidRecordError({ topic: evil, fields: [evil, evil] }),
    "a lock": new KafkaError.CatalogLockedError({
      topic: evil,
      configured: { rowKey: evil, indexKeys: [evil] },
      locked: evil
    }),
    "a refusal": new KafkaError.CatalogReadOnlyError({ topic: evil, operation: "delete" }),
    group: new KafkaError.GroupError({ reason: "Rejected", group: evil, topic: evil, detail: evil }),
    "a broker's word on a group": brokerError({ code: 30, request: evil, broker: evil, group: evil, detail: evil }),
    "on a transaction": brokerError({ code: 53, request: evil, transactionalId: evil }),
    defect: new KafkaError.DefectError({ topic: evil, cause }),
    "a defect that is no error": new KafkaError.DefectError({ topic: "t", cause: { message: evil } })
  }
  it.each(Object.entries(errors))("%s", (_, { message }) => {
    assert.notMatch(message, /[\p{C}\p{Zl}\p{Zp}]/u)
    assert.isBelow(message.length, 12_000)
  })
})

describe("nothing that prints an error prints what a record holds", () => {
  const SECRET = "hunter2"
  const hex = Buffer.from(SECRET).toString("hex")
  /** Also as numbers, as bytes are often printed. */
  const traces = [SECRET, hex, [...bytes(SECRET)].join(","), [...bytes(SECRET)].join(", "), '"0":104']

  const user = (body: object) => undecodable(JSON.stringify(body), User as never)
  const thrower = (thrown: unknown) =>
    Effect.runSync(
      Effect.flip(
        Codec.make<string>({
          decode: () => {
            throw thrown
          },
          encode: () => bytes("")
        }).decode(bytes(SECRET))
      )
    )
  const parsing = () => {
    try {
      return JSON.parse(SECRET) as unknown
    } catch (error) {
      return error
    }
  }
  const unencodable = Effect.runSync(Effect.flip(Codec.json(User).encode({ name: SECRET, age: SECRET } as never)))
  const causes: Record<string, Schema.SchemaError> = {
    "text that is not JSON": undecodable(SECRET),
    "a filter": user({ name: ` ${SECRET} ` }),
    "a transformation": user({ name: "a", age: SECRET }),
    "the name of a record": user({ name: "a", tags: { [SECRET]: "x" } }),
    "the whole": user([SECRET]),
    "not UTF-8": Effect.runSync(Effect.flip(Codec.utf8.decode(Buffer.concat([bytes(SECRET), Buffer.of(0xff)])))),
    "of a wrong length": Effect.runSync(Effect.flip(Codec.int64.decode(bytes(SECRET)))),
    "what JSON.parse throws": thrower(parsing()),
    "what a URL throws": thrower(Object.assign(new TypeError(`Invalid ${SECRET}`), { input: SECRET })),
    "a text": thrower(SECRET),
    "an object": thrower({ name: SECRET, message: SECRET, code: SECRET, cause: SECRET }),
    "a nested cause": thrower(new Error(SECRET, { cause: new Error(SECRET) })),
    "somebody's error of Schema": thrower(somebodysError(SECRET)),
    "a failure to encode": unencodable
  }
  const all = Object.entries(causes).flatMap(([name, cause]) => [
    [`an error of Schema: ${name}`, cause] as const,
    [`PoisonRecordError: ${name}`, poison({ cause, key: bytes(SECRET), value: bytes(SECRET) })] as const,
    [`WriteError: ${name}`, write({ reason: "Encode", detail: `value: ${cause.message}`, cause })] as const,
    [`DefectError: ${name}`, new KafkaError.DefectError({ topic: "t", cause })] as const
  ])
  it.each(all)("%s", (_, error) => {
    const printed = [
      error.message,
      String(error),
      error.stack ?? "",
      JSON.stringify(error),
      JSON.stringify({ ...error }),
      inspect(error, { depth: 9 }),
      inspect({ error }, { depth: 9 }),
      inspect(error, { depth: 9, customInspect: false }),
      ...printedCauses(error),
      Inspectable.toStringUnknown(error),
      ...formatted(error)
    ]
    const log = Effect.all([
      Effect.logError(error),
      Effect.logError("it failed", error),
      Effect.logError("it failed", Cause.fail(error)),
      Effect.logError({ error })
    ])
    for (const lines of linesOfLoggers(log)) {
      assert.lengthOf(lines, 4)
      printed.push(...lines)
    }
    const pretty = captured(() => logPretty(Effect.logError(error, Cause.fail(error))))
    assert.isAbove(pretty.length, 0)
    for (const text of [...printed, pretty]) for (const trace of traces) assert.notInclude(text, trace)
  })

  it("and a program has the bytes, and can ask for the words", () => {
    const error = poison({ key: bytes(SECRET), value: bytes(SECRET), cause: causes["a transformation"] })
    assert.strictEqual(Buffer.from(error.key).toString(), SECRET)
    assert.strictEqual(Buffer.from(error.value ?? []).toString(), SECRET)
    assert.include(Codec.explain(error.cause), explanationOfAge(SECRET))
  })

  it("nor, with logValues, what its schema calls secret", () => {
    for (const text of [`{"user":"ann","password":"${SECRET}"}`, `["${SECRET}"]`, SECRET]) {
      const { message } = poison({ logValues: true, cause: undecodable(text, Secret as never) })
      assert.notInclude(message, SECRET)
      assert.include(message, 'key "search"')
    }
    const { message } = poison({
      logValues: true,
      cause: undecodable(`{"user":7,"password":"${SECRET}"}`, Secret as never)
    })
    assert.include(message, explanationOfName)
  })
})

/** What is written to the console meanwhile. */
const captured = (run: () => void): string => {
  const lines: Array<string> = []
  const write = (...args: ReadonlyArray<unknown>) => {
    lines.push(format(...args))
  }
  const spies = (["log", "group", "error", "info"] as const).map((name) =>
    vi.spyOn(console, name).mockImplementation(write)
  )
  try {
    run()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return lines.join("\n")
}

describe("where a message gets its broker from", () => {
  const client = (answer: KafkaProtocol.MetadataResponse | undefined) =>
    KafkaClient.fromDriver({
      bootstrap: [
        { host: "a", port: 1 },
        { host: "b", port: 2 }
      ],
      backoff: { initialMillis: 1, maxMillis: 1 },
      connect: ({ host, port }) =>
        answer === undefined
          ? Effect.fail(connectionError("Unreachable"))
          : Effect.succeed({
              address: `${host}:${port}`,
              isOpen: () => true,
              request: () => Effect.succeed(answer)
            } as never)
    })

  it.effect("no broker could be used: all of them", () =>
    Effect.gen(function* () {
      const { bootstrap, describeTopic } = yield* client(undefined)
      assert.strictEqual(bootstrap, "a:1,b:2")
      const error = yield* Effect.flip(describeTopic("t"))
      assert.include(error, { _tag: "KafkaConnectionError", reason: "Unreachable", broker: "a:1,b:2" })
    }).pipe(Effect.scoped)
  )

  it.effect("a missing topic: who does not know it", () =>
    Effect.gen(function* () {
      const { describeTopic } = yield* client({ brokers: [], controllerId: -1, topics: [] })
      const error = yield* Effect.flip(describeTopic("t"))
      assert.include(error, { _tag: "KafkaTopicError", reason: "NotFound", broker: "a:1" })
    }).pipe(Effect.scoped)
  )
})
