/** From what is known to lines of text. Pure functions: nothing here reads a clock, a table or a terminal. */
import type { Chapter, Mark, Told } from "./narrator.ts"
import type { Picture } from "./picture.ts"
import { count, duration, plural, seconds, wrap, type Line, type Span, type Style } from "./text.ts"

export interface Heading {
  readonly topic: string
  /** Where that topic is. */
  readonly cluster: string
  readonly chapters: ReadonlyArray<Chapter>
  /** When the story began, in milliseconds since the epoch. */
  readonly startedAt: number
}

// ---------------------------------------------------------------------------------------------------------------------
// the table
// ---------------------------------------------------------------------------------------------------------------------

/** Older than this, a service that sends heartbeats has missed two of them. */
const silentMillis = 1_500

/** A header, and at most `rows` lines of the table's beginning. */
export const tableLines = ({ at, snapshot }: Picture, rows: number): ReadonlyArray<Line> => {
  const lines: Array<Line> = [
    [["dim", `  ${cells("SERVICE", "ADDRESS", "HEARTBEATS", "OFFSET")}${"HEARD FROM".padStart(14)}`]]
  ]
  for (const { key, offset, timestamp, value } of snapshot.entries()) {
    if (lines.length === (snapshot.size > rows ? rows : rows + 1)) break
    const age = Math.max(0, at - timestamp)
    const silent = value.heartbeats > 0 && age > silentMillis
    const address = `${value.host}:${value.port}`
    lines.push([
      [value.heartbeats === 0 ? "dim" : silent ? "yellow" : "green", silent ? "○ " : "● "],
      cells(key, address, count(value.heartbeats), count(offset)),
      [silent ? "yellow" : "dim", `${seconds(age)} ago`.padStart(14)]
    ])
  }
  const hidden = snapshot.size - (lines.length - 1)
  return hidden > 0 ? [...lines, [["dim", `  … and ${count(hidden)} more`]]] : lines
}

const cells = (key: string, address: string, heartbeats: string, offset: string): string =>
  key.padEnd(14) + address.padEnd(28) + heartbeats.padStart(10) + offset.padStart(9)

/** One line: is it complete, is it current, what was skipped. */
export const stateLine = ({ freshness, snapshot, stats, status }: Picture): Line => {
  const spans: Array<Span> = []
  switch (status._tag) {
    case "CaughtUp":
      spans.push(freshness.connected ? ["green", "caught up"] : ["red", "broker gone"])
      break
    case "Loading":
    case "Degraded":
      spans.push(["yellow", `${status._tag.toLowerCase()}, ${status.progress.percent.toFixed(0)} %`])
      break
    case "Failed":
      spans.push(["red", `failed: ${status.error._tag} ${status.error.reason}`])
  }
  const stale = freshness.staleMillis === undefined ? "?" : duration(freshness.staleMillis)
  if (freshness.connected) {
    spans.push(` · lag ${freshness.lag ?? "?"} · broker answered ${stale} ago`)
  } else {
    spans.push(" · ", ["bold", `up to ${stale} stale`], ` · ${freshness.lastFailure?.reason ?? "not connected"}`)
  }
  spans.push(` · ${plural(snapshot.size, "key")}`)
  if (stats.valueErrors > 0) spans.push(` · ${stats.valueErrors} poison`)
  return ["  ", ...spans]
}

// ---------------------------------------------------------------------------------------------------------------------
// what is told, as lines that stay
// ---------------------------------------------------------------------------------------------------------------------

const markStyles: Record<Mark, Style> = { "+": "green", "-": "yellow", "!": "red", "=": "cyan", ".": "dim" }

const elapsed = (at: number, { startedAt }: Heading): string => seconds(Math.max(0, at - startedAt)).padStart(7)

const happenedLines = (told: Extract<Told, { _tag: "Happened" }>, heading: Heading, columns: number) =>
  wrap(told.text, columns - 11).map((text, index): Line => {
    const before: Line =
      index === 0
        ? [["dim", elapsed(told.at, heading)], "  ", [markStyles[told.mark], told.mark], " "]
        : [" ".repeat(11)]
    return [...before, text]
  })

export const headingLines = (heading: Heading): ReadonlyArray<Line> => [
  [["bold", "effect-ktables"], ": a Kafka topic as a live, typed table in memory"],
  [["dim", `topic ${heading.topic} on ${heading.cluster}`]]
]

const numberOf = (chapter: Chapter, { chapters }: Heading): number => chapters.indexOf(chapter) + 1

/** What one thing told adds to a text that is only ever appended to. */
export const toldLines = (told: Told, heading: Heading, columns: number): ReadonlyArray<Line> => {
  switch (told._tag) {
    case "Began":
      return [
        [],
        [["bold", `${numberOf(told.chapter, heading)}. ${told.chapter.title}`]],
        ...wrap(told.chapter.text, columns - 3).map((text): Line => ["   ", ["dim", text]])
      ]
    case "Happened":
      return happenedLines(told, heading, columns)
    case "Looked":
      return [
        [],
        ...[...tableLines(told.picture, tableRows), stateLine(told.picture)].map((line): Line => ["   ", ...line])
      ]
    case "Ended":
      return [[], ["   => ", ["bold", told.result]]]
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// one frame
// ---------------------------------------------------------------------------------------------------------------------

export interface Scene {
  readonly heading: Heading
  readonly told: ReadonlyArray<Told>
  readonly picture: Picture
}

const tableRows = 5

/**
 * A screenful: not more than `rows` lines. Its parts keep their places while they fill. Where there is no room, what
 * happened goes first, then the chapters that are not on, then the text of the one that is; the table stays.
 */
export const frame = (scene: Scene, size: { readonly columns: number; readonly rows: number }): ReadonlyArray<Line> => {
  const { heading, picture, told } = scene
  const [title = [], place = []] = headingLines(heading)
  const top: ReadonlyArray<Line> = [
    [...title, ["dim", elapsed(picture.at, heading).padStart(12)]],
    [...place, ["dim", " · Ctrl-C ends it"]],
    []
  ]
  const { all, current } = chapterLines(scene, Math.max(20, Math.min(size.columns, 100) - 6))
  const table = [...fill(tableLines(picture, tableRows), tableRows + 1), stateLine(picture)]
  const log = told.flatMap((one) => (one._tag === "Happened" ? happenedLines(one, heading, size.columns) : []))

  const full = [...top, ...all, [], ...table]
  const room = size.rows - full.length - 1
  if (room > 0) return [...full, [], ...log.slice(-room)]
  if (room >= -1) return full
  return [...current.slice(0, Math.max(1, size.rows - table.length)), ...table].slice(0, size.rows)
}

/** All chapters with the text of the one that is on, and that one alone; always as many lines. */
const chapterLines = ({ heading: { chapters }, told }: Scene, columns: number) => {
  const begun = told.filter((one) => one._tag === "Began").length
  const results = told.flatMap((one) => (one._tag === "Ended" ? [one.result] : []))
  const texts = chapters.map(({ text }) => wrap(text, columns).map((line): Line => [`     ${line}`]))
  const textRows = Math.max(...texts.map((lines) => lines.length))
  const titleColumns = Math.max(...chapters.map(({ title }) => title.length)) + 5

  const lines = chapters.map(({ title }, index): ReadonlyArray<Line> => {
    const name = `${index + 1} ${title}`
    const result = results[index]
    if (result !== undefined) return [[["green", " ✓ "], name.padEnd(titleColumns), ["dim", result]]]
    if (index >= begun) return [[["dim", `   ${name}`]]]
    const on: Line = [
      ["cyan", " › "],
      ["bold", name]
    ]
    return [on, ...(texts[index] ?? [])]
  })
  return {
    all: fill(lines.flat(), chapters.length + textRows),
    current: fill(lines[Math.max(0, begun - 1)] ?? [], 1 + textRows)
  }
}

const fill = (lines: ReadonlyArray<Line>, length: number): ReadonlyArray<Line> => [
  ...lines,
  ...Array.from({ length: Math.max(0, length - lines.length) }, (): Line => [])
]
