/** Shows the story while it goes on: redrawn in place on a terminal, as lines that stay anywhere else. */
import * as Terminal from "@effect/platform/Terminal"
import { Config, Effect, Schedule, Stream } from "effect"
import { frame, headingLines, toldLines, type Heading } from "./draw.ts"
import type { Told } from "./narrator.ts"
import { look } from "./picture.ts"
import { paint, type Line, type Paper } from "./text.ts"

// The terminal's other screen, which has no scrollback and so does not mind being resized; no cursor; lines that are too
// long are cut, instead of going on in the next one.
const enter = "\x1b[?1049h\x1b[?25l\x1b[?7l"
const leave = "\x1b[?7h\x1b[?25h\x1b[?1049l"
const home = "\x1b[H"
const clear = "\x1b[2J"
const clearToEndOfLine = "\x1b[K"
const clearBelow = "\x1b[J"

/** Ends when the story does. Fails when what it writes to is gone. */
export const show = (heading: Heading, story: Stream.Stream<Told>) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal.Terminal
    const kind = yield* Config.withDefault(Config.string("TERM"), "")
    const noColor = yield* Config.withDefault(Config.string("NO_COLOR"), "") // https://no-color.org
    if (!(yield* terminal.isTTY) || kind === "dumb") yield* append(heading, story)
    else yield* redraw(heading, story, noColor === "")
  })

/** Each thing that is told as lines of their own. */
const append = (heading: Heading, story: Stream.Stream<Told>) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal.Terminal
    const paper = { columns: 100, colors: false }
    yield* terminal.display(page(headingLines(heading), paper))
    yield* Stream.runForEach(story, (told) => terminal.display(page(toldLines(told, heading, paper.columns), paper)))
  })

/** A frame ten times a second, each written at once, over the one before. What was told stays on the screen at the end. */
const redraw = (heading: Heading, story: Stream.Stream<Told>, colors: boolean) =>
  Effect.gen(function* () {
    const terminal = yield* Terminal.Terminal
    const told: Array<Told> = []
    let drawn: { readonly columns: number; readonly rows: number; readonly text: string } | undefined

    const draw = Effect.gen(function* () {
      const { columns, rows } = yield* size
      // Not the last column: a cursor that stands there would take that character along when it clears the rest.
      const paper = { columns: columns - 1, colors }
      const lines = frame({ heading, told, picture: yield* look }, { columns: paper.columns, rows })
      const text = lines.map((line) => paint(line, paper) + clearToEndOfLine).join("\r\n")
      const resized = drawn?.columns !== columns || drawn.rows !== rows
      if (!resized && drawn?.text === text) return
      drawn = { columns, rows, text }
      yield* terminal.display((resized ? clear : "") + home + text + clearBelow)
    })

    const keep = Effect.gen(function* () {
      const { columns } = yield* size
      const lookedLast = told.findLast((one) => one._tag === "Looked")
      const kept = told.filter((one) => one._tag !== "Looked" || one === lookedLast)
      const lines = [...headingLines(heading), ...kept.flatMap((one) => toldLines(one, heading, columns))]
      yield* terminal.display(leave + page(lines, { columns, colors }))
    })

    yield* Effect.acquireRelease(terminal.display(enter), () => Effect.ignore(keep))
    yield* Stream.runForEach(story, (one) => Effect.sync(() => told.push(one))).pipe(
      Effect.raceFirst(Effect.repeat(draw, Schedule.spaced("100 millis")))
    )
  }).pipe(Effect.scoped)

/** Some terminals do not say. */
const size = Effect.gen(function* () {
  const terminal = yield* Terminal.Terminal
  return { columns: (yield* terminal.columns) || 80, rows: (yield* terminal.rows) || 24 }
})

const page = (lines: ReadonlyArray<Line>, paper: Paper): string =>
  lines.map((line) => `${paint(line, paper)}\n`).join("")
