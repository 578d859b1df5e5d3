/** Shows the story while it goes on: redrawn in place on a terminal, as lines that stay anywhere else. */
import { Data, Effect, Schedule, Stream } from "effect"
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
    const { NO_COLOR: noColor = "", TERM: kind = "" } = process.env // https://no-color.org
    if (!process.stdout.isTTY || kind === "dumb") yield* append(heading, story)
    else yield* redraw(heading, story, noColor === "")
  })

/** Each thing that is told as lines of their own. */
const append = (heading: Heading, story: Stream.Stream<Told>) =>
  Effect.gen(function* () {
    const paper = { columns: 100, colors: false }
    yield* display(page(headingLines(heading), paper))
    yield* Stream.runForEach(story, (told) => display(page(toldLines(told, heading, paper.columns), paper)))
  })

/** A frame ten times a second, each written at once, over the one before. What was told stays on the screen at the end. */
const redraw = (heading: Heading, story: Stream.Stream<Told>, colors: boolean) =>
  Effect.gen(function* () {
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
      yield* display((resized ? clear : "") + home + text + clearBelow)
    })

    const keep = Effect.gen(function* () {
      const { columns } = yield* size
      const lookedLast = told.findLast((one) => one._tag === "Looked")
      const kept = told.filter((one) => one._tag !== "Looked" || one === lookedLast)
      const lines = [...headingLines(heading), ...kept.flatMap((one) => toldLines(one, heading, columns))]
      yield* display(leave + page(lines, { columns, colors }))
    })

    yield* Effect.acquireRelease(display(enter), () => Effect.ignore(keep))
    yield* Stream.runForEach(story, (one) => Effect.sync(() => told.push(one))).pipe(
      Effect.raceFirst(Effect.repeat(draw, Schedule.spaced("100 millis")))
    )
  }).pipe(Effect.scoped)

/** Some terminals do not say. */
const size = Effect.sync(() => ({ columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }))

/** Whoever read what is shown has gone away. */
export class NobodyReads extends Data.TaggedError("NobodyReads")<{ readonly message: string }> {}

const display = (text: string) =>
  Effect.callback<void, NobodyReads>((resume) => {
    process.stdout.write(text, (error) =>
      resume(error ? Effect.fail(new NobodyReads({ message: error.message })) : Effect.void)
    )
  })

const page = (lines: ReadonlyArray<Line>, paper: Paper): string =>
  lines.map((line) => `${paint(line, paper)}\n`).join("")
