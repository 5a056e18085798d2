// The unigram language model (Kudo 2018): of all ways to spell a word in pieces the one with the greatest sum of scores,
// found by dynamic programming over its bytes. Sums are of doubles and in the library's order, so that ties fall alike.

/// What a unigram model is made of beside its vocabulary.
public struct UnigramRules: Sendable, Equatable {
  /// The score of each piece, by id.
  public var scores: [Double]
  /// Stands for a character that no piece is; without one a text with such a character can't be spelled.
  public var unknownID: Int32
  /// Whether an unknown run is spelled in tokens for its bytes (`<0xE2>`) where all of them exist.
  public var fallsBackToBytes = false
}

/// The model. Work is at most a word's bytes times those of the longest piece. A class, so that each text refers to the
/// tables.
final class Unigram: Sendable {
  /// How much worse than the worst piece an unknown character is.
  private static let unknownPenalty = 10.0

  private let rules: UnigramRules
  private let unknownScore: Double
  private let trie: PieceTrie
  /// Takes of a place in a word what tells it from others that are within a piece of it.
  private let mask: Int
  /// For a byte's fallback token, or -1.
  private let idOfFallback: [Int32]

  init(_ vocabulary: Vocabulary, _ rules: UnigramRules) throws(TokenizerError) {
    try vocabulary.checkSize()
    guard rules.scores.count == vocabulary.modelCount, rules.scores.allSatisfy(\.isFinite) else {
      throw .scoresDoNotFit(count: rules.scores.count)
    }
    self.rules = rules
    unknownScore = (rules.scores.min() ?? 0) - Self.unknownPenalty
    let trie = try PieceTrie(vocabulary)
    try TokenizerRules.check(trie.longest, TokenizerRules.mostPieceBytes, "bytes of the longest piece")
    self.trie = trie
    var size = 8
    while size <= trie.longest { size *= 2 }
    mask = size - 1
    idOfFallback = (0..<256).map { rules.fallsBackToBytes ? trie.id(of: ByteAlphabet.fallbackToken(UInt8($0))) : -1 }
  }

  /// The best way to a place in a word.
  private struct Node {
    /// Where its last piece starts; -1 without a way.
    var start: Int32 = -1
    var id: Int32 = 0
  }

  /// Appends the ids of one word, which is not empty.
  func encode(_ word: UnsafeBufferPointer<UInt8>, into tokens: inout TokenSink) {
    withUnsafeTemporaryAllocation(of: Node.self, capacity: word.count + 1) { nodes in
      nodes.initialize(repeating: Node())
      fill(nodes, word)
      // Back from the end, so that each node on the way tells where the next piece ends; the last one says 0.
      var (place, end) = (word.count, 0)
      while place > 0 {
        let start = Int(nodes[place].start)
        nodes[place].start = Int32(end)
        (place, end) = (start, place)
      }
      var start = 0
      while end > 0 {
        let id = nodes[end].id
        var next = Int(nodes[end].start)
        if id == rules.unknownID {
          // Unknown neighbours are one run.
          while next > 0, nodes[next].id == id { (end, next) = (next, Int(nodes[next].start)) }
          takeUnknown(word[start..<end], &tokens)
        } else {
          tokens.append(id)
        }
        (start, end) = (end, next)
      }
    }
  }

  /// The best way to each place, from left to right. Sums are kept for the places that a piece may end at from here on.
  private func fill(_ nodes: UnsafeMutableBufferPointer<Node>, _ word: UnsafeBufferPointer<UInt8>) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: min(mask, word.count) + 1) { sums in
      sums.initialize(repeating: 0)
      rules.scores.withUnsafeBufferPointer { scores in
        func take(_ id: Int32, _ sum: Double, _ start: Int, _ end: Int) {
          guard nodes[end].start < 0 || sum > sums[end & mask] else { return }
          nodes[end] = Node(start: Int32(start), id: id)
          sums[end & mask] = sum
        }
        var start = 0
        while start < word.count {
          let score = sums[start & mask]
          let byte = word[start]
          let length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
          var isPiece = false
          trie.forEachPrefix(of: word, from: start) { id, end in
            take(id, scores[Int(id)] + score, start, end)
            if end - start == length { isPiece = true }
          }
          if !isPiece { take(rules.unknownID, unknownScore + score, start, start + length) }
          start += length
        }
      }
    }
  }

  /// A run of unknown characters: it may be a piece as a whole, which the way to it did not take, or bytes.
  private func takeUnknown(_ run: Slice<UnsafeBufferPointer<UInt8>>, _ tokens: inout TokenSink) {
    let id = trie.id(of: run)
    if id >= 0 {
      tokens.append(id)
    } else if rules.fallsBackToBytes, run.allSatisfy({ idOfFallback[Int($0)] >= 0 }) {
      for byte in run { tokens.append(idOfFallback[Int(byte)]) }
    } else {
      tokens.append(rules.unknownID)
    }
  }
}
