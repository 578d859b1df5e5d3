// Bundles as a service is: from the first argument to the second, by the webpack that is in the directory of the third.
import { createRequire } from "node:module"

const [entry, filename, directory] = process.argv.slice(2)
const webpack = createRequire(`${directory}/package.json`)("webpack")

webpack(
  {
    mode: "production",
    target: "node20",
    entry,
    output: { path: process.cwd(), filename },
    optimization: { minimize: false }
  },
  (error, stats) => {
    const problem = error ?? (stats.hasErrors() || stats.hasWarnings() ? stats.toString({ modules: false }) : undefined)
    if (problem === undefined) return
    console.error(problem)
    process.exitCode = 1
  }
)
