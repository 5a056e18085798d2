// The pipelines under which goldens of trained vocabularies were made. They repeat the class Pipeline of
// Scripts/make-tokenizer-digest and have its names.

import PyramidFormats
import Testing

@testable import PyramidText

/// A trained tokenizer, as its file has it or with the steps of a family.
enum Pipeline: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case bytePairs = "byte-pairs"
  case bytePairsNFC = "byte-pairs-nfc"
  case unigram
  case unigramDeBERTa = "unigram-deberta"
  case unigramALBERT = "unigram-albert"

  var testDescription: String { rawValue }

  /// How many groups of 100 strings there are.
  var groups: Int { self == .bytePairs || self == .unigram ? 500 : 50 }

  func makeTokenizer() throws -> Tokenizer {
    let isBytePairs = self == .bytePairs || self == .bytePairsNFC
    let folder = try Folder(path: Golden.path("Tests/Golden/tokenizer/" + (isBytePairs ? "byte-pairs" : "unigram")))
    var rules = try Tokenizer.read(from: folder).tokenizer.rules
    switch self {
    case .bytePairs, .unigram: break
    case .bytePairsNFC:
      rules.normaliser = [.form(.nfc)]
      rules.splitter = [.byteLevel(addsBlank: true, cuts: true)]
    case .unigramDeBERTa:
      rules.normaliser = [
        .replace(.expression("\\s{2,}|[\\n\\r\\t]"), with: " "), .form(.nfc), .strip(left: false, right: true),
      ]
      rules.splitter = [.metaspace(mark: "\u{2581}", .always, cuts: true)]
    case .unigramALBERT:
      rules.normaliser =
        [.replace(.text("``"), with: "\""), .form(.nfkd), .stripAccents, .lowercase] + rules.normaliser
    }
    // By way of an artefact, which is how a tokenizer is used.
    return try Tokenizer(rules.stored, file: "stored")
  }
}

extension TokenizerDigestTests {
  @Test("over trained vocabularies, on generated strings, in groups of 100", arguments: Pipeline.allCases)
  func generatedStrings(pipeline: Pipeline) throws {
    let tokenizer = try pipeline.makeTokenizer()
    let expected = Golden.goldenLines("strings-\(pipeline.rawValue).txt")
    #expect(expected.count == pipeline.groups)
    for (group, line) in expected.enumerated() {
      var ids = Digest()
      for index in group * 100..<group * 100 + 100 {
        let (text, pair, limit) = Self.generator.sample(index)
        let encoding = tokenizer.encode(text, pair: pair, limit: limit)
        ids.add(UInt32(encoding.fullLength))
        for id in encoding.ids { ids.add(UInt32(id)) }
        for id in encoding.typeIDs { ids.add(UInt32(id)) }
      }
      let list = "Scripts/make-tokenizer-digest --dump \(group) --setting \(pipeline.rawValue)"
      #expect(ids.text == line, "ids of group \(group) differ; list: \(list)")
    }
  }
}
