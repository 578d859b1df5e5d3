/** The pages name all there is, as it is: options with their defaults, errors with their reasons, metrics, spans, log lines. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Codec } from "../src/index.ts"
import { captured } from "../src/internal/effect/v4/running.ts"
import { CLUSTER } from "../src/internal/embedded/clusterOptions.ts"
import { clientSpec } from "../src/internal/kafkajs/client.ts"
import { TLS } from "../src/internal/kafkajs/tlsOptions.ts"
import { ANNOUNCE, readAnnounceOptions } from "../src/internal/options/announce.ts"
import { CATALOG } from "../src/internal/options/catalog.ts"
import { BACKOFF, CLIENT } from "../src/internal/options/client.ts"
import { CONSUMER, readConsumerOptions } from "../src/internal/options/consumer.ts"
import { EVENTS, STREAM } from "../src/internal/options/events.ts"
import { FEED, readFeedOptions } from "../src/internal/options/feed.ts"
import { LIST, RESET } from "../src/internal/options/groups.ts"
import { GROUPED_TABLE } from "../src/internal/options/grouped.ts"
import { readProducerOptions } from "../src/internal/options/producer.ts"
import { SENDING } from "../src/internal/options/sending.ts"
import { JANITOR, readJanitorOptions } from "../src/internal/options/janitor.ts"
import { FETCH, readTableOptions, TABLE } from "../src/internal/options/table.ts"
import { TOPIC_SETTINGS } from "../src/internal/options/topic.ts"
import { readWriterOptions, WRITER } from "../src/internal/options/writer.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (...path: ReadonlyArray<string>) => readFileSync(join(root, ...path), "utf8")

/** The sources of the library, as one text. */
const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => read("src", name))
  .join("\n")

/** What stands below a heading, up to the next one. */
const section = (page: string, heading: string): string => {
  const lines = page.split("\n")
  const from = lines.findIndex((line) => /^#+ (.*)$/.exec(line)?.[1] === heading)
  assert.notStrictEqual(from, -1, `no heading "${heading}"`)
  const length = lines.slice(from + 1).findIndex((line) => line.startsWith("#"))
  return lines.slice(from, length === -1 ? undefined : from + 1 + length).join("\n")
}

/** Rows of the tables in a text, without their heads. */
const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = text.split("\n")
  return lines.flatMap((line, i) =>
    line.startsWith("|") && !/^\| *-/.test(line) && !/^\| *-/.test(lines[i + 1] ?? "")
      ? [
          line
            .split(/(?<!\\)\|/)
            .slice(1, -1)
            .map((cell) => cell.trim())
        ]
      : []
  )
}

const code = (cell: string): ReadonlyArray<string> => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text)

const sorted = (list: Iterable<string>) => [...new Set(list)].sort()

describe("options", () => {
  const page = read("docs", "options.md")
  const named = (heading: string) => rows(section(page, heading)).map(([name]) => code(name)[0])

  const backoff = Object.keys(BACKOFF).map((name) => `backoff.${name}`)
  const shared = ["topic", "key", "value", "ensureTopic", "topicSettings"]
  const withBackoff = (spec: object) => [...Object.keys(spec).filter((name) => name !== "backoff"), ...backoff]
  /** What a catalog has of its table and its writer. */
  const elsewhere = Object.keys({ ...TABLE, ...SENDING }).filter((name) => name !== "topic")
  const expected: ReadonlyArray<readonly [heading: string, names: ReadonlyArray<string>]> = [
    ["KafkaClient", withBackoff(clientSpec(Effect.runSync(captured)))],
    ["tls", Object.keys(TLS)],
    ["KafkaTable", Object.keys(TABLE)],
    ["fetch", Object.keys(FETCH)],
    ["janitor", Object.keys(JANITOR)],
    ["KafkaTableWriter", Object.keys(WRITER).filter((name) => !shared.includes(name))],
    ["announce", Object.keys(ANNOUNCE)],
    ["GroupedKafkaTable", Object.keys(GROUPED_TABLE).filter((name) => !(name in TABLE))],
    ["KafkaProducer", Object.keys(SENDING)],
    ["KafkaConsumer", Object.keys(CONSUMER)],
    ["KafkaEvents", Object.keys(EVENTS)],
    ["EventStream", Object.keys(STREAM)],
    ["Catalog", Object.keys(CATALOG).filter((name) => name === "value" || !elsewhere.includes(name))],
    ["KafkaTopic", Object.keys(TOPIC_SETTINGS)],
    ["KafkaGroups", Object.keys({ ...LIST, ...RESET })],
    ["TableFeed", Object.keys(FEED)],
    ["EmbeddedKafka", withBackoff({ ...CLUSTER, ...CLIENT })]
  ]
  for (const [heading, list] of expected) {
    it(`${heading}: each has a row, and no row is of none`, () => {
      assert.deepStrictEqual(sorted(named(heading)), sorted(list))
    })
  }

  /** A default as the page writes it, as the code has it. */
  const valueOf = (cell: string): unknown => {
    const text = cell.replaceAll("`", "")
    const [, number, unit] = /^([\d,]+)(?: (ms|s|MiB))?$/.exec(text) ?? []
    if (number === undefined) return text === "true" ? true : text === "false" ? false : text
    const value = Number(number.replaceAll(",", ""))
    return unit === "MiB"
      ? value * 1024 * 1024
      : unit === undefined
        ? value
        : Duration.toMillis(unit === "s" ? Duration.seconds(value) : Duration.millis(value))
  }

  /** Of an option, in the checked configuration: times carry their unit in the name. */
  const found = (config: object, option: string): unknown => {
    const all = config as Record<string, unknown>
    return all[option] ?? all[`${option}Millis`]
  }

  const unequal = (heading: string, config: object, without: ReadonlyArray<string>) =>
    rows(section(page, heading)).flatMap(([name, cell]) => {
      const option = code(name)[0]
      if (without.includes(option)) return []
      const [is, says] = [found(config, option), valueOf(cell)]
      return is === says ? [] : [`${option} is ${String(is)}, and the page says ${String(says)}`]
    })

  it.effect("the defaults are those of the code", () =>
    Effect.gen(function* () {
      const options = { topic: "t", value: Codec.utf8 }
      const table = yield* readTableOptions<string, string>(options)
      const writer = yield* readWriterOptions<string, string>(options)
      const producer = yield* readProducerOptions({})
      const withoutDefault = ["fetch", "restart", "expireAfter", "expireAt", "history"]
      assert.deepStrictEqual(unequal("KafkaTable", table, [...shared, ...withoutDefault]), [])
      assert.deepStrictEqual(unequal("fetch", table.fetch, []), [])
      const janitor = yield* readJanitorOptions("KafkaTable", {
        table: { config: { topic: "t" }, expiry: "of a test" },
        writer: { topic: "t", deleteMany: () => Effect.void, flush: Effect.void }
      })
      assert.deepStrictEqual(unequal("janitor", janitor, []), [])
      const unlike = ["acks", "idempotent", "partitioner"]
      assert.deepStrictEqual(unequal("KafkaTableWriter", writer, unlike), [])
      assert.deepStrictEqual(unequal("announce", yield* readAnnounceOptions("t"), []), [])
      assert.deepStrictEqual(unequal("KafkaProducer", producer, unlike), [])
      const consumer = yield* readConsumerOptions({ group: "g", subscribe: "t", value: Codec.utf8 })
      const dependent = ["group", "subscribe", "assignor", "instanceId", "revokeTimeout", "metadataMaxAge", "fetch"]
      assert.deepStrictEqual(unequal("KafkaConsumer", consumer, [...shared, ...dependent]), [])
      assert.deepStrictEqual(unequal("TableFeed", yield* readFeedOptions("t", {}), []), [])
    })
  )
})

describe("errors", () => {
  const page = read("docs", "errors.md")
  const declared = read("src", "KafkaError.ts")

  /** The reasons of each class, by its tag. */
  const reasons = new Map(
    [...declared.matchAll(/export class \w+ extends Data\.TaggedError\("(\w+)"\)<\{([\s\S]*?)\n\}>/g)].map(
      ([, tag, body]) => {
        const type = /readonly reason: (.*)/.exec(body)?.[1] ?? ""
        const union = new RegExp(`export type ${type} =([^]*?)\\n\\n`).exec(declared)?.[1] ?? type
        return [tag, [...union.matchAll(/"(\w+)"/g)].map(([, reason]) => reason)] as const
      }
    )
  )

  it("all are found", () => {
    assert.strictEqual(reasons.size, 16)
    assert.include(reasons.get("KafkaTopicError") ?? [], "PolicyMismatch")
    assert.deepStrictEqual(reasons.get("KafkaLogTruncatedError"), ["Head", "Tail"])
  })

  for (const [tag, list] of reasons) {
    it(`${tag}: in the table of tags, with a section, and each reason in it`, () => {
      assert.include(page.slice(0, page.indexOf("## ")), `\`${tag}\``)
      const own = section(page, tag)
      for (const reason of list) assert.include(own, `\`${reason}\``)
    })
  }
})

describe("what operators see", () => {
  const page = read("docs", "observability.md")

  it("metrics", () => {
    const made = [...sources.matchAll(/"(kafka_\w+)"/g)].map(([, name]) => name)
    assert.isAbove(made.length, 10)
    assert.deepStrictEqual(sorted(rows(section(page, "Metrics")).map(([name]) => code(name)[0])), sorted(made))
  })

  it("spans", () => {
    const spans = [...sources.matchAll(/withSpan\((?:self, )?["`]([\w.]+)["`]/g)].map(([, name]) => name)
    const templates = [
      ...[...sources.matchAll(/bounded\(parts, "(\w+)"/g)].map(([, name]) => `KafkaTable.${name}`),
      ...[...sources.matchAll(/spanOf\("(\w+)"/g)].map(([, name]) => `KafkaGroups.${name}`),
      ...[...sources.matchAll(/withSpan\("(\w+)", many/g)].map(([, name]) => `KafkaTableWriter.${name}`)
    ]
    const isSpan = (name: string) => /^((Grouped)?Kafka|Catalog)/.test(name)
    const made = [...spans, ...templates].filter(isSpan)
    assert.isAbove(made.length, 7)
    const listed = rows(section(page, "Spans")).flatMap(([name]) => code(name).filter(isSpan))
    assert.deepStrictEqual(sorted(listed), sorted(made))
  })

  it("log lines: what they begin with is said somewhere", () => {
    const lines = rows(section(page, "Log lines"))
    assert.isAbove(lines.length, 15)
    // in the code, a name stands for a text, and an error's message is put together
    const said = sources
      .replaceAll("${POLICY}", "cleanup.policy")
      .replaceAll("${this.reason} not decodable", "Key not decodable, Value not decodable")
    for (const [level, , begin] of lines) {
      for (const line of code(begin)) for (const part of line.split("…")) assert.include(said, part.trim(), level)
    }
  })

  it("log lines: there is a row for each", () => {
    const calls = [...sources.matchAll(/Effect\.log(Debug|Info|Warning|Error|Fatal)\(/g)].length
    const inComments = [...sources.matchAll(/^ \*.*Effect\.log(Debug|Info|Warning|Error|Fatal)\(/gm)].length
    // one call logs a poison record of either kind, and one a rebuild for either reason
    assert.strictEqual(rows(section(page, "Log lines")).length, calls - inComments)
  })
})

describe("SECURITY.md", () => {
  const page = read("SECURITY.md")

  /** A number of the code, by the file and the name of its constant: a product of whole numbers. */
  const constant = (file: string, name: string): number => {
    const text = new RegExp(`const ${name} = ([\\d_ *]+)$`, "m").exec(read("src", "internal", file))?.[1]
    if (text === undefined) return assert.fail(`no ${name} in ${file}`)
    return text.split("*").reduce((product, factor) => product * Number(factor.trim().replaceAll("_", "")), 1)
  }

  /** What the page says in the column of bounds, in the row that begins so. */
  const bound = (begin: string): ReadonlyArray<number> => {
    const row = rows(section(page, "What who answers as a broker cannot do")).find(([what]) => what.startsWith(begin))
    return [...(row?.at(-1) ?? "").matchAll(/[\d,]+/g)].map(([text]) => Number(text.replaceAll(",", "")))
  }

  it("the bounds are those of the code", () => {
    const scram = "kafkajs/passwordMechanisms.ts"
    assert.deepStrictEqual(bound("frames of any size"), [constant("kafkajs/frames.ts", "MAX_FRAME") / 1024 ** 2])
    assert.include(
      read("src", "internal", "protocol", "fetch.ts"),
      `maxAnswerBytes: ${bound("frames of any size")[0]} * MIB`
    )
    assert.deepStrictEqual(bound("counts of array elements"), [constant("protocol/wire.ts", "MAX_ELEMENTS")])
    assert.deepStrictEqual(bound("answers that nobody"), [constant("kafkajs/deadline.ts", "MIN_BYTES_PER_MILLI")])
    assert.deepStrictEqual(bound('"wait for'), [constant("protocol/wire.ts", "MAX_THROTTLE_MILLIS")])
    const iterations = [constant(scram, "MIN_ITERATIONS"), constant(scram, "MAX_ITERATIONS")]
    assert.deepStrictEqual(bound("iterations of SCRAM"), iterations)
    assert.deepStrictEqual(bound("words with line ends"), [constant("protocol/wire.ts", "MESSAGE_LENGTH")])
  })

  it("each dependency is pinned to the version that it names", () => {
    const { dependencies } = JSON.parse(read("package.json")) as { dependencies: Record<string, string> }
    const named = rows(section(page, "Dependencies")).map(([name, version]) => [code(name)[0], version])
    assert.deepStrictEqual(Object.fromEntries(named), dependencies)
  })

  it("the tests that hold it are there", () => {
    const tests = [...page.matchAll(/`(test\/[\w/]+\.test\.ts)`/g)].map(([, file]) => file)
    assert.isAtLeast(tests.length, 10)
    // the copy for Effect 3 has those of its own in place of Effect 4's
    const isThere = (file: string) => [file, file.replace("/v4/", "/v3/")].some((one) => existsSync(join(root, one)))
    assert.deepStrictEqual(
      tests.filter((file) => !isThere(file)),
      []
    )
  })
})
