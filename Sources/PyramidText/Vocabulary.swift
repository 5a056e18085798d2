// The tokens in id order as one run of bytes. It is separate because three parts share it without copying: an artefact
// stores the run as it is, the model's tables point into it, and reports turn ids back into text.

/// Every token of a tokenizer, in id order. Tokens that differ only in Unicode normalisation are different tokens.
public struct Vocabulary: Sendable, Equatable {
  /// Most tokens that the files of a tokenizer may list.
  public static let maximumCount = 10_000_000
  /// Ends a token in `bytes`: no byte of UTF-8 has this value.
  static let terminator: UInt8 = 0xFF

  /// The UTF-8 of all tokens, each followed by a terminator.
  let bytes: [UInt8]
  /// Where each token starts in `bytes`, and where one more would.
  let starts: [Int]
  /// How many tokens, from id 0, the model makes; the rest are special tokens, which only stand in the text itself.
  let modelCount: Int

  /// The number of tokens.
  public var count: Int { starts.count - 1 }

  /// The place of a token in `bytes`.
  func range(of id: Int) -> Range<Int> { starts[id]..<starts[id + 1] - 1 }

  /// The token of an id below `count`.
  public subscript(id: Int) -> String { String(decoding: bytes[range(of: id)], as: UTF8.self) }
}

extension Vocabulary {
  /// A vocabulary of tokens, the first `modelCount` of which the model makes; nil for all.
  init(_ tokens: [String], modelCount: Int? = nil) {
    var bytes: [UInt8] = []
    var starts = [0]
    for token in tokens {
      bytes += token.utf8
      bytes.append(Self.terminator)
      starts.append(bytes.count)
    }
    self.init(bytes: bytes, starts: starts, modelCount: modelCount ?? tokens.count)
  }
}
