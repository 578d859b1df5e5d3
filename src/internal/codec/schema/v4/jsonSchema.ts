/** The JSON Schema of what a schema's values are in JSON. */
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { toJson } from "./jsonCodec.ts"

/** A JSON Schema as data. */
export type JsonSchema = Readonly<Record<string, unknown>>

const DRAFT = "https://json-schema.org/draft/2020-12/schema"

/** Of the schema, or of the part of it that these names lead to; with a title. */
export const jsonSchemaOf = (
  schema: Schema.Codec<unknown, unknown>,
  names: ReadonlyArray<string>,
  title: string
): JsonSchema => {
  const encoded = names.reduce(partOf, AST.toEncoded(toJson(schema.ast)))
  const { definitions, schema: found } = Schema.toJsonSchemaDocument(Schema.make(encoded))
  const hasDefinitions = Object.keys(definitions).length > 0
  return { $schema: DRAFT, title, ...found, ...(hasDefinitions ? { $defs: definitions } : {}) }
}

const partOf = (ast: AST.AST, name: string): AST.AST =>
  AST.isObjects(ast) ? (ast.propertySignatures.find((property) => property.name === name)?.type ?? ast) : ast
