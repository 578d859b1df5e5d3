/** Which tests are run together, on either major of Effect. */

// without a broker: a thread for each core, which loads the modules once for all of its files
export const units = [
  "test/*.test.ts",
  "test/contract/embedded.test.ts",
  "test/{client,codec,embedded,hostile,kafkajs,producer,protocol,recordBatch,source,table,writer}/**/*.test.ts"
]

// of these, what is about the loading of modules, and what measures a process of its own: its memory, its time
export const isolated = [
  "test/table/unloadedCodec.test.ts",
  "test/recordBatch/{loading,compression,randomBytes}.test.ts",
  "test/kafkajs/frames.test.ts"
]

// on clusters of their own that are killed and frozen, with promises about time: after all others, one at a time
export const faults = ["test/faults/**/*.test.ts", "test/soak/**/*.test.ts"]
