import * as Effect from "effect/Effect"

interface Offer<A> {
  readonly item: A
  isTaken: boolean
  resume: (() => void) | undefined
}

/**
 * Hands items from several fibers to one, in their order, with room for one item: an offer waits while another item is
 * there. Effect's bounded queue does the same, but with a `Deferred` for each wait, which is two kilobytes.
 *
 * Only one fiber may take. An item that is given to it while it is interrupted is lost.
 */
export class HandOff<A extends object> {
  private item: A | undefined
  /** Resumes the fiber that waits for an item, if it does. */
  private taker: ((effect: Effect.Effect<A>) => void) | undefined
  private readonly offers: Array<Offer<A>> = []

  /** Waits until there is room for the item. An offer that is interrupted before that is withdrawn. */
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
      const taken = Effect.callback<void>((resume) => {
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

  /** Takes the next item. It looks and waits in one step, as its fiber could give way in between, and miss an item. */
  readonly take: Effect.Effect<A> = Effect.callback<A>((resume) => {
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
