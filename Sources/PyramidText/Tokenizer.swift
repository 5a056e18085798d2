// The way from text to ids: cut at added tokens, normalise, split into words, spell the words, shorten, add special
// tokens. Ids equal those of the Hugging Face library on every string; the digest tests hold that.

/// A tokenizer. It is immutable and may be used from many threads at once.
public final class Tokenizer: Sendable {
  /// The rules that the tokenizer was made with.
  public let rules: TokenizerRules
  private let speller: Speller
  private let normaliser: Normaliser
  private let splitter: Splitter
  /// BERT's steps in one pass, where nothing needs the normalised text.
  private let bertSplitter: WordSplitter?
  private let rawTokens: AddedTokenMatcher
  private let normalisedTokens: AddedTokenMatcher

  /// Builds the tables that the rules ask for. Of two equal tokens the later one counts.
  public init(_ rules: TokenizerRules) throws(TokenizerError) {
    self.rules = rules
    try rules.vocabulary.checkSize()
    try rules.check()
    speller = try Speller(rules)
    let normaliser = try Normaliser(rules.normaliser)
    (self.normaliser, splitter) = (normaliser, try Splitter(rules.splitter))
    var texts: [(token: AddedToken, text: [UInt8])] = []
    for token in rules.addedTokens {
      var (text, spare) = (Array(token.content.utf8), [UInt8]())
      if token.normalized { normaliser.normalise(&text, &spare) }
      let most = TokenizerRules.mostTokenBytes
      try TokenizerRules.check(text.count, most, "bytes of added token \(token.id), normalised")
      texts.append((token, text))
    }
    rawTokens = try AddedTokenMatcher(texts.filter { !$0.token.normalized })
    normalisedTokens = try AddedTokenMatcher(texts.filter { $0.token.normalized })
    bertSplitter =
      if let switches = rules.bert, normalisedTokens.isEmpty, case .wordPiece(_, let limit) = rules.model {
        WordSplitter(switches, wordLimit: limit)
      } else { nil }
  }

  /// The ids of a text, or of a text and its pair, with the template's special tokens.
  ///
  /// - Parameter limit: the most ids to return; the longer text of a pair is shortened first, as `transformers` does
  ///   with `truncation=True`. A limit below the number of special tokens counts as that number.
  /// - Returns: no ids, of `Int.max`, for texts that the normaliser may make longer than 256 MiB.
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
    guard fits(text.count + (pair?.count ?? 0)) else { return Encoding(ids: [], typeIDs: [], fullLength: .max) }
    let added = rules.template.addedCount(isPair: pair != nil)
    let budget = max(limit, added) - added
    // What is lost at the beginning is not known before the end.
    let capacity = rules.truncatesLeft ? Int.max : budget
    let first = tokenize(text, capacity: capacity)
    let second = pair.map { tokenize($0, capacity: capacity) }
    let shorten = rules.pairTruncation == .library ? longestFirst : longestFirstOneByOne
    let lengths = shorten(first.count, second?.count ?? 0, budget)
    let isLeft = rules.truncatesLeft
    return encoding(
      isLeft ? first.kept.suffix(lengths.first) : first.kept.prefix(lengths.first),
      second.map { isLeft ? $0.kept.suffix(lengths.second) : $0.kept.prefix(lengths.second) },
      fullLength: first.count + (second?.count ?? 0) + added)
  }

  /// Whether texts of so many bytes stay below 256 MiB when they are normalised; what no step makes longer always does.
  private func fits(_ bytes: Int) -> Bool { (normaliser.growth - 1) * bytes <= 256 << 20 }

  /// The tokens of a text, or of two, with the template's special tokens around them.
  private func encoding(_ first: ArraySlice<Int32>, _ second: ArraySlice<Int32>?, fullLength: Int) -> Encoding {
    let template = second == nil ? rules.template.single : rules.template.pair
    var (ids, typeIDs): ([Int32], [Int32]) = ([], [])
    let count = first.count + (second?.count ?? 0) + template.count
    ids.reserveCapacity(count)
    typeIDs.reserveCapacity(count)
    for piece in template {
      switch piece {
      case .token(let id, let type):
        ids.append(id)
        typeIDs.append(type)
      case .text(let index, let type):
        let text = index == 0 ? first : second ?? []
        ids.append(contentsOf: text)
        typeIDs.append(contentsOf: repeatElement(type, count: text.count))
      }
    }
    return Encoding(ids: ids, typeIDs: typeIDs, fullLength: fullLength)
  }

  /// A text in windows of at most `length` tokens, special ones included, each of which begins with the last `overlap` of
  /// the one before; of a pair the second text, with the first whole in every window. One window where all fits; nil where
  /// special tokens and the first text leave no more room than the overlap. No window is cut. Throws for more than 65,536
  /// windows, or more than 32 Mi tokens in all of them: small steps make a text many times as large. Or for 256 MiB.
  public func windows(
    _ text: String, pair: String? = nil, length: Int, overlap: Int
  ) throws(TokenizerError) -> [Encoding]? {
    func tokens(_ text: String) -> [Int32] {
      var text = text
      return text.withUTF8 { tokenize($0, capacity: .max).kept }
    }
    guard fits(text.utf8.count + (pair?.utf8.count ?? 0)) else { throw .beyondLimit(Encoding.tooLong) }
    let (first, second) = (tokens(text), pair.map(tokens))
    let moving = second ?? first
    let fixed = rules.template.addedCount(isPair: pair != nil) + (second == nil ? 0 : first.count)
    let room = length - fixed
    guard room > overlap || room >= moving.count else { return nil }
    if moving.count > room {
      let count = 1 + (moving.count - overlap - 1) / (room - overlap)
      try TokenizerRules.check(count, 1 << 16, "windows of \(length) tokens")
      try TokenizerRules.check(count * length, 1 << 25, "tokens in its windows together")
    }
    var windows: [Encoding] = []
    var start = 0
    repeat {
      let end = min(start + room, moving.count)
      let part = moving[start..<end]
      windows.append(
        encoding(second == nil ? part : first[...], second == nil ? nil : part, fullLength: fixed + part.count))
      if end == moving.count { break }
      start = end - overlap
    } while true
    return windows
  }

  /// The ids of one text without special tokens around it; those beyond `capacity` are counted only.
  private func tokenize(_ text: UnsafeBufferPointer<UInt8>, capacity: Int) -> TokenSink {
    var run = SpellingRun(speller: speller, tokens: TokenSink(capacity: capacity))
    var (position, cut, blanks) = (0, 0, 0..<0)
    while let match = rawTokens.next(in: text, from: &position, cut: cut, &blanks) {
      if match.start > cut {
        take(UnsafeBufferPointer(rebasing: text[cut..<match.start]), startsText: cut == 0, &run)
      }
      run.tokens.append(match.id)
      cut = match.end
    }
    take(UnsafeBufferPointer(rebasing: text[cut...]), startsText: cut == 0, &run)
    return run.tokens
  }

  /// Normalises a part of a text that has no raw token in it, and cuts it at normalised ones.
  private func take(_ text: UnsafeBufferPointer<UInt8>, startsText: Bool, _ run: inout SpellingRun) {
    guard !text.isEmpty else { return }
    if let bertSplitter { return bertSplitter.split(text, into: &run) }
    if rules.normaliser.isEmpty, normalisedTokens.isEmpty { return split(text[...], startsText: startsText, &run) }
    run.normalised.removeAll(keepingCapacity: true)
    run.normalised.append(contentsOf: text)
    normaliser.normalise(&run.normalised, &run.pieces.spare)
    let normalised = run.normalised
    normalised.withUnsafeBufferPointer { text in
      var (position, cut, blanks) = (0, 0, 0..<0)
      while let match = normalisedTokens.next(in: text, from: &position, cut: cut, &blanks) {
        if match.start > cut { split(text[cut..<match.start], startsText: startsText && cut == 0, &run) }
        run.tokens.append(match.id)
        cut = match.end
      }
      split(text[cut...], startsText: startsText && cut == 0, &run)
    }
  }

  private func split(_ text: Slice<UnsafeBufferPointer<UInt8>>, startsText: Bool, _ run: inout SpellingRun) {
    guard !text.isEmpty else { return }
    if splitter.isByteLevelAlone {
      return splitter.forEachByteLevelWord(of: UnsafeBufferPointer(rebasing: text)) { run.spell($0) }
    }
    run.pieces.bytes.removeAll(keepingCapacity: true)
    run.pieces.bytes.append(contentsOf: text)
    run.pieces.ranges.removeAll(keepingCapacity: true)
    run.pieces.ranges.append(0..<text.count)
    splitter.split(&run.pieces, startsText: startsText)
    let pieces = run.pieces
    pieces.bytes.withUnsafeBufferPointer { bytes in
      for range in pieces.ranges { run.spell(UnsafeBufferPointer(rebasing: bytes[range])) }
    }
  }
}

/// The spelling of one text: its tokens so far, and memory to work in.
private struct SpellingRun: WordSink {
  let speller: Speller
  var tokens: TokenSink
  var normalised: [UInt8] = []
  var pieces = TextPieces()
  private var bytePairs = BytePairScratch()

  init(speller: Speller, tokens: TokenSink) { (self.speller, self.tokens) = (speller, tokens) }

  mutating func take(_ word: UnsafeBufferPointer<UInt8>, scalars: Int) {
    if case .wordPiece(let model) = speller { model.encode(word, scalars: scalars, into: &tokens) }
  }

  mutating func spell(_ word: UnsafeBufferPointer<UInt8>) {
    switch speller {
    case .wordPiece(let model):
      model.encode(word, scalars: word.count { $0 & 0xC0 != 0x80 }, into: &tokens)
    case .bytePairs(let model): model.encode(word, &bytePairs, into: &tokens)
    case .unigram(let model): model.encode(word, into: &tokens)
    case .characters(let model): model.encode(word, into: &tokens)
    }
  }
}

/// A model with its tables.
private enum Speller: Sendable {
  case wordPiece(WordPiece)
  case bytePairs(BytePairs)
  case unigram(Unigram)
  case characters(Characters)

  init(_ rules: TokenizerRules) throws(TokenizerError) {
    let (vocabulary, isByteLevel) = (rules.vocabulary, rules.isByteLevel)
    switch rules.model {
    case .wordPiece(let prefix, let limit):
      guard limit >= 1 else { throw .maxWordScalarsOutOfRange(limit) }
      let unknownID = try rules.requiredUnknownID()
      self = .wordPiece(
        try WordPiece(vocabulary, unknownID: unknownID, continuingPrefix: prefix, maxWordScalars: limit))
    case .bytePairs(let bytePairs):
      self = .bytePairs(try BytePairs(vocabulary, bytePairs, isByteLevel: isByteLevel))
    case .unigram(let unigram): self = .unigram(try Unigram(vocabulary, unigram))
    case .characters: self = .characters(try Characters(vocabulary, unknownID: try rules.requiredUnknownID()))
    }
  }
}

extension TokenizerRules {
  /// Whether the model spells bytes.
  fileprivate var isByteLevel: Bool {
    if case .byteLevel? = splitter.last { true } else { false }
  }

  fileprivate func requiredUnknownID() throws(TokenizerError) -> Int32 {
    guard let unknownID else { throw .idOutOfRange(role: "unknown", id: -1) }
    return unknownID
  }

  /// Throws when an id names no token, when steps don't go together, or when there is too much of something.
  fileprivate func check() throws(TokenizerError) {
    try checkLimits()
    let added = Set(addedTokens.map(\.id))
    func check(_ role: String, _ id: Int32) throws(TokenizerError) {
      guard id >= 0, Int(id) < vocabulary.count || added.contains(id) else { throw .idOutOfRange(role: role, id: id) }
    }
    if let unknownID { try check("unknown", unknownID) }
    for id in template.ids { try check("template's", id) }
    switch model {
    case .bytePairs(let rules):
      for merge in rules.merges { for id in [merge.left, merge.right, merge.result] { try check("merged", id) } }
    case .unigram(let rules): try check("unknown", rules.unknownID)
    case .wordPiece, .characters: break
    }
    if let token = addedTokens.first(where: { $0.id < 0 }) { throw .idOutOfRange(role: token.content, id: token.id) }
    if let problem = template.problem { throw .unsupportedCombination("the template: \(problem)") }
    for (index, step) in splitter.enumerated() {
      if case .byteLevel = step, index < splitter.count - 1 {
        throw .unsupportedCombination("the ByteLevel pre-tokenizer must be the last one")
      }
      if case .metaspace(_, .first, _) = step, normaliser.contains(where: \.mayDropTheBeginning) {
        throw .unsupportedCombination(
          "Metaspace's prepend_scheme \"first\" after a normaliser that may drop the beginning of a text")
      }
    }
    guard isByteLevel else { return }
    guard case .bytePairs(let rules) = model, rules.continuingPrefix.isEmpty, rules.wordSuffix.isEmpty,
      !rules.fallsBackToBytes
    else { throw .unsupportedCombination("the ByteLevel pre-tokenizer with another model than a byte-level BPE") }
  }
}

extension NormaliserStep {
  /// Whether the step may take characters away before others, after which the library no longer counts what follows
  /// as the beginning of the text.
  fileprivate var mayDropTheBeginning: Bool {
    switch self {
    case .bert, .japanese, .stripAccents, .nmt, .prepend: true
    case .strip(let left, _): left
    case .replace(_, let text): text.isEmpty
    case .form, .lowercase, .precompiled: false
    }
  }
}

func isValidUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool { (try? UTF8Span(validating: bytes.span)) != nil }
