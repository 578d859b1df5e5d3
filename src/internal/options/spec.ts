/**
 * Options as tables of their names: how each of them is read, with its default. So each option is named once beside its
 * public type, and what is in no table is told as unknown.
 */
import type * as Duration from "effect/Duration"
import type { OptionCheck } from "./check.ts"

export const MIB = 1024 * 1024

/** How one option is read. */
export interface Option<I, A> {
  /**
   * Checks what the user gave, and returns what is used. `name` is the option's whole name, for problems with it; `all`
   * are the options beside it.
   */
  readonly read: (check: OptionCheck, name: string, value: I | undefined, all: object) => A
}

/** A duration, which is read as milliseconds: the name of the result ends with `Millis`. */
export interface Millis<A = number> extends Option<Duration.Input, A> {
  readonly isMillis: true
}

/** A table of options that has all names of the type, and no others. */
export type Spec<Options> = { readonly [Name in keyof Options]-?: Option<Exclude<Options[Name], undefined>, unknown> }

type AnySpec = Readonly<Record<string, Option<never, unknown>>>

/**
 * What is read by a table of options. Durations are milliseconds and named so: `waitTimeout` is `waitTimeoutMillis`.
 */
export type Checked<S> = {
  readonly [
    Name in keyof S & string as S[Name] extends Millis<unknown> ? `${Name}Millis` : Name
  ]: S[Name] extends Option<never, infer A> ? A : never
}

/** A duration above zero. */
export const millis = <F extends number | undefined>(fallback: F): Millis<number | F> => ({
  isMillis: true,
  read: (check, name, value) => (value === undefined ? fallback : check.millis(name, value))
})

/** A duration above zero, however long; without a default. */
export const longMillis: Millis<number | undefined> = {
  isMillis: true,
  read: (check, name, value) => (value === undefined ? undefined : check.longMillis(name, value))
}

/** `true` or `false`. */
export const boolean = <F extends boolean | undefined>(fallback: F): Option<boolean, boolean | F> => ({
  read: (check, name, value) => (value === undefined ? fallback : check.boolean(name, value, false))
})

/** A whole number of at least `min`. `most` is the largest one, and how that is written in words. */
export const integer = (
  fallback: number,
  min: number,
  most?: { readonly value: number; readonly text: string }
): Option<number, number> => ({
  read: (check, name, value) => {
    const number = check.integer(name, value, fallback, min)
    if (most !== undefined && number > most.value) check.problem(name, `must be at most ${most.text}`)
    return number
  }
})

/** One of these words; the first is the default. */
export const oneOf = <A extends string>(...words: readonly [A, ...ReadonlyArray<A>]): Option<A, A> => ({
  read: (check, name, value) => check.oneOf(name, value, words[0], words)
})

/** An option without a default, taken as it is if `is` holds. */
export const optional = <A>(is: (value: A) => boolean, problem: string): Option<A, A | undefined> => ({
  read: (check, name, value) => {
    if (value !== undefined && !is(value)) check.problem(name, problem)
    return value
  }
})

/** An option without a default, taken as it is, as it is looked at together with others. */
export const asGiven = <A>(): Option<A, A | undefined> => optional<A>(() => true, "")

/** The name of a topic. */
export const topic: Option<string, string> = {
  read: (check, _name, value) => {
    check.topic(value as string)
    return value as string
  }
}

/** An object of options within an option. */
export const group = <Options extends object, S extends Spec<Options>>(spec: S): Option<Options, Checked<S>> => ({
  read: (check, name, value) => readSpec(check, spec as unknown as AnySpec, value, { within: name }) as Checked<S>
})

/**
 * Reads options by a table of them. `within` is the option that holds them; `ignored` are tables of other layers, which
 * may be given the same object.
 */
export const readSpec = <S extends AnySpec>(
  check: OptionCheck,
  spec: S,
  options: object | undefined,
  { ignored = [], within }: { readonly within?: string; readonly ignored?: ReadonlyArray<object> } = {}
): Checked<S> => {
  const given = check.known(options, Object.keys(spec), within, ignored.flatMap(Object.keys)) as Record<string, never>
  const read = Object.entries(spec).map(([name, option]) => {
    const whole = within === undefined ? name : `${within}.${name}`
    return ["isMillis" in option ? `${name}Millis` : name, option.read(check, whole, given[name], given)]
  })
  return Object.fromEntries(read) as Checked<S>
}
