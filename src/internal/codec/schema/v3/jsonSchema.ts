/** The JSON Schema of what a schema's values are in JSON. */
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

/** A JSON Schema as data. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** Of the schema, or of the part of it that these names lead to; with a title. */
export const jsonSchemaOf = (
  schema: Schema.Schema<unknown, unknown>,
  names: ReadonlyArray<string>,
  title: string
): JsonSchema => {
  const encoded = names.reduce(partOf, AST.encodedBoundAST(schema.ast))
  const { $schema, ...found } = JSONSchema.make(Schema.make(encoded), { target: "jsonSchema2020-12" })
  return { $schema, title, ...found }
}

const partOf = (ast: AST.AST, name: string): AST.AST =>
  AST.isTypeLiteral(ast) ? (ast.propertySignatures.find((property) => property.name === name)?.type ?? ast) : ast
