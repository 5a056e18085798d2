// What a BERT tokenizer is, whichever files described it: a vocabulary, a normaliser's four switches, special tokens.
//
// Separate from the readers so that the text module depends on values only, and because the description can be written
// back: as a tokenizer.json that Hugging Face `tokenizers` reads, and into an artefact (TokenizerDescription+Artefact).

/// A token with a role, and its id.
public struct SpecialToken: Sendable, Equatable {
  /// The text in the vocabulary, such as `[CLS]`.
  public let content: String
  /// The id.
  public let id: Int

  /// Names a token and its id.
  public init(content: String, id: Int) {
    self.content = content
    self.id = id
  }
}

/// A token that is looked for in the text itself, before normalisation and word pieces; fields as in tokenizer.json.
public struct AddedToken: Sendable, Equatable {
  /// The text to look for.
  public var content: String
  /// The id.
  public var id: Int
  /// Whether it only counts when it is not a part of a longer word.
  public var singleWord = false
  /// Whether white space to its left belongs to it.
  public var stripsLeft = false
  /// Whether white space to its right belongs to it.
  public var stripsRight = false
  /// Whether it is looked for in the normalised text instead of the raw text.
  public var normalized = false
  /// Whether it has a role, such as `[SEP]`, rather than being a word.
  public var special = true

  /// A special token that is found anywhere in the raw text.
  public init(content: String, id: Int) {
    self.content = content
    self.id = id
  }
}

/// A WordPiece tokenizer with BERT's normaliser and template `[CLS] A [SEP] (B [SEP])`.
public struct TokenizerDescription: Sendable, Equatable {
  /// Every token in id order, as it stands in the file. Pairs that differ only in Unicode normalisation are different
  /// tokens: compare with `ExactString` or by bytes.
  public var vocabulary: [String]
  /// How many of them, from id 0, are word pieces; the rest are added tokens, which word pieces never match.
  public var wordPieceCount: Int
  /// Whether text is lower-cased.
  public var lowercase = true
  /// Whether accents are removed; nil means that it follows `lowercase`.
  public var stripAccents: Bool?
  /// Whether CJK ideographs are words of their own.
  public var splitCJK = true
  /// Whether control characters are removed and white space becomes spaces.
  public var cleanText = true
  /// Stands for a word that no pieces cover.
  public var unknownToken: SpecialToken
  /// Starts every sample.
  public var clsToken: SpecialToken
  /// Ends every text.
  public var sepToken: SpecialToken
  /// Pads batches, in runtimes that pad.
  public var padToken: SpecialToken
  /// Stands for a hidden word in pre-training; nil when the vocabulary has none.
  public var maskToken: SpecialToken?
  /// All tokens looked for in the raw text, those above included, in id order.
  public var addedTokens: [AddedToken]
  /// Starts every piece that continues a word.
  public var continuingPrefix = "##"
  /// A word of more Unicode scalars than this is unknown as a whole.
  public var maxWordScalars = 100
  /// The longest input in tokens, special ones included; nil when the files set no limit.
  public var modelMaxLength: Int?

  /// The added tokens beyond the five with a role.
  public var additionalSpecialTokens: [AddedToken] {
    let roles = [unknownToken.id, clsToken.id, sepToken.id, padToken.id, maskToken?.id]
    return addedTokens.filter { !roles.contains($0.id) }
  }
}

extension TokenizerDescription {
  /// The description as a tokenizer.json, without `modelMaxLength`, which that format has no place for.
  public var tokenizerJSON: JSONValue {
    var vocabulary = JSONObject()
    for (id, token) in self.vocabulary[..<wordPieceCount].enumerated() { vocabulary[token] = JSONValue(id) }
    return [
      "version": "1.0", "truncation": .null, "padding": .null,
      "added_tokens": .array(addedTokens.map(\.json)),
      "normalizer": [
        "type": "BertNormalizer", "clean_text": .bool(cleanText), "handle_chinese_chars": .bool(splitCJK),
        "strip_accents": stripAccents.map(JSONValue.bool) ?? .null, "lowercase": .bool(lowercase),
      ],
      "pre_tokenizer": ["type": "BertPreTokenizer"],
      "post_processor": [
        "type": "BertProcessing",
        "sep": [.string(sepToken.content), JSONValue(sepToken.id)],
        "cls": [.string(clsToken.content), JSONValue(clsToken.id)],
      ],
      "decoder": ["type": "WordPiece", "prefix": .string(continuingPrefix), "cleanup": true],
      "model": [
        "type": "WordPiece", "unk_token": .string(unknownToken.content),
        "continuing_subword_prefix": .string(continuingPrefix),
        "max_input_chars_per_word": JSONValue(maxWordScalars), "vocab": .object(vocabulary),
      ],
    ]
  }

  /// The part of the description that tokenizer.json cannot hold, as a tokenizer_config.json.
  public var settingsJSON: JSONValue {
    var settings = JSONObject()
    settings["pad_token"] = .string(padToken.content)
    settings["mask_token"] = maskToken.map { .string($0.content) }
    settings["model_max_length"] = modelMaxLength.map { JSONValue($0) }
    return .object(settings)
  }
}

extension AddedToken {
  var json: JSONValue {
    [
      "id": JSONValue(id), "content": .string(content), "single_word": .bool(singleWord), "lstrip": .bool(stripsLeft),
      "rstrip": .bool(stripsRight), "normalized": .bool(normalized), "special": .bool(special),
    ]
  }
}
