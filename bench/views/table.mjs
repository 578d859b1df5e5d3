/** A table that is driven by hand, without a broker: what is measured is what hangs on it. */
import * as Cause from "../../effect4/node_modules/effect/dist/Cause.js"
import * as Effect from "../../effect4/node_modules/effect/dist/Effect.js"
import * as Codec from "../../effect4/dist/Codec.js"
import { UNKNOWN } from "../../effect4/dist/internal/table/content/keyIndex.js"
import { recordStoreOf } from "../../effect4/dist/internal/table/content/recordStore.js"
import { TableState } from "../../effect4/dist/internal/table/content/state.js"
import { Publication } from "../../effect4/dist/internal/table/publication/publication.js"
import { Waiters } from "../../effect4/dist/internal/table/publication/waiters.js"
import { ROOTS } from "../../effect4/dist/internal/views/derived/combined.js"
import { liveTableOf } from "../../effect4/dist/internal/views/liveTable.js"
import { faceOf } from "../../effect4/dist/internal/views/snapshot.js"
import { PublishedRef } from "../../effect4/dist/internal/effect/v4/publishedRef.js"

/** A table of objects by text, in the scope that is open. */
export const handTable = (topic) =>
  Effect.gen(function* () {
    const codec = Codec.make({ decode: () => undefined, encode: () => new Uint8Array() })
    const state = new TableState(Codec.utf8, recordStoreOf(codec))
    const publication = yield* Publication.make({
      slots: state.slots(),
      face: faceOf(new Map()),
      waiters: new Waiters(() => undefined),
      notesSlots: false
    })
    const statuses = yield* PublishedRef.make({ _tag: "CaughtUp" }, { keepsAll: true })
    const own = { topic, status: statuses.ref, freshness: Effect.die("not asked") }
    const table = {
      ...liveTableOf({ shown: publication, key: Codec.utf8, names: new Map(), scope: yield* Effect.scope }),
      ...own,
      [ROOTS]: [own]
    }
    let offset = 0
    const take = () => state.slots()
    const put = (key, value) => {
      const bytes = Buffer.from(key)
      const found = state.find(bytes, 0, bytes.length)
      const slot = found === UNKNOWN ? state.addKey(bytes, 0, bytes.length, key) : found
      state.put(slot, value, 0, offset, offset++, undefined)
    }
    const show = () => {
      state.note(undefined)
      publication.publish(true, take, () => {})
    }
    return {
      table,
      /** Sets rows in one update; gives an Effect where that takes more than one step. */
      write: (rows) => {
        state.note(publication.beginUpdate())
        for (const [key, value] of rows) put(key, value)
        const preparing = publication.prepare(take)
        if (preparing !== undefined) return Effect.map(preparing, show)
        show()
        return undefined
      },
      close: () => publication.end(undefined, Cause.empty)
    }
  })
