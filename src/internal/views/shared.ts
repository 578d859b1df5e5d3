/** What is made once for all who want the same, and is given up when nobody does any more. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { makeDeferred, settleDeferred } from "../effect/v4/deferred.ts"

interface Node<A> {
  users: number
  /** What it needs lives as long as this. */
  readonly scope: Scope.Closeable
  made: A | undefined
  /** Done when somebody has tried to make it. */
  making: Deferred.Deferred<void> | undefined
}

export class Shared<A> {
  private readonly nodes = new Map<string, Node<A>>()

  /**
   * What has this name, for as long as the scope is open. The first who wants it makes it, and others wait: if that one is
   * interrupted, or fails, the next one tries.
   */
  get(name: string, make: Effect.Effect<A, never, Scope.Scope>): Effect.Effect<A, never, Scope.Scope> {
    return Effect.flatMap(
      Effect.acquireRelease(this.join(name), (node) => this.leave(name, node)),
      (node) => this.ready(node, make)
    )
  }

  private join(name: string): Effect.Effect<Node<A>> {
    return Effect.flatMap(Scope.make(), (scope) =>
      Effect.sync(() => {
        const node = this.nodes.get(name) ?? { users: 0, scope, made: undefined, making: undefined }
        this.nodes.set(name, node)
        node.users++
        return node
      })
    )
  }

  private leave(name: string, node: Node<A>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (--node.users > 0) return Effect.void
      this.nodes.delete(name)
      return Scope.close(node.scope, Exit.void)
    })
  }

  private ready(node: Node<A>, make: Effect.Effect<A, never, Scope.Scope>): Effect.Effect<A> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        if (node.made !== undefined) return Effect.succeed(node.made)
        const { making } = node
        if (making !== undefined) return restore(Effect.andThen(Deferred.await(making), this.ready(node, make)))
        const mine = (node.making = makeDeferred<void>())
        return Effect.onExit(restore(Effect.provideService(make, Scope.Scope, node.scope)), (exit) =>
          Effect.sync(() => {
            if (Exit.isSuccess(exit)) node.made = exit.value
            node.making = undefined
            settleDeferred(mine, Exit.void)
          })
        )
      })
    )
  }
}
