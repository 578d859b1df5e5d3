import tseslint from "typescript-eslint"

/**
 * The rooms of `src/internal`: of which other rooms each may import, and the types of which public modules. So imports run
 * one way. Values of public modules are for users; inside, only errors are made of them. What lies in `src/internal` itself
 * is for all rooms.
 */
const ROOMS = {
  recordBatch: { rooms: [], types: [] },
  protocol: { rooms: [], types: [] },
  client: { rooms: ["protocol"], types: ["KafkaClient", "KafkaProtocol"] },
  kafkajs: { rooms: ["protocol", "client"], types: ["KafkaClient", "KafkaProtocol"] },
  embedded: {
    rooms: ["protocol", "recordBatch", "client"],
    types: ["EmbeddedKafka", "KafkaClient", "KafkaProtocol", "Position"]
  },
  source: { rooms: ["protocol", "recordBatch", "client"], types: ["KafkaClient", "KafkaProtocol"] },
  table: {
    rooms: ["protocol", "recordBatch", "client", "source"],
    types: [
      "Codec",
      "KafkaClient",
      "KafkaProtocol",
      "KafkaTable",
      "LiveTable",
      "Position",
      "TableChange",
      "TableSnapshot"
    ]
  },
  producer: {
    rooms: ["protocol", "recordBatch", "client"],
    types: ["Codec", "KafkaClient", "KafkaProducer", "KafkaProtocol", "Partitioner", "Position"]
  },
  writer: { rooms: ["client", "producer"], types: ["Codec", "KafkaClient", "KafkaTableWriter"] }
}

const anyOf = (names) => (names.length === 0 ? "(?!)" : `(?:${names.join("|")})`)

const roomRule = ([room, { rooms, types }]) => ({
  files: [`src/internal/${room}/**/*.ts`],
  rules: {
    "@typescript-eslint/no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: `^\\.\\./(?!\\.\\./|[a-zA-Z0-9]+\\.ts$|${anyOf(rooms)}/)`,
            message: `The room "${room}" imports of: ${rooms.join(", ") || "no other room"}.`
          },
          {
            regex: `^\\.\\./\\.\\./${anyOf(types)}\\.ts$`,
            allowTypeImports: true,
            message: "Values of public modules are for users: import the internal one."
          },
          {
            regex: `^\\.\\./\\.\\./(?!${anyOf(["KafkaError", ...types])}\\.ts$)`,
            message: `The room "${room}" knows these public modules: ${["KafkaError", ...types].join(", ")}.`
          }
        ]
      }
    ]
  }
})

export default tseslint.config(
  { ignores: ["dist/**", "build/**", "node_modules/**", ".cache/**", "coverage/**"] },
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // Interfaces that only carry a name, namespaces of type ids and `this`-free class members are idiomatic in Effect code.
      "@typescript-eslint/no-empty-object-type": "off",
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/unbound-method": "off",
      // a Position's text is made for it
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allow: [{ from: "file", name: "Position" }] }
      ],
      "require-yield": "off"
    }
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
    files: ["src/**/*.ts"],
    ignores: ["src/internal/kafkajs/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "^kafkajs(/|$)", message: "Only src/internal/kafkajs talks to kafkajs." }] }
      ]
    }
  },
  ...Object.entries(ROOMS).map(roomRule)
)
