/** Up to which offset the records of each partition are done, as time goes on. */
import { textOf, type Course, type Place, type PlaceOffset, type Written } from "./course.ts"

class Line {
  private readonly offsets: ReadonlyArray<number>
  private readonly done = new Set<number>()
  private next = 0

  constructor(offsets: ReadonlyArray<number>) {
    this.offsets = [...offsets].sort((a, b) => a - b)
  }

  mark(offset: number): void {
    this.done.add(offset)
    while (this.next < this.offsets.length && this.done.has(this.offsets[this.next])) this.next++
  }

  /** Marks all that is below an offset. */
  pass(offset: number): void {
    for (const one of this.offsets) if (one < offset) this.mark(one)
  }

  /** Offset of the first record that is not done. */
  get first(): number {
    return this.offsets[this.next] ?? Number.POSITIVE_INFINITY
  }

  get missing(): ReadonlyArray<number> {
    return this.offsets.filter((offset) => !this.done.has(offset))
  }
}

export class DonePrefixes {
  /** By the partition: a line for each life of its topic. */
  private readonly lines = new Map<string, Map<number, Line>>()

  constructor({ written }: Pick<Course, "written">) {
    const offsets = new Map<string, Map<number, Array<number>>>()
    for (const record of written) {
      const lives = offsets.get(textOf(record)) ?? new Map<number, Array<number>>()
      offsets.set(textOf(record), lives.set(record.life, [...(lives.get(record.life) ?? []), record.offset]))
    }
    for (const [place, lives] of offsets) {
      this.lines.set(place, new Map([...lives].map(([life, all]) => [life, new Line(all)])))
    }
  }

  private linesOf(place: Place): ReadonlyMap<number, Line> {
    return this.lines.get(textOf(place)) ?? new Map()
  }

  mark(record: Written): void {
    this.linesOf(record).get(record.life)?.mark(record.offset)
  }

  /** All below this offset does not have to be done. */
  pass(to: PlaceOffset): void {
    for (const line of this.linesOf(to).values()) line.pass(to.offset)
  }

  /** Nothing of what this topic has had so far has to be done: `life` is the last of it. */
  drop(topic: string, life: number): void {
    for (const [place, lives] of this.lines) {
      if (place.slice(0, place.lastIndexOf(":")) !== topic) continue
      for (const [one, line] of lives) if (one <= life) line.pass(Number.POSITIVE_INFINITY)
    }
  }

  /** Whether all below this offset is done, in one of the topic's lives: who commits may not know of the next one yet. */
  covers(to: PlaceOffset): boolean {
    const lines = [...this.linesOf(to).values()]
    return lines.length === 0 || lines.some((line) => line.first >= to.offset)
  }

  /** What is not done, as texts. */
  get missing(): ReadonlyArray<string> {
    return [...this.lines].flatMap(([place, lives]) =>
      [...lives.values()].flatMap((line) => line.missing.map((offset) => `${place}:${offset}`))
    )
  }
}
