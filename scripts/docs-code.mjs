// Compiles every TypeScript block of the README, of docs/ and of the doc comments, each as a module of its own.
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, ".cache", "docs-code")
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const filesIn = (folder, extension) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(extension))
    .map((name) => join(root, folder, name))

/** Blocks of a file with the line that they begin at. Doc comments carry ` * ` in front of each line. */
const blocksOf = (file) => {
  const lines = readFileSync(file, "utf8").split("\n")
  const blocks = []
  let open
  lines.forEach((line, index) => {
    const text = file.endsWith(".ts") ? line.replace(/^\s*\* ?/, "") : line
    if (open === undefined && /^```ts\s*$/.test(text)) open = { line: index + 1, code: [] }
    else if (open !== undefined && /^```\s*$/.test(text)) {
      blocks.push(open)
      open = undefined
    } else if (open !== undefined) open.code.push(text)
  })
  return blocks
}

let count = 0
for (const file of [join(root, "README.md"), ...filesIn("docs", ".md"), ...filesIn("src", ".ts")]) {
  for (const { code, line } of blocksOf(file)) {
    const name = `${relative(root, file).replaceAll(/[^a-zA-Z0-9]/g, "_")}_${line}.ts`
    writeFileSync(join(out, name), [...code, "export {}", ""].join("\n"))
    count++
  }
}
writeFileSync(
  join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.json",
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, noEmit: true },
    include: ["*.ts", "../../src/internal/kafkajs/modules.d.ts"]
  })
)
const { status } = spawnSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", out], {
  stdio: "inherit"
})
console.log(`${count} blocks of code in the docs compiled`)
process.exit(status ?? 1)
