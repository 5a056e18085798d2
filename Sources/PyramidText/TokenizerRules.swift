// What a tokenizer must know beside its vocabulary. The type repeats the facts of a checkpoint's tokenizer files
// without depending on their formats, so that this module stands on its own and tests can state rules directly.

/// A token that is matched verbatim in the raw text, before normalisation, as Hugging Face's added tokens are.
public struct SpecialToken: Sendable, Equatable {
  /// The text that stands for the token, e.g. `[MASK]`; case and accents count.
  public var text: String
  /// The id that replaces the text.
  public var id: Int32

  /// Makes a special token from its text and its id.
  public init(text: String, id: Int32) {
    self.text = text
    self.id = id
  }
}

/// The settings of a BERT tokenizer: normaliser, word pieces and special tokens.
///
/// The names follow `tokenizer_config.json` where it has one; the defaults are those of an uncased BERT.
public struct TokenizerRules: Sendable, Equatable {
  /// Maps every scalar to its lower case (`do_lower_case`), scalar by scalar: no final-sigma rule, no locale.
  public var lowercase: Bool
  /// Decomposes the text (NFD) and drops nonspacing marks (`strip_accents`; where unset, it equals `lowercase`).
  public var stripAccents: Bool
  /// Makes each CJK ideograph a word of its own (`tokenize_chinese_chars`).
  public var splitCJK: Bool
  /// Drops control, format and private-use scalars and U+FFFD before anything else (`clean_text`).
  public var cleanText: Bool
  /// Id of a word that the vocabulary cannot spell (`[UNK]`).
  public var unknownID: Int32
  /// Id that opens an encoding (`[CLS]`).
  public var clsID: Int32
  /// Id that closes each text of an encoding (`[SEP]`).
  public var sepID: Int32
  /// Id of padding (`[PAD]`), where there is one. Encodings are never padded; the id is carried for other users.
  public var padID: Int32?
  /// Id of the mask token (`[MASK]`), where there is one.
  public var maskID: Int32?
  /// What marks a vocabulary entry that continues a word, `##` in BERT. It may be empty.
  public var continuingPrefix: String
  /// A word of more scalars than this, counted after normalisation, is unknown as a whole.
  public var maxWordScalars: Int
  /// Tokens matched verbatim in the raw text: leftmost first, the longest of those that start at one place.
  public var specialTokens: [SpecialToken]

  /// Makes rules; every argument but the three ids has the value of an uncased BERT as its default.
  public init(
    lowercase: Bool = true, stripAccents: Bool? = nil, splitCJK: Bool = true, cleanText: Bool = true,
    unknownID: Int32, clsID: Int32, sepID: Int32, padID: Int32? = nil, maskID: Int32? = nil,
    continuingPrefix: String = "##", maxWordScalars: Int = 100, specialTokens: [SpecialToken] = []
  ) {
    self.lowercase = lowercase
    self.stripAccents = stripAccents ?? lowercase
    self.splitCJK = splitCJK
    self.cleanText = cleanText
    self.unknownID = unknownID
    self.clsID = clsID
    self.sepID = sepID
    self.padID = padID
    self.maskID = maskID
    self.continuingPrefix = continuingPrefix
    self.maxWordScalars = maxWordScalars
    self.specialTokens = specialTokens
  }
}

/// Why a tokenizer cannot be made.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The vocabulary has no entry.
  case emptyVocabulary
  /// The vocabulary, or the sum of its bytes, exceeds what 32-bit ids and offsets can name.
  case vocabularyTooLarge(entries: Int)
  /// A required id (`role` says which) is negative or beyond the vocabulary and the special tokens.
  case idOutOfRange(role: String, id: Int32)
  /// A special token has no text.
  case emptySpecialToken(id: Int32)
  /// Two special tokens of one text have different ids.
  case conflictingSpecialToken(text: String)
  /// `maxWordScalars` is below 1.
  case maxWordScalarsOutOfRange(Int)

  public var description: String {
    switch self {
    case .emptyVocabulary: "the vocabulary is empty"
    case .vocabularyTooLarge(let entries): "the vocabulary of \(entries) entries is too large"
    case .idOutOfRange(let role, let id): "the id \(id) of the \(role) token names no token"
    case .emptySpecialToken(let id): "the special token with id \(id) has an empty text"
    case .conflictingSpecialToken(let text): "the special token \"\(text)\" is declared with two ids"
    case .maxWordScalarsOutOfRange(let value): "max_input_chars_per_word is \(value); it must be at least 1"
    }
  }
}
