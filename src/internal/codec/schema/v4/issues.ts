/** Issues of Effect 4's Schema as faults, and the errors that carry them. */
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
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
import { representationOf, somePart } from "./parts.ts"

export type Issue = SchemaIssue.Issue

/** An issue that says the same as the faults, and holds no value: formatters of others print what an issue holds. */
const issueOf = ({ first }: Faults): Issue => {
  const issues = first.map(({ figures = "", path, says }) => {
    const said = new SchemaIssue.InvalidValue({ message: `${says}${figures}` })
    return path.length === 0 ? said : new SchemaIssue.Pointer(path, said)
  })
  const [one, ...others] = issues
  return others.length === 0 ? one : new SchemaIssue.Composite(AST.unknown, [one, ...others])
}

/** What all errors of codecs are on this major: a `SchemaError` that holds an issue which says what the faults say. */
export class FaultsError extends Schema.SchemaError {
  constructor(faults: Faults) {
    super(issueOf(faults))
  }

  override get message(): string {
    return this.toString()
  }
}

/** The issue of an error of Schema's; none if it is something else. */
export const issueOfError = (thrown: unknown): Issue | undefined =>
  Schema.isSchemaError(thrown) ? thrown.issue : undefined

interface Visit {
  readonly issue: Issue
  /** The part of the schema that the issue is about, where it is known. */
  readonly ast: AST.AST | undefined
  /** The check that failed, if one did: the issue within says what it found. */
  readonly check: SchemaIssue.Filter | undefined
  /** Whether the check itself points to where it is, with the value that it saw: what stands there is not known. */
  readonly isPointed: boolean
  readonly path: ReadonlyArray<string | number>
  /** `path`, with those names, too, that are content of the record. */
  readonly names: ReadonlyArray<PropertyKey>
  /** The value there, where the issues around know it. */
  readonly input: { readonly value: unknown } | undefined
  /** Whether the value there holds something that the schema calls secret, as far as is known. */
  readonly holdsSecret: boolean
  /** Whether all that is in the value belongs to a secret. */
  readonly isSecret: boolean
}

/** Faults of an issue. It may nest deeper than the stack, so this is a loop. */
export const faultsOfIssue = (issue: Issue): Faults => {
  const first: Array<Fault> = []
  let count = 0
  const visits: Array<Visit> = [
    {
      issue,
      ast: undefined,
      check: undefined,
      isPointed: false,
      path: [],
      names: [],
      input: undefined,
      holdsSecret: false,
      isSecret: false
    }
  ]
  const tell = ({ check, isPointed, issue, names, path, ...visit }: Visit, says: string) => {
    count++
    if (first.length === LISTED) return
    const isQuoted = !visit.holdsSecret && !visit.isSecret
    first.push(
      isQuoted ? { path, says, quoting: () => wordsOf(isPointed ? issue : (check ?? issue), names) } : { path, says }
    )
  }
  for (let next = visits.pop(); next !== undefined; next = visits.pop()) {
    const { issue } = next
    const visit = seen(next)
    switch (issue._tag) {
      case "Pointer":
        visits.push({
          ...visit,
          issue: issue.issue,
          isPointed: visit.check !== undefined,
          ...step(visit, issue.path)
        })
        break
      case "Encoding":
        // A function of the schema's saw all of the value, and may speak of any part of it wherever it points to.
        visits.push({
          ...visit,
          issue: issue.issue,
          check: undefined,
          isSecret: visit.isSecret || (visit.holdsSecret && isOwnWord(issue))
        })
        break
      case "Filter":
        visits.push({
          ...visit,
          issue: issue.issue,
          check: issue,
          isPointed: false,
          isSecret: visit.isSecret || visit.holdsSecret
        })
        break
      case "Composite":
      case "AnyOf":
        for (let i = issue.issues.length - 1; i >= 0; i--) visits.push({ ...visit, issue: issue.issues[i] })
        if (issue.issues.length === 0) tell(visit, `${expectation(issue.ast)}${actual(visit)}`)
        break
      case "MissingKey":
        tell(visit, "is missing")
        break
      case "UnexpectedKey":
        tell(visit, "is not in the schema")
        break
      case "Forbidden":
        tell(visit, "is forbidden")
        break
      case "OneOf":
        tell(visit, "Expected exactly one of what it may be, actual more than one")
        break
      case "InvalidType":
        tell(visit, `${expectation(issue.ast)}${actual(visit)}`)
        break
      case "InvalidValue":
        tell(visit, `${expectedOf(visit)}${actual(visit)}`)
        break
    }
  }
  return { first, count }
}

/** Whether it is a function that says what is wrong, and not a part that the value is decoded from. */
const isOwnWord = ({ ast, issue }: SchemaIssue.Encoding): boolean =>
  !("ast" in issue) || !(ast.encoding ?? []).some(({ to }) => isPartOf(issue.ast, to, MAX_WRAPPED))

const isPartOf = (ast: AST.AST, whole: AST.AST, wrapped: number): boolean =>
  ast === whole || (wrapped > 0 && AST.isSuspend(whole) && isPartOf(ast, whole.thunk(), wrapped - 1))

const expectedOf = ({ ast, check }: Visit): string =>
  check !== undefined ? kindOfCheck(check.filter) : ast === undefined ? "does not fit" : expectation(ast)

const actual = ({ input, isPointed }: Visit): string =>
  input === undefined || isPointed ? "" : `, actual ${kindOfValue(input.value)}`

/** What an issue itself says of its part of the schema, and of the value there. */
const seen = (visit: Visit): Visit => {
  const { issue } = visit
  const input = SchemaIssue.hasInput(issue) ? { value: issue.input } : visit.input
  if (!("ast" in issue)) return { ...visit, input }
  const { ast } = issue
  const holdsSecret = visit.holdsSecret || holdsSecretPart(ast)
  // of the members of a union, each is tried with the same value
  const isSecret = visit.isSecret || isSecretPart(ast) || (AST.isUnion(ast) && holdsSecret)
  return { ...visit, input, ast, holdsSecret, isSecret }
}

/** Where a pointer leads. */
const step = (
  visit: Visit,
  pointer: ReadonlyArray<PropertyKey>
): Pick<Visit, "ast" | "path" | "names" | "input" | "holdsSecret"> => {
  const path = [...visit.path]
  let { ast, holdsSecret } = visit
  for (const name of pointer) {
    ast = ast === undefined ? undefined : declared(ast, name, MAX_WRAPPED)
    path.push(typeof name === "number" ? name : ast === undefined ? HIDDEN : foreignText(String(name), NAME_LENGTH))
    // a part that is declared says for itself whether it is secret
    holdsSecret = ast === undefined ? holdsSecret : holdsSecretPart(ast)
  }
  return { ast, holdsSecret, path, names: [...visit.names, ...pointer], input: undefined }
}

/** The part that a schema declares under a name, or at an index of an array. */
const declared = (ast: AST.AST, name: PropertyKey, wrapped: number): AST.AST | undefined => {
  if (wrapped === 0) return undefined
  return (
    declaredHere(ast, name, wrapped) ??
    firstOf(
      (ast.encoding ?? []).map(({ to }) => to),
      name,
      wrapped
    )
  )
}

const declaredHere = (ast: AST.AST, name: PropertyKey, wrapped: number): AST.AST | undefined => {
  switch (ast._tag) {
    case "Objects":
      return ast.propertySignatures.find((property) => property.name === name)?.type
    case "Arrays":
      return typeof name === "number" ? (ast.elements[name] ?? ast.rest[0]) : undefined
    case "Suspend":
      return declared(ast.thunk(), name, wrapped - 1)
    case "Union":
      return firstOf(ast.types, name, wrapped)
    default:
      return undefined
  }
}

const firstOf = (parts: ReadonlyArray<AST.AST>, name: PropertyKey, wrapped: number): AST.AST | undefined => {
  for (const part of parts) {
    const found = declared(part, name, wrapped - 1)
    if (found !== undefined) return found
  }
  return undefined
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

/** What an annotation says that is the schema's own word: the functions of a schema cannot have written it. */
const said = (annotations: Readonly<Record<string, unknown>> | undefined): string | undefined => {
  for (const name of ["description", "title", "identifier", "expected"]) {
    const text = annotations?.[name]
    if (typeof text === "string" && text !== "") return text
  }
  return undefined
}

/**
 * What a schema says of itself, its checks left aside.
 *
 * @internal
 */
export const kindOfType = once((ast: AST.AST): string =>
  foreignText(said(ast.annotations) ?? kindOfTag(ast, MAX_WRAPPED), EXPECTED_LENGTH)
)

const kindOfTag = (ast: AST.AST, wrapped: number): string => {
  switch (ast._tag) {
    case "String":
      return "a string"
    case "Number":
      return "a number"
    case "Boolean":
      return "a boolean"
    case "BigInt":
      return "a bigint"
    case "Symbol":
    case "UniqueSymbol":
      return "a symbol"
    case "Null":
    case "Undefined":
    case "Void":
    case "Never":
      return ast._tag.toLowerCase()
    case "Unknown":
    case "Any":
      return "anything"
    case "Objects":
    case "ObjectKeyword":
      return "an object"
    case "Arrays":
      return "an array"
    case "Literal":
      return typeof ast.literal === "bigint" ? `${ast.literal}n` : JSON.stringify(ast.literal)
    case "Enum":
      return ast.enums.map(([, value]) => JSON.stringify(value)).join(" | ")
    case "TemplateLiteral":
      return "a string of a template"
    case "Union": {
      if (wrapped === 0) return "one of several"
      const kinds = ast.types.map((type) => said(type.annotations) ?? kindOfTag(type, wrapped - 1))
      return [...new Set(kinds)].join(" | ")
    }
    case "Suspend":
      return wrapped === 0 ? "something" : kindOfTag(ast.thunk(), wrapped - 1)
    case "Declaration":
      return representationOf(ast)?.split("/").at(-1) ?? "what the schema declares"
  }
}

const kindOfCheck = ({ annotations }: AST.Filter<unknown>): string => {
  const own = annotations?.message
  if (typeof own === "string" && own !== "") return foreignText(own, EXPECTED_LENGTH)
  const kind = said(annotations)
  return kind === undefined ? "does not pass a check" : `Expected ${foreignText(kind, EXPECTED_LENGTH)}`
}

/** An issue that was made by hand may name no schema. */
const expectation = (ast: AST.AST): string =>
  (AST.isUnknown(ast) || AST.isAny(ast)) && said(ast.annotations) === undefined
    ? "does not fit"
    : `Expected ${kindOfType(ast)}`

/** Is it something that the schema calls secret, or becomes it? */
const isSecretPart = (ast: AST.AST): boolean =>
  (AST.isDeclaration(ast) && representationOf(ast) === "effect/schema/Redacted") ||
  (ast.encoding ?? []).some(({ to }) => isSecretPart(to))

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

const format = SchemaIssue.makeFormatterDefault()

/** What Schema's own formatter has to say of the innermost part of an issue. It may quote all of the value. */
const wordsOf = (issue: Issue, names: ReadonlyArray<PropertyKey>): string => {
  const place = names.map(String).join(".")
  const words = format(issue)
  return place === "" ? words : `${place}: ${words}`
}
