/** What keeps the metadata of a cluster, and how its nodes find each other by it: KRaft, or before it, ZooKeeper. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { cached, fingerprint } from "./cache.ts"
import { daemon, kafkaTool, properties, quickStart, readLog, toldBy } from "./java.ts"
import { accepts, freePorts, type Address } from "./ports.ts"
import { awaitExit, hasExited, until, type Watchdog } from "./process.ts"
import { starting, TestKafkaError } from "./TestKafkaError.ts"

export interface Member {
  readonly id: number
  /** For the controller of a node, where nodes have one. */
  readonly controllerPort: number
}

export interface Joined {
  readonly settings: Readonly<Record<string, string>>
  /** Besides those of brokers, without TLS: as in "NAME://host:port". */
  readonly listeners: ReadonlyArray<string>
}

export interface Quorum {
  /** What a node logs when it has started. */
  readonly started: (nodeId: number) => string
  /** "host:port", where it is ZooKeeper. */
  readonly zooKeeper: string | undefined
  /** Writes what a node's empty data directory has to hold before its first start. Throws where it cannot. */
  readonly join: (node: Member, all: ReadonlyArray<Member>, dataDir: string) => Joined
}

// ---------------------------------------------------------------------------------------------------------------------
// KRaft
// ---------------------------------------------------------------------------------------------------------------------

// Without the first bit, so that the text does not begin with "-" and look like an option of the tools.
const uuid = (): string => {
  const bytes = randomBytes(16)
  bytes[0] = bytes.readUInt8(0) & 0x7f
  return bytes.toString("base64url")
}

/** Has Kafka's tool make the first records of a cluster's metadata: features and SCRAM users. They name no cluster. */
const bootstrapRecords = (
  jars: string,
  directory: string,
  users: Readonly<Record<string, string>>
): Effect.Effect<string, TestKafkaError> => {
  const config = path.join(directory, "format.properties")
  const log = path.join(directory, "format")
  const scram = Object.entries(users).flatMap(([name, password]) =>
    ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
      "--add-scram",
      `${mechanism}=[name=${name},password=${password}]`
    ])
  )
  return starting(`write ${config}`, () =>
    fs.writeFileSync(
      config,
      properties({
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": "1@127.0.0.1:1",
        "controller.listener.names": "CONTROLLER",
        listeners: "ADMIN://127.0.0.1:2,CONTROLLER://127.0.0.1:1",
        "listener.security.protocol.map": "ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "ADMIN",
        "log.dirs": log
      })
    )
  ).pipe(
    Effect.andThen(kafkaTool("storage", ["format", "-t", uuid(), "-c", config, ...scram], { jars })),
    Effect.as(path.join(log, "bootstrap.checkpoint"))
  )
}

/** Each node is a controller, too. `users` are those of SCRAM. */
export const kraft = (
  jars: string,
  directory: string,
  users: Readonly<Record<string, string>>
): Effect.Effect<Quorum, TestKafkaError> =>
  Effect.gen(function* () {
    const records =
      Object.keys(users).length > 0
        ? yield* bootstrapRecords(jars, directory, users)
        : path.join(
            yield* cached(`format-${fingerprint(jars)}`, (fresh) => Effect.asVoid(bootstrapRecords(jars, fresh, {}))),
            "format",
            "bootstrap.checkpoint"
          )
    const clusterId = uuid()
    return {
      started: () => "Kafka Server started",
      zooKeeper: undefined,
      join: (node, all, dataDir) => {
        fs.copyFileSync(records, path.join(dataDir, "bootstrap.checkpoint"))
        fs.writeFileSync(
          path.join(dataDir, "meta.properties"),
          properties({ version: "1", "cluster.id": clusterId, "node.id": String(node.id), "directory.id": uuid() })
        )
        return {
          settings: {
            "process.roles": "broker,controller",
            "node.id": String(node.id),
            "controller.quorum.voters": all.map((one) => `${one.id}@127.0.0.1:${one.controllerPort}`).join(","),
            "controller.listener.names": "CONTROLLER"
          },
          listeners: [`CONTROLLER://127.0.0.1:${node.controllerPort}`]
        }
      }
    }
  })

// ---------------------------------------------------------------------------------------------------------------------
// ZooKeeper
// ---------------------------------------------------------------------------------------------------------------------

const startZooKeeper = (
  jars: string,
  directory: string,
  guard: Watchdog
): Effect.Effect<Address, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const address = { host: "127.0.0.1", port: (yield* freePorts(1))[0] }
    const config = path.join(directory, "zookeeper.properties")
    const log = path.join(directory, "zookeeper.log")
    yield* starting(`write ${config}`, () =>
      fs.writeFileSync(
        config,
        properties({
          clientPort: String(address.port),
          clientPortAddress: address.host,
          dataDir: path.join(directory, "zookeeper"),
          "admin.enableServer": "false"
        })
      )
    )
    const server = yield* Effect.acquireRelease(
      daemon({
        title: "ZooKeeper",
        // It would register loggers of log4j 1 by classes that the bridge to log4j 2 does not have.
        jvm: ["-Xmx128m", ...quickStart, "-Dzookeeper.jmx.log4j.disable=true"],
        jars,
        main: "org.apache.zookeeper.server.ZooKeeperServerMain",
        config,
        log,
        guard
      }),
      (child) =>
        Effect.sync(() => child.kill("SIGKILL")).pipe(
          Effect.andThen(awaitExit(child)),
          Effect.andThen(child.pid === undefined ? Effect.void : guard.remove(child.pid))
        )
    )
    const failed = (what: string) =>
      new TestKafkaError({ reason: "start", message: `ZooKeeper ${what}\n${toldBy(readLog(log))}` })
    const up = yield* until(
      Effect.suspend(() => (hasExited(server) ? failed("ended while starting") : accepts(address))),
      { progress: () => readLog(log).length }
    )
    return up ? address : yield* failed("is not ready, and says nothing any more")
  })

/** One server of its own for the cluster; it ends with the scope. */
export const zooKeeper = (
  jars: string,
  directory: string,
  guard: Watchdog
): Effect.Effect<Quorum, TestKafkaError, Scope.Scope> =>
  startZooKeeper(jars, directory, guard).pipe(
    Effect.retry({ times: 3, while: ({ message }) => message.includes("Address already in use") }),
    Effect.map(({ host, port }) => ({
      started: (nodeId) => `[KafkaServer id=${nodeId}] started`,
      zooKeeper: `${host}:${port}`,
      join: (node) => ({
        settings: { "broker.id": String(node.id), "zookeeper.connect": `${host}:${port}` },
        listeners: []
      })
    }))
  )
