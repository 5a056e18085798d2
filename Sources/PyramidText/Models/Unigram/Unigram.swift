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
    self.trie = trie
    idOfFallback = (0..<256).map { rules.fallsBackToBytes ? trie.id(of: ByteAlphabet.fallbackToken(UInt8($0))) : -1 }
  }

  /// The best way to a place in a word.
  private struct Node {
    var score = 0.0
    /// Where its last piece starts; -1 without a way.
    var start: Int32 = -1
    var id: Int32 = 0
  }

  /// A piece of a word, or a run of unknown characters.
  private struct Piece {
    var start: Int32
    var end: Int32
    var id: Int32
  }

  /// Appends the ids of one word, which is not empty.
  func encode(_ word: UnsafeBufferPointer<UInt8>, into tokens: inout TokenSink) {
    withUnsafeTemporaryAllocation(of: Node.self, capacity: word.count + 1) { nodes in
      nodes.initialize(repeating: Node())
      fill(nodes, word)
      withUnsafeTemporaryAllocation(of: Piece.self, capacity: word.count) { pieces in
        // Back from the end; unknown neighbours are one run.
        var (count, end, wasUnknown) = (0, word.count, false)
        while end > 0 {
          let node = nodes[end]
          let isUnknown = node.id == rules.unknownID
          if isUnknown, wasUnknown {
            pieces[count - 1].start = node.start
          } else {
            pieces.initializeElement(at: count, to: Piece(start: node.start, end: Int32(end), id: node.id))
            count += 1
          }
          (end, wasUnknown) = (Int(node.start), isUnknown)
        }
        for index in (0..<count).reversed() {
          let piece = pieces[index]
          if piece.id != rules.unknownID { tokens.append(piece.id) } else { takeUnknown(word, piece, &tokens) }
        }
      }
    }
  }

  /// The best way to each place, from left to right.
  private func fill(
    _ nodes: UnsafeMutableBufferPointer<Node>, _ word: UnsafeBufferPointer<UInt8>
  ) {
    var start = 0
    rules.scores.withUnsafeBufferPointer { scores in
      while start < word.count {
        let score = nodes[start].score
        let byte = word[start]
        let length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
        var isPiece = false
        trie.forEachPrefix(of: word, from: start) { id, end in
          let sum = scores[Int(id)] + score
          if nodes[end].start < 0 || sum > nodes[end].score {
            nodes[end] = Node(score: sum, start: Int32(start), id: id)
          }
          if end - start == length { isPiece = true }
        }
        if !isPiece {
          let (sum, end) = (unknownScore + score, start + length)
          if nodes[end].start < 0 || sum > nodes[end].score {
            nodes[end] = Node(score: sum, start: Int32(start), id: rules.unknownID)
          }
        }
        start += length
      }
    }
  }

  /// A run of unknown characters: it may be a piece as a whole, which the way to it did not take, or bytes.
  private func takeUnknown(
    _ word: UnsafeBufferPointer<UInt8>, _ piece: Piece, _ tokens: inout TokenSink
  ) {
    let run = word[Int(piece.start)..<Int(piece.end)]
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
