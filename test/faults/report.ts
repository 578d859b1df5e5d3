/** What the trials of a test file measured, as a table at its end. */
import { afterAll, assert, beforeAll } from "vitest"
import { collectGarbage, MIB } from "../support/garbage.ts"
import type { Operation } from "./history.ts"

export interface Measured {
  readonly name: string
  readonly seed: number
  /** From the healing until a write to each partition was visible. */
  readonly recoveredMillis?: number
  readonly closedMillis: number
  /** Part of a core. */
  readonly idleCpu?: number
  readonly operations: ReadonlyArray<Operation>
}

interface Line {
  readonly name: string
  readonly cells: ReadonlyArray<string>
}

const lines: Array<Line> = []
const heaps: Array<number> = []

/** Besides what the trials keep, which is nothing: compiled code, and the runner's results. */
const GROWTH_LIMIT_MIB = 32

const heapMiB = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed / MIB
}

export const add = ({ closedMillis, idleCpu, name, operations, recoveredMillis, seed }: Measured): void => {
  const count = (tag: string) =>
    operations.length === 0 ? "" : String(operations.filter((one) => one.outcome?._tag === tag).length)
  const heap = heapMiB()
  heaps.push(heap)
  lines.push({
    name,
    cells: [
      String(seed),
      recoveredMillis === undefined ? "" : `${(recoveredMillis / 1000).toFixed(2)} s`,
      count("Acknowledged"),
      count("Failed"),
      count("Unknown"),
      `${Math.round(closedMillis)} ms`,
      idleCpu === undefined ? "" : `${(idleCpu * 100).toFixed(1)} %`,
      `${heap.toFixed(0)} MiB`
    ]
  })
}

const heads = ["seed", "recovered in", "acked", "failed", "unknown", "closed in", "idle CPU", "heap"]

const table = (title: string): string => {
  const rows = [{ name: title, cells: heads }, ...lines]
  const widths = heads.map((_, i) => Math.max(...rows.map((row) => row.cells[i].length)))
  const nameWidth = Math.max(...rows.map((row) => row.name.length))
  return rows
    .map((row) => [row.name.padEnd(nameWidth), ...row.cells.map((cell, i) => cell.padStart(widths[i]))].join("  "))
    .join("\n")
}

/**
 * Prints the table when the file's tests have ended, and sees to it that they left the memory as it was (invariant 8). To be
 * called once in a file.
 */
export const atTheEnd = (title: string): void => {
  beforeAll(() => {
    lines.length = 0
    heaps.length = 0
  })
  afterAll(() => {
    if (lines.length === 0) return
    process.stdout.write(`\n${table(title)}\n\n`)
    // the first ones warm up
    const [, first] = heaps
    const last = heaps.at(-1)
    if (first !== undefined && last !== undefined) assert.isBelow(last, first + GROWTH_LIMIT_MIB, "heap in MiB")
  })
}
