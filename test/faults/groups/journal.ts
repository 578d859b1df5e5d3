/** The journal of a process that may be killed at any time: a file, with an entry on each line. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Entry } from "./course.ts"

/** A file that is removed with the scope. */
export const journalFile: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-journal-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => path.join(directory, "journal")
)

/** Adds to a file, at once: what is noted was noted, whatever becomes of the process. */
export const appendTo = (file: string): ((entry: Entry) => void) => {
  const descriptor = fs.openSync(file, "a")
  return (entry) => {
    fs.writeSync(descriptor, `${JSON.stringify(entry)}\n`)
  }
}

/** All that is in a file; a process that is killed may not have come to the end of its last line. */
export const read = (file: string): ReadonlyArray<Entry> => {
  if (!fs.existsSync(file)) return []
  const lines = fs.readFileSync(file, "utf8").split("\n")
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Entry)
}
