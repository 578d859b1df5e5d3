// By its namespace: webpack takes a named `createRequire` for its own.
import * as Module from "node:module"

/** Not by `typeof`, which webpack answers by itself, and wrongly. */
const here = (): string => {
  try {
    return __filename
  } catch {
    return import.meta.url
  }
}

/**
 * A package that holds compiled code, loaded when it is first needed. Not by `import`, so that a bundler leaves it where
 * it is: beside the bundle in `node_modules`. A bundle in CommonJS has a file name, and no URL. Throws.
 */
export const loadPackage = (name: string): unknown => Module.createRequire(here())(name)
