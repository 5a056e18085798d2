// vocab.txt (+ tokenizer_config.json) -> TokenizerRules: the older of the two ways to ship a BERT tokenizer.
//
// Separate because its defaults are those of `transformers`' BertTokenizer classes, while tokenizer.json has none.

import PyramidFormats

extension TokenizerRules {
  /// Reads a vocab.txt. `settings` is the content of tokenizer_config.json, or nil when there is none: then text is
  /// lower-cased and accents are removed, as `transformers` would.
  init(vocabularyFile bytes: UnsafeRawBufferPointer, file: String, settings: JSONField?) throws(FormatError) {
    let tokens = try Self.lines(of: bytes, file: file)
    let parsed = try TokenizerSettings(settings)
    if let name = parsed.tokenizerClass, let settings, !Self.isBERT(name) {
      throw FormatError(
        file: settings.file, place: "tokenizer_class",
        problem: "\(name.quoted) is not supported; supported: BertTokenizer, DistilBertTokenizer, ElectraTokenizer")
    }
    var assembly = try TokenizerAssembly(wordPieces: tokens, file: file, place: "")
    try assembly.add(parsed, file: settings?.file ?? file)
    func content(_ role: String, _ standard: String) -> String { parsed.special[role]?.content ?? standard }
    self = try assembly.finish(
      unknown: content("unk_token", "[UNK]"), cls: content("cls_token", "[CLS]"), sep: content("sep_token", "[SEP]"),
      pad: content("pad_token", "[PAD]"), mask: parsed.special["mask_token"]?.content)
    lowercase = parsed.lowercase ?? true
    splitCJK = parsed.splitCJK ?? true
    stripAccents = parsed.stripAccents ?? nil
    modelMaxLength = parsed.modelMaxLength
  }

  /// Whether a `tokenizer_class` is one of those whose behaviour is BERT's; the fast and slow classes agree.
  static func isBERT(_ name: String) -> Bool {
    let name = name.hasSuffix("Fast") ? String(name.dropLast(4)) : name
    return ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"].contains(name)
  }

  /// One token per line, as `transformers` reads it: LF or CRLF ends a line, nothing else is stripped.
  private static func lines(of bytes: UnsafeRawBufferPointer, file: String) throws(FormatError) -> [String] {
    var tokens: [String] = []
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      let hasReturn = end < bytes.count && end > start && bytes[end - 1] == 0x0D
      let line = bytes[start..<(hasReturn ? end - 1 : end)]
      func failure(_ problem: String) -> FormatError {
        FormatError(file: file, place: "line \(tokens.count + 1)", problem: problem)
      }
      guard !line.isEmpty else { throw failure("expected a token, found an empty line") }
      guard !line.contains(0x0D) else { throw failure("carriage return inside a token") }
      guard let token = String(validating: line, as: UTF8.self) else { throw failure("invalid UTF-8") }
      guard tokens.count < Vocabulary.maximumCount else { throw failure("more than \(Vocabulary.maximumCount) tokens") }
      tokens.append(token)
      start = end + 1
    }
    return tokens
  }
}

extension TokenizerAssembly {
  /// Adds what tokenizer_config.json names: tokens with ids, then roles, then additional tokens, in `transformers`'
  /// order.
  mutating func add(_ settings: TokenizerSettings, file: String) throws(FormatError) {
    for token in settings.decoder { try add(token, from: (file, "added_tokens_decoder.\(token.id)")) }
    for role in TokenizerSettings.roles {
      guard var token = settings.special[role] else { continue }
      token.id = try id(ofRole: token.content)
      add(token)
    }
    for token in settings.additional { add(token) }
  }
}
