// The vocabulary, the settings and the golden files that the tests share. Scripts/make-tokenizer-digest writes the
// files; settings have its names.

import Glibc
import Testing

@testable import PyramidText

enum Golden {
  private static let root = #filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }

  /// The 8,192 entries of the default model.
  static let vocabulary = Vocabulary(lines(of: "Graphs/dbpedia14/vocab.txt"))

  /// The path of something in the repository.
  static func path(_ name: String) -> String { root + "/" + name }

  /// The lines of a golden file, comments left out.
  static func goldenLines(_ name: String) -> [String] {
    lines(of: "Tests/Golden/tokenizer/" + name).filter { !$0.hasPrefix("#") }
  }

  /// The lines of a file of the repository; the file ends with a line end.
  private static func lines(of path: String) -> [String] {
    guard let file = fopen(root + "/" + path, "r") else { fatalError("cannot open \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// The rules under which goldens were made.
enum Setting: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case uncased, cased, uncleaned
  case lowercaseWithAccents = "lowercase-with-accents"
  case casedWithoutAccents = "cased-without-accents"

  var testDescription: String { rawValue }

  /// The rules with the special tokens of the default vocabulary.
  var rules: TokenizerRules {
    var rules = TokenizerRules(
      vocabulary: Golden.vocabulary, template: .bert(first: 2, separator: 3), unknownID: 1, padID: 0, maskID: 4,
      addedTokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].enumerated().map {
        AddedToken(content: $0.element, id: Int32($0.offset))
      })
    rules.normaliser = [.bert(bert)]
    return rules
  }

  var bert: BertNormaliser {
    BertNormaliser(
      lowercase: self != .cased && self != .casedWithoutAccents,
      stripAccents: self != .cased && self != .lowercaseWithAccents, splitCJK: self != .uncleaned,
      cleanText: self != .uncleaned)
  }

  func makeTokenizer() throws -> Tokenizer { try Tokenizer(rules) }
}

/// FNV-1a over bytes or 32-bit units.
struct Digest {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ unit: UInt32) {
    value = (value ^ UInt64(unit)) &* 0x100_0000_01B3
  }

  /// Sixteen hexadecimal digits.
  var text: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}
