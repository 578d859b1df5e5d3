/** Which tests are run together, and how, on either major of Effect. */
import { fileURLToPath } from "node:url"

const src = fileURLToPath(new URL("./src", import.meta.url))

/**
 * When a test counts as hung, in milliseconds. No test is made to end in time by it: a busy machine takes many times as long as
 * a quiet one.
 */
export const HUNG_MILLIS = 240_000

/** Tests that are run together, on the sources by the package's name. */
export const project = <Options extends object>(test: Options) => ({
  resolve: {
    alias: [
      { find: /^effect-ktables$/, replacement: `${src}/index.ts` },
      { find: /^effect-ktables\/(.*)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: { testTimeout: HUNG_MILLIS, hookTimeout: HUNG_MILLIS, ...test }
})

// without a broker: a thread for each core, which loads the modules once for all of its files
export const units = [
  "test/*.test.ts",
  "test/contract/embedded.test.ts",
  "test/{catalog,client,codec,consumer,embedded,feed,grouped,groups,hostile,kafkajs,producer,protocol,recordBatch,source,table,tree,views,writer}/**/*.test.ts"
]

// of these, what is about the loading of modules, and what measures a process of its own: its memory, its time
export const isolated = [
  "test/table/unloadedCodec.test.ts",
  "test/recordBatch/{loading,compression,randomBytes}.test.ts",
  "test/kafkajs/frames.test.ts"
]

// what takes long, and is of code that has no Effect in it or about what is said to other programs: on one major is enough
export const onEffect4 = ["test/recordBatch/{java,mutations,randomBytes}.test.ts", "test/real/foreignMembers.test.ts"]

// on clusters of their own that are killed and frozen, with promises about time: after all others, one at a time
export const faults = ["test/faults/**/*.test.ts", "test/soak/**/*.test.ts"]

// They take longest, and begin first, in this order: what begins last runs alone at the end.
const longest = [
  "contract/embedded",
  "codec/v4/json",
  "codec/v3/json",
  "recordBatch/mutations",
  "recordBatch/java",
  "/test/options",
  "table/state",
  "kafkajs/connection",
  "hostile/answers",
  "bench/smoke",
  "real/foreignMembers",
  "real/table",
  "examples/demo",
  "package/types",
  "kafka/cluster",
  "resources/states",
  "contract/versions",
  "contract/real",
  "real/security",
  "real/sessions",
  "real/writer"
]

/** Puts the files that take longest in front, and leaves the others in their order. */
export const longestFirst = <File extends { readonly moduleId: string }>(files: ReadonlyArray<File>): Array<File> => {
  const rank = ({ moduleId }: File) => {
    const found = longest.findIndex((name) => moduleId.endsWith(`${name}.test.ts`))
    return found === -1 ? longest.length : found
  }
  return [...files].sort((a, b) => rank(a) - rank(b))
}
