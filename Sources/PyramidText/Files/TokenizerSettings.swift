// tokenizer_config.json: what it says about a BERT tokenizer, before it is known which vocabulary file it goes with.
//
// Separate because both ways of describing a tokenizer (tokenizer.json, vocab.txt) are completed by it: `transformers`
// lets its normaliser switches override those of tokenizer.json, and only it knows the maximum length.

import PyramidFormats

/// The parts of tokenizer_config.json that matter here; nil or empty where the file is silent.
struct TokenizerSettings {
  /// The roles of special tokens in the order in which `transformers` adds them.
  static let roles = ["unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

  var tokenizerClass: String?
  var lowercase: Bool?
  var splitCJK: Bool?
  /// The outer optional tells whether the key is present; the inner one is its value, null included.
  var stripAccents: Bool??
  var modelMaxLength: Int?
  /// Role to token; ids are not known here and are 0.
  var special: [String: SpecialToken] = [:]
  /// `additional_special_tokens`; ids are 0.
  var additional: [SpecialToken] = []
  /// `added_tokens_decoder`, with its ids, in their order.
  var decoder: [SpecialToken] = []

  /// Reads the file's content; nil stands for a file that is not there.
  init(_ root: JSONField?) throws(FormatError) {
    guard let root else { return }
    tokenizerClass = try root.optional("tokenizer_class")?.string()
    lowercase = try root.optional("do_lower_case")?.bool()
    splitCJK = try root.optional("tokenize_chinese_chars")?.bool()
    if try root.object()["strip_accents"] != nil { stripAccents = .some(try root.optional("strip_accents")?.bool()) }
    modelMaxLength = try TokenizerSettings.length(root.optional("model_max_length"))
    for role in TokenizerSettings.roles {
      if let field = try root.optional(role) { special[role] = try TokenizerSettings.token(field) }
    }
    for field in try root.optional("additional_special_tokens")?.elements() ?? [] {
      additional.append(try TokenizerSettings.token(field))
    }
    for (key, field) in try root.optional("added_tokens_decoder")?.members() ?? [] {
      guard let id = Int(key), String(id) == key, (0..<Vocabulary.maximumCount).contains(id) else {
        throw field.failure("expected a token's id as the key")
      }
      decoder.append(try SpecialToken(field, id: Int32(id)))
    }
    decoder.sort { $0.id < $1.id }
  }

  /// A token is a string, or an object with `content` and flags.
  private static func token(_ field: JSONField) throws(FormatError) -> SpecialToken {
    if case .string(let content) = field.value { return SpecialToken(content: content, id: 0) }
    return try SpecialToken(field, id: 0)
  }

  /// `transformers` writes 1e30, as a float or as its 31 digits, for "no limit".
  private static func length(_ field: JSONField?) throws(FormatError) -> Int? {
    guard let field else { return nil }
    let value = try field.double()
    guard value >= 1, value == value.rounded() else {
      throw field.failure("expected a positive integer, found \(field.found)")
    }
    return value <= 1e9 ? Int(value) : nil
  }
}

extension SpecialToken {
  /// Reads an added token's content and flags; a flag left out has the default of Hugging Face `tokenizers` for
  /// special tokens.
  init(_ field: JSONField, id: Int32) throws(FormatError) {
    let content = try field.required("content").string()
    guard !content.isEmpty else { throw try field.required("content").failure("expected text, found \"\"") }
    self.init(content: content, id: id)
    singleWord = try field.optional("single_word")?.bool() ?? false
    stripsLeft = try field.optional("lstrip")?.bool() ?? false
    stripsRight = try field.optional("rstrip")?.bool() ?? false
    special = try field.optional("special")?.bool() ?? true
    normalized = try field.optional("normalized")?.bool() ?? !special
  }
}
