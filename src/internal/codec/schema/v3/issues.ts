/**
 * Issues of Effect 3's Schema as faults, and the errors that carry them.
 */
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { foreignText } from "../../../foreignText.ts"
import {
  EXPECTED_LENGTH,
  type Fault,
  type Faults,
  HIDDEN,
  kindOfValue,
  LISTED,
  MAX_WRAPPED,
  NAME_LENGTH
} from "../faults.ts"
import { somePart } from "./parts.ts"

export type Issue = ParseResult.ParseIssue

const ANYTHING = Schema.Unknown.ast

/** An issue that says the same as the faults, and holds no value: formatters of others print what an issue holds. */
const issueOf = ({ first }: Faults): ParseResult.ParseIssue => {
  const issues = first.map(({ figures = "", path: [head, ...tail], says }) => {
    const type = new ParseResult.Type(ANYTHING, undefined, `${says}${figures}`)
    return head === undefined ? type : new ParseResult.Pointer([head, ...tail], undefined, type)
  })
  const [one, ...others] = issues
  return others.length === 0 ? one : new ParseResult.Composite(ANYTHING, undefined, [one, ...others])
}

/** What all errors of codecs are on this major: a `ParseError` that holds an issue which says what the faults say. */
export class FaultsError extends ParseResult.ParseError {
  constructor(faults: Faults) {
    super({ issue: issueOf(faults) })
  }
}

/** The issue of an error of Schema's; none if it is something else. */
export const issueOfError = (thrown: unknown): Issue | undefined =>
  ParseResult.isParseError(thrown) ? thrown.issue : undefined

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
