/** Apache Kafka on free ports of the loopback: one node or several. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { makeAuthority, type Authority, type Certificate } from "./certificates.ts"
import { archived } from "./classArchive.ts"
import { brokerJars, daemon, properties, quickStart, readLog, toldBy } from "./java.ts"
import { accepts, freePorts, isFree, liveBrokers, type Address } from "./ports.ts"
import { awaitExit, hasExited, realTime, until, watchdog, type Watchdog } from "./process.ts"
import { kraft, zooKeeper, type Quorum } from "./quorum.ts"
import { starting, TestKafkaError } from "./TestKafkaError.ts"
import { releases, usual, type Version } from "./versions.ts"

export type Listener = "plain" | "tls" | "sasl_plaintext" | "sasl_ssl"

export interface Options {
  /** 4.1.0 by default. Those on ZooKeeper have plain listeners only. */
  readonly version?: Version
  /** 1 by default. Each is a broker, and in KRaft a controller. */
  readonly nodes?: number
  /** What clients meet on `brokers`; "plain" by default. */
  readonly listener?: Listener
  /** Name to password: for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. OAUTHBEARER takes any `unsecuredToken`. */
  readonly users?: Readonly<Record<string, string>>
  /** Nothing is allowed on the client listener but what ACLs allow. Everything is on the admin listener. */
  readonly acls?: boolean
  /** Settings of brokers on top of the ones below. */
  readonly config?: Readonly<Record<string, string>> | ((nodeId: number) => Readonly<Record<string, string>>)
  /** Where clients are told to find a node: for a proxy in front of it, which listens when the effect returns. */
  readonly advertise?: (node: Address & { readonly id: number }) => Effect.Effect<Address, TestKafkaError, Scope.Scope>
  /** 512 by default, each. */
  readonly heapMb?: number
  /** Instead of flags for a quick start, which cost throughput. */
  readonly javaOptions?: ReadonlyArray<string>
  /** What a TLS listener shows: "valid" (for localhost and 127.0.0.1) by default. */
  readonly certificate?: "valid" | "expired" | "wrong-host"
  /** Ports of the client listener, one a node, instead of free ones. */
  readonly ports?: ReadonlyArray<number>
}

/** All in PEM. */
export interface Tls {
  readonly ca: string
  /** A client's certificate, for brokers with `ssl.client.auth=required`; its principal is "User:CN=client". */
  readonly client: Certificate
  /** Signs none of the cluster's certificates. */
  readonly otherCa: string
}

export interface Node {
  readonly id: number
  /** The client listener itself, whatever is advertised. */
  readonly address: Address
  readonly adminAddress: Address
  readonly logFile: string
  readonly dataDir: string
  readonly pid: Effect.Effect<number, TestKafkaError>
  readonly isRunning: Effect.Effect<boolean>
  /** SIGKILL; returns when it is gone. */
  readonly kill: Effect.Effect<void>
  /** SIGTERM, and SIGKILL if it does not end by that; returns when it is gone. */
  readonly shutdown: Effect.Effect<void>
  /** SIGSTOP: connections stay open and nothing answers. Returns when all of its threads stand still. */
  readonly stop: Effect.Effect<void, TestKafkaError>
  /** SIGCONT, after `stop`. */
  readonly continue: Effect.Effect<void, TestKafkaError>
  /** Starts it again on its ports and data; returns when it is ready. */
  readonly start: Effect.Effect<void, TestKafkaError>
  /** `shutdown`, then `start`. */
  readonly restart: Effect.Effect<void, TestKafkaError>
}

export interface KafkaCluster {
  readonly version: Version
  /** "host:port" of the client listener, as advertised. */
  readonly brokers: ReadonlyArray<string>
  /** "host:port" of a listener without TLS, SASL and limits: for tools, and between the brokers. */
  readonly adminBrokers: ReadonlyArray<string>
  readonly nodes: ReadonlyArray<Node>
  /** Where the listener speaks TLS. */
  readonly tls: Tls | undefined
  /** "host:port" of its ZooKeeper, where it has one. */
  readonly zooKeeper: string | undefined
  readonly dataDir: string
}

const protocols = {
  plain: "PLAINTEXT",
  tls: "SSL",
  sasl_plaintext: "SASL_PLAINTEXT",
  sasl_ssl: "SASL_SSL"
} as const

const show = ({ host, port }: Address): string => `${host}:${port}`

// ---------------------------------------------------------------------------------------------------------------------
// settings
// ---------------------------------------------------------------------------------------------------------------------

/** Kafka's defaults but for what makes tests wait, or a laptop swap. */
const settings = (nodes: number): Record<string, string> => {
  const replicas = String(Math.min(nodes, 3))
  const minInSync = String(Math.min(nodes, 2))
  return {
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": minInSync,
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": minInSync,
    "default.replication.factor": replicas,
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "log.cleaner.backoff.ms": "100",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.retention.check.interval.ms": "500",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "4000",
    "num.network.threads": "2",
    "num.io.threads": "4"
  }
}

const quoted = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`

const saslSettings = (users: Readonly<Record<string, string>>): Record<string, string> => {
  const security = "org.apache.kafka.common.security"
  const plainUsers = Object.entries(users).map(([name, password]) => `user_${name}=${quoted(password)}`)
  return {
    "listener.name.client.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
    "listener.name.client.plain.sasl.jaas.config": `${[`${security}.plain.PlainLoginModule required`, ...plainUsers].join(" ")};`,
    "listener.name.client.scram-sha-256.sasl.jaas.config": `${security}.scram.ScramLoginModule required;`,
    "listener.name.client.scram-sha-512.sasl.jaas.config": `${security}.scram.ScramLoginModule required;`,
    "listener.name.client.oauthbearer.sasl.jaas.config": `${security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`
  }
}

/** A token for OAUTHBEARER as brokers here accept it: signed by nobody. Times are in seconds. */
export const unsecuredToken = (user: string, lifetimeSeconds = 3600): Effect.Effect<string> =>
  Effect.map(realTime(Clock.currentTimeMillis), (now) => {
    const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
    const issued = Math.floor(now / 1000)
    return `${encode({ alg: "none" })}.${encode({ sub: user, iat: issued, exp: issued + lifetimeSeconds })}.`
  })

// ---------------------------------------------------------------------------------------------------------------------
// nodes
// ---------------------------------------------------------------------------------------------------------------------

interface Plan {
  readonly id: number
  readonly address: Address
  readonly adminAddress: Address
  readonly controllerPort: number
  readonly advertised: Address
}

interface OwnedNode extends Node {
  /** Without waiting until it is ready. */
  readonly launch: Effect.Effect<void, TestKafkaError>
  readonly awaitReady: (brokers: number) => Effect.Effect<void, TestKafkaError>
  readonly log: () => string
}

/** Whether all threads of a process have stopped, where the system tells that: one may have run on when the signal came. */
const standsStill = (pid: number): boolean => {
  const threads = `/proc/${pid}/task`
  const stateOf = (thread: string): string => {
    try {
      const stat = fs.readFileSync(`${threads}/${thread}/stat`, "utf8")
      // After the name, which may be any, in parentheses.
      return stat.charAt(stat.lastIndexOf(")") + 2)
    } catch {
      return "gone"
    }
  }
  return !fs.existsSync(threads) || fs.readdirSync(threads).every((thread) => !/[RSDW]/.test(stateOf(thread)))
}

const makeNode = (
  plan: Plan,
  files: { readonly config: string; readonly log: string; readonly data: string },
  java: {
    readonly jars: string
    readonly jvm: ReadonlyArray<string>
    readonly guard: Watchdog
    /** What it logs when it has started. */
    readonly started: string
  }
): OwnedNode => {
  let child: ChildProcess | undefined
  const running = () => (child === undefined || hasExited(child) ? undefined : child)
  const log = () => readLog(files.log)
  // Where in its log the latest start begins.
  let logStart = 0

  const failed = (what: string) =>
    new TestKafkaError({ reason: "start", message: `node ${plan.id} ${what}\n${toldBy(log())}` })

  const launch = Effect.suspend(() => {
    if (running() !== undefined) return Effect.void
    logStart = log().length
    const { guard, jars, jvm } = java
    const { config, log: logFile } = files
    return daemon({ title: `node ${plan.id}`, jvm, jars, main: "kafka.Kafka", config, log: logFile, guard }).pipe(
      Effect.map((started) => {
        child = started
      }),
      // What runs is known, so that it can be ended.
      Effect.uninterruptible
    )
  })

  const awaitReady = (brokers: number) =>
    until(
      Effect.gen(function* () {
        if (running() === undefined) return yield* failed("ended while starting")
        // Before that line, an answer may be another's, who was faster in taking the port.
        if (!log().includes(java.started, logStart)) return false
        const alive = yield* liveBrokers(plan.adminAddress)
        return alive.includes(plan.id) && alive.length >= brokers && (yield* accepts(plan.address))
      }),
      { progress: () => log().length }
    ).pipe(
      Effect.filterOrFail(
        (ready) => ready,
        () => failed("is not ready, and says nothing any more")
      ),
      Effect.asVoid
    )

  const end = (signal: "SIGKILL" | "SIGTERM") =>
    Effect.suspend(() => {
      const target = running()
      if (target === undefined) return Effect.void
      target.kill(signal)
      // A stopped process hears of SIGTERM when it goes on.
      if (signal === "SIGTERM") target.kill("SIGCONT")
      return awaitExit(target).pipe(
        Effect.flatMap((gone) => {
          if (gone) return Effect.void
          target.kill("SIGKILL")
          return awaitExit(target)
        }),
        Effect.andThen(target.pid === undefined ? Effect.void : java.guard.remove(target.pid))
      )
    })

  const pid = Effect.suspend(() => {
    const found = running()?.pid
    return found === undefined
      ? new TestKafkaError({ reason: "process", message: `node ${plan.id} is not running` })
      : Effect.succeed(found)
  })
  const signal = (name: "SIGSTOP" | "SIGCONT") =>
    Effect.flatMap(pid, (running) => starting(`send ${name}`, () => process.kill(running, name))).pipe(Effect.asVoid)

  const stop = Effect.gen(function* () {
    yield* signal("SIGSTOP")
    const running = yield* pid
    const stands = yield* until(
      Effect.sync(() => standsStill(running)),
      { every: "5 millis" }
    )
    if (!stands) yield* new TestKafkaError({ reason: "process", message: `node ${plan.id} does not stand still` })
  })
  const start = Effect.andThen(launch, awaitReady(1))
  const shutdown = end("SIGTERM")

  return {
    id: plan.id,
    address: plan.address,
    adminAddress: plan.adminAddress,
    logFile: files.log,
    dataDir: files.data,
    pid,
    isRunning: Effect.sync(() => running() !== undefined),
    kill: end("SIGKILL"),
    shutdown,
    stop,
    continue: signal("SIGCONT"),
    start,
    restart: Effect.andThen(shutdown, start),
    launch,
    awaitReady,
    log
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// the cluster
// ---------------------------------------------------------------------------------------------------------------------

const makeTls = (now: number, kind: Options["certificate"]): { readonly tls: Tls; readonly server: Certificate } => {
  const authority: Authority = makeAuthority("test-ca", now)
  return {
    tls: {
      ca: authority.cert,
      client: authority.issue({ name: "client" }),
      otherCa: makeAuthority("test-ca", now).cert
    },
    server: authority.issue({
      name: "broker",
      hosts: kind === "wrong-host" ? ["elsewhere.invalid"] : ["localhost", "127.0.0.1"],
      expired: kind === "expired"
    })
  }
}

/** Options of a JVM with which a broker of that version starts fast. */
const quickest = (version: Version, jars: string): Effect.Effect<ReadonlyArray<string>, TestKafkaError> =>
  version === usual
    ? archived(jars, (javaOptions) =>
        Effect.scoped(Effect.flatMap(make({ javaOptions }), ({ nodes: [node] }) => node.shutdown))
      )
    : Effect.succeed(quickStart)

/** Starts a cluster, and returns when all of it is ready. When the scope closes, or this process dies, it is gone. */
export const make = (options: Options = {}): Effect.Effect<KafkaCluster, TestKafkaError, Scope.Scope> =>
  Effect.gen(function* () {
    const count = options.nodes ?? 1
    const listener = options.listener ?? "plain"
    const users = options.users ?? {}
    const speaksTls = listener === "tls" || listener === "sasl_ssl"
    const speaksSasl = listener === "sasl_plaintext" || listener === "sasl_ssl"
    if (options.acls === true && listener === "plain") {
      return yield* new TestKafkaError({
        reason: "options",
        message: "ACLs need a listener that knows who its clients are: not plain"
      })
    }

    const version = options.version ?? usual
    const { metadata } = releases[version]
    if (metadata === "ZooKeeper" && listener !== "plain") {
      return yield* new TestKafkaError({ reason: "options", message: `Kafka ${version} has plain listeners only here` })
    }

    for (const port of options.ports ?? []) {
      if (!(yield* isFree(port))) {
        return yield* new TestKafkaError({ reason: "start", message: `port ${port} is in use` })
      }
    }
    const jars = yield* brokerJars(version)
    const dataDir = yield* Effect.acquireRelease(
      starting("make a directory", () => fs.mkdtempSync(path.join(os.tmpdir(), "effect-ktables-kafka-"))),
      (directory) =>
        Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
    )
    const guard = yield* watchdog(dataDir)

    const quorum: Quorum =
      metadata === "KRaft"
        ? yield* kraft(jars, dataDir, speaksSasl ? users : {})
        : yield* zooKeeper(jars, dataDir, guard)

    const made = speaksTls ? makeTls(yield* realTime(Clock.currentTimeMillis), options.certificate) : undefined
    const tlsSettings: Record<string, string> = {}
    if (made !== undefined) {
      const keyStore = path.join(dataDir, "broker.pem")
      const trustStore = path.join(dataDir, "ca.pem")
      yield* starting("write certificates", () => {
        fs.writeFileSync(keyStore, made.server.key + made.server.cert)
        fs.writeFileSync(trustStore, made.tls.ca)
      })
      const prefix = "listener.name.client.ssl"
      tlsSettings[`${prefix}.keystore.type`] = "PEM"
      tlsSettings[`${prefix}.keystore.location`] = keyStore
      tlsSettings[`${prefix}.truststore.type`] = "PEM"
      tlsSettings[`${prefix}.truststore.location`] = trustStore
    }

    const plans: Effect.Effect<ReadonlyArray<Plan>, TestKafkaError, Scope.Scope> = Effect.flatMap(
      freePorts(count * 3),
      (ports) =>
        Effect.forEach(Array.from({ length: count }), (_, index) => {
          const id = index + 1
          const at = (offset: number): Address => ({ host: "127.0.0.1", port: ports[index * 3 + offset] })
          const address = { host: "127.0.0.1", port: options.ports?.[index] ?? at(0).port }
          const advertised = options.advertise?.({ id, ...address }) ?? Effect.succeed(address)
          return Effect.map(advertised, (shown): Plan => ({
            id,
            address,
            adminAddress: at(1),
            controllerPort: at(2).port,
            advertised: shown
          }))
        })
    )

    const write = (plan: Plan, all: ReadonlyArray<Plan>) => {
      const files = {
        config: path.join(dataDir, `node-${plan.id}.properties`),
        log: path.join(dataDir, `node-${plan.id}.log`),
        data: path.join(dataDir, `node-${plan.id}`)
      }
      fs.rmSync(files.data, { recursive: true, force: true })
      fs.rmSync(files.log, { force: true })
      fs.mkdirSync(files.data)
      const joined = quorum.join(plan, all, files.data)
      const overrides = typeof options.config === "function" ? options.config(plan.id) : options.config
      fs.writeFileSync(
        files.config,
        properties({
          ...joined.settings,
          "inter.broker.listener.name": "ADMIN",
          listeners: [`CLIENT://${show(plan.address)}`, `ADMIN://${show(plan.adminAddress)}`, ...joined.listeners].join(
            ","
          ),
          "advertised.listeners": `CLIENT://${show(plan.advertised)},ADMIN://${show(plan.adminAddress)}`,
          "listener.security.protocol.map": `CLIENT:${protocols[listener]},ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT`,
          "log.dirs": files.data,
          ...settings(count),
          ...tlsSettings,
          ...(speaksSasl ? saslSettings(users) : {}),
          ...(options.acls === true
            ? {
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS"
              }
            : {}),
          ...overrides
        })
      )
      return files
    }

    const java = {
      jars,
      jvm: [`-Xmx${options.heapMb ?? 512}m`, ...(options.javaOptions ?? (yield* quickest(version, jars)))],
      guard
    }
    let nodes: ReadonlyArray<OwnedNode> = []
    // Not asked to end in good order, which takes seconds in a cluster: nobody reads the data again.
    yield* Effect.addFinalizer(() =>
      Effect.forEach(nodes, (node) => node.kill, { concurrency: "unbounded", discard: true })
    )

    const start = Effect.gen(function* () {
      const all = yield* plans
      nodes = yield* starting("write the configuration", () =>
        all.map((plan) => makeNode(plan, write(plan, all), { ...java, started: quorum.started(plan.id) }))
      )
      yield* Effect.forEach(nodes, (node) => node.launch, { discard: true })
      yield* Effect.forEach(nodes, (node) => node.awaitReady(count), { concurrency: "unbounded", discard: true }).pipe(
        Effect.onError(() => Effect.forEach(nodes, (node) => node.kill, { concurrency: "unbounded", discard: true }))
      )
      return all
    })
    const all = yield* Effect.retry(start, {
      times: options.ports === undefined ? 3 : 0,
      while: () => nodes.some((node) => node.log().includes("Address already in use"))
    })

    return {
      version,
      brokers: all.map((plan) => show(plan.advertised)),
      adminBrokers: all.map((plan) => show(plan.adminAddress)),
      nodes,
      tls: made?.tls,
      zooKeeper: quorum.zooKeeper,
      dataDir
    }
  })
