// The tokens in id order as one run of bytes. It is separate because three parts share it without copying: an artefact
// stores the run as it is, the model's tables point into it, and reports turn ids back into text.

/// Every token of a tokenizer, in id order. Tokens that differ only in Unicode normalisation are different tokens.
public struct Vocabulary: Sendable, Equatable {
  /// Most tokens that the files of a tokenizer may list; the largest real ones have 1.1 million.
  public static let maximumCount = 2_000_000
  /// Ends a token in `bytes`: no byte of UTF-8 has this value.
  static let terminator: UInt8 = 0xFF
  /// Stands, alone, for an id that no token has: no byte of UTF-8 has this value, either.
  static let hole: UInt8 = 0xFE

  /// The UTF-8 of all tokens, each followed by a terminator.
  let bytes: [UInt8]
  /// Where each token starts in `bytes`, and where one more would.
  let starts: [Int]
  /// How many ids, from 0, are the model's; the rest are added tokens, which only stand in the text itself.
  let modelCount: Int

  /// One more than the largest id; rows of a table that every token has one in.
  public var count: Int { starts.count - 1 }

  /// The place of a token in `bytes`.
  func range(of id: Int) -> Range<Int> { starts[id]..<starts[id + 1] - 1 }

  /// Whether no token has this id.
  func isHole(_ id: Int) -> Bool { range(of: id).count == 1 && bytes[starts[id]] == Self.hole }

  /// The ids of the model that have a token.
  var modelIDs: some Sequence<Int> { (0..<modelCount).lazy.filter { !isHole($0) } }

  /// The token of an id below `count`; empty where no token has it.
  public subscript(id: Int) -> String { isHole(id) ? "" : String(decoding: bytes[range(of: id)], as: UTF8.self) }

  /// Throws when there is nothing, or more than 32 bits can name.
  func checkSize() throws(TokenizerError) {
    guard modelCount > 0 else { throw .emptyVocabulary }
    guard Int32(exactly: count) != nil, UInt32(exactly: bytes.count) != nil else {
      throw .vocabularyTooLarge(entries: count)
    }
  }
}

extension Vocabulary {
  /// A vocabulary of tokens, nil for an id without one; the first `modelCount` ids are the model's; nil for all.
  init(_ tokens: [String?], modelCount: Int? = nil) {
    var bytes: [UInt8] = []
    var starts = [0]
    for token in tokens {
      if let token { bytes += token.utf8 } else { bytes.append(Self.hole) }
      bytes.append(Self.terminator)
      starts.append(bytes.count)
    }
    self.init(bytes: bytes, starts: starts, modelCount: modelCount ?? tokens.count)
  }
}
