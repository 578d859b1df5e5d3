// Other programs: alone, with the terminal to themselves, or several at the same time.
import { spawn, spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

// Ctrl-C is the command's to answer, and this process waits for its last words. Nothing begins after it.
let isInterrupted = false
process.on("SIGINT", () => {
  isInterrupted = true
})

const shellFor = (program) => process.platform === "win32" && program !== process.execPath

/** A program alone: its status. */
export const run = (title, program, args, env = {}, cwd = root) => {
  if (title !== undefined) console.log(`\n> ${title}`)
  const { error, status } = spawnSync(program, args, {
    cwd,
    stdio: "inherit",
    env: { ...process.env, ...env },
    shell: shellFor(program)
  })
  if (error !== undefined) throw error
  return status ?? 1
}

/** A program without which nothing else makes sense. */
export const must = (title, program, args, env) => {
  const status = run(title, program, args, env)
  if (status !== 0) process.exit(status)
}

const spawned = (program, args) =>
  spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], shell: shellFor(program) })

const ended = (child) =>
  new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => resolve(code ?? 1))
  })

/** A program beside others: what it prints comes at its end, in one piece. */
export const runQuietly = async (title, program, args) => {
  const printed = []
  const child = spawned(program, args)
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => printed.push(chunk))
  const status = await ended(child)
  process.stdout.write(`\n> ${title}\n${Buffer.concat(printed)}`)
  return status
}

/** A program beside others that takes long: what it prints comes line by line, with its name in front. */
export const runNamed = (name, program, args) => {
  const child = spawned(program, args)
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input, crlfDelay: Infinity }).on("line", (line) => console.log(`${name} | ${line}`))
  }
  return ended(child)
}

/** Rows of tasks at the same time, those of a row one after the other, each of which gives its status. */
export const sideBySide = async (rows) => {
  const statuses = []
  const inTurn = async (row) => {
    for (const task of row) statuses.push(isInterrupted ? 1 : await task())
  }
  await Promise.all(rows.map(inTurn))
  return statuses.find((status) => status !== 0) ?? 0
}

/** The Node that Effect 4's test tools run on: one that runs TypeScript, as their configuration is. */
export const newNode = () =>
  process.features.typescript ? process.execPath : join(root, "effect4", "node_modules", ".bin", "node")

/** The compiler, a program of Node: several times as fast as the version that the linter works with. */
export const tsc = join(root, "node_modules", "typescript-7", "bin", "tsc")
