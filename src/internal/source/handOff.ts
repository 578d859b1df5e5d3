import * as Effect from "effect/Effect"

interface Offer<A> {
  readonly item: A
  isTaken: boolean
  resume: (() => void) | undefined
}

/**
 * From several fibers to one, in their order, with room for one item: who offers another one waits. What Effect's bounded
 * queue does, without the `Deferred` of each wait, which is two kilobytes.
 *
 * One fiber takes, over and over; what is given to it while it is interrupted is lost.
 */
export class HandOff<A extends object> {
  private item: A | undefined
  private taker: ((effect: Effect.Effect<A>) => void) | undefined
  private readonly offers: Array<Offer<A>> = []

  /** Until there is room. An offer that is interrupted before is none. */
  offer(item: A): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) => {
      const { taker } = this
      if (taker !== undefined) {
        this.taker = undefined
        taker(Effect.succeed(item))
        return Effect.void
      }
      if (this.item === undefined) {
        this.item = item
        return Effect.void
      }
      const offer: Offer<A> = { item, isTaken: false, resume: undefined }
      this.offers.push(offer)
      const taken = Effect.async<void>((resume) => {
        if (offer.isTaken) resume(Effect.void)
        else offer.resume = () => resume(Effect.void)
      })
      return Effect.onInterrupt(restore(taken), () => Effect.sync(() => this.withdraw(offer)))
    })
  }

  private withdraw(offer: Offer<A>): void {
    const at = this.offers.indexOf(offer)
    if (at !== -1) this.offers.splice(at, 1)
  }

  /** Looks and waits in one step: between two, its fiber may give way, and an item would come that it does not see. */
  readonly take: Effect.Effect<A> = Effect.async<A>((resume) => {
    const { item } = this
    if (item === undefined) {
      this.taker = resume
      return
    }
    const next = this.offers.shift()
    this.item = next?.item
    if (next !== undefined) {
      next.isTaken = true
      next.resume?.()
    }
    resume(Effect.succeed(item))
  })
}
