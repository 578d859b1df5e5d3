/**
 * Leaves the wording of messages alone, as no test shall hold it: what is promised of an error is its reason and its
 * fields. Of what a text quotes (a size, an offset), nothing is promised either.
 */

/** Functions that take a text for people as their only text. */
const SAYING = new Set(["malformed", "broken", "tooLarge"])
/** Classes that do, and which of their arguments it is. */
const TEXT_OF = { Refusal: 1, BatchCorruption: 2, RangeError: 0, Error: 0 }
const LOGGING = /^log(Trace|Debug|Info|Warning|Error|Fatal)?$/
/** Fields of errors that are such a text. */
const FIELDS = new Set(["detail"])

const isText = (node) => node.type === "StringLiteral" || node.type === "TemplateLiteral"

const shouldIgnore = (path) => {
  const { node, parent } = path
  if (!isText(node) || !parent) return undefined
  const { callee } = parent
  const said =
    (parent.type === "CallExpression" && callee.type === "Identifier" && SAYING.has(callee.name)) ||
    (parent.type === "NewExpression" && parent.arguments.indexOf(node) === TEXT_OF[callee.name]) ||
    (parent.type === "ObjectProperty" && parent.value === node && FIELDS.has(parent.key.name)) ||
    (parent.type === "CallExpression" && callee.type === "MemberExpression" && LOGGING.test(callee.property.name))
  return said ? "the wording of a message" : undefined
}

export const strykerPlugins = [{ kind: "Ignore", name: "messages", value: { shouldIgnore } }]
