/** Where the packages of Effect 4 are, seen from the project's folder. */
export const packages = "effect4/node_modules"
