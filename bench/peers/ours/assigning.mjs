// How long a member that leads takes to share the partitions: 10,000 of them among 1,000 members.
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { performance } from "node:perf_hooks"
import { pathToFileURL } from "node:url"
import { answer, number, quantile } from "../javascript.mjs"

const root = dirname(createRequire(import.meta.url).resolve("effect-ktables/package.json"))

const topics = Array.from({ length: number("topics") ?? 0 }, (_, index) => `topic-${index}`)
const counts = new Map(topics.map((topic) => [topic, number("partitionsEach")]))

const fresh = Array.from({ length: number("members") ?? 0 }, (_, index) => ({
  memberId: `member-${index}`,
  instanceId: undefined,
  topics,
  owned: [],
  generation: -1
}))

/** All steps: the assignment, how long it took, and the longest of its steps, which holds the event loop. */
const run = (assignor, members) => {
  const steps = assignor.assign(members, counts)
  const start = performance.now()
  let longest = 0
  for (let from = start; ;) {
    const step = steps.next()
    const now = performance.now()
    longest = Math.max(longest, now - from)
    from = now
    if (step.done) return { assignment: step.value, millis: now - start, longest }
  }
}

/** Nobody may be fast by leaving partitions out, or by giving them all to one. */
const check = (assignment) => {
  const sizes = fresh.map(({ memberId }) =>
    assignment.get(memberId).reduce((sum, { partitions }) => sum + partitions.length, 0)
  )
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const uneven = Math.max(...sizes) - Math.min(...sizes)
  if (all !== topics.length * number("partitionsEach") || uneven > 1) {
    throw new Error(`${all} partitions were assigned, to one member ${uneven} more than to another`)
  }
}

export const assign = async (runtime) => {
  const path = join(root, "dist", "internal", "consumer", "assignors", "assignors.js")
  const { assignorsNamed } = await import(pathToFileURL(path).href)
  const [sticky, range] = assignorsNamed(["cooperative-sticky", "range"])
  const few = fresh.filter((_, index) => index % 10 === 0)
  const given = run(sticky, few).assignment
  // What the tenth that was there first has, is to be shared with all the others.
  const grown = fresh.map((member) => ({ ...member, owned: given.get(member.memberId) ?? [], generation: 1 }))
  const cases = { assignRange: [range, fresh], assignSticky: [sticky, fresh], assignGrown: [sticky, grown] }
  check(run(sticky, fresh).assignment)
  const figures = { assignStep: 0 }
  for (const [name, [assignor, members]] of Object.entries(cases)) {
    const runs = Array.from({ length: number("repeats") }, () => run(assignor, members))
    const median = (figure) => quantile(runs.map(figure), 0.5)
    figures[name] = median(({ millis }) => millis)
    figures.assignStep = Math.max(
      figures.assignStep,
      median(({ longest }) => longest)
    )
  }
  answer(runtime, figures)
}
