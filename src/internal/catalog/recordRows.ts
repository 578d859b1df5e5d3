/** The rows of a catalog at one version: those rows of its log that are shown, by their identities. */
import type { Identity } from "../../Catalog.ts"
import type { RecordEntry } from "../../TableSnapshot.ts"
import { viewOf } from "../bytes.ts"
import { suspended } from "../codec/codec.ts"
import { KeyIndex, UNKNOWN } from "../table/content/keyIndex.ts"
import type { HashKey } from "../table/content/keyHash.ts"
import type { RecordSlots } from "../table/content/recordSlots.ts"
import { Slots } from "../table/content/slots.ts"
import type { Tree } from "../tree/tree.ts"
import { candidatesOf, firstOf } from "./candidates.ts"
import { type CandidateKey, identityCodec, identityIn } from "./keys.ts"

/** The keys of a log, without the ids of their writes: a key is compared as its identity. */
export class IdentityIndex extends KeyIndex {
  constructor(readonly source: KeyIndex) {
    super()
  }

  override bytesAt(slot: number): Buffer {
    return identityIn(this.source.bytesAt(slot))
  }

  override compare(a: number, b: number): number {
    return this.source.compare(a, b)
  }

  override compareWith(slot: number, bytes: Buffer, start: number, end: number): number {
    return bytes.subarray(start, end).compare(this.bytesAt(slot))
  }
}

/** Which rows of a log are shown. */
export interface Resolved {
  readonly index: IdentityIndex
  /** All candidates, by the tags of their identities. */
  readonly tree: Tree<number>
  readonly hashKey: HashKey
  /** The rows that are not shown. */
  readonly hidden: Tree<number>
}

/** Values of the log are of its own kind where a claim is; none of those is shown. */
export class RecordRows<R> extends Slots<Identity, R, RecordEntry<Identity, R>> {
  private readonly source: RecordSlots<CandidateKey, R>
  private readonly resolved: Resolved

  constructor(source: RecordSlots<CandidateKey, R>, resolved: Resolved) {
    super({
      key: identityCodec,
      index: resolved.index,
      // Rows that are shown are of identities.
      keys: source.keys as ReadonlyArray<Identity> | undefined,
      rows: source.rows,
      size: source.size - resolved.hidden.size
    })
    this.source = source
    this.resolved = resolved
  }

  override isPresent(slot: number): boolean {
    return this.source.isPresent(slot) && !this.hides(slot)
  }

  private hides(slot: number): boolean {
    const { hidden } = this.resolved
    return hidden.size > 0 && hidden.has(slot, slot)
  }

  /** All candidates of an identity, those that are not shown among them. */
  candidates(identity: Buffer): ReadonlyArray<number> {
    const { hashKey, index, tree } = this.resolved
    return candidatesOf(index.source, tree, hashKey, identity)
  }

  /** The candidate of an identity that counts, whether it is shown or not, or `UNKNOWN`. */
  first(identity: Buffer): number {
    return firstOf((slot) => this.candidateAt(slot), this.candidates(identity)) ?? UNKNOWN
  }

  /** The record of a candidate. */
  candidateAt(slot: number): RecordEntry<CandidateKey, R> {
    return this.source.entryAt(slot)!
  }

  /** The whole key of a candidate. */
  candidateKeyAt(slot: number): Buffer {
    return this.resolved.index.source.bytesAt(slot)
  }

  /** The slot that is shown of an identity, or `UNKNOWN`. */
  findIdentity(identity: Buffer): number {
    return this.candidates(identity).find((slot) => !this.hides(slot)) ?? UNKNOWN
  }

  override find(key: Identity): number {
    try {
      const bytes = identityCodec.encodeSync(key)
      return bytes === suspended ? UNKNOWN : this.findIdentity(viewOf(bytes))
    } catch {
      // What cannot be encoded is no identity.
      return UNKNOWN
    }
  }

  override get<A>(key: Identity, absent: A): R | A {
    const slot = this.find(key)
    return slot === UNKNOWN ? absent : this.valueAt(slot)
  }

  override entryAt(slot: number, key?: Identity): RecordEntry<Identity, R> | undefined {
    return this.isPresent(slot) ? this.entryOf(slot, key ?? this.keyAt(slot)) : undefined
  }

  override compareAge(a: number, b: number): number {
    return this.source.compareAge(a, b)
  }

  override *pairs(): IterableIterator<readonly [Identity, R]> {
    for (const { key, value } of this.entries()) yield [key, value]
  }

  override *values(): IterableIterator<R> {
    for (const { value } of this.entries()) yield value
  }

  protected load(slot: number): R {
    return this.source.valueAt(slot)
  }

  protected make(slot: number): R {
    return this.source.peekAt(slot)
  }

  protected entryOf(slot: number, key: Identity): RecordEntry<Identity, R> {
    return this.source.entryAt(slot, key) as RecordEntry<Identity, R>
  }
}
