// Everything that a tokenizer is made of. The files of a checkpoint and an artefact are read straight into this type
// (folder Files), tests write it down, and `Tokenizer` builds its tables from it.

import PyramidFormats

/// How words become tokens.
public enum TokenizerModel: Sendable, Equatable {
  /// WordPiece: what starts every piece that continues a word (`##`, may be empty), and the longest word that is
  /// spelled, in scalars after normalisation; a longer one is unknown as a whole.
  case wordPiece(continuingPrefix: String, maxWordScalars: Int)
  /// Byte-pair encoding.
  case bytePairs(BytePairRules)
  /// A unigram language model.
  case unigram(UnigramRules)
  /// One token for each character.
  case characters
}

/// How the texts of a pair are shortened: always the longer one, and an odd token that both might have goes to...
public enum PairTruncation: String, Sendable {
  /// ...the originally longer one, on a tie the second, as the Hugging Face library has it.
  case library
  /// ...the first, as transformers' tokenizers in Python have it.
  case python
}

/// A tokenizer: vocabulary, steps from text to words, model, template, added tokens.
public struct TokenizerRules: Sendable, Equatable {
  /// Every token in id order.
  public var vocabulary: Vocabulary
  /// What is done to a text first.
  public var normaliser: [NormaliserStep] = [.bert(BertNormaliser())]
  /// How the normalised text is cut into words.
  public var splitter: [SplitterStep] = [.bert]
  /// How words become tokens.
  public var model = TokenizerModel.wordPiece(continuingPrefix: "##", maxWordScalars: 100)
  /// What stands around the texts.
  public var template: TokenTemplate
  /// Id of a word that the vocabulary cannot spell (`[UNK]`), where there is one.
  public var unknownID: Int32?
  /// Id of padding (`[PAD]`), where there is one. Encodings are never padded; the id is carried for other users.
  public var padID: Int32?
  /// Id of the mask token (`[MASK]`), where there is one.
  public var maskID: Int32?
  /// Tokens that are looked for in the text itself, in id order.
  public var addedTokens: [AddedToken] = []
  /// Whether a text that is too long loses its beginning instead of its end.
  public var truncatesLeft = false
  /// Which text of a pair gets the odd token.
  public var pairTruncation = PairTruncation.library
  /// The longest input in tokens, special ones included; nil when the files set no limit.
  public var modelMaxLength: Int?

  /// The id that opens an encoding: `[CLS]`, `<s>`.
  public var firstID: Int32 { template.firstID }
  /// The id that ends the first text of an encoding: `[SEP]`, `</s>`.
  public var separatorID: Int32 { template.separatorID }
  /// The ids that the tokenizer puts where no word is, ascending: special tokens of the template, padding, mask.
  public var idsWithoutWord: [Int32] { Set(template.ids + [padID, maskID].compactMap { $0 }).sorted() }
  /// BERT's switches, where its normaliser and splitter are all that is done to a text.
  public var bert: BertNormaliser? {
    guard case .bert(let switches)? = normaliser.first, normaliser.count == 1, splitter == [.bert] else { return nil }
    return switches
  }
}

extension TokenizerRules {
  /// Most steps of a normaliser and of a splitter, and most parts of a template.
  static let mostSteps = 64
  /// Most bytes of a text that a step or the model looks for or writes.
  static let mostTextBytes = 1024
  /// Most bytes of a piece of a model that looks for all pieces at every place of a text.
  static let mostPieceBytes = 512
  /// Most bytes of a token.
  static let mostTokenBytes = 4096
  /// Most bytes of all added tokens.
  static let mostAddedBytes = 1 << 20

  /// Throws where there is more of something than allowed.
  static func check(_ count: Int, _ most: Int, _ what: @autoclosure () -> String) throws(TokenizerError) {
    if count > most { throw .beyondLimit("\(count) \(what()); at most \(most) are allowed") }
  }

  /// Throws when something is so large, or there so often, that opening or a text would take without bound.
  func checkLimits() throws(TokenizerError) {
    try Self.check(normaliser.count, Self.mostSteps, "steps of the normaliser")
    try Self.check(splitter.count, Self.mostSteps, "steps of the splitter")
    try Self.check(max(template.single.count, template.pair.count), Self.mostSteps, "parts of the template")
    var (texts, comparisons) = ([String](), 0)
    for case .replace(let pattern, let text) in normaliser {
      texts.append(text)
      comparisons += try CompiledPattern(pattern).comparisons
    }
    for case .pattern(let pattern, _, _) in splitter { comparisons += try CompiledPattern(pattern).comparisons }
    try Self.check(comparisons, 4096, "comparisons at a character by all patterns")
    if case .wordPiece(let prefix, _) = model { texts.append(prefix) }
    if case .bytePairs(let rules) = model { texts += [rules.continuingPrefix, rules.wordSuffix] }
    for text in texts { try Self.check(text.utf8.count, Self.mostTextBytes, "bytes of the text \(text.quoted)") }
    for id in 0..<vocabulary.count {
      try Self.check(vocabulary.range(of: id).count, Self.mostTokenBytes, "bytes of token \(id)")
    }
    for token in addedTokens {
      try Self.check(token.content.utf8.count, Self.mostTokenBytes, "bytes of the token \(token.content.quoted)")
    }
    let added = addedTokens.reduce(0) { $0 + $1.content.utf8.count }
    try Self.check(added, Self.mostAddedBytes, "bytes of added tokens")
  }
}

/// Why a tokenizer cannot be made.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The vocabulary has no entry.
  case emptyVocabulary
  /// The vocabulary, or the sum of its bytes, exceeds what 32-bit ids and offsets can name.
  case vocabularyTooLarge(entries: Int)
  /// A required id (`role` says which) is negative or beyond the vocabulary and the added tokens.
  case idOutOfRange(role: String, id: Int32)
  /// An added token has no text, or none after normalisation.
  case emptyAddedToken(id: Int32)
  /// Two added tokens are looked for by one text.
  case conflictingAddedToken(text: String)
  /// `maxWordScalars` is below 1.
  case maxWordScalarsOutOfRange(Int)
  /// A unigram model without one finite score for each token.
  case scoresDoNotFit(count: Int)
  /// A compiled map of characters that contradicts itself.
  case damagedCharacterMap(String)
  /// A regular expression with a part that is not matched here.
  case unsupportedPattern(String)
  /// Steps that don't go together.
  case unsupportedCombination(String)
  /// More of something than a tokenizer may have.
  case beyondLimit(String)

  public var description: String {
    switch self {
    case .emptyVocabulary: "the vocabulary is empty"
    case .vocabularyTooLarge(let entries): "the vocabulary of \(entries) entries is too large"
    case .idOutOfRange(let role, let id): "the id \(id) of the \(role) token names no token"
    case .emptyAddedToken(let id): "the added token with id \(id) has an empty text"
    case .conflictingAddedToken(let text): "the added token \(text.quoted) is declared with two ids"
    case .maxWordScalarsOutOfRange(let value): "max_input_chars_per_word is \(value); it must be at least 1"
    case .scoresDoNotFit(let count): "the unigram model's \(count) scores are not one finite number for each token"
    case .damagedCharacterMap(let problem): "precompiled_charsmap: \(problem)"
    case .unsupportedPattern(let what): "a regular expression is not supported: \(what.printable(limit: 200))"
    case .unsupportedCombination(let what), .beyondLimit(let what): what
    }
  }
}
