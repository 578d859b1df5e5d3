/**
 * The classes of a broker as a JVM had them in memory when it ended (class data sharing): a broker that has them takes half
 * as much of a processor to start.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { cached, fingerprint } from "./cache.ts"
import { quickStart } from "./java.ts"
import type { TestKafkaError } from "./TestKafkaError.ts"

/**
 * What a JVM with these jars is started with. `live` starts a broker with such options and ends it in good order: once on a
 * machine, which keeps what is made then. A JVM leaves aside what another one has made and it cannot use.
 */
export const archived = (
  jars: string,
  live: (jvm: ReadonlyArray<string>) => Effect.Effect<void, TestKafkaError>
): Effect.Effect<ReadonlyArray<string>, TestKafkaError> => {
  const fileIn = (directory: string): string => path.join(directory, "classes.jsa")
  return Effect.map(
    cached(`broker-classes-${fingerprint(jars)}`, (fresh) =>
      live([...quickStart, `-XX:ArchiveClassesAtExit=${fileIn(fresh)}`])
    ),
    // There are JVMs that cannot make it.
    (directory) => [
      ...quickStart,
      ...(fs.existsSync(fileIn(directory)) ? [`-XX:SharedArchiveFile=${fileIn(directory)}`] : [])
    ]
  )
}
