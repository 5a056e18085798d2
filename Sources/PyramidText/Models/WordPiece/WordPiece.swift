// Spells a word with the vocabulary: greedily, the longest piece first (Wu et al. 2016, as BERT uses it). A word
// that cannot be spelled to its end, or is too long, is one unknown token.

/// The WordPiece model. Work per word is at most its bytes times the bytes of the longest entry. A class, so that
/// each text refers to the tables and does not copy references to them.
final class WordPiece: Sendable {
  /// All entries as they are: what may begin a word.
  private let initial: PieceTable
  /// The entries that begin with the continuing prefix, without it.
  private let continuing: PieceTable
  private let unknownID: Int32
  /// Scalars of the longest word that is looked up.
  let maxWordScalars: Int

  init(_ vocabulary: Vocabulary, unknownID: Int32, continuingPrefix: String, maxWordScalars: Int)
    throws(TokenizerError)
  {
    try vocabulary.checkSize()
    let (count, bytes) = (vocabulary.modelCount, vocabulary.bytes)
    let prefix = Array(continuingPrefix.utf8)
    var initial = PieceTable(capacity: count, bytes: bytes)
    var continuing = PieceTable(capacity: count, bytes: bytes)
    for id in vocabulary.modelIDs {
      let range = vocabulary.range(of: id)
      initial.insert(range, id: Int32(id))
      if bytes[range].starts(with: prefix) { continuing.insert(range.dropFirst(prefix.count), id: Int32(id)) }
    }
    try TokenizerRules.check(initial.longest, TokenizerRules.mostPieceBytes, "bytes of the longest piece")
    (self.initial, self.continuing) = (initial, continuing)
    (self.unknownID, self.maxWordScalars) = (unknownID, maxWordScalars)
  }

  /// Appends the ids of one word, which is not empty.
  func encode(_ word: UnsafeBufferPointer<UInt8>, scalars: Int, into tokens: inout TokenSink) {
    guard scalars <= maxWordScalars else { return tokens.append(unknownID) }
    let start = tokens.count
    var position = 0
    while position < word.count {
      let rest = UnsafeBufferPointer(rebasing: word[position...])
      let (id, length) = longestPiece(of: rest, in: position == 0 ? initial : continuing)
      guard id >= 0 else {
        tokens.removeLast(to: start)
        return tokens.append(unknownID)
      }
      tokens.append(id)
      position += length
    }
  }

  /// The longest entry that `text` begins with; its id is -1 where there is none. An entry is whole scalars, so a
  /// match of bytes is a match of scalars.
  @inline(__always)
  private func longestPiece(of text: UnsafeBufferPointer<UInt8>, in table: PieceTable) -> (id: Int32, length: Int) {
    let longest = min(table.longest, text.count)
    return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: longest) { hashes in
      var hash = PieceTable.emptyHash
      for index in 0..<longest {
        hash = table.extend(hash, by: text[index])
        hashes[index] = hash
      }
      var length = longest
      while length > 0 {
        let id = table.id(of: UnsafeBufferPointer(rebasing: text[..<length]), hash: hashes[length - 1])
        if id >= 0 { return (id, length) }
        length -= 1
      }
      return (-1, 0)
    }
  }
}

/// Collects the ids of one text, keeps the first `capacity` of them and counts the rest.
struct TokenSink {
  private(set) var kept: [Int32] = []
  private(set) var count = 0
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  @inline(__always)
  mutating func append(_ id: Int32) {
    if count < capacity { kept.append(id) }
    count += 1
  }

  /// Takes back all ids after the first `count`.
  mutating func removeLast(to count: Int) {
    self.count = count
    if kept.count > count { kept.removeLast(kept.count - count) }
  }
}
