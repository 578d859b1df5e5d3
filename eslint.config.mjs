import { dirname, posix, relative, resolve } from "node:path"
import tseslint from "typescript-eslint"

/**
 * The rooms of `src/internal`, from the outermost to the innermost: of which other rooms each may import, and the types of
 * which public modules. So imports run one way. Values of public modules are for users; inside, only errors are made of
 * them. What lies in `src/internal` itself is for all rooms.
 */
const ROOMS = {
  // What several rooms need. It knows the rooms below that position and partitioner, the twins of public modules, are made of.
  ".": { rooms: ["recordBatch", "codec/schema"], types: ["Partitioner", "Position", "TableChange"] },
  events: {
    rooms: ["consumer", "producer", "topic", "client", "codec", "codec/schema", "options"],
    types: ["Codec", "EventStream", "KafkaClient", "KafkaConsumer", "KafkaEvent", "KafkaEvents", "KafkaProducer"]
  },
  topic: { rooms: ["client", "protocol", "options"], types: ["KafkaClient", "KafkaTopic"] },
  groups: { rooms: ["client", "protocol", "options"], types: ["KafkaClient", "KafkaGroups", "KafkaProtocol"] },
  grouped: {
    rooms: [
      "table",
      "table/publication",
      "table/content",
      "views",
      "tree",
      "writer",
      "codec",
      "codec/schema",
      "options"
    ],
    types: ["Codec", "GroupedKafkaTable", "GroupedKafkaTableWriter", "KafkaClient", "KafkaTable"].concat([
      "KafkaTableWriter",
      "LiveTable",
      "TableSnapshot"
    ])
  },
  table: {
    rooms: ["topic", "views", "table/reading", "table/publication", "table/content", "source", "client", "options"],
    types: ["KafkaClient", "KafkaProtocol", "KafkaTable", "KafkaTableWriter", "LiveTable", "Position"].concat([
      "TableChange",
      "TableIndex",
      "TableSnapshot"
    ])
  },
  feed: {
    rooms: ["table", "table/publication", "table/content", "options"],
    types: ["FeedEvent", "LiveTable", "TableChange", "TableFeed", "TableSnapshot"]
  },
  "table/reading": {
    rooms: [
      "views",
      "table/publication",
      "table/content",
      "tree",
      "source",
      "client",
      "codec",
      "codec/schema",
      "recordBatch",
      "protocol",
      "options"
    ],
    types: ["Codec", "KafkaClient", "KafkaProtocol", "KafkaTable", "LiveTable", "TableChange", "TableSnapshot"]
  },
  "table/publication": { rooms: ["table/content"], types: ["LiveTable", "TableChange", "TableSnapshot"] },
  "table/content": {
    rooms: ["codec", "codec/schema", "recordBatch"],
    types: ["Codec", "TableChange", "TableSnapshot"]
  },
  catalog: {
    rooms: [
      "table",
      "writer",
      "views",
      "table/publication",
      "table/content",
      "tree",
      "client",
      "codec",
      "codec/schema",
      "protocol",
      "options"
    ],
    types: ["Catalog", "Codec", "KafkaClient", "KafkaTable", "KafkaTableWriter", "LiveTable", "Position"].concat([
      "TableChange",
      "TableSnapshot"
    ])
  },
  writer: {
    rooms: ["topic", "producer", "client", "codec", "codec/schema", "options"],
    types: ["Codec", "KafkaClient", "KafkaTableWriter", "Position"]
  },
  producer: {
    rooms: ["client", "codec", "codec/schema", "recordBatch", "protocol", "options"],
    types: ["Codec", "KafkaClient", "KafkaProducer", "KafkaProtocol", "Partitioner", "Position"]
  },
  source: { rooms: ["client", "recordBatch", "protocol"], types: ["KafkaClient", "KafkaProtocol"] },
  options: {
    rooms: ["codec", "codec/schema", "recordBatch"],
    types: ["Catalog", "Codec", "EmbeddedKafka", "EventStream", "GroupedKafkaTable", "GroupedKafkaTableWriter"].concat([
      "KafkaClient",
      "KafkaConsumer",
      "KafkaEvents",
      "KafkaGroups",
      "KafkaProducer",
      "KafkaTable",
      "KafkaTableWriter",
      "KafkaTopic",
      "LiveTable",
      "Partitioner",
      "TableFeed"
    ])
  },
  consumer: {
    rooms: ["consumer/member", "consumer/assignors", "source", "client", "codec", "codec/schema", "recordBatch"].concat(
      ["protocol", "options"]
    ),
    types: ["Codec", "KafkaClient", "KafkaConsumer", "KafkaProtocol", "TableChange"]
  },
  "consumer/member": {
    rooms: ["consumer/assignors", "client", "protocol", "options"],
    types: ["KafkaClient", "KafkaConsumer", "KafkaProtocol"]
  },
  "consumer/assignors": { rooms: ["protocol"], types: ["KafkaConsumer"] },
  codec: { rooms: ["codec/schema"], types: ["Codec"] },
  "codec/schema": { rooms: [], types: ["Codec"] },
  views: {
    rooms: ["table/publication", "table/content", "tree", "codec", "codec/schema", "options"],
    types: ["Codec", "LiveQuery", "LiveTable", "TableChange", "TableIndex", "TableSnapshot"]
  },
  "views/derived": {
    rooms: ["views", "table/publication", "table/content", "tree", "codec", "codec/schema", "options"],
    types: ["Aggregate", "Codec", "DerivedTable", "KafkaTable", "LiveTable", "Position", "TableChange"].concat([
      "TableIndex",
      "TableSnapshot"
    ])
  },
  tree: { rooms: [], types: [] },
  effect: { rooms: [], types: ["FeedEvent", "TableChange", "TableSnapshot"] },
  "embedded/groups": { rooms: ["consumer/assignors", "protocol"], types: ["EmbeddedKafka", "KafkaProtocol"] },
  "embedded/members": {
    rooms: ["consumer/assignors", "protocol"],
    types: ["EmbeddedKafka", "KafkaClient", "KafkaConsumer", "KafkaProtocol"]
  },
  embedded: {
    rooms: ["embedded/groups", "embedded/members", "client", "recordBatch", "protocol", "options"],
    types: ["EmbeddedKafka", "KafkaClient", "KafkaProtocol", "Position"]
  },
  kafkajs: { rooms: ["client", "protocol", "options"], types: ["KafkaClient", "KafkaProtocol"] },
  client: { rooms: ["protocol"], types: ["KafkaClient", "KafkaProtocol"] },
  recordBatch: { rooms: [], types: [] },
  protocol: { rooms: [], types: [] }
}

/** Rooms of plain functions on bytes; all others may import of "effect", which has what differs between Effect's majors. */
const PURE = new Set(["recordBatch", "protocol", "tree", "consumer/assignors"])

/** Keeps the table of rooms. */
const roomsRule = {
  meta: { type: "problem", schema: [], messages: { room: "{{message}}" } },
  create: (context) => {
    const path = relative(import.meta.dirname, context.filename)
    const from = roomOf(path)
    if (from === undefined) {
      const message = "This folder is no room yet: it belongs into the table of rooms in eslint.config.mjs."
      return { Program: (node) => context.report({ node, messageId: "room", data: { message } }) }
    }
    const { rooms, types } = ROOMS[from]
    const check = (node) => {
      const { source } = node
      if (source?.value?.startsWith(".") !== true) return
      const file = relative(import.meta.dirname, resolve(dirname(context.filename), source.value))
      const room = roomOf(file)
      const problem = () => {
        if (room !== undefined) {
          return room === from || room === "." || rooms.includes(room) || (room === "effect" && !PURE.has(from))
            ? undefined
            : `The room "${from}" imports of: ${["src/internal", ...rooms].join(", ")}.`
        }
        const name = /^src\/(\w+)\.ts$/.exec(file)?.[1]
        if (name === undefined || name === "KafkaError") return undefined
        if (!types.includes(name))
          return `The room "${from}" knows these public modules: KafkaError, ${types.join(", ")}.`
        const isType = node.importKind === "type" || node.exportKind === "type"
        return isType ? undefined : "Values of public modules are for users: import the internal one."
      }
      const message = problem()
      if (message !== undefined) context.report({ node, messageId: "room", data: { message } })
    }
    return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check }
  }
}

/** The room that a file lies in; `undefined` where it lies in none. A folder for one major of Effect is of its room. */
const roomOf = (file) => {
  const folder = dirname(file.replaceAll("\\", "/")).replace(/\/v4$/, "")
  return Object.keys(ROOMS).find((room) => folder === posix.join("src/internal", room))
}

export default tseslint.config(
  { ignores: ["**/dist/**", "build/**", "effect4/bench/**", "**/node_modules/**", ".cache/**", "coverage/**"] },
  // What is of Effect 3 only has its types in the copy that is made for it.
  { ignores: ["**/v3/**", "examples/effect-3/**", "vitest.effect3.config.ts"] },
  // What is only about what this project has in which room. All other rules are in .oxlintrc.json.
  {
    files: ["src/**/*.ts"],
    extends: [tseslint.configs.base],
    // which of these comments are needed is oxlint's to say
    linterOptions: { reportUnusedDisableDirectives: "off" }
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-console": "error",
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: "Time comes from Effect's Clock." },
        { object: "Effect", property: "promise", message: "Use Effect.tryPromise with a typed error." }
      ]
    }
  },
  {
    files: ["src/internal/**/*.ts"],
    ignores: ["src/internal/effect/**"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector:
            "ImportDeclaration[source.value=/^effect\\u002F(Channel|Either|FiberId|FiberRef|MetricLabel|Runtime)$/]",
          message: "It differs between Effect's majors: it has a module of its own in src/internal/effect."
        },
        {
          selector: "CallExpression > MemberExpression.callee[property.name=/^unsafe[A-Z]/]",
          message: "It differs between Effect's majors: it has a module of its own in src/internal/effect."
        }
      ]
    }
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/internal/kafkajs/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "^kafkajs(/|$)", message: "Only src/internal/kafkajs talks to kafkajs." }] }
      ]
    }
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/internal/codec/schema/**"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        { paths: [{ name: "effect/SchemaAST", message: "Only src/internal/codec/schema knows a Schema's tree." }] }
      ]
    }
  },
  {
    files: ["src/internal/**/*.ts"],
    plugins: { project: { rules: { rooms: roomsRule } } },
    rules: { "project/rooms": "error" }
  }
)
