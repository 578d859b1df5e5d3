/** What a derived table is made of, as it is described: no table is touched before it is made. */
import type { IndexKey } from "../../../TableIndex.ts"
import type { AggregateParts } from "./accumulator.ts"

/** A step that keeps the keys of the rows: a filter, another value, or a join. */
export type Step =
  | { readonly _tag: "Filter"; readonly holds: (value: unknown, key: unknown) => boolean }
  | { readonly _tag: "Map"; readonly to: (value: unknown, key: unknown) => unknown }
  | {
      readonly _tag: "Join"
      readonly right: Description
      /** The key of the other row; `undefined` if there is none. */
      readonly on: (value: unknown, key: unknown) => unknown
      /** `found` says whether there is another row. */
      readonly select: (value: unknown, other: unknown, found: boolean, key: unknown) => unknown
      /** Whether rows without another one stay. */
      readonly keepsAll: boolean
    }

export type Description =
  | { readonly _tag: "Source"; /** A table, or the tag of one. */ readonly source: object }
  | { readonly _tag: "Steps"; readonly of: Description; readonly steps: ReadonlyArray<Step> }
  | {
      readonly _tag: "Group"
      readonly of: Description
      readonly by: (value: unknown, key: unknown) => IndexKey | undefined
      readonly aggregates: Readonly<Record<string, AggregateParts>>
    }

/** Adds a step. */
export const withStep = (of: Description, step: Step): Description =>
  of._tag === "Steps" ? { ...of, steps: [...of.steps, step] } : { _tag: "Steps", of, steps: [step] }

/** The steps that come first of a description, and what they are taken of. */
export const stepsOf = (description: Description): { readonly of: Description; readonly steps: ReadonlyArray<Step> } =>
  description._tag === "Steps" ? description : { of: description, steps: [] }
