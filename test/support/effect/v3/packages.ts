/** Where the packages of Effect 3 are, seen from the project's folder. */
export const packages = "node_modules"
