/** The results as Markdown. */
import { beforeId, figureNames, spread, type Figure, type Results, type Spread } from "./results.ts"
import { targets } from "./targets.ts"

/** Three digits that count, and no more. */
const show = (value: number): string => {
  if (value === 0) return "0"
  const digits = Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(Math.abs(value)))))
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

const showSpread = ({ max, median, min }: Spread): string =>
  min === max ? show(median) : `${show(median)} (${show(min)}–${show(max)})`

const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? "").length))
  )
  const line = (cells: ReadonlyArray<string>) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

const title = (figure: Figure): string => {
  const { title, unit } = figureNames[figure]
  return unit === "" ? title : `${title}, ${unit}`
}

/** What the message begins with, and where it ends: the last words of a program say most. */
const inOneLine = (text: string): string => {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  const [first, last] = [lines.at(0), lines.at(-1)]
  return first === last ? (first ?? "") : `${first}: ${last}`
}

/** Whether it is about reading a topic once: then ours and its peers are beside each other. */
const readsOnce = (task: string): boolean => task === "catchUp" || task === "consume"

const workloadSection = (results: Results, workload: Results["workloads"][number], figures: ReadonlyArray<Figure>) => {
  const rows = results.runners.flatMap((runner) => {
    const mine = results.runs.filter((run) => run.workload === workload.id && run.runner === runner.id)
    if (mine.length === 0) return []
    const failed = mine.filter(({ error }) => error !== undefined).length
    const rival = spread(results, workload.id, runner.id.endsWith("-typed") ? "ours-typed" : "ours", "seconds")
    const own = spread(results, workload.id, runner.id, "seconds")
    const against = rival === undefined || own === undefined ? "" : show(own.median / rival.median)
    const cells = figures.map((figure) => {
      const found = spread(results, workload.id, runner.id, figure)
      return found === undefined ? "" : showSpread(found)
    })
    const name = failed === 0 ? runner.title : `${runner.title} (**failed** ${failed} of ${mine.length})`
    return [readsOnce(workload.task) ? [name, against, ...cells] : [name, ...cells]]
  })
  if (rows.length === 0) return undefined
  const used = figures.filter((figure) =>
    results.runs.some((run) => run.workload === workload.id && figure in run.figures)
  )
  const kept = (cells: ReadonlyArray<string>, offset: number) => [
    ...cells.slice(0, offset),
    ...figures.flatMap((figure, i) => (used.includes(figure) ? [cells[offset + i] ?? ""] : []))
  ]
  const catchUp = readsOnce(workload.task)
  const header = kept([...(catchUp ? ["", "× ours"] : [""]), ...figures.map(title)], catchUp ? 2 : 1)
  const rounds = Math.max(...results.runs.flatMap(({ round, workload: of }) => (of === workload.id ? round : [])))
  const content = [
    `${workload.records.toLocaleString("en-US")} records`,
    `${workload.keys.toLocaleString("en-US")} keys`,
    `values of ${workload.valueBytes.toLocaleString("en-US")} bytes`,
    workload.partitions === 1 ? "1 partition" : `${workload.partitions} partitions`,
    workload.compression === "none" ? "uncompressed" : workload.compression,
    rounds === 1 ? "1 round" : `${rounds} rounds`
  ].join(", ")
  return `### ${workload.id}: ${workload.title}\n\n${content}\n\n${table(
    header,
    rows.map((row) => kept(row, catchUp ? 2 : 1))
  )}`
}

const catchUpFigures: ReadonlyArray<Figure> = [
  "seconds",
  "sinceSpawn",
  "recordsPerSecond",
  "cpuSeconds",
  "rssPerEntry",
  "heapPerEntry",
  "peakRss",
  "idleRss",
  "loopP99",
  "loopMax"
]

const otherFigures = (Object.keys(figureNames) as ReadonlyArray<Figure>).filter(
  (figure) => !catchUpFigures.includes(figure)
)

/** Those who did not take part in something, each with the reason. */
const left = (results: Results): ReadonlyArray<string> => {
  const errors = results.runs.flatMap(({ error, round, runner, workload }) => {
    const title = results.runners.find(({ id }) => id === runner)?.title ?? runner
    return error === undefined ? [] : [`- **failed**: ${title}, ${workload}, round ${round}: ${inOneLine(error)}`]
  })
  const absent = results.absent.map(({ reason, title }) => `- **absent**: ${title}: ${inOneLine(reason)}`)
  return [...absent, ...errors]
}

const versions = (results: Results): ReadonlyArray<string> =>
  results.runners.flatMap(({ id, title }) => {
    const found = results.runs.find(({ runner, runtime }) => runner === id && runtime !== undefined)?.runtime
    return found === undefined ? [] : [`- ${title}: ${found}`]
  })

/** Ours beside an earlier commit of itself, row by row. CPU first: on shared cores, times say less. */
const beforeAndAfter = (results: Results): ReadonlyArray<string> => {
  const figures = Object.keys(figureNames) as ReadonlyArray<Figure>
  const rows = results.workloads.flatMap(({ id }) =>
    results.runners.flatMap((runner) =>
      figures.flatMap((figure) => {
        const before = spread(results, id, beforeId(runner.id), figure)
        const after = spread(results, id, runner.id, figure)
        if (beforeId(runner.id) === runner.id || before === undefined || after === undefined) return []
        const kinds = { "-effect-3": "Effect 3", "-typed": "typed" }
        const named = Object.entries(kinds).flatMap(([part, kind]) => (runner.id.includes(part) ? [kind] : []))
        const what = [id, ...named].join(", ")
        return [[what, title(figure), showSpread(before), showSpread(after), (after.median / before.median).toFixed(3)]]
      })
    )
  )
  if (rows.length === 0) return []
  return ["## Before and after", table(["", "figure", "before", "after", "after by before"], rows)]
}

export const report = (results: Results): string => {
  const { broker, fetchSizes, machine, minutes, quick, rounds, startedAt } = results
  const sizes =
    fetchSizes === null
      ? "Sizes of fetches: what each has by default."
      : `Sizes of fetches, the same for all who can be told: ${Object.entries(fetchSizes)
          .map(([name, value]) => `${name} ${value.toLocaleString("en-US")}`)
          .join(", ")}.`
  const missing = left(results)
  const judged = targets(results)
  const met = judged.filter((target) => target.met === true).length
  const unmeasured = judged.filter((target) => target.met === undefined).length
  const sections = results.workloads.flatMap(
    (workload) => workloadSection(results, workload, readsOnce(workload.task) ? catchUpFigures : otherFigures) ?? []
  )
  return [
    "# Results of the bench",
    "Written by `npm run bench`; [README.md](README.md) says how it measures, and what the columns are.",
    ...(quick ? ["**A quick run: much too small to tell anything about speed.**"] : []),
    [
      `${startedAt.slice(0, 10)}, ${Math.round(minutes)} minutes, rounds: ${rounds}, interleaved. Medians, with (least–most) over the rounds.`,
      `${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}. ${broker}.`,
      sizes
    ].join("\n"),
    versions(results).join("\n"),
    "## Who is missing",
    missing.length === 0 ? "Nobody of those who were asked to run." : missing.join("\n"),
    "## Targets",
    `${met} met, ${judged.length - met - unmeasured} not met, ${unmeasured} not measured.`,
    table(
      ["what", "target", "measured", ""],
      judged.map(({ figure, measured, met, target }) => [
        figure,
        target,
        measured,
        met === undefined ? "" : met ? "met" : "**not met**"
      ])
    ),
    ...beforeAndAfter(results),
    "## Figures",
    ...sections
  ]
    .join("\n\n")
    .concat("\n")
}
