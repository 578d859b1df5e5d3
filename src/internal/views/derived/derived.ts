/** Makes derived tables of their descriptions: one view for what keeps its keys, one for each grouping. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Codec } from "../../../Codec.ts"
import type { DerivedTable } from "../../../DerivedTable.ts"
import { InvalidOptionsError } from "../../../KafkaError.ts"
import type { TableFailure } from "../../../LiveTable.ts"
import type { TableChange } from "../../../TableChange.ts"
import type { Indexes } from "../../../TableIndex.ts"
import type { TableEntry } from "../../../TableSnapshot.ts"
import { currentLabels, withLabels } from "../../effect/v4/metric.ts"
import { KeyIndex } from "../../table/content/keyIndex.ts"
import { emptyRows } from "../../table/content/rowVector.ts"
import type { Slots } from "../../table/content/slots.ts"
import {
  attach,
  attachAll,
  isPublished,
  PUBLICATION,
  publicationOf,
  scopeOfViews,
  type Tags
} from "../../table/publication/attaching.ts"
import type { Input } from "../../table/publication/view.ts"
import { makeDerivedMetrics } from "../../viewMetrics.ts"
import { indexViews, problemsOf } from "../indexes.ts"
import { liveTableOf } from "../liveTable.ts"
import { type NamedIndexes, TableIndexes } from "../lookups.ts"
import { faceOf } from "../snapshot.ts"
import { Combined, ROOTS, type RootTable } from "./combined.ts"
import { ComputedSlots } from "./computedSlots.ts"
import { groupKeyCodec } from "./groupKey.ts"
import { GroupTable } from "./groupTable.ts"
import { Made } from "./made.ts"
import { Pipeline } from "./pipeline.ts"
import { Problems } from "./problems.ts"
import { describe } from "./description.ts"
import { type Description, stepsOf } from "./query.ts"
import { RowTable } from "./rowTable.ts"

export const TypeId: unique symbol = Symbol.for("effect-ktables/DerivedTable")

/** A table that others are made of. */
interface Part {
  readonly input: Input
  readonly roots: ReadonlyArray<RootTable>
}

/** All tables that a description names, resolved. */
type Sources = Map<object, Part>

/** What a source is, when its layer has been acquired. */
const resolved = (source: object): Effect.Effect<Part, InvalidOptionsError> =>
  Effect.gen(function* () {
    // A tag is an Effect of the table that it names; a table is itself.
    const table: unknown =
      PUBLICATION in source || !Effect.isEffect(source) ? source : yield* source as Effect.Effect<unknown>
    if (!isPublished(table)) {
      const problem = "must be a table of this library, or the tag of one"
      const error = new InvalidOptionsError({ module: "DerivedTable", problems: [{ option: "source", problem }] })
      return yield* Effect.fail(error)
    }
    const roots = ROOTS in table ? (table[ROOTS] as ReadonlyArray<RootTable>) : [table as unknown as RootTable]
    return { input: publicationOf(table), roots }
  })

/** The tables and tags that a description names. */
const namedIn = (description: Description): ReadonlyArray<object> => {
  switch (description._tag) {
    case "Source":
      return [description.source]
    case "Group":
      return namedIn(description.of)
    case "Steps":
      return [
        description.of,
        ...description.steps.flatMap((step) => (step._tag === "Join" ? [step.right] : []))
      ].flatMap(namedIn)
  }
}

/** A table that was made, with what is told of it. */
interface MadePart {
  readonly made: Made<unknown, unknown>
  readonly key: Codec<unknown>
  readonly problems: Problems
  readonly leftOut: () => number
}

/** Makes what one derived table consists of. */
class Maker {
  constructor(
    private readonly sources: Sources,
    private readonly combined: Combined,
    /** What metrics tell of it by, beside its topics. */
    private readonly tags: Tags
  ) {}

  /** What a description reads: a table as it is, or one that is made for it. */
  private inputOf(description: Description): Effect.Effect<Input, never, Scope.Scope> {
    if (description._tag === "Source") return Effect.succeed(this.sources.get(description.source)!.input)
    return Effect.map(this.make(description, new TableIndexes(this.combined.topics)), ({ made }) => made)
  }

  make(description: Description, names: NamedIndexes): Effect.Effect<MadePart, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const grouping = description._tag === "Group" ? description : undefined
      const { of, steps } = stepsOf(grouping === undefined ? description : grouping.of)
      const left = yield* this.inputOf(of)
      const rights: Array<Input> = []
      for (const step of steps) if (step._tag === "Join") rights.push(yield* this.inputOf(step.right))
      const pipeline = new Pipeline(left, steps, rights)
      // The rows of all tables are slots of some kind.
      const rows = left.newest as unknown as Slots<unknown, unknown, TableEntry<unknown, unknown>>
      const key = grouping === undefined ? rows.key : groupKeyCodec
      const { index, keys } = grouping === undefined ? rows : { index: new KeyIndex(), keys: [] }
      const made = yield* Made.make<unknown, unknown>({
        inputs: pipeline.inputs,
        numbering: grouping === undefined ? left : undefined,
        key,
        slots: new ComputedSlots<unknown, unknown>({ key, index, keys, rows: emptyRows, size: 0 }, undefined),
        face: faceOf<unknown, unknown, TableEntry<unknown, unknown>>(names)
      })
      const problems = new Problems()
      const end = (how: Exit.Exit<void, TableFailure>) => {
        const typed = this.combined.end(how)
        made.end(typed)
        problems.reports.end(typed)
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => end(Exit.void)))
      const view =
        grouping === undefined
          ? new RowTable(made, pipeline, problems, end)
          : new GroupTable(made, pipeline, grouping.by, grouping.aggregates, problems, end)
      yield* attach(view, this.tags)
      return { made, key, problems, leftOut: () => view.leftOut }
    })
  }
}

/** Makes a derived table: see `DerivedTable.make`. `name` is that of its tag, by which metrics tell of it. */
export const make = <K, V, Ix extends Indexes>(
  derivation: object,
  indexes: Ix,
  name?: string
): Effect.Effect<DerivedTable<K, V, Ix>, InvalidOptionsError, Scope.Scope> =>
  Effect.gen(function* () {
    const description = describe(derivation)
    const scope = yield* scopeOfViews
    const sources: Sources = new Map()
    for (const source of namedIn(description)) sources.set(source, yield* resolved(source))
    const roots = [...new Set([...sources.values()].flatMap((part) => part.roots))]
    const combined = yield* Combined.make(roots)
    const { topics: topic } = combined
    const problem = problemsOf({ module: "DerivedTable", topic }, indexes)
    if (problem !== undefined) return yield* Effect.fail(problem)
    const names = new TableIndexes(topic)
    const tags: Tags = name === undefined ? {} : { table: name }
    const { key, leftOut, made, problems } = yield* new Maker(sources, combined, tags).make(description, names)
    const statsNow = () => ({ entries: made.rows.size, leftOut: leftOut(), problems: problems.count })
    const report = makeDerivedMetrics(withLabels(yield* currentLabels, { topic, ...tags }))
    made.onTold = () => report(statsNow())
    made.onTold()
    const views = indexViews(made, indexes)
    for (const [name, view] of views) names.set(name, view)
    yield* Effect.provideService(
      attachAll(
        views.map(([, view]) => view),
        tags
      ),
      Scope.Scope,
      scope
    )
    const table = {
      ...liveTableOf<unknown, unknown, TableEntry<unknown, unknown>, TableChange<unknown, unknown>, Indexes>({
        shown: made,
        key,
        names,
        scope
      }),
      ...combined.own,
      [TypeId]: TypeId,
      [ROOTS]: roots,
      problems: problems.reports.stream,
      stats: Effect.sync(() => Object.freeze(statsNow()))
    }
    // The description has the types of the table.
    return table as unknown as DerivedTable<K, V, Ix>
  })
