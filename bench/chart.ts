/** The results as a picture: bars of the time that a catch-up takes, and what one entry takes in memory. */
import { spread, type Figure, type Results } from "./results.ts"

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

/** Sizes are pixels. */
const layout = { width: 820, left: 250, right: 90, bar: 18, gap: 8, heading: 44, top: 20, bottom: 46 } as const

// Two palettes: GitHub shows pictures in light and in dark pages.
const style = `
  text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .heading { font-weight: 600; font-size: 15px }
  .note { font-size: 11px; fill: #59636e }
  .name { text-anchor: end }
  .ours { fill: #0969da }
  .peer { fill: #afb8c1 }
  .spread { stroke: #59636e; stroke-width: 1.5 }
  .own { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .peer { fill: #545d68 }
    .spread { stroke: #9198a1 }
  }`

interface Group {
  readonly title: string
  readonly workload: string
  readonly figure: Figure
  readonly runners: (id: string) => boolean
  readonly show: (value: number) => string
}

const isTyped = (id: string): boolean => id.endsWith("-typed")
/** Who holds values in memory. */
const inMemory = (id: string): boolean => !isTyped(id) && !["librdkafka", "streams-rocksdb", "goka"].includes(id)

const inSeconds = (value: number): string => `${value.toFixed(2)} s`

const groups = (results: Results): ReadonlyArray<Group> => {
  const flat = results.workloads.find(({ id }) => id === "flat")
  const records = (flat?.records ?? 0).toLocaleString("en-US")
  const what = `${records} keys, ${flat?.valueBytes ?? 0}-byte values`
  return [
    {
      title: `Catch-up, raw bytes: ${what}`,
      workload: "flat",
      figure: "seconds",
      runners: (id) => !isTyped(id),
      show: inSeconds
    },
    {
      title: "Catch-up, JSON decoded into a checked object of 7 fields",
      workload: "flat",
      figure: "seconds",
      runners: isTyped,
      show: inSeconds
    },
    {
      title: "Memory per entry, raw bytes, above the idle process",
      workload: "flat",
      figure: "rssPerEntry",
      runners: inMemory,
      show: (value) => `${Math.round(value)} B`
    }
  ]
}

const drawGroup = (results: Results, group: Group, top: number): { readonly svg: string; readonly height: number } => {
  const bars = results.runners
    .filter(({ id }) => group.runners(id))
    .flatMap(({ id, title }) => {
      const found = spread(results, group.workload, id, group.figure)
      return found === undefined ? [] : [{ id, title, ...found }]
    })
    .sort((a, b) => a.median - b.median)
  if (bars.length === 0) return { svg: "", height: 0 }
  const longest = Math.max(...bars.map(({ max }) => max), Number.MIN_VALUE)
  const scale = (value: number) =>
    layout.left + (Math.max(0, value) / longest) * (layout.width - layout.left - layout.right)
  const at = (value: number) => scale(value).toFixed(1)
  const lines = bars.map(({ id, max, median, min, title }, index) => {
    const y = top + layout.heading + index * (layout.bar + layout.gap)
    const middle = y + layout.bar / 2
    const isOurs = id.startsWith("ours")
    return [
      `<text class="name${isOurs ? " own" : ""}" x="${layout.left - 10}" y="${middle + 4}">${escape(title)}</text>`,
      `<rect class="${isOurs ? "ours" : "peer"}" x="${layout.left}" y="${y}" width="${(scale(median) - layout.left).toFixed(1)}" height="${layout.bar}" rx="2"/>`,
      `<line class="spread" x1="${at(min)}" x2="${at(max)}" y1="${middle}" y2="${middle}"/>`,
      `<text${isOurs ? ' class="own"' : ""} x="${(scale(max) + 8).toFixed(1)}" y="${middle + 4}">${escape(group.show(median))}</text>`
    ].join("\n  ")
  })
  return {
    svg: [`<text class="heading" x="10" y="${top + 28}">${escape(group.title)}</text>`, ...lines].join("\n  "),
    height: layout.heading + bars.length * (layout.bar + layout.gap) + 10
  }
}

export const chart = (results: Results): string => {
  let height: number = layout.top
  const drawn = groups(results).map((group) => {
    const { height: own, svg } = drawGroup(results, group, height)
    height += own
    return svg
  })
  const { broker, machine, quick, rounds, startedAt } = results
  const notes = [
    `${quick ? "A quick run, too small to tell anything. " : ""}Medians of ${rounds} interleaved rounds, lines: least to most. Less is better. ${startedAt.slice(0, 10)}.`,
    `${machine.processor}, ${machine.cores} cores; ${broker}.`
  ]
  const text = notes.map((note, i) => `<text class="note" x="10" y="${height + 16 + i * 15}">${escape(note)}</text>`)
  height += layout.bottom
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${layout.width}" height="${height}" viewBox="0 0 ${layout.width} ${height}" role="img" aria-label="Catch-up time and memory of effect-ktables and others">
  <style>${style}
  </style>
  ${[...drawn, ...text].filter((part) => part !== "").join("\n  ")}
</svg>
`
}
