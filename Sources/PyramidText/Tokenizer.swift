// The way from text to ids: cut at special tokens, split into words, spell the words, shorten, add [CLS] and [SEP].
// Ids equal those of Hugging Face `BertTokenizerFast` on every string; the digest test holds that.

/// A BERT tokenizer. It is immutable and may be used from many threads at once.
public final class Tokenizer: Sendable {
  /// The rules that the tokenizer was made with.
  public let rules: TokenizerRules
  private let splitter: WordSplitter
  private let wordPiece: WordPiece
  private let specialTokens: SpecialTokenMatcher

  /// Builds the tables that the rules ask for. Of two equal tokens the later one counts.
  public init(_ rules: TokenizerRules) throws(TokenizerError) {
    let (vocabulary, specials) = (rules.vocabulary, rules.specialTokens)
    switch rules.model {
    case .wordPiece(let continuingPrefix, let maxWordScalars):
      guard maxWordScalars >= 1 else { throw .maxWordScalarsOutOfRange(maxWordScalars) }
      wordPiece = try WordPiece(
        vocabulary, unknownID: rules.unknownID, continuingPrefix: continuingPrefix, maxWordScalars: maxWordScalars)
      splitter = WordSplitter(rules: rules, wordLimit: maxWordScalars)
    }
    self.rules = rules
    specialTokens = try SpecialTokenMatcher(specials)
    for (role, id) in [("unknown", rules.unknownID), ("cls", rules.clsID), ("sep", rules.sepID)]
    where id < 0 || Int(id) >= vocabulary.count && !specials.contains(where: { $0.id == id }) {
      throw .idOutOfRange(role: role, id: id)
    }
    if let token = specials.first(where: { $0.id < 0 }) { throw .idOutOfRange(role: token.content, id: token.id) }
  }

  /// The ids of `[CLS] text [SEP]`, or of `[CLS] text [SEP] pair [SEP]`.
  ///
  /// - Parameter limit: the most ids to return; the longer text of a pair is shortened first, as `transformers` does
  ///   with `truncation=True`. A limit below the number of special tokens (2, or 3 for a pair) counts as that number.
  public func encode(_ text: String, pair: String? = nil, limit: Int) -> Encoding {
    var text = text
    guard var pair else { return text.withUTF8 { encode(valid: $0, pair: nil, limit: limit) } }
    return text.withUTF8 { text in pair.withUTF8 { encode(valid: text, pair: $0, limit: limit) } }
  }

  /// The same for bytes, of which no `String` is made unless they are not valid UTF-8. Such bytes are repaired as
  /// `String(decoding:as:)` does, which `Encoding.isRepaired` tells.
  public func encode(
    utf8 text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>? = nil, limit: Int
  ) -> Encoding {
    if isValidUTF8(text), pair.map(isValidUTF8) ?? true { return encode(valid: text, pair: pair, limit: limit) }
    let second = pair.map { String(decoding: $0, as: UTF8.self) }
    var encoding = encode(String(decoding: text, as: UTF8.self), pair: second, limit: limit)
    encoding.isRepaired = true
    return encoding
  }

  private func encode(
    valid text: UnsafeBufferPointer<UInt8>, pair: UnsafeBufferPointer<UInt8>?, limit: Int
  ) -> Encoding {
    let added = pair == nil ? 2 : 3
    let budget = max(limit, added) - added
    let first = tokenize(text, capacity: budget)
    let second = pair.map { tokenize($0, capacity: budget) }
    let length = longestFirst(first.count, second?.count ?? 0, budget: budget)

    var ids: [Int32] = []
    ids.reserveCapacity(length.first + length.second + added)
    ids.append(rules.clsID)
    ids.append(contentsOf: first.kept[..<length.first])
    ids.append(rules.sepID)
    var typeIDs = [Int32](repeating: 0, count: ids.count)
    if let second {
      ids.append(contentsOf: second.kept[..<length.second])
      ids.append(rules.sepID)
      typeIDs.append(contentsOf: repeatElement(1, count: ids.count - typeIDs.count))
    }
    let fullLength = first.count + (second?.count ?? 0) + added
    return Encoding(ids: ids, typeIDs: typeIDs, fullLength: fullLength)
  }

  /// The ids of one text without [CLS] and [SEP]; those beyond `capacity` are counted only.
  private func tokenize(_ text: UnsafeBufferPointer<UInt8>, capacity: Int) -> TokenSink {
    var speller = WordSpeller(wordPiece: wordPiece, tokens: TokenSink(capacity: capacity))
    var position = 0
    while let match = specialTokens.next(in: text, from: position) {
      splitter.split(UnsafeBufferPointer(rebasing: text[position..<match.start]), into: &speller)
      speller.tokens.append(match.id)
      position = match.end
    }
    splitter.split(UnsafeBufferPointer(rebasing: text[position...]), into: &speller)
    return speller.tokens
  }
}

/// Spells each word as soon as it is found.
private struct WordSpeller: WordSink {
  let wordPiece: WordPiece
  var tokens: TokenSink

  mutating func take(_ word: UnsafeBufferPointer<UInt8>, scalars: Int) {
    wordPiece.encode(word, scalars: scalars, into: &tokens)
  }
}

func isValidUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool { (try? UTF8Span(validating: bytes.span)) != nil }
