// Finds special tokens in raw text, before normalisation: a text is cut at them and its parts are tokenised apart.
// A short list of tokens needs no automaton; a table of first bytes makes the scan one read per byte.

/// Finds the leftmost of some byte strings, and the longest of those that start there.
struct SpecialTokenMatcher: Sendable {
  /// Longest first, so that the first match is the longest.
  private let tokens: [(bytes: [UInt8], id: Int32)]
  private let isFirstByte: [Bool]

  init(_ specialTokens: [SpecialToken]) throws(TokenizerError) {
    var tokens: [(bytes: [UInt8], id: Int32)] = []
    var isFirstByte = Array(repeating: false, count: 256)
    for token in specialTokens {
      if token.singleWord || token.stripsLeft || token.stripsRight || token.normalized {
        throw .unsupportedSpecialToken(text: token.content)
      }
      let bytes = Array(token.content.utf8)
      guard let first = bytes.first else { throw .emptySpecialToken(id: token.id) }
      if let known = tokens.first(where: { $0.bytes == bytes }) {
        guard known.id == token.id else { throw .conflictingSpecialToken(text: token.content) }
        continue
      }
      isFirstByte[Int(first)] = true
      tokens.append((bytes, token.id))
    }
    self.tokens = tokens.sorted { $0.bytes.count > $1.bytes.count }
    self.isFirstByte = isFirstByte
  }

  /// The first token at or after `position`: where it starts and ends, and its id.
  func next(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> (start: Int, end: Int, id: Int32)? {
    guard !tokens.isEmpty else { return nil }
    for start in position..<text.count where isFirstByte[Int(text[start])] {
      for token in tokens where token.bytes.count <= text.count - start {
        if UnsafeBufferPointer(rebasing: text[start..<start + token.bytes.count]).elementsEqual(token.bytes) {
          return (start, start + token.bytes.count, token.id)
        }
      }
    }
    return nil
  }
}
