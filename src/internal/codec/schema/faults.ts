/**
 * What is wrong with a key or a value, told without anything that the record holds: the place in the value, as far as the
 * schema declares it, what is expected there, and what kind of thing stands there instead. Names that the schema does not
 * declare (keys of a record, excess properties) are written as `[*]`, as they are content.
 */
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as AST from "effect/SchemaAST"
import { foreignText } from "../../foreignText.ts"
import { somePart } from "./parts.ts"

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
const LISTED = 3

/** How far a schema is followed through what wraps its objects: one that refers to itself has no end. */
const MAX_WRAPPED = 16

/** Most characters of one name in a path. */
const NAME_LENGTH = 64

/** Most characters of what is expected: of a large struct, the schema has a line of any length. */
const EXPECTED_LENGTH = 128

/** Most steps of a path that are told: of a longer one, the first and the last of them. */
const STEPS = 64

/** Stands in a path for a name that is content. */
export const HIDDEN = "[*]"

/** The first faults, and how many there are. */
export interface Faults {
  readonly first: ReadonlyArray<Fault>
  readonly count: number
}

interface Visit {
  readonly issue: ParseResult.ParseIssue
  /** The part of the schema that the issue is about, where it is known. */
  readonly ast: AST.AST | undefined
  readonly path: ReadonlyArray<string | number>
  /** `path`, with those names, too, that are content of the record. */
  readonly names: ReadonlyArray<PropertyKey>
  /** Whether the value there holds something that the schema calls secret, as far as is known. */
  readonly holdsSecret: boolean
  /** Whether all that is in the value belongs to a secret. */
  readonly isSecret: boolean
}

/** Faults of an issue. It may nest deeper than the stack, so this is a loop. */
export const faultsOfIssue = (issue: ParseResult.ParseIssue): Faults => {
  const first: Array<Fault> = []
  let count = 0
  const visits: Array<Visit> = [{ issue, ast: undefined, path: [], names: [], holdsSecret: false, isSecret: false }]
  const tell = ({ issue, names, path, ...visit }: Visit, says: string) => {
    count++
    if (first.length === LISTED) return
    first.push(
      visit.holdsSecret || visit.isSecret ? { path, says } : { path, says, quoting: () => wordsOf(issue, names) }
    )
  }
  for (let next = visits.pop(); next !== undefined; next = visits.pop()) {
    const { issue } = next
    const hasSchema = issue._tag !== "Pointer" && issue._tag !== "Missing" && issue._tag !== "Unexpected"
    const visit = hasSchema ? withSchema(next, issue.ast) : next
    switch (issue._tag) {
      case "Pointer":
        visits.push({ ...visit, issue: issue.issue, ...step(visit, issue.path) })
        break
      case "Composite": {
        const inner = Predicate.hasProperty(issue.issues, "_tag")
          ? [issue.issues]
          : (issue.issues as ReadonlyArray<ParseResult.ParseIssue>)
        for (let i = inner.length - 1; i >= 0; i--) visits.push({ ...visit, issue: inner[i] })
        break
      }
      case "Refinement":
      case "Transformation": {
        // a function of the schema's saw all of the value, and may speak of any part of it wherever it points to
        const isOwnWord = issue.kind === "Predicate" || issue.kind === "Transformation"
        visits.push({ ...visit, issue: issue.issue, isSecret: visit.isSecret || (isOwnWord && visit.holdsSecret) })
        break
      }
      case "Missing":
        tell(visit, "is missing")
        break
      case "Unexpected":
        tell(visit, "is not in the schema")
        break
      case "Forbidden":
        tell(visit, "is forbidden")
        break
      case "Type":
        tell(visit, `${expectation(issue.ast)}, actual ${kindOfValue(issue.actual)}`)
        break
    }
  }
  return { first, count }
}

const withSchema = (visit: Visit, ast: AST.AST): Visit => {
  const holdsSecret = visit.holdsSecret || holdsSecretPart(ast)
  // of the members of a union, each is tried with the same value
  const isSecret = visit.isSecret || isSecretPart(ast) || (AST.isUnion(ast) && holdsSecret)
  return { ...visit, ast, holdsSecret, isSecret }
}

/** Where a pointer leads. */
const step = (visit: Visit, pointer: ParseResult.Path): Omit<Visit, "issue" | "isSecret"> => {
  const steps = Array.isArray(pointer) ? (pointer as ReadonlyArray<PropertyKey>) : [pointer as PropertyKey]
  const path = [...visit.path]
  let { ast, holdsSecret } = visit
  for (const name of steps) {
    ast = ast === undefined ? undefined : declared(ast, name, MAX_WRAPPED)
    path.push(typeof name === "number" ? name : ast === undefined ? HIDDEN : foreignText(String(name), NAME_LENGTH))
    // a part that is declared says for itself whether it is secret
    holdsSecret = ast === undefined ? holdsSecret : holdsSecretPart(ast)
  }
  return { ast, holdsSecret, path, names: [...visit.names, ...steps] }
}

/** The part that a schema declares under a name, or at an index of an array. */
const declared = (ast: AST.AST, name: PropertyKey, wrapped: number): AST.AST | undefined => {
  if (wrapped === 0) return undefined
  switch (ast._tag) {
    case "TypeLiteral":
      return ast.propertySignatures.find((property) => property.name === name)?.type
    case "TupleType":
      return typeof name === "number" ? (ast.elements[name] ?? ast.rest[0])?.type : undefined
    case "Refinement":
      return declared(ast.from, name, wrapped - 1)
    case "Transformation":
      return declared(ast.from, name, wrapped - 1) ?? declared(ast.to, name, wrapped - 1)
    case "Suspend":
      return declared(ast.f(), name, wrapped - 1)
    case "Union":
      for (const type of ast.types) {
        const found = declared(type, name, wrapped - 1)
        if (found !== undefined) return found
      }
      return undefined
    default:
      return undefined
  }
}

/** Keeps what a function of a schema's part gives. */
const once = <A>(f: (ast: AST.AST) => A): ((ast: AST.AST) => A) => {
  const known = new WeakMap<AST.AST, A>()
  return (ast) => {
    const found = known.get(ast)
    if (found !== undefined) return found
    const made = f(ast)
    known.set(ast, made)
    return made
  }
}

/**
 * What a schema says of itself. Messages of its functions are not asked for: they may quote the value.
 *
 * @internal
 */
export const kindOfType = once((ast: AST.AST): string => {
  const said = AST.getDescriptionAnnotation(ast).pipe(
    Option.orElse(() => AST.getTitleAnnotation(ast)),
    Option.getOrElse(() => String(ast))
  )
  return foreignText(said, EXPECTED_LENGTH)
})

/** An issue that was made by hand may name no schema. */
const expectation = (ast: AST.AST): string =>
  AST.isUnknownKeyword(ast) || AST.isAnyKeyword(ast) ? "does not fit" : `Expected ${kindOfType(ast)}`

/** Is it something that the schema calls secret, or becomes it? */
const isSecretPart = (ast: AST.AST): boolean =>
  AST.isTransformation(ast)
    ? isSecretPart(ast.from) || isSecretPart(ast.to)
    : AST.isDeclaration(ast) &&
      Option.exists(AST.getTypeConstructorAnnotation(ast), ({ _tag }) => _tag === "effect/Redacted")

/**
 * Is there something in it that the schema calls secret? Where it cannot be told, there may be.
 *
 * @internal
 */
export const mayHoldSecret = (ast: AST.AST): boolean => somePart(ast, isSecretPart) ?? true

/**
 * `mayHoldSecret`, kept from the first time that it is asked: by then, all is declared that the schema refers to.
 *
 * @internal
 */
export const holdsSecretPart = once(mayHoldSecret)

/** What a schema's own formatter has to say of the innermost part of an issue. It may quote all of the value. */
const wordsOf = (issue: ParseResult.ParseIssue, names: ReadonlyArray<PropertyKey>): string => {
  const place = names.map(String).join(".")
  const words = ParseResult.TreeFormatter.formatIssueSync(issue)
  return place === "" ? words : `${place}: ${words}`
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
