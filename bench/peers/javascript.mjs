// What all runners on Node share: the job, the clocks, and how the answer is given. Plain JavaScript, as Node runs them
// without tools in between.
import { crc32 } from "node:zlib"
import { monitorEventLoopDelay, performance } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"

/** `name=value` arguments. */
export const job = Object.fromEntries(
  process.argv.slice(2).map((argument) => {
    const at = argument.indexOf("=")
    return [argument.slice(0, at), argument.slice(at + 1)]
  })
)

export const number = (name) => (job[name] === undefined ? undefined : Number(job[name]))

/** The options that are given, without those that are not: a peer's default is then its own. */
export const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

const cpuSeconds = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1e6
}

/** The one line of JSON that the bench reads, and the end of the process. CPU is of the whole process, unless it is said. */
export const answer = (runtime, figures, more = {}) => {
  const all = { cpuSeconds: cpuSeconds(), ...figures }
  process.stdout.write(
    `${JSON.stringify({ runtime: `${runtime}, Node ${process.versions.node}`, figures: all, ...more })}\n`,
    () => process.exit(0)
  )
}

export const quantile = (numbers, q) => {
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}

export const p50p99 = (name, times) => ({ [`${name}P50`]: quantile(times, 0.5), [`${name}P99`]: quantile(times, 0.99) })

const memory = () => {
  globalThis.gc()
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  return { rss, heap: heapUsed + arrayBuffers }
}

/** What a body takes: time, CPU, memory beside the idle process, and for how long it holds the event loop. */
export const timed = async (body) => {
  const idle = memory()
  const loop = monitorEventLoopDelay({ resolution: 1 })
  loop.enable()
  const cpu = cpuSeconds()
  const start = performance.now()
  const result = await body()
  const seconds = (performance.now() - start) / 1e3
  const endedAt = performance.timeOrigin + performance.now()
  const cpuUsed = cpuSeconds() - cpu
  loop.disable()
  // The monitor tells what is between two ticks of its timer of 1 ms.
  const late = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1)
  const figures = {
    seconds,
    cpuSeconds: cpuUsed,
    loopP99: late(loop.percentile(99)),
    loopMax: late(loop.max),
    idleRss: idle.rss,
    peakRss: process.resourceUsage().maxRSS * 1024 - idle.rss
  }
  return { result, figures, idle, endedAt }
}

/** Adds up what runners are checked by: how many records there are, and the CRC-32 of their keys and values. */
export const checksums = () => {
  const sum = { records: 0, checksum: 0 }
  const add = (key, value) => {
    sum.records++
    sum.checksum = (sum.checksum + crc32(value, crc32(key))) >>> 0
  }
  return { sum, add }
}

/** Measures `connect`, which returns a function that gives the content: pairs of a key and the value's bytes or text. */
export const catchUp = async (runtime, connect) => {
  const { endedAt, figures, idle, result: content } = await timed(connect)
  // What was of use in the catch-up alone is given back after some time.
  for (let round = 0; round < 3; round++) {
    globalThis.gc()
    await sleep(100)
  }
  const held = memory()
  const { add, sum } = checksums()
  for (const [key, value] of content()) add(key, value)
  answer(
    runtime,
    { ...figures, rss: held.rss - idle.rss, heap: held.heap - idle.heap },
    { endedAt, content: { keys: sum.records, checksum: sum.checksum } }
  )
}

/**
 * Who is caught up: idle for a while, then with so many writes a second. `ready` tells the writer to begin; `onRecord` is to be
 * called for each record (a key as text, its value as bytes) and gives the end. What `connect` gives may be closed then.
 */
export const follow = async (runtime, connect, { touch }) => {
  const delays = []
  let began
  let finish
  const over = new Promise((resolve) => (finish = resolve))
  const moment = () => ({ cpu: cpuSeconds(), time: performance.now() })
  const connected = await connect((key, value) => {
    if (key === "end") return finish(moment())
    if (!key.startsWith("live-")) return
    began ??= moment()
    const sent = Number(Buffer.from(value.subarray(0, 16)).toString()) / 1e3
    delays.push(performance.timeOrigin + performance.now() - sent)
  })
  await sleep(1000)
  const percent = (from, to) => (100 * (to.cpu - from.cpu)) / ((to.time - from.time) / 1e3)
  const start = moment()
  await sleep(number("seconds") * 1000)
  const idleCpu = percent(start, moment())
  touch(job.ready)
  const ended = await Promise.race([over, sleep(60_000)])
  if (ended === undefined) throw new Error(`the end was not seen within 60 s; ${delays.length} records were`)
  await connected?.close?.()
  answer(runtime, { idleCpu, liveCpu: percent(began, ended), ...p50p99("live", delays) }, { seen: delays.length + 1 })
}

/**
 * Typed events in thousands: `together` sends them in one call, `each` by a call for each, all at once. Both resolve when all that
 * they are given is acknowledged.
 */
export const publish = async (runtime, { each, together }) => {
  const event = (_, index) => ({
    id: `key-${index}`,
    host: `node-${index}.cell-07.eu-west-1.compute.internal`,
    port: 20_000 + index,
    version: 1,
    weight: 0.25,
    healthy: true,
    tags: ["blue", "canary", "rack-b-row-17-slot-04,power-a-112,switch-edge-0043,installed-2019"]
  })
  const thousand = Array.from({ length: 1000 }, event)
  const times = number("count") / 1000
  const warmUp = Math.ceil(times / 5)
  let written = 0
  const run = async (send, times) => {
    const start = performance.now()
    for (let index = 0; index < times; index++) await send(thousand)
    written += times * 1000
    return (times * 1000) / ((performance.now() - start) / 1e3)
  }
  await run(together, warmUp)
  const cpu = cpuSeconds()
  const published = await run(together, times)
  const figures = { published, cpuSeconds: cpuSeconds() - cpu }
  if (each !== undefined) {
    await run(each, warmUp)
    figures.publishedEach = await run(each, times)
  }
  answer(runtime, figures, { written })
}

/** Writes one at a time, and with 64 and 256 in flight. `set` resolves at the acknowledgement. */
export const writes = async (runtime, set) => {
  const value = Buffer.alloc(number("bytes"), "v")
  const count = number("count")
  let written = 0
  const run = async (amount, inFlight) => {
    let next = 0
    const one = async () => {
      while (next < amount) await set(`write-${next++ % 10_000}`, value)
    }
    const start = performance.now()
    await Promise.all(Array.from({ length: inFlight }, one))
    written += amount
    return amount / ((performance.now() - start) / 1e3)
  }
  await run(count / 10, 64)
  const times = []
  for (let index = 0; index < count / 10; index++) {
    const start = performance.now()
    await set(`write-${index}`, value)
    if (index >= count / 20) times.push(performance.now() - start) // the first half warms up
    written++
  }
  const figures = p50p99("write", times)
  figures.writes64 = await run(count, 64)
  figures.writes256 = await run(count, 256)
  answer(runtime, figures, { written })
}
