import * as Effect from "effect/Effect"
import * as os from "node:os"
import { run } from "../test/kafka/process.ts"

const CHUNK = 64 * 1024 * 1024

const program = (chunks: number): string =>
  `const kept = []; for (let i = 0; i < ${chunks}; i++) kept.push(Buffer.alloc(${CHUNK}, 1))`

/**
 * Takes so much memory once and gives it back, in a process of its own: what the next process takes is then at hand. In a
 * virtual machine that gives free memory back to its host, a page that the host has to bring first costs three times
 * as much as another one, and whoever comes first, or needs most, would pay for it.
 */
export const touchMemory = (bytes: number) => {
  const chunks = Math.ceil(Math.min(bytes, os.freemem() / 2) / CHUNK)
  return Effect.asVoid(run(process.execPath, ["-e", program(chunks)], { timeout: "5 minutes" }))
}
