// Finds added tokens: special ones such as [SEP], and words that somebody added to a vocabulary. Some are looked for in
// the raw text, before normalisation, others in the normalised text; a text is cut at them and its parts are tokenised
// apart. What each flag does is what the Hugging Face library does.

/// A token that is looked for in the text itself, whatever the model would make of it.
public struct AddedToken: Sendable, Equatable {
  /// The text that stands for the token, e.g. `[MASK]`; case and accents count.
  public var content: String
  /// The id that replaces the text.
  public var id: Int32
  /// Whether it counts only when it is not a part of a longer word.
  public var singleWord = false
  /// Whether white space to its left belongs to it.
  public var stripsLeft = false
  /// Whether white space to its right belongs to it.
  public var stripsRight = false
  /// Whether it is looked for, itself normalised, in the normalised text instead of the raw text.
  public var normalized = false
  /// Whether it has a role, such as `[SEP]`, rather than being a word.
  public var special = true
}

/// Finds tokens from left to right: the leftmost, and the longest of those that start there.
struct AddedTokenMatcher: Sendable {
  /// A token in a text, with the white space that belongs to it. A token of blanks may lie in those that belong to the
  /// one before it.
  struct Match {
    var start: Int
    var end: Int
    var id: Int32
  }

  private let tokens: [AddedToken]
  /// From a text to its place in `tokens`.
  private let trie: PieceTrie
  private let isFirstByte: [Bool]

  /// Tokens, each with the text to look for. Throws when a text is empty or two are the same.
  init(_ tokens: [(token: AddedToken, text: [UInt8])]) throws(TokenizerError) {
    var isFirstByte = Array(repeating: false, count: 256)
    var texts: Set<[UInt8]> = []
    for (token, text) in tokens {
      guard let first = text.first else { throw .emptyAddedToken(id: token.id) }
      guard texts.insert(text).inserted else { throw .conflictingAddedToken(text: token.content) }
      isFirstByte[Int(first)] = true
    }
    self.tokens = tokens.map(\.token)
    self.isFirstByte = isFirstByte
    trie = try PieceTrie(Vocabulary(tokens.map { String(decoding: $0.text, as: UTF8.self) }))
  }

  var isEmpty: Bool { tokens.isEmpty }

  /// The first token that counts, looked for from `position` on, which moves after it; `cut` is where the text that is
  /// left starts, and `blanks` the white space whose end was looked for last.
  func next(
    in text: UnsafeBufferPointer<UInt8>, from position: inout Int, cut: Int, _ blanks: inout Range<Int>
  ) -> Match? {
    guard !tokens.isEmpty else { return nil }
    while position < text.count {
      guard isFirstByte[Int(text[position])] else {
        position += 1
        continue
      }
      var (index, end) = (Int32(-1), position)
      trie.forEachPrefix(of: text, from: position) { (index, end) = ($0, $1) }
      guard index >= 0 else {
        position += 1
        continue
      }
      let start = position
      position = end
      let token = tokens[Int(index)]
      if token.singleWord, isWord(before: start, text) || isWord(at: end, text) { continue }
      let facts = UnicodeFacts.shared
      let left = token.stripsLeft ? max(cut, facts.startOfWhitespace(in: text, before: start, notBefore: cut)) : start
      if token.stripsRight, !blanks.contains(end) { blanks = end..<facts.endOfWhitespace(in: text, from: end) }
      let right = token.stripsRight ? blanks.upperBound : end
      // Where the token before has taken all of it nothing is left to be a token.
      if left < right { return Match(start: left, end: right, id: token.id) }
    }
    return nil
  }

  private func isWord(before end: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    end > 0 && isWord(at: startOfScalar(in: text, before: end), text)
  }

  private func isWord(at start: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard start < text.count else { return false }
    var position = start
    return UnicodeForms.shared.traits[decodeScalar(text, &position)].contains(.word)
  }
}
