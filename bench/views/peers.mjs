/** Has imports of the peers lead to where they are installed. */
import * as module from "node:module"
import { pathToFileURL } from "node:url"
import { join } from "node:path"

const peers = ["sorted-btree", "@tanstack/db"]
const from = pathToFileURL(join(process.env.PEERS, "package.json")).href

if (module.registerHooks === undefined) {
  module.register(
    "data:text/javascript," +
      encodeURIComponent(`
    export const resolve = (name, context, next) =>
      next(name, ${JSON.stringify(peers)}.includes(name) ? { ...context, parentURL: ${JSON.stringify(from)} } : context)
  `)
  )
} else {
  module.registerHooks({
    resolve: (name, context, next) => next(name, peers.includes(name) ? { ...context, parentURL: from } : context)
  })
}
