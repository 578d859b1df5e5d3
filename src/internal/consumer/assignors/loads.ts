/** How many partitions each member has, and how many those have at least that may still get some. */
export class Loads {
  private readonly loads: Int32Array
  private readonly settled: Uint8Array
  /** How many members that are not settled have so many partitions. */
  private readonly counts: Array<number>
  private open: number
  private floor = 0

  constructor(members: number) {
    this.loads = new Int32Array(members)
    this.settled = new Uint8Array(members)
    this.counts = [members]
    this.open = members
  }

  of(member: number): number {
    return this.loads[member]
  }

  /** The fewest that any member has which is not settled; infinite if all are. */
  get least(): number {
    if (this.open === 0) return Number.POSITIVE_INFINITY
    while ((this.counts[this.floor] ?? 0) === 0) this.floor++
    return this.floor
  }

  /** Those that are not settled and have most, all alike. */
  get most(): ReadonlyArray<number> {
    let most: Array<number> = []
    for (let member = 0; member < this.loads.length; member++) {
      if (this.settled[member] === 1) continue
      const difference = most.length === 0 ? 0 : this.loads[member] - this.loads[most[0]]
      if (difference > 0) most = [member]
      else if (difference === 0) most.push(member)
    }
    return most
  }

  /** Counts so many partitions more, or less. */
  change(member: number, by: 1 | -1): void {
    const before = this.loads[member]
    const after = (this.loads[member] = before + by)
    if (this.settled[member] === 1) return
    this.counts[before]--
    this.counts[after] = (this.counts[after] ?? 0) + 1
    if (after < this.floor) this.floor = after
  }

  isSettled(member: number): boolean {
    return this.settled[member] === 1
  }

  /** The member takes part no more. */
  settle(member: number): void {
    if (this.settled[member] === 1) return
    this.settled[member] = 1
    this.counts[this.loads[member]]--
    this.open--
  }

  /** All members take part again. */
  unsettle(): void {
    this.settled.fill(0)
    this.open = this.loads.length
    this.counts.fill(0)
    for (const load of this.loads) this.counts[load] = (this.counts[load] ?? 0) + 1
    this.floor = 0
  }
}
