// Which rows of a bag head's tables a text reads. The definition is that of `bag_logits`: whatever is learned here is
// read there, so both must count the same words and hash the same pairs.

import PyramidModels

/// What a bag head counts: the word pieces of a tokenizer, and hashed pairs of neighbours if there are any.
public struct BagVocabulary: Sendable {
  /// Rows of the table, which are the ids of the model's vocabulary.
  public let words: Int
  /// Rows of the table of pairs, a power of two; nil without pairs.
  public let pairs: Int?
  /// Ids that are not words: [CLS], [SEP], [PAD], [MASK].
  public let skip: [Int32]
  /// The id that ends each text of a pair.
  public let separator: Int32

  /// A vocabulary from its parts. `pairs` must be a power of two.
  public init(words: Int, pairs: Int?, skip: [Int32], separator: Int32) {
    precondition(pairs.map { $0 > 0 && $0 & ($0 - 1) == 0 } ?? true, "\(pairs ?? 0) is not a power of two")
    (self.words, self.pairs, self.skip, self.separator) = (words, pairs, skip, separator)
  }

  /// The vocabulary of a checkpoint.
  public init(_ checkpoint: Checkpoint, pairs: Int?) {
    let rules = checkpoint.tokenizer.rules
    self.init(
      words: checkpoint.configuration.vocabularySize, pairs: pairs, skip: rules.idsWithoutWord,
      separator: rules.separatorID)
  }

  /// Rows of both tables, the words' first.
  var rows: Int { words + (pairs ?? 0) }

  /// Appends the rows that a text of these ids reads, and returns how many words it has. Neighbours are pairs once the
  /// ids that are not words are left out, but not across the separator.
  func append(_ ids: ArraySlice<Int32>, to rows: inout [Int32]) -> Int {
    var (count, previous) = (0, Int32(-1))
    for id in ids {
      if skip.contains(id) {
        if id == separator { previous = -1 }
        continue
      }
      rows.append(id)
      if let pairs, previous >= 0 { rows.append(Int32(words + Self.pair(previous, id, of: pairs))) }
      (count, previous) = (count + 1, id)
    }
    return count
  }

  /// The row of a pair in its table.
  static func pair(_ first: Int32, _ second: Int32, of pairs: Int) -> Int {
    Int((UInt64(UInt32(bitPattern: first)) &* 1_000_003 &+ UInt64(UInt32(bitPattern: second))) % UInt64(pairs))
  }
}

/// Texts as the rows that they read, with their classes.
public struct BagTexts: Sendable {
  /// What is counted.
  public let vocabulary: BagVocabulary
  /// The classes, [texts].
  let labels: [Int]
  /// Rows of all texts, one after another; row `words + p` is pair p's.
  let rows: [Int32]
  /// Where each text's rows start, and where they end, [texts + 1].
  let starts: [Int]
  /// Words of each text, [texts].
  let words: [Int]

  /// Texts of token ids.
  public init(_ texts: some Sequence<ArraySlice<Int32>>, labels: [Int], vocabulary: BagVocabulary) {
    var (rows, starts, words): ([Int32], [Int], [Int]) = ([], [0], [])
    for ids in texts {
      words.append(vocabulary.append(ids, to: &rows))
      starts.append(rows.count)
    }
    precondition(words.count == labels.count, "\(words.count) texts, \(labels.count) labels")
    (self.vocabulary, self.labels, self.rows, self.starts, self.words) = (vocabulary, labels, rows, starts, words)
  }

  /// Encoded texts.
  public init(_ texts: EncodedTexts, vocabulary: BagVocabulary) {
    self.init((0..<texts.count).lazy.map { texts.tokens(of: $0) }, labels: texts.labels, vocabulary: vocabulary)
  }

  /// Texts.
  public var count: Int { labels.count }
}
