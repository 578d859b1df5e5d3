/**
 * `npm run bench:views`: indexes and derived tables beside their peers, each measure in a process of its own, in turn, for some
 * rounds. `-- --quick` tries whether it all works, `-- --only tree,join` takes some.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string" }, only: { type: "string" } }
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
const scale = values.quick ? 100 : 1

const here = fileURLToPath(new URL(".", import.meta.url))
const root = join(here, "../..")

/** The peers and the measures, beside the package that they measure. */
const install = () => {
  const directory = join(root, ".cache", "bench", "views")
  mkdirSync(directory, { recursive: true })
  cpSync(join(here, "package.json"), join(directory, "package.json"))
  if (!existsSync(join(directory, "node_modules", "sorted-btree"))) {
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd: directory,
      stdio: "inherit"
    })
  }
  return directory
}

const MILLION = 1_000_000 / scale
const ROWS = 100_000 / scale

const tree = { entries: MILLION, updates: 100_000 / scale }
const changes = (count) => ({ rows: ROWS, changes: Math.max(3, count / scale) })

/** What is measured, by whom, and what is compared. */
const all = {
  tree: { ours: ["treeOurs", tree], "sorted-btree": ["treeSortedBtree", tree] },
  sortedIndex: { ours: ["indexSortedNumbers", { entries: MILLION }] },
  hashIndex: { ours: ["indexHashTexts", { entries: MILLION }] },
  filter: { ours: ["derivedFilter", changes(20_000)], "@tanstack/db": ["tanstackFilter", changes(2_000)] },
  join: { ours: ["derivedJoin", changes(20_000)], "@tanstack/db": ["tanstackJoin", changes(500)] },
  groupBy: { ours: ["derivedGroupBy", changes(20_000)], "@tanstack/db": ["tanstackGroupBy", changes(50)] },
  fanOut: { ours: ["fanOut", { rows: MILLION }] }
}

const chosen = Object.entries(all).filter(
  ([name]) => values.only === undefined || values.only.split(",").includes(name)
)
const directory = install()
const figures = new Map()
for (let round = 0; round < rounds; round++) {
  for (const [name, runners] of chosen) {
    for (const [who, [measure, options]] of Object.entries(runners)) {
      const out = execFileSync(
        process.execPath,
        [
          "--expose-gc",
          "--import",
          join(here, "peers.mjs"),
          join(here, "measure.mjs"),
          measure,
          JSON.stringify(options)
        ],
        { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "", PEERS: directory }, maxBuffer: 1 << 26 }
      )
      const last = out.trim().split("\n").at(-1)
      console.log(`${round + 1} ${name}, ${who}: ${last}`)
      const key = `${name}, ${who}`
      figures.set(key, [...(figures.get(key) ?? []), JSON.parse(last)])
    }
  }
}

const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]
const text = (n) => (n >= 100 ? Math.round(n).toLocaleString("en") : Number(n.toPrecision(3)).toString())

const lines = [
  "# Views: indexes and derived tables beside their peers",
  "",
  `Written by \`npm run bench:views\`, ${rounds} rounds in turn, each measure in a process of its own. Medians (least–most).`,
  `${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}.`,
  ""
]
for (const [name, runners] of chosen) {
  const columns = Object.keys(figures.get(`${name}, ${Object.keys(runners)[0]}`)[0])
  lines.push(`## ${name}`, "", `| | ${columns.join(" | ")} |`, `|---|${columns.map(() => "---").join("|")}|`)
  for (const who of Object.keys(runners)) {
    const of = figures.get(`${name}, ${who}`)
    const cells = columns.map((column) => {
      const found = of.map((figure) => figure[column])
      return `${text(median(found))} (${text(Math.min(...found))}–${text(Math.max(...found))})`
    })
    lines.push(`| ${who} | ${cells.join(" | ")} |`)
  }
  lines.push("")
}
const report = lines.join("\n")
console.log(`\n${report}`)
if (!values.quick && values.only === undefined) writeFileSync(join(here, "results.md"), report)
