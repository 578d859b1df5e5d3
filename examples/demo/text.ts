/** Styled lines, and how numbers are written. Pure functions; every character is taken to be one column wide. */

export type Style = "bold" | "dim" | "green" | "yellow" | "red" | "cyan"

/** A piece of a line: plain, or with a style. */
export type Span = string | readonly [style: Style, text: string]

export type Line = ReadonlyArray<Span>

const codes: Record<Style, number> = { bold: 1, dim: 2, green: 32, yellow: 33, red: 31, cyan: 36 }

export interface Paper {
  /** Longer lines are cut. */
  readonly columns: number
  /** Whether styles become escape codes, or nothing. */
  readonly colors: boolean
}

/** A line as it is written, without its end. */
export const paint = (line: Line, { colors, columns }: Paper): string => {
  const length = line.reduce((sum, span) => sum + textOf(span).length, 0)
  let left = length > columns ? Math.max(0, columns - 1) : columns
  let painted = ""
  for (const span of line) {
    const text = textOf(span).slice(0, left)
    left -= text.length
    if (text !== "") painted += colors && typeof span !== "string" ? `\x1b[${codes[span[0]]}m${text}\x1b[0m` : text
  }
  return length > columns && columns > 0 ? `${painted}…` : painted
}

const textOf = (span: Span): string => (typeof span === "string" ? span : span[1])

/** Breaks a text between words. A longer word has a line of its own. */
export const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

export const count = (n: number): string => n.toLocaleString("en-US")

/** `3 services`, `1 service` */
export const plural = (n: number, one: string): string => `${count(n)} ${one}${n === 1 ? "" : "s"}`

/** `412 µs`, `4.1 ms`, `320 ms`, `4.1 s` */
export const duration = (millis: number): string => {
  if (millis < 1) return `${Math.round(millis * 1000)} µs`
  if (millis < 10) return `${millis.toFixed(1)} ms`
  return millis < 1000 ? `${Math.round(millis)} ms` : seconds(millis)
}

export const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`
