import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { foreignText, quotedForeignText } from "../src/internal/foreignText.ts"

describe("foreign text", () => {
  it("leaves what can be printed as it is", () => {
    assert.strictEqual(foreignText('ключ-42 «ä» 日本 🙂 \\ "'), 'ключ-42 «ä» 日本 🙂 \\ "')
    assert.strictEqual(foreignText(""), "")
  })

  it("escapes what begins a line, moves a cursor, or turns the reading direction around", () => {
    assert.strictEqual(foreignText("a\r\n\tb"), "a\\r\\n\\tb")
    assert.strictEqual(foreignText("\u001b[2J\u0000\u007f\u009b"), "\\u001b[2J\\u0000\\u007f\\u009b")
    assert.strictEqual(
      foreignText("\u2028\u2029\u202e\u2066\u200e\u061c\ufeff\u200b\u00ad"),
      "\\u2028\\u2029\\u202e\\u2066\\u200e\\u061c\\ufeff\\u200b\\u00ad"
    )
    assert.strictEqual(foreignText("\ud800x\udc00"), "\\ud800x\\udc00")
    // a tag character, outside of the basic plane
    assert.strictEqual(foreignText("\u{e0041}"), "\\u{e0041}")
  })

  it("shortens, and cuts no pair of surrogates in two", () => {
    assert.strictEqual(foreignText("x".repeat(300)), `${"x".repeat(256)}…`)
    assert.strictEqual(foreignText("ab🙂c", 3), "ab…")
    assert.strictEqual(foreignText("ab🙂c", 4), "ab🙂…")
    assert.strictEqual(foreignText("ab🙂", 4), "ab🙂")
  })

  it("quotes so that the end is seen", () => {
    assert.strictEqual(quotedForeignText('a"b\\c\n'), '"a\\"b\\\\c\\n"')
    assert.strictEqual(quotedForeignText("abcdef", 3), '"abc…"')
  })

  it("is one printable line, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        for (const line of [foreignText(text), quotedForeignText(text)]) {
          assert.isFalse(/[\p{C}\p{Zl}\p{Zp}]/u.test(line))
          assert.isTrue(line.length <= 256 * 8 + 3)
        }
      })
    )
  })
})
