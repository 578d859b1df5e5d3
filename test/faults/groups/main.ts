/** A program that is a member of a group, for faults of its process. `Other.ts` starts it and tells it what to do. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { randomOf } from "../../support/random.ts"
import * as InChild from "../inChild.ts"
import { noteFor } from "./course.ts"
import { appendTo } from "./journal.ts"
import { open } from "./member.ts"
import type { Answer, Command, Plan } from "./Other.ts"
import { shortWork } from "./works.ts"

const { brokers, journal, name, options, seed } = JSON.parse(process.argv[2]) as Plan

const answer: (message: Answer) => Effect.Effect<void> = InChild.answer

const main = Effect.gen(function* () {
  const queue = yield* InChild.commands<Command>()
  const scope = yield* Scope.make()
  const note = noteFor(name, appendTo(journal))
  const member = yield* Scope.provide(open({ brokers }, name, options, shortWork(randomOf(seed)), note), scope)
  yield* answer({ _tag: "Ready" })
  while (true) {
    const command = yield* Queue.take(queue)
    switch (command._tag) {
      case "Look":
        yield* answer({ _tag: "Looked", owned: yield* member.owned })
        break
      case "Block":
        InChild.block(command.millis)
        yield* answer({ _tag: "Blocked" })
        break
      case "Leave":
        yield* Scope.close(scope, Exit.void)
        return yield* InChild.farewell
    }
  }
})

InChild.runProgram(main)
