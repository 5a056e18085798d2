// Everything that a tokenizer is made of. The files of a checkpoint and an artefact are read straight into this type
// (folder Files), tests write it down, and `Tokenizer` builds its tables from it.

import PyramidFormats

/// A token that is looked for verbatim in the raw text, before normalisation, as Hugging Face's added tokens are.
public struct SpecialToken: Sendable, Equatable {
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
  /// Whether it is looked for in the normalised text instead of the raw text.
  public var normalized = false
  /// Whether it has a role, such as `[SEP]`, rather than being a word.
  public var special = true
}

/// How words become tokens.
public enum TokenizerModel: Sendable, Equatable {
  /// WordPiece: what starts every piece that continues a word (`##`, may be empty), and the longest word that is
  /// spelled, in scalars after normalisation; a longer one is unknown as a whole.
  case wordPiece(continuingPrefix: String, maxWordScalars: Int)
}

/// A tokenizer with BERT's normaliser and template `[CLS] A [SEP] (B [SEP])`: vocabulary, switches, special tokens.
///
/// The names follow `tokenizer_config.json` where it has one; the defaults are those of an uncased BERT.
public struct TokenizerRules: Sendable, Equatable {
  /// Every token in id order.
  public var vocabulary: Vocabulary
  /// Maps every scalar to its lower case (`do_lower_case`), scalar by scalar: no final-sigma rule, no locale.
  public var lowercase = true
  /// Decomposes the text (NFD) and drops nonspacing marks (`strip_accents`); nil means that it follows `lowercase`.
  public var stripAccents: Bool?
  /// Makes each CJK ideograph a word of its own (`tokenize_chinese_chars`).
  public var splitCJK = true
  /// Drops control, format and private-use scalars and U+FFFD before anything else (`clean_text`).
  public var cleanText = true
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
  /// How words become tokens.
  public var model = TokenizerModel.wordPiece(continuingPrefix: "##", maxWordScalars: 100)
  /// Tokens matched in the raw text, in id order: leftmost first, the longest of those that start at one place.
  public var specialTokens: [SpecialToken] = []
  /// The longest input in tokens, special ones included; nil when the files set no limit.
  public var modelMaxLength: Int?
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
  /// A special token asks for what BERT tokenizers don't do.
  case unsupportedSpecialToken(text: String)
  /// `maxWordScalars` is below 1.
  case maxWordScalarsOutOfRange(Int)

  public var description: String {
    switch self {
    case .emptyVocabulary: "the vocabulary is empty"
    case .vocabularyTooLarge(let entries): "the vocabulary of \(entries) entries is too large"
    case .idOutOfRange(let role, let id): "the id \(id) of the \(role) token names no token"
    case .emptySpecialToken(let id): "the special token with id \(id) has an empty text"
    case .conflictingSpecialToken(let text): "the special token \(text.quoted) is declared with two ids"
    case .unsupportedSpecialToken(let text):
      "added_tokens: '\(text.printable(limit: 80))' asks for single_word, lstrip, rstrip or normalized, which is not "
        + "supported"
    case .maxWordScalarsOutOfRange(let value): "max_input_chars_per_word is \(value); it must be at least 1"
    }
  }
}
