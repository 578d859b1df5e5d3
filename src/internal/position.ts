import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as order from "effect/Order"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { Position, TypeId as PositionTypeId } from "../Position.ts"
import { listSchema, textSchema } from "./effect/v4/textSchema.ts"
import * as issue from "./codec/schema/issue.ts"

/** @internal */
export const TypeId: PositionTypeId = Symbol.for("effect-ktables/Position") as PositionTypeId

/** @internal */
export const isPosition = (u: unknown): u is Position => Predicate.hasProperty(u, TypeId)

class PositionImpl implements Position {
  readonly [TypeId]: PositionTypeId = TypeId
  readonly topic: string
  readonly partition: number
  readonly offset: number
  constructor(topic: string, partition: number, offset: number) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
  }
  [Equal.symbol](that: unknown): boolean {
    return (
      isPosition(that) && this.topic === that.topic && this.partition === that.partition && this.offset === that.offset
    )
  }
  [Hash.symbol](): number {
    return Hash.string(this.toString())
  }
  toString(): string {
    return `${this.topic}@${this.partition}:${this.offset}`
  }
  toJSON(): unknown {
    return { _id: "Position", topic: this.topic, partition: this.partition, offset: this.offset }
  }
  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}

/** @internal */
export const make = (options: {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}): Position => new PositionImpl(options.topic, options.partition, options.offset)

/** What is told of something that is given for positions, and is none. */
export const NO_POSITION =
  "must be a position, { topic, partition, offset }, or a list of them; numbers are whole, from 0"

/** The positions that somebody has given, one or a list; `undefined` if something else is among them. */
export const positionsIn = (given: unknown): ReadonlyArray<Position> | undefined => {
  const all: ReadonlyArray<unknown> = Array.isArray(given) ? given : [given]
  return all.every(isPlace) ? all : undefined
}

const isPlace = (u: unknown): u is Position => {
  if (typeof u !== "object" || u === null) return false
  const { offset, partition, topic } = u as { readonly [Name in keyof Position]?: unknown }
  return typeof topic === "string" && isWhole(partition) && isWhole(offset)
}

const isWhole = (u: unknown): boolean => Number.isSafeInteger(u) && (u as number) >= 0

/** @internal */
export const Order: order.Order<Position> = order.combineAll([
  order.mapInput(order.String, (self: Position) => self.topic),
  order.mapInput(order.Number, (self: Position) => self.partition),
  order.mapInput(order.Number, (self: Position) => self.offset)
])

/** @internal */
export const latest = (positions: Iterable<Position>): Array<Position> => {
  const byPartition = new Map<string, Position>()
  for (const position of positions) {
    const key = `${position.topic}@${position.partition}`
    const last = byPartition.get(key)
    if (last === undefined || last.offset < position.offset) {
      byPartition.set(key, position)
    }
  }
  return [...byPartition.values()]
}

// ---------------------------------------------------------------------------------------------------------------------
// text
// ---------------------------------------------------------------------------------------------------------------------

// Topics as Kafka allows them, numbers as `toString` writes them.
const grammar = /^(?!\.{1,2}@)([a-zA-Z0-9._-]{1,249})@(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,15})$/

const maxPartition = 2 ** 31 - 1

const parse = (text: string): Position | undefined => {
  const match = grammar.exec(text)
  if (match === null) {
    return undefined
  }
  const [, topic = "", partition, offset] = match
  const position = new PositionImpl(topic, Number(partition), Number(offset))
  return position.partition <= maxPartition && Number.isSafeInteger(position.offset) ? position : undefined
}

const explain = (text: string): string => `Expected a position as topic@partition:offset, actual ${issue.excerpt(text)}`

const FORM = "topic@partition:offset"

/** @internal */
export const FromString: Schema.Codec<Position, string> = textSchema({
  name: "Position",
  form: FORM,
  some: /^[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,20}@(0|[1-9][0-9]{0,8}):(0|[1-9][0-9]{0,14})$/,
  is: isPosition,
  parse,
  print: ({ offset, partition, topic }) => `${topic}@${partition}:${offset}`,
  explain
})

/** @internal */
export const ManyFromString: Schema.Codec<ReadonlyArray<Position>, string> = listSchema(
  FromString,
  "PositionsFromString",
  FORM
)
