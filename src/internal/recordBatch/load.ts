// The module is imported as a namespace, as webpack takes a named `createRequire` for its own.
import * as Module from "node:module"

/** The file of this module. It is not found out by `typeof`, which webpack answers by itself, and wrongly. */
const here = (): string => {
  try {
    return __filename
  } catch {
    return import.meta.url
  }
}

/**
 * Loads a package that holds compiled code, when it is first needed; throws if that fails. It is not loaded by
 * `import`, so that a bundler leaves it where it is, in `node_modules` beside the bundle. A bundle in CommonJS has a
 * file name and no URL.
 */
export const loadPackage = (name: string): unknown => Module.createRequire(here())(name)
