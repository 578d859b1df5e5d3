/**
 * Gives all partitions out so that no member could give one to another that has at least two fewer, neither directly nor
 * through others, and takes as few as it can from those that own them.
 */
import { NOBODY, type Partitions } from "./claims.ts"
import { Loads } from "./loads.ts"
import { PARTITIONS_PER_STEP } from "./members.ts"

/** Members that are all subscribed to the same topics, as far as these topics go. */
interface Audience {
  /** Indexes of members, ascending. */
  readonly members: ReadonlyArray<number>
  /** Where the next one with the fewest partitions is looked for first, as it is mostly beside the last one. */
  cursor: number
}

/** What a member has of the topics of one audience. */
interface Holding {
  /** What it owned before. The last ones are given up first. */
  readonly own: Array<number>
  /** What it did not own before. It gives these up before all others. */
  readonly given: Array<number>
}

export class Balancing {
  private readonly audiences: Array<Audience> = []
  /** The audience of each partition. */
  private readonly audienceOf: Int32Array
  private readonly loads: Loads
  /** What each member has, by audience. */
  private readonly holdings: ReadonlyArray<Map<number, Holding>>
  /** Of members that a search has reached: from whom, of which audience's topics, and in which search. */
  private readonly reachedFrom: Int32Array
  private readonly reachedThrough: Int32Array
  private readonly reachedIn: Int32Array
  /** The search that an audience was seen in. */
  private readonly seenIn: Int32Array
  private searches = 0

  /** `owner`: who owned each partition before, and is subscribed to its topic. */
  constructor(
    memberCount: number,
    private readonly partitions: Partitions,
    subscribers: ReadonlyArray<ReadonlyArray<number>>,
    private readonly owner: Int32Array
  ) {
    this.loads = new Loads(memberCount)
    this.holdings = Array.from({ length: memberCount }, () => new Map<number, Holding>())
    this.reachedFrom = new Int32Array(memberCount)
    this.reachedThrough = new Int32Array(memberCount)
    this.reachedIn = new Int32Array(memberCount)
    this.audienceOf = new Int32Array(partitions.size)
    const known = new Map<string, number>()
    subscribers.forEach((members, place) => {
      const key = members.join()
      let audience = known.get(key)
      if (audience === undefined) known.set(key, (audience = this.audiences.push({ members, cursor: 0 }) - 1))
      this.audienceOf.fill(audience, partitions.firstOf[place], partitions.firstOf[place + 1])
    })
    this.seenIn = new Int32Array(this.audiences.length)
  }

  /** Does it all, and gives the member that each partition went to. */
  *run(): Generator<void, Int32Array> {
    yield* this.keepOwned()
    yield* this.giveOut()
    // What can be made even by what nobody owned takes nothing from anybody.
    yield* this.level({ onlyGiven: true })
    yield* this.level({ onlyGiven: false })
    const member = new Int32Array(this.partitions.size)
    this.holdings.forEach((holdings, i) => {
      for (const { given, own } of holdings.values()) {
        for (const p of own) member[p] = i
        for (const p of given) member[p] = i
      }
    })
    return member
  }

  private holdingOf(member: number, audience: number): Holding {
    const holdings = this.holdings[member]
    let holding = holdings.get(audience)
    if (holding === undefined) holdings.set(audience, (holding = { own: [], given: [] }))
    return holding
  }

  private take(member: number, p: number): void {
    const { given, own } = this.holdingOf(member, this.audienceOf[p])
    if (this.owner[p] === member) own.push(p)
    else given.push(p)
    this.loads.change(member, 1)
  }

  /**
   * Leaves all with its owners. The partitions with the lowest numbers come first, so that a member that has too much
   * gives up some of each topic rather than all of one.
   */
  private *keepOwned(): Generator<void> {
    const { firstOf, topics } = this.partitions
    // The largest topics come first, so that a round is over at the first one that has no such partition.
    const places = topics.map((_, place) => place).sort((a, b) => topics[b].count - topics[a].count || a - b)
    let kept = 0
    for (let partition = 0; kept < this.partitions.size; partition++) {
      for (const place of places) {
        if (partition >= topics[place].count) break
        const p = firstOf[place] + partition
        if (this.owner[p] !== NOBODY) this.take(this.owner[p], p)
        if (++kept % PARTITIONS_PER_STEP === 0) yield
      }
    }
  }

  /** Gives what nobody owns to who has least, the topics with the fewest subscribers first, as they have least choice. */
  private *giveOut(): Generator<void> {
    const { firstOf, topics } = this.partitions
    const sizeOf = (place: number) => this.audiences[this.audienceOf[firstOf[place]]].members.length
    const places = topics.map((_, place) => place).sort((a, b) => sizeOf(a) - sizeOf(b) || a - b)
    for (const place of places) {
      for (let p = firstOf[place]; p < firstOf[place + 1]; p++) {
        if (this.owner[p] !== NOBODY) continue
        this.take(this.leastOf(this.audiences[this.audienceOf[p]]), p)
        if (p % PARTITIONS_PER_STEP === 0) yield
      }
    }
  }

  /** The member of an audience that has the fewest partitions. */
  private leastOf(audience: Audience): number {
    const { members } = audience
    const { least: enough } = this.loads
    let least = audience.cursor
    for (let i = 0, at = audience.cursor; i < members.length; i++, at = (at + 1) % members.length) {
      if (this.loads.of(members[at]) < this.loads.of(members[least])) least = at
      if (this.loads.of(members[least]) === enough) break
    }
    audience.cursor = (least + 1) % members.length
    return members[least]
  }

  /**
   * Takes one partition after the other from who has most, until nobody could give any to another that has at least two
   * fewer. It comes to an end, as each time the sum of the squares of all loads gets smaller, or a member is settled.
   *
   * `onlyGiven`: no member gives up what it owned before.
   */
  private *level({ onlyGiven }: { readonly onlyGiven: boolean }): Generator<void> {
    const { loads } = this
    loads.unsettle()
    for (;;) {
      const { most } = loads
      if (most.length === 0 || loads.of(most[0]) < loads.least + 2) return
      // The last members come first, as the first ones got one more where partitions did not come out even.
      for (const source of most.toReversed()) {
        if (loads.isSettled(source)) continue
        const target = yield* this.search(source, onlyGiven)
        if (target !== NOBODY) this.handOn(source, target)
      }
      yield
    }
  }

  /**
   * Looks for a way on which one partition each can be handed on, from a member with the most partitions to one that has at
   * least two fewer: the shortest, and of these the one to the member with the fewest. Gives that member. Where there is
   * none, all members that were reached are settled: none of them has such a way, and no other has one through them.
   */
  private *search(source: number, onlyGiven: boolean): Generator<void, number> {
    const { loads, reachedFrom, reachedIn, reachedThrough } = this
    const search = ++this.searches
    const reached = [source]
    reachedIn[source] = search
    let looked = 0
    for (let begin = 0; begin < reached.length;) {
      const end = reached.length
      let least = source
      look: for (let i = begin; i < end; i++) {
        for (const [number, { given, own }] of this.holdings[reached[i]]) {
          if (this.seenIn[number] === search || given.length + (onlyGiven ? 0 : own.length) === 0) continue
          this.seenIn[number] = search
          const audience = this.audiences[number]
          const { length } = audience.members
          for (let n = 0, at = audience.cursor; n < length; n++, at = at + 1 === length ? 0 : at + 1) {
            const member = audience.members[at]
            if (reachedIn[member] === search || loads.isSettled(member)) continue
            reachedIn[member] = search
            reachedFrom[member] = reached[i]
            reachedThrough[member] = number
            reached.push(member)
            if (loads.of(member) >= loads.of(least)) continue
            least = member
            audience.cursor = at
            if (loads.of(member) === loads.least) break look
          }
          looked += length
          if (looked > PARTITIONS_PER_STEP) {
            looked = 0
            yield
          }
        }
      }
      if (loads.of(least) <= loads.of(source) - 2) return least
      begin = end
    }
    for (const member of reached) loads.settle(member)
    return NOBODY
  }

  /** Hands one partition on at each step of the way that was found, from its end to its beginning. */
  private handOn(source: number, target: number): void {
    for (let taker = target; taker !== source; taker = this.reachedFrom[taker]) {
      const giver = this.reachedFrom[taker]
      const { given, own } = this.holdingOf(giver, this.reachedThrough[taker])
      this.loads.change(giver, -1)
      this.take(taker, given.length > 0 ? this.pick(given, taker) : own.pop()!)
    }
  }

  /** Takes a partition out: one that the taker owned before, or else the last one. */
  private pick(given: Array<number>, taker: number): number {
    const found = given.findLastIndex((p) => this.owner[p] === taker)
    return given.splice(found === -1 ? given.length - 1 : found, 1)[0]
  }
}
