/** Every promised outcome has a scenario that shows it. */
import { assert, describe, it } from "vitest"
import { scenarios as groups } from "./groups/scenarios.ts"
import { scenarios as oneNode } from "./oneNode.ts"
import { rows, type Row, type RowName, type Side } from "./rows.ts"
import { scenarios as security } from "./security.ts"
import { scenarios as threeNodes } from "./threeNodes.ts"

const scenarios = [...oneNode, ...threeNodes, ...security, ...groups]

const covering = (name: RowName, side: Side): ReadonlyArray<string> =>
  scenarios.filter(({ covers }) => covers.some(([row, of]) => row === name && of === side)).map((one) => one.name)

describe("every fault and what is promised about it", () => {
  for (const [name, row] of Object.entries(rows) as ReadonlyArray<readonly [RowName, Row]>) {
    for (const side of ["table", "writer", "member"] as const) {
      const promised = row[side]
      if (promised === undefined) {
        it(`${row.fault}: nothing is promised for a ${side}`, () => {
          assert.deepStrictEqual(covering(name, side), [])
        })
      } else if (row.notYet !== undefined) {
        it(`${row.fault}: ${row.notYet}`, () => {
          assert.deepStrictEqual(covering(name, side), [])
        })
      } else {
        it(`${row.fault}, ${side}: ${promised}`, () => {
          assert.isAbove(covering(name, side).length, 0)
        })
      }
    }
  }

  it("no two scenarios have one name", () => {
    const names = scenarios.map(({ name }) => name)
    assert.deepStrictEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      []
    )
  })
})
