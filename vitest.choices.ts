/** Which tests are run together, and how, on either major of Effect. */
import { fileURLToPath } from "node:url"
import { HUNG_MILLIS } from "./test/support/patience.ts"

const src = fileURLToPath(new URL("./src", import.meta.url))

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
  "test/{catalog,client,codec,consumer,embedded,events,feed,grouped,groups,hostile,kafkajs,producer,protocol,recordBatch,source,table,tree,views,writer}/**/*.test.ts"
]

// of these, what is about the loading of modules, and what measures a process of its own: its memory, its time
export const isolated = [
  "test/table/unloadedCodec.test.ts",
  "test/recordBatch/{loading,compression,randomBytes}.test.ts",
  "test/kafkajs/frames.test.ts"
]

// what takes long, and is of plain code, which imports nothing of Effect that would differ, or about what is said to other
// programs: on one major is enough
export const onEffect4 = [
  "test/consumer/assignors/*.test.ts",
  "test/protocol/*.test.ts",
  "test/real/foreignMembers.test.ts",
  "test/recordBatch/{compression,inputClasses,java,legacyMessages,mutations,randomBytes,rewrite,roundTrip}.test.ts",
  "test/table/{keyIndex,recordStore,rowVector,state}.test.ts",
  "test/tree/*.test.ts",
  "test/views/{exactSum,slotHeap}.test.ts"
]

// on clusters of their own that are killed and frozen, with promises about time: after all others, three at a time
export const faults = ["test/faults/**/*.test.ts", "test/soak/**/*.test.ts"]

// They take longest, and begin first, in this order: what begins last runs alone at the end.
const longest = [
  "contract/embedded",
  // these have processes of their own, for which a thread would end and load all modules again later
  "table/unloadedCodec",
  "recordBatch/loading",
  "recordBatch/compression",
  "recordBatch/randomBytes",
  "kafkajs/frames",
  "codec/v4/json",
  "codec/v3/json",
  "views/brokenOrders",
  "recordBatch/java",
  "embedded/embedded",
  "recordBatch/mutations",
  "/test/options",
  "catalog/model",
  "views/closing",
  "table/recordStore",
  "table/rebuilds",
  "views/derivedGraphs",
  "views/catalogSource",
  "kafkajs/connection",
  "hostile/answers",
  "hostile/authentication",
  "table/state",
  "bench/smoke",
  "contract/real",
  "real/foreignMembers",
  "real/table",
  "kafka/cluster",
  "examples/demo",
  "package/types",
  "contract/versions",
  "resources/states",
  "real/writer",
  "real/security",
  "package/nodes",
  "package/bundlers",
  "real/sessions",
  "package/bun",
  "resources/exit",
  "examples/secureCluster",
  "examples/serviceRegistry",
  "faults/threeNodes",
  "faults/groups/groups",
  "faults/oneNodeTopics",
  "faults/oneNode",
  "faults/security",
  "soak/soak",
  "faults/variants"
]

/** Puts the files that take longest in front, and leaves the others in their order. */
export const longestFirst = <File extends { readonly moduleId: string }>(files: ReadonlyArray<File>): Array<File> => {
  const rank = ({ moduleId }: File) => {
    const found = longest.findIndex((name) => moduleId.endsWith(`${name}.test.ts`))
    return found === -1 ? longest.length : found
  }
  return [...files].sort((a, b) => rank(a) - rank(b))
}
