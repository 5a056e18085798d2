// Holds the tokenizer to Hugging Face's ids: on 130,000 generated strings and on every Unicode scalar by digest,
// and on some dozens of cases that can be read.

import Testing

@testable import PyramidText

@Suite("Ids equal those of Hugging Face tokenizers")
struct TokenizerDigestTests {
  static let generator = StringGenerator()

  @Test("on generated strings, in groups of 100", arguments: Setting.allCases)
  func generatedStrings(setting: Setting) throws {
    let tokenizer = try setting.makeTokenizer()
    let splitter = WordSplitter(setting.bert, wordLimit: .max)
    let expected = Golden.goldenLines("strings-\(setting.rawValue).txt")
    #expect(expected.count == (setting == .uncased || setting == .cased ? 500 : 100))
    for (group, line) in expected.enumerated() {
      var words = WordDigest()
      var ids = Digest()
      for index in group * 100..<group * 100 + 100 {
        let (text, pair, limit) = Self.generator.sample(index)
        words.add(wordsOf: text, splitter)
        let encoding = tokenizer.encode(text, pair: pair, limit: limit)
        ids.add(UInt32(encoding.fullLength))
        for id in encoding.ids { ids.add(UInt32(id)) }
        for id in encoding.typeIDs { ids.add(UInt32(id)) }
      }
      let list = "Scripts/make-tokenizer-digest --dump \(group) --setting \(setting.rawValue)"
      #expect("\(words.digest.text) \(ids.text)" == line, "words and ids of group \(group) differ; list: \(list)")
    }
  }

  @Test(
    "on every Unicode scalar between two letters",
    arguments: [Setting.uncased, .lowercaseWithAccents, .uncleaned])
  func everyScalar(setting: Setting) {
    let splitter = WordSplitter(setting.bert, wordLimit: .max)
    let expected = Golden.goldenLines("scalars-\(setting.rawValue).txt")
    #expect(expected.count == 272)
    for (group, line) in expected.enumerated() {
      var words = WordDigest()
      let first = UInt32(group) * 4096
      for scalar in (first..<first + 4096).compactMap(Unicode.Scalar.init) {
        words.add(wordsOf: "x\(scalar)y", splitter)
      }
      #expect(words.digest.text == line, "words of scalars from U+\(String(first, radix: 16)) on differ")
    }
  }

  @Test("on the readable cases", arguments: Golden.goldenLines("cases.tsv"))
  func readableCase(line: String) throws {
    let fields = line.split(separator: "\t").map(String.init)
    let tokenizer = try #require(Self.tokenizers[fields[0]])
    let pair = fields[3] == "-" ? nil : Self.unescaped(fields[3])
    let encoding = tokenizer.encode(Self.unescaped(fields[2]), pair: pair, limit: try #require(Int(fields[1])))
    #expect(encoding.ids.map(String.init).joined(separator: " ") == fields[4])
  }

  private static let tokenizers = Dictionary(
    uniqueKeysWithValues: Setting.allCases.map { ($0.rawValue, try! $0.makeTokenizer()) })

  /// The text between `<` and `>`, with `\u{...}` replaced by the scalar.
  private static func unescaped(_ field: String) -> String {
    var result = ""
    var rest = field.unicodeScalars.dropFirst().dropLast()
    while let scalar = rest.popFirst() {
      guard scalar == "\\" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      let digits = rest.dropFirst(2).prefix { $0 != "}" }
      result.unicodeScalars.append(Unicode.Scalar(UInt32(String(digits), radix: 16)!)!)
      rest = rest.dropFirst(digits.count + 3)
    }
    return result
  }
}

/// Digests words as the script does: each word and a line feed, and a NUL after the words of a text.
private struct WordDigest: WordSink {
  var digest = Digest()

  mutating func take(_ word: UnsafeBufferPointer<UInt8>, scalars: Int) {
    for byte in word { digest.add(UInt32(byte)) }
    digest.add(0x0A)
  }

  mutating func add(wordsOf text: String, _ splitter: WordSplitter) {
    var text = text
    text.withUTF8 { splitter.split($0, into: &self) }
    digest.add(0)
  }
}
