import { describe, expect, it } from "@effect/vitest"
import * as Partitioner from "effect-ktables/Partitioner"
import * as fc from "fast-check"
import { murmur2Hash } from "../src/internal/partitioner.ts"

/**
 * Key in hex, then what the clients themselves computed:
 *
 * - `Utils.murmur2` of Kafka's Java client 4.1.0, and its `BuiltInPartitioner.partitionForKey` for 12 partitions;
 * - `consistent` of librdkafka 2.16.0 for 1,000,003 partitions, the same as Sarama's `NewConsistentCRCHashPartitioner`;
 * - Sarama's `NewHashPartitioner` for 1,000,003 partitions, the same as `fnv1a` of librdkafka 2.16.0.
 */
const vectors: ReadonlyArray<readonly [string, number, number, number, number]> = [
  ["", 275646681, 9, 0, 824651],
  ["61", -1563381124, 4, 344195, 963672],
  ["6162", 316155434, 2, 395908, 268064],
  ["616263", 479470107, 3, 565905, 919011],
  ["61626364", -1323649548, 8, 760417, 419258],
  ["6162636465", 461995741, 1, 265765, 362268],
  ["616263646566", 1870650108, 0, 608342, 88754],
  ["61626364656667", -346467175, 1, 860926, 42518],
  ["6162636465666768", -955427363, 9, 900718, 36015],
  ["616263646566676869", -619679810, 6, 690903, 686461],
  ["6162636465666768696a", 8205847, 7, 781294, 635039],
  ["6162636465666768696a6b", -232389549, 11, 801744, 836302],
  ["6162636465666768696a6b6c", -535286937, 11, 53999, 186597],
  ["6162636465666768696a6b6c6d", 387415655, 11, 772673, 460214],
  ["6162636465666768696a6b6c6d6e", 1842055212, 0, 628834, 851747],
  ["6162636465666768696a6b6c6d6e6f", 1680674526, 6, 479703, 108820],
  ["6162636465666768696a6b6c6d6e6f70", -253887988, 4, 870897, 818030],
  ["d2", 483585128, 8, 190968, 353561],
  ["a6e5", -268329771, 5, 552599, 859198],
  ["8c9298", -1266613111, 1, 604229, 13963],
  ["dd8eb689", 1787085902, 2, 321502, 331751],
  ["96efeb91bd", -668132680, 4, 26554, 844800],
  ["97ec8f9fb98f", 167729046, 6, 374621, 24344],
  ["e58cb88ba2caeb", 1989810816, 0, 738738, 646896],
  ["a49eceae9ab0df98", 1633469281, 1, 928428, 978759],
  ["908fb4ffedd0f7f4dc", 896185519, 7, 254127, 575931],
  ["ccbfaebe94ccfed7f2c9", 1032572704, 4, 602644, 734984],
  ["929eebaad7a6fdeb8a93d0", 1133663310, 6, 449741, 123009],
  ["d7d9fff49197c5f9908fcff2", 487772026, 10, 837363, 190764],
  ["c8e2d885f6daab9dfe8fb7c9a1", -740354337, 11, 163337, 471049],
  ["bfe5e4ff94aaf2e6c7a3eec7eadb", -810563306, 6, 192159, 351806],
  ["e1bba695ada6bbbb83fcaec3c881a5", 814501790, 2, 134273, 563404],
  ["ebded1a08df4e4e5e6e49afbe68fb091", 190646839, 7, 892155, 263681],
  ["666f6f626172", -790332482, 6, 922071, 228336],
  ["62696c6c696e67", -1672664447, 9, 658943, 856001],
  ["73657276696365732f30303031", 11870895, 3, 481366, 943824],
  ["6772c3bcc39f65", 1943707148, 8, 640480, 735840],
  ["d0bad0bbd18ed187", 2122343024, 8, 833182, 251837],
  ["e697a5e69cace8aa9e", 1431860170, 10, 305948, 227522],
  ["f09f9880", 131881617, 9, 978492, 290658],
  ["313af09f98806d", 2061313463, 11, 564345, 713007],
  ["00", 375494588, 8, 397188, 696099],
  ["efbbbf626f6d", -826298754, 2, 848969, 710873],
  ["612d6c6974746c652d6269742d6c6f6e672d737472696e67", -985981536, 8, 423554, 516376],
  ["612d6c6974746c652d6269742d6c6f6e6765722d737472696e67", -1486304829, 11, 480059, 659973],
  [
    "6c6b6a683233346c68396669756839307932336f697568736166756a6861646f66323239706872396831396838396838",
    -58897971,
    5,
    339126,
    148799
  ],
  ["ffffffff", 644171429, 5, 954413, 92000],
  ["80000000", -65415266, 6, 469255, 950805],
  ["00000000", 850957120, 4, 160018, 115001],
  [
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
    -1948347274,
    10,
    227427,
    271959
  ]
]

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

describe("Partitioner", () => {
  it.each(vectors)("%s", (hex, hash, of12, crc32, fnv1a) => {
    expect(murmur2Hash(bytes(hex))).toBe(hash)
    expect(Partitioner.murmur2(bytes(hex), 12)).toBe(of12)
    expect(Partitioner.crc32(bytes(hex), 1_000_003)).toBe(crc32)
    expect(Partitioner.fnv1a(bytes(hex), 1_000_003)).toBe(fnv1a)
  })

  it("the vectors cover the empty key, all lengths up to 16 and bytes with the high bit", () => {
    const lengths = new Set(vectors.map(([hex]) => hex.length / 2))
    for (let length = 0; length <= 16; length++) {
      expect(lengths.has(length)).toBe(true)
    }
    expect(vectors.filter(([hex]) => hex !== "" && bytes(hex).every((byte) => byte >= 0x80)).length).toBeGreaterThan(16)
  })

  it.each([
    ["murmur2", Partitioner.murmur2],
    ["crc32", Partitioner.crc32],
    ["fnv1a", Partitioner.fnv1a]
  ])("%s stays within the partitions and depends on the bytes only, not on where they are", (_, partitioner) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 2 ** 31 - 1 }), (key, count) => {
        const partition = partitioner(key, count)
        expect(Number.isInteger(partition) && partition >= 0 && partition < count).toBe(true)
        expect(Object.is(partition, -0)).toBe(false)
        const view = new Uint8Array([1, ...key, 2]).subarray(1, key.length + 1)
        expect(partitioner(view, count)).toBe(partition)
        expect(partitioner(Buffer.from(key), count)).toBe(partition)
      })
    )
  })
})
