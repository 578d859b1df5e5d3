import type * as Stream from "effect/Stream"
import type * as Ref from "effect/SubscriptionRef"

export * from "effect/SubscriptionRef"

export const changes = <A>(ref: Ref.SubscriptionRef<A>): Stream.Stream<A> => ref.changes
