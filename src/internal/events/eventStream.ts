/** A topic of events. */
import * as Predicate from "effect/Predicate"
import type { EventStream, StreamOptions, TypeId as StreamTypeId } from "../../EventStream.ts"
import type { KafkaEvent } from "../../KafkaEvent.ts"

/** @internal */
export const TypeId: StreamTypeId = Symbol.for("effect-ktables/EventStream") as StreamTypeId

/** @internal */
export const isEventStream = (u: unknown): u is EventStream.Any => Predicate.hasProperty(u, TypeId)

/** @internal */
export const make = <E extends KafkaEvent.Any>(
  name: string,
  event: E,
  options: StreamOptions = {}
): EventStream<E> => ({
  [TypeId]: TypeId,
  name,
  event,
  options
})
