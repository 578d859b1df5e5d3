/** What is made once on a machine and then kept: jars, compiled classes, Python packages. */
import * as Effect from "effect/Effect"
import { createHash, randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { DOWNLOAD_MILLIS } from "../support/patience.ts"
import { until } from "./process.ts"
import { TestKafkaError } from "./TestKafkaError.ts"

const cacheRoot = fileURLToPath(new URL("../../.cache", import.meta.url))

/** A file beside this one. */
export const ownFile = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export const fingerprint = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part).update("\0")
  return hash.digest("hex").slice(0, 12)
}

const attempt = <A>(what: string, body: () => A): Effect.Effect<A, TestKafkaError> =>
  Effect.try({
    try: body,
    catch: (cause) => new TestKafkaError({ reason: "process", message: `cannot ${what}`, cause })
  })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM"
  }
}

/**
 * The lock saves work, it does not keep things right: that is up to the rename at the end. So it may be taken from a
 * process that is gone without much ceremony.
 */
const tryLock = (lock: string): boolean => {
  const own = `${lock}.${randomBytes(4).toString("hex")}`
  fs.writeFileSync(own, String(process.pid))
  try {
    // With its content or not at all, unlike an exclusive open.
    fs.linkSync(own, lock)
    return true
  } catch {
    const holder = fs.existsSync(lock) ? Number(fs.readFileSync(lock, "utf8")) : 0
    if (holder !== 0 && !isAlive(holder)) fs.rmSync(lock, { force: true })
    return false
  } finally {
    fs.rmSync(own, { force: true })
  }
}

/**
 * The directory of that name in the cache. If it is not there, `build` fills a new one beside it, which takes the
 * name when it is complete; other processes meanwhile wait.
 */
export const cached = (
  name: string,
  build: (directory: string) => Effect.Effect<void, TestKafkaError>,
  area: "kafka" | "bench" | "package" = "kafka"
): Effect.Effect<string, TestKafkaError> => {
  const cacheDirectory = path.join(cacheRoot, area)
  const directory = path.join(cacheDirectory, name)
  const lock = `${directory}.lock`
  const exists = () => fs.existsSync(directory)

  const make = Effect.acquireUseRelease(
    attempt(`make a directory in ${cacheDirectory}`, () => {
      for (const left of fs.readdirSync(cacheDirectory)) {
        if (left.startsWith(`${name}.tmp-`)) {
          fs.rmSync(path.join(cacheDirectory, left), { recursive: true, force: true })
        }
      }
      return fs.mkdtempSync(`${directory}.tmp-`)
    }),
    (fresh) =>
      Effect.andThen(
        build(fresh),
        attempt(`move ${fresh} to ${directory}`, () => {
          if (!exists()) fs.renameSync(fresh, directory)
        })
      ),
    (fresh) => Effect.sync(() => fs.rmSync(fresh, { recursive: true, force: true }))
  )

  const locked = Effect.suspend(() => {
    let held = false
    const free = attempt(`lock ${lock}`, () => exists() || (held = tryLock(lock)))
    return until(free, { within: DOWNLOAD_MILLIS, every: "100 millis" }).pipe(
      Effect.filterOrFail(
        (ours) => ours,
        () => new TestKafkaError({ reason: "timeout", message: `another process holds ${lock} for too long` })
      ),
      Effect.andThen(Effect.suspend(() => (exists() ? Effect.void : make))),
      Effect.ensuring(Effect.sync(() => (held ? fs.rmSync(lock, { force: true }) : undefined)))
    )
  })

  return Effect.suspend(() =>
    exists()
      ? Effect.succeed(directory)
      : attempt(`make ${cacheDirectory}`, () => fs.mkdirSync(cacheDirectory, { recursive: true })).pipe(
          Effect.andThen(locked),
          Effect.as(directory)
        )
  )
}
