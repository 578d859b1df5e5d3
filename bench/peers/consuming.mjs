// What members of groups on Node share. `begin({ group, onRecord })` makes a member that begins where the group is, or at the
// beginning of the topic; calls `onRecord` for each record (key as text, value, partition, offset) and commits what it was called
// for, every so often. It resolves when the group has taken the member in, with a function that commits, leaves and ends it.
import { existsSync, openSync, writeFileSync, writeSync } from "node:fs"
import { performance } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import { answer, checksums, follow, job, number, timed } from "./javascript.mjs"

/** A topic from its beginning to its end; a second time, not measured, to see that it was all of it. */
const consume = async (runtime, begin, bytesOf) => {
  const total = number("records")
  let seen = 0
  const { endedAt, figures, result } = await timed(async () => {
    let finish
    const over = new Promise((resolve) => (finish = resolve))
    const member = await begin({ group: job.group, onRecord: () => (++seen === total ? finish() : undefined) })
    await over
    return member
  })
  await result.close()

  const { add, sum } = checksums()
  let finish
  const over = new Promise((resolve) => (finish = resolve))
  const again = await begin({
    group: `${job.group}-again`,
    onRecord: (key, value) => {
      add(key, bytesOf(value))
      if (sum.records === total) finish()
    }
  })
  await over
  await again.close()
  answer(runtime, figures, { endedAt, consumed: seen, log: sum })
}

/**
 * One of several members, which tells of each record at once, as it may be killed: partition, offset, when it was worked on, and
 * its value's beginning, which says when it was written. Once its journal is there it is loaded, and waits to be told to begin.
 */
const work = async (runtime, begin) => {
  const journal = openSync(job.journal, "a")
  while (!existsSync(job.begin)) await sleep(20)
  const { close } = await begin({
    group: job.group,
    onRecord: (_, value, partition, offset) => {
      const written = Buffer.from(value.subarray(0, 16)).toString()
      writeSync(journal, `${partition} ${offset} ${performance.timeOrigin + performance.now()} ${written}\n`)
    }
  })
  while (!existsSync(job.stop)) await sleep(100)
  await close()
  answer(runtime, {})
}

/** `bytesOf`: the bytes or the text that a value was decoded of. */
export const consumerTasks = (runtime, begin, bytesOf = (value) => value) => ({
  consume: () => consume(runtime, begin, bytesOf),
  consumeFollow: () =>
    follow(runtime, (onRecord) => begin({ group: job.group, onRecord }), { touch: (file) => writeFileSync(file, "") }),
  rebalance: () => work(runtime, begin)
})
