/**
 * A `SubscriptionRef` that its owner sets at once, by a plain function. Effect's own is set under its semaphore, which
 * somebody else who has the ref may hold for as long as he likes (`SubscriptionRef.updateEffect`): the reader would wait for him.
 * And its `changes` end when the owner says so.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { Bag, type Item } from "../../bag.ts"

/** One run of `changes`. */
interface Run<A> extends Item {
  /** What it has not taken yet. */
  news: Array<A>
  resume: (() => void) | undefined
}

const wake = (run: Run<unknown>): void => {
  const { resume } = run
  run.resume = undefined
  resume?.()
}

export class PublishedRef<A> {
  private value: A
  private readonly keepsAll: boolean
  private isEnded = false
  private readonly runs = new Bag<Run<A>>()
  /** For everybody: what they set it to is there until the owner's next value. */
  readonly ref: SubscriptionRef.SubscriptionRef<A>

  private constructor(value: A, keepsAll: boolean, effects: SubscriptionRef.SubscriptionRef<A>) {
    this.value = value
    this.keepsAll = keepsAll
    const get = Effect.sync(() => this.value)
    const content = Object.create(Ref.unsafeMake(value), {
      get: { value: get },
      modify: {
        value: <B>(f: (value: A) => readonly [B, A]) =>
          Effect.sync(() => {
            const [result, next] = f(this.value)
            this.set(next)
            return result
          })
      }
    }) as Ref.Ref<A>
    // the content and its stream are ours; all else, as that only one modifies it at a time, is Effect's
    this.ref = Object.create(effects, {
      ref: { value: content },
      get: { value: get },
      changes: { value: Stream.fromChannel(this.channel) }
    }) as SubscriptionRef.SubscriptionRef<A>
  }

  /** `keepsAll`: a slow consumer of `changes` gets every value, and not only the latest. */
  static make<A>(value: A, { keepsAll }: { readonly keepsAll: boolean }): Effect.Effect<PublishedRef<A>> {
    return Effect.map(SubscriptionRef.make(value), (effects) => new PublishedRef(value, keepsAll, effects))
  }

  set(value: A): void {
    this.value = value
    this.runs.forEach((run) => {
      if (this.keepsAll) run.news.push(value)
      else run.news = [value]
      wake(run)
    })
  }

  /** There is no next value of the owner's: `changes` end after those that there are. */
  end(): void {
    this.isEnded = true
    this.runs.forEach(wake)
  }

  /** The value that there is, and those that follow until the end: none is missed, and none comes twice. */
  private readonly channel: Channel.Channel<Chunk.Chunk<A>> = Channel.suspend(() => {
    const run: Run<A> = { at: 0, news: [this.value], resume: undefined }
    this.runs.add(run)
    const news = Channel.fromEffect(
      Effect.async<void>((resume) => {
        if (run.news.length > 0 || this.isEnded) resume(Effect.void)
        else run.resume = () => resume(Effect.void)
      })
    )
    const next = (): Channel.Channel<Chunk.Chunk<A>> => {
      const all = run.news
      if (all.length === 0) return this.isEnded ? Channel.void : Channel.flatMap(news, next)
      run.news = []
      return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(all)), next)
    }
    return Channel.ensuring(
      Channel.suspend(next),
      Effect.sync(() => this.runs.remove(run))
    )
  })
}
