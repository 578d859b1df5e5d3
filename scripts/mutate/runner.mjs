/**
 * Stryker's runner for vitest, which keeps the modules that tests have loaded from one mutant to the next: loading them
 * takes ten times as long as running the tests of most mutants. All mutants are in these modules, and one of them is
 * switched on. They are loaded anew for a mutant that matters while they are loaded, after it, and after a test that did
 * not end, as it may go on.
 */
const packages = new URL("../../.cache/mutate/node_modules/@stryker-mutator/", import.meta.url)
const { strykerValidationSchema } = await import(new URL("vitest-runner/dist/src/index.js", packages).href)
const { VitestTestRunner } = await import(new URL("vitest-runner/dist/src/vitest-test-runner.js", packages).href)

/** Of how many mutants one is tried. */
const sample = Number(process.env["MUTATE_SAMPLE"] ?? 1)

class KeepingRunner extends VitestTestRunner {
  isUsed = true

  /** A file that cannot be loaded has no tests, so nothing would say that they are missing. */
  async dryRun(options) {
    const result = await super.dryRun(options)
    const broken = this.ctx.state
      .getFiles()
      .filter(({ result, tasks }) => result?.state === "fail" && tasks.length === 0)
    if (broken.length === 0) return result
    const errorMessage = broken.map(({ name, result }) => `${name}: ${result.errors?.[0]?.message}`).join("\n")
    return { status: "error", errorMessage }
  }

  async mutantRun(options) {
    if (Number(options.activeMutant.id) % sample !== 0) return { status: "error", errorMessage: "not in the sample" }
    if (this.isUsed || options.reloadEnvironment) {
      // The next run makes another one, with another thread.
      await this.ctx.pool?.close?.()
      this.ctx.pool = undefined
    }
    const result = await super.mutantRun(options)
    const isOver =
      result.status === "survived" || (result.status === "killed" && !/timed out/.test(result.failureMessage))
    this.isUsed = options.reloadEnvironment || !isOver
    return result
  }
}

const make = (injector) => injector.provideValue("globalNamespace", "__stryker__").injectClass(KeepingRunner)
make.inject = ["$injector"]

export { strykerValidationSchema }
export const strykerPlugins = [{ kind: "TestRunner", name: "vitest", factory: make }]
