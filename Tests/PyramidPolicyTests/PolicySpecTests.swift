// The text form of policies: what is read, what is printed, and where each wrong text is blamed.

import PyramidPolicy
import Testing

@Suite struct PolicySpecTests {
  @Test(
    "reading canonical text and printing it gives the same text",
    arguments: [
      "entropy", "entropy(threshold=0.1)", "top-k(keep=[40, 30, 20.5])", "a1-b2(x=-3, y=word, z=#prune.thresholds)",
      "p(list=[])", "p(big=1e+300, small=5e-324, third=0.3333333333333333)", "p(minus-zero=-0.0)",
    ])
  func roundTrip(text: String) throws {
    let spec = try PolicySpec(text)
    #expect(spec.description == text)
    #expect(try PolicySpec(spec.description) == spec)
  }

  @Test(
    "other spellings of the same specification print canonically",
    arguments: [
      (" entropy ( threshold = 0.10 ) ", "entropy(threshold=0.1)"), ("entropy()", "entropy"),
      ("p(a=+1.0,b=1e2)", "p(a=1, b=100)"), ("p(a=[1,\n\t2 ])", "p(a=[1, 2])"), ("p(a=.5, b=2.)", "p(a=0.5, b=2)"),
    ])
  func canonicalForm(text: String, canonical: String) throws {
    #expect(try PolicySpec(text).description == canonical)
  }

  @Test("numbers print with the fewest digits that read back equal")
  func numbersRoundTrip() throws {
    var generator = SplitMix(state: 7)
    for _ in 0..<2000 {
      let value = Double(bitPattern: generator.next())
      guard value.isFinite else { continue }
      let spec = PolicySpec(name: "p", arguments: [.init(name: "a", value: .number(value))])
      guard case .number(let again)? = try PolicySpec(spec.description)["a"] else {
        Issue.record("\(spec) does not read back as a number")
        return
      }
      #expect(again.bitPattern == value.bitPattern)
    }
  }

  @Test(
    "a wrong text is refused at its column",
    arguments: [
      ("", 1, "a policy name in kebab-case"), ("Entropy", 1, "a policy name in kebab-case"),
      ("en--tropy", 1, "a policy name in kebab-case"), ("1p", 1, "a policy name in kebab-case"),
      ("p(", 3, "a parameter name in kebab-case"), ("p(a)", 4, "'='"),
      ("p(a=)", 5, "a number, a word, a list or a #symbol"),
      ("p(a=1", 6, "',' or ')'"), ("p(a=1,)", 7, "a parameter name in kebab-case"), ("p(a=1) x", 8, "the end"),
      ("p q", 3, "'(' or the end"), ("p(a=1, a=2)", 8, "each parameter once, but 'a' is given twice"),
      ("p(a=[1, b])", 9, "a number"), ("p(a=[1", 7, "',' or ']'"), ("p(a=1e999)", 5, "a finite number"),
      ("p(a=1e)", 7, "the digits of an exponent"), ("p(a=0x10)", 6, "',' or ')'"),
      ("p(a=#)", 6, "the name of learned values, such as prune.thresholds"), ("ä(", 1, "a policy name in kebab-case"),
      ("p(a=1, ä=2)", 8, "a parameter name in kebab-case"), ("p\u{0}", 2, "'(' or the end"),
    ])
  func syntaxErrors(text: String, column: Int, expected: String) {
    #expect(throws: PolicyError.syntax(text: text, column: column, expected: expected)) { try PolicySpec(text) }
  }

  @Test("an error is one line, even about a text of several")
  func errorsAreOneLine() {
    #expect(throws: PolicyError.self) { try PolicySpec("p(a=[1,\n\t2") }
    let error = PolicyError.syntax(text: "p(\na", column: 4, expected: "'='")
    #expect(error.description == "policy 'p( a': column 4: expected '='")
    #expect(PolicyError.rejected("one\nline").description == "one line")
  }

  @Test("columns count scalars, not bytes")
  func columnsCountScalars() {
    let text = "p(a=w, ü"
    #expect(throws: PolicyError.syntax(text: text, column: 8, expected: "a parameter name in kebab-case")) {
      try PolicySpec(text)
    }
  }

  @Test("texts, lists, names and numbers beyond their bounds are refused")
  func bounds() {
    let longList = "p(a=[" + Array(repeating: "1", count: 5000).joined(separator: ",") + "])"
    let manyArguments = "p(" + (0..<100).map { "a\($0)=1" }.joined(separator: ",") + ")"
    let texts = [
      longList, manyArguments, String(repeating: "p", count: 65), String(repeating: "p", count: 100_000),
      "p(a=\(String(repeating: "9", count: 65)))", "p(a=\(String(repeating: "w", count: 300)))", "p(a=1e123456789)",
    ]
    for text in texts {
      #expect(throws: PolicyError.self) { try PolicySpec(text) }
    }
  }

  @Test("no prefix of a specification, and no byte changed in it, traps")
  func damagedTexts() {
    let text = Array("top-k(keep=[40, 30.5e1], word=on, learned=#prune.thresholds)".utf8)
    var accepted = 0
    for length in 0..<text.count {
      if (try? PolicySpec(String(decoding: text[..<length], as: UTF8.self))) != nil { accepted += 1 }
      for byte: UInt8 in [0, 0x20, 0x28, 0x2C, 0x2D, 0x5D, 0x80, 0xFF] {
        var damaged = text
        damaged[length] = byte
        if let spec = try? PolicySpec(String(decoding: damaged, as: UTF8.self)) {
          #expect((try? PolicySpec(spec.description)) == spec)
        }
      }
    }
    #expect(accepted == 4)  // t, to, top and top-k
  }
}

/// A small generator with a seed, so that random inputs are the same in each run.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
    return bits ^ bits >> 31
  }
}
