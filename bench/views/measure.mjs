/** One measure in a process of its own: `node --expose-gc measure.mjs name '{"entries":…}'` prints its figures as JSON. */
import * as measures from "./measures.mjs"

const [name, options] = process.argv.slice(2)
console.log(JSON.stringify(await measures[name](JSON.parse(options))))
