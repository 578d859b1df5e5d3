// What the exports of the package let in, and what that loads. Arguments: what to import. Prints JSON.
import { createRequire } from "node:module"

const require = createRequire(import.meta.url)
const codeOf = (error) => error.code

const names = {}
for (const door of process.argv.slice(2)) names[door] = Object.keys(await import(door)).sort()

const loaded = new Set(
  Object.keys(require.cache).map((path) => path.replace(/^.*[\\/]node_modules[\\/]/, "").split(/[\\/]/)[0])
)

const refused = {}
for (const door of ["effect-ktables/internal/log", "effect-ktables/dist/index.js", "effect-ktables/src/index.ts"]) {
  refused[door] = await import(door).then(() => "let in", codeOf)
}

const required = () => {
  try {
    return Object.keys(require("effect-ktables")).sort()
  } catch (error) {
    return codeOf(error)
  }
}

console.log(
  JSON.stringify({
    names,
    refused,
    loaded: [...loaded],
    canRequireModules: process.features.require_module === true,
    required: required()
  })
)
