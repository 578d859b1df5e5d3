/**
 * What is wrong with a key or a value, told without anything that the record holds: the place in the value, as far as the
 * schema declares it, what is expected there, and what kind of thing stands there instead. Names that the schema does not
 * declare (keys of a record, excess properties) are written as `[*]`, as they are content.
 */
import * as Predicate from "effect/Predicate"

/** One thing that is wrong with a value. */
export interface Fault {
  readonly path: ReadonlyArray<string | number>
  /** What is wrong there: equal for all records that are wrong in the same way. */
  readonly says: string
  /** Figures that belong to this one record, such as a length. */
  readonly figures?: string
  /** What is wrong, in words that may quote the record, for those who ask for values. There are none about what a schema calls secret. */
  readonly quoting?: () => string
}

/** How many of a value's faults are told. */
export const LISTED = 3

/** How far a schema is followed through what wraps its objects: one that refers to itself has no end. */
export const MAX_WRAPPED = 16

/** Most characters of one name in a path. */
export const NAME_LENGTH = 64

/** Most characters of what is expected: of a large struct, the schema has a line of any length. */
export const EXPECTED_LENGTH = 128

/** Most steps of a path that are told: of a longer one, the first and the last of them. */
const STEPS = 64

/** Stands in a path for a name that is content. */
export const HIDDEN = "[*]"

/** The first faults, and how many there are. */
export interface Faults {
  readonly first: ReadonlyArray<Fault>
  readonly count: number
}

/**
 * What kind of thing a value is, without the value.
 *
 * @internal
 */
export const kindOfValue = (value: unknown): string => {
  switch (typeof value) {
    case "undefined":
      return "undefined"
    case "object":
      return value === null ? "null" : isArray(value) ? "an array" : "an object"
    default:
      return `a ${typeof value}`
  }
}

/**
 * The class of an object, which a program names.
 *
 * @internal
 */
export const kindOfInstance = (value: object): string => {
  const { constructor } = value
  const name: unknown = typeof constructor === "function" ? constructor.name : undefined
  return Predicate.isString(name) && WORD.test(name) ? `an instance of ${name}` : "an instance of a class"
}

/** A revoked proxy throws. */
const isArray = (value: object): boolean => {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/** Tags, names and codes are a program's own words; what is no plain word may be something else. */
const WORD = /^[\w$./@:-]{1,64}$/
const CODE = /^[A-Z][A-Z\d_]{1,63}$/

const wordOf = (thrown: object, key: string, form: RegExp): string | undefined => {
  const word: unknown = Predicate.hasProperty(thrown, key) ? thrown[key] : undefined
  return Predicate.isString(word) && form.test(word) ? word : undefined
}

const kindOfOne = (thrown: unknown): string => {
  if (!Predicate.isObject(thrown)) return kindOfValue(thrown)
  // the name of what is no error is a field of a record, as likely as not
  const name = thrown instanceof Error ? wordOf(thrown, "name", WORD) : undefined
  const code = wordOf(thrown, "code", CODE)
  return `${wordOf(thrown, "_tag", WORD) ?? name ?? kindOfValue(thrown)}${code === undefined ? "" : ` (${code})`}`
}

/**
 * What kind of thing somebody threw, or failed with, followed by its causes: tags, names and codes. Its words are not
 * told, as they may quote what the record holds. This never throws, whatever it is.
 *
 * @internal
 */
export const kindOfThrown = (thrown: unknown): string => {
  const kinds: Array<string> = []
  try {
    let current = thrown
    while (kinds.length < 4) {
      kinds.push(kindOfOne(current))
      if (!Predicate.hasProperty(current, "cause") || current.cause === undefined) break
      current = current.cause
    }
  } catch {
    kinds.push(kindOfValue(thrown))
  }
  return kinds.join(", caused by: ")
}

const placeOf = (path: ReadonlyArray<string | number>): string =>
  path.length <= STEPS ? stepsOf(path) : `${stepsOf(path.slice(0, STEPS / 2))}…${stepsOf(path.slice(-STEPS / 2))}`

const stepsOf = (path: ReadonlyArray<string | number>): string => {
  let place = ""
  for (const part of path) {
    place += typeof part === "number" ? `[${part}]` : part === HIDDEN || place === "" ? part : `.${part}`
  }
  return place
}

/** One line for the faults of a value. */
export const formatFaults = ({ count, first }: Faults): string => {
  const told = first.map(({ figures = "", path, says }) => {
    const place = placeOf(path)
    return place === "" ? `${says}${figures}` : `${place}: ${says}${figures}`
  })
  return told.join("; ") + more(count - first.length)
}

/** The faults in one line, with the values that they are about, as far as these may be shown. */
export const quoteFaults = ({ count, first }: Faults): string => {
  const told = first.map((fault) => fault.quoting?.() ?? formatFaults({ count: 1, first: [fault] }))
  return told.join("; ") + more(count - first.length)
}

const more = (count: number): string => (count > 0 ? `; and ${count} more` : "")

/** What values that are wrong in the same way have in common: no index, no figure, no number of faults. */
export const patternOfFaults = ({ first }: Faults): string => {
  const told = first.map(({ path, says }) => {
    const place = placeOf(path.map((part) => (typeof part === "number" ? HIDDEN : part)))
    return place === "" ? says : `${place}: ${says}`
  })
  return [...new Set(told)].join("; ")
}
