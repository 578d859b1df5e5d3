/**
 * The keys of grouped tables, as ktables writes them: the length of the group in Unicode code points, in decimal digits,
 * then `:`, the group and the member. The length alone tells where the group ends, so that both may hold anything:
 *
 *     6:europe42      is 42 in europe
 *     0:42            is 42 in the group without a name
 *     1:😀m           is m in 😀, which is one code point of four bytes
 *
 * All but the codec are plain functions on bytes.
 */
import * as Effect from "effect/Effect"
import { isUtf8 } from "node:buffer"
import type { Codec, Suspended } from "../../Codec.ts"
import type { GroupedKey } from "../../GroupedKafkaTable.ts"
import { viewOf } from "../bytes.ts"
import { codec, failureOf, rescued, suspended } from "../codec/codec.ts"
import { utf8 } from "../codec/plain.ts"
import { kindOfValue } from "../codec/schema/faults.ts"
import * as issue from "../codec/schema/issue.ts"
import { expectBytes } from "../codec/schema/text.ts"

const ZERO = 0x30
const COLON = 0x3a

/** A byte of UTF-8 that begins no code point. */
const continues = (byte: number): boolean => (byte & 0xc0) === 0x80

/** How many code points there are in UTF-8. */
const codePointsOf = (text: Uint8Array): number => {
  let count = 0
  for (let at = 0; at < text.length; at++) if (!continues(text[at])) count++
  return count
}

/** A key that no writer of grouped tables makes. */
const foreign = (actual: string, buffer: Buffer, start: number, end: number) => {
  const says = `Expected a grouped key such as "5:groupmember", actual ${actual}`
  const bytes = issue.hex(buffer, start, end)
  return issue.codecError(says, { quoting: () => `${says}: ${bytes}` })
}

/**
 * Where the two parts of a key begin in `buffer`; the member ends where the key does.
 *
 * @throws `SchemaError` if a writer of grouped tables cannot have made the key.
 */
export const splitGroupedKey = (
  buffer: Buffer,
  start: number,
  end: number
): { readonly group: number; readonly member: number } => {
  const refuse = (actual: string): never => {
    throw foreign(actual, buffer, start, end)
  }
  let length = 0
  let at = start
  for (; at < end; at++) {
    const digit = buffer[at] - ZERO
    if (!(digit >= 0 && digit <= 9)) break
    length = length * 10 + digit
    // More digits would make it no smaller. So at most as many are read as the number of bytes that follow has.
    if (length > end - at) refuse("a length above that of the rest")
  }
  if (at === start) refuse("one that does not begin with a length in digits")
  if (at === end || buffer[at] !== COLON) refuse("a length without a colon after it")
  if (buffer[start] === ZERO && at > start + 1) refuse("a length that begins with a zero")
  const group = at + 1
  let member = group
  for (let left = length; left > 0; left--) {
    if (member >= end) refuse("a length above that of the rest")
    member++
    while (member < end && continues(buffer[member])) member++
  }
  // Where the bytes are not UTF-8, there are no code points to count.
  if (!isUtf8(buffer.subarray(group, end))) refuse("bytes that are not UTF-8")
  return { group, member }
}

/**
 * The key of a group and a member, both in UTF-8. Each of them must be so for itself: halves of one character would make
 * the key of another group.
 *
 * @throws `SchemaError` if one of them is not UTF-8.
 */
export const joinGroupedKey = (group: Uint8Array, member: Uint8Array): Uint8Array => {
  expectUtf8("group", group)
  expectUtf8("member", member)
  const head = `${codePointsOf(group)}:`
  const key = Buffer.allocUnsafeSlow(head.length + group.length + member.length)
  key.write(head, "latin1")
  key.set(group, head.length)
  key.set(member, head.length + group.length)
  return key
}

const expectUtf8 = (name: keyof GroupedKey<unknown, unknown>, bytes: Uint8Array): void => {
  if (!isUtf8(expectBytes(bytes))) {
    throw issue.within(name, issue.codecError("Expected a codec that makes text in UTF-8, actual other bytes"))
  }
}

const expectKey = <G, M>(key: GroupedKey<G, M>): GroupedKey<G, M> => {
  if (typeof key === "object" && key !== null) return key
  throw issue.codecError(`Expected an object with a group and a member, actual ${kindOfValue(key)}`)
}

/**
 * A codec of grouped keys, by codecs of their two parts. These must make text in UTF-8, as `Codec.utf8` and `Codec.string`
 * do: what is something else is not written, and not read.
 */
export const groupedKeyOf = <G, M>(group: Codec<G>, member: Codec<M>): Codec<GroupedKey<G, M>> => {
  const [groups, members] = [partOf("group", group), partOf("member", member)]
  const problem = groups.problem ?? members.problem
  const secret = group.secret === true || member.secret === true
  const failure = failureOf(() => secret)
  return codec<GroupedKey<G, M>>({
    text: false,
    ...(problem === undefined ? {} : { problem }),
    ...(secret ? { secret } : {}),
    decodeSync: (buffer, start, end) => {
      try {
        const at = splitGroupedKey(buffer, start, end)
        const group = groups.decodeSync(buffer, at.group, at.member)
        if (group === suspended) return suspended
        const member = members.decodeSync(buffer, at.member, end)
        return member === suspended ? suspended : { group, member }
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    encodeSync: (key) => {
      try {
        const { group, member } = expectKey(key)
        const groupBytes = groups.encodeSync(group)
        if (groupBytes === suspended) return suspended
        const memberBytes = members.encodeSync(member)
        return memberBytes === suspended ? suspended : joinGroupedKey(groupBytes, memberBytes)
      } catch (thrown) {
        throw failure(thrown)
      }
    },
    decode: (bytes) =>
      rescued(() => {
        const at = splitGroupedKey(viewOf(bytes), 0, bytes.length)
        return Effect.flatMap(groups.decode(bytes.subarray(at.group, at.member)), (group) =>
          Effect.map(members.decode(bytes.subarray(at.member)), (member) => ({ group, member }))
        )
      }).pipe(Effect.mapError(failure)),
    encode: (key) =>
      rescued(() => {
        const { group, member } = expectKey(key)
        return Effect.flatMap(groups.encode(group), (groupBytes) =>
          Effect.map(members.encode(member), (memberBytes) => joinGroupedKey(groupBytes, memberBytes))
        )
      }).pipe(Effect.mapError(failure))
  })
}

/** The codec of one part, whose errors say which part it is. */
const partOf = <A>(name: keyof GroupedKey<unknown, unknown>, self: Codec<A>) => {
  const named = (thrown: unknown) => issue.within(name, issue.errorOf(thrown))
  return {
    problem: self.problem === undefined ? undefined : `${name}: ${self.problem}`,
    decodeSync: (buffer: Buffer, start: number, end: number): A | Suspended => {
      try {
        return self.decodeSync(buffer, start, end)
      } catch (thrown) {
        throw named(thrown)
      }
    },
    encodeSync: (value: A): Uint8Array | Suspended => {
      try {
        return self.encodeSync(value)
      } catch (thrown) {
        throw named(thrown)
      }
    },
    decode: (bytes: Uint8Array) => Effect.mapError(self.decode(bytes), named),
    encode: (value: A) => Effect.mapError(self.encode(value), named)
  }
}

/** Grouped keys of two texts. */
export const groupedKey: Codec<GroupedKey<string, string>> = groupedKeyOf(utf8, utf8)
