/** What the story says while it goes on. Who shows it, and how, is the view's business. */
import { Clock, Context, Effect, Queue, Stream } from "effect"
import { lookWhenCurrent, type Picture } from "./picture.ts"
import type { Services } from "./registry.ts"

export interface Chapter {
  readonly title: string
  /** What one is about to see. */
  readonly text: string
}

/** `+` somebody came, `-` somebody left, `!` something went wrong, `=` how it turned out, `.` anything else. */
export type Mark = "+" | "-" | "!" | "=" | "."

/** Times are milliseconds since the epoch. */
export type Told =
  | { readonly _tag: "Began"; readonly at: number; readonly chapter: Chapter }
  | { readonly _tag: "Happened"; readonly at: number; readonly mark: Mark; readonly text: string }
  | { readonly _tag: "Looked"; readonly at: number; readonly picture: Picture }
  | { readonly _tag: "Ended"; readonly at: number; readonly result: string }

export class Narrator extends Context.Service<
  Narrator,
  {
    readonly tell: (mark: Mark, text: string) => Effect.Effect<void>
    /** Runs a chapter, and tells that it begins, how the table is after it, and what came out of it. */
    readonly chapter: <E, R>(
      chapter: Chapter,
      body: Effect.Effect<string, E, R>
    ) => Effect.Effect<void, E, R | Services>
    /** Time to read. */
    readonly pause: (seconds: number) => Effect.Effect<void>
  }
>()("demo/Narrator") {}

const THE_END = "the end"

/** A narrator, and what it tells. Pauses are `pace` times as long as the story asks for. */
export const makeNarrator = (pace: number) =>
  Effect.map(Queue.unbounded<Told | typeof THE_END>(), (queue) => {
    const offer = (make: (at: number) => Told) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => Effect.asVoid(Queue.offer(queue, make(at))))
    const narrator = Narrator.of({
      tell: (mark, text) => offer((at) => ({ _tag: "Happened", at, mark, text })),
      chapter: (chapter, body) =>
        Effect.gen(function* () {
          yield* offer((at) => ({ _tag: "Began", at, chapter }))
          const result = yield* body
          const picture = yield* lookWhenCurrent
          yield* offer((at) => ({ _tag: "Looked", at, picture }))
          yield* offer((at) => ({ _tag: "Ended", at, result }))
        }),
      pause: (seconds) => Effect.sleep(seconds * 1000 * pace)
    })
    const told = Stream.takeWhile(Stream.fromQueue(queue), (one): one is Told => one !== THE_END)
    return { narrator, told, end: Queue.offer(queue, THE_END) }
  })
