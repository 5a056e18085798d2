// tokenizer.json (+ tokenizer_config.json) -> TokenizerRules: Hugging Face `tokenizers`' own format.
//
// The format can describe any pipeline; this reads the one that BERT uses and names the first part that differs.
// Truncation and padding settings are ignored: `transformers` overrides them on every call.

import PyramidFormats

extension TokenizerRules {
  /// Reads a tokenizer.json. `settings` is the content of tokenizer_config.json, or nil when there is none.
  init(json root: JSONField, settings: JSONField?) throws(FormatError) {
    let parsed = try TokenizerSettings(settings)
    let description = try root.required("model")
    try description.requireType("WordPiece")
    var assembly = try TokenizerAssembly(
      wordPieces: Self.wordPieces(description.required("vocab")), file: root.file, place: "model.vocab")
    for field in try root.optional("added_tokens")?.elements() ?? [] {
      let id = try field.required("id").integer(in: 0...Vocabulary.maximumCount)
      try assembly.add(SpecialToken(field, id: Int32(id)), from: (root.file, field.place))
    }
    try assembly.add(parsed, file: settings?.file ?? root.file)
    let processor = try root.required("post_processor")
    let (cls, sep) = try Self.template(processor)
    self = try assembly.finish(
      unknown: description.required("unk_token").string(), cls: cls.content, sep: sep.content,
      pad: parsed.special["pad_token"]?.content ?? "[PAD]", mask: parsed.special["mask_token"]?.content)
    guard clsID == cls.id, sepID == sep.id else { throw processor.failure("its ids are not those of the vocabulary") }
    model = .wordPiece(
      continuingPrefix: try description.required("continuing_subword_prefix").string(),
      maxWordScalars: try description.optional("max_input_chars_per_word")?.integer(in: 1...100_000) ?? 100)
    modelMaxLength = parsed.modelMaxLength
    try checkPreTokenizer(root)
    try readNormalizer(root, parsed)
  }

  /// The pieces in id order. The ids must be 0 to n-1, each once.
  private static func wordPieces(_ vocabulary: JSONField) throws(FormatError) -> [String] {
    let members = try vocabulary.object().members
    guard members.count <= Vocabulary.maximumCount else {
      throw vocabulary.failure("more than \(Vocabulary.maximumCount) tokens")
    }
    var pieces = [String?](repeating: nil, count: members.count)
    for member in members {
      guard case .number(let number) = member.value, let id = number.int, pieces.indices.contains(id),
        pieces[id] == nil
      else {
        throw vocabulary.failure(
          "token \(member.key.quoted): expected the ids 0 to \(members.count - 1), each once, "
            + "found \(JSONField(member.value, file: vocabulary.file).found)")
      }
      pieces[id] = member.key
    }
    return pieces.compactMap { $0 }
  }

  private func checkPreTokenizer(_ root: JSONField) throws(FormatError) {
    guard let field = try root.required("pre_tokenizer").single(of: "pretokenizers") else {
      throw try root.required("pre_tokenizer").failure("expected BertPreTokenizer, found an empty sequence")
    }
    try field.requireType("BertPreTokenizer")
  }

  /// Without a normaliser text is taken as it is. With one, tokenizer_config.json of a BERT tokenizer overrides its
  /// switches.
  private mutating func readNormalizer(_ root: JSONField, _ settings: TokenizerSettings) throws(FormatError) {
    guard let field = try root.optional("normalizer")?.single(of: "normalizers") else {
      (cleanText, splitCJK, lowercase, stripAccents) = (false, false, false, false)
      return
    }
    try field.requireType("BertNormalizer")
    cleanText = try field.required("clean_text").bool()
    splitCJK = try field.required("handle_chinese_chars").bool()
    lowercase = try field.required("lowercase").bool()
    stripAccents = try field.optional("strip_accents")?.bool()
    guard settings.tokenizerClass.map(Self.isBERT) ?? true else { return }
    lowercase = settings.lowercase ?? lowercase
    splitCJK = settings.splitCJK ?? splitCJK
    stripAccents = settings.stripAccents ?? stripAccents
  }

  /// The tokens around the texts, from either of the two post-processors that BERT tokenizers have.
  private static func template(_ field: JSONField) throws(FormatError) -> (cls: SpecialToken, sep: SpecialToken) {
    switch try field.required("type").string() {
    case "BertProcessing": return (try pair(field.required("cls")), try pair(field.required("sep")))
    case "TemplateProcessing":
      let single = try pieces(field.required("single"))
      let pair = try pieces(field.required("pair"))
      guard single.count == 3, single[1] == .sequence("A", 0), case .special(let cls, 0) = single[0],
        case .special(let sep, 0) = single[2]
      else { throw try field.required("single").failure("expected [CLS] A [SEP], all of type 0") }
      guard pair == single + [.sequence("B", 1), .special(sep, 1)] else {
        throw try field.required("pair").failure("expected [CLS] A [SEP] of type 0, then B [SEP] of type 1")
      }
      let tokens = try field.required("special_tokens")
      return (try token(cls, tokens), try token(sep, tokens))
    default:
      throw try field.required("type").failure(
        "expected TemplateProcessing or BertProcessing, found \(field.required("type").found)")
    }
  }

  /// One step of a template with its type id.
  private enum TemplatePiece: Equatable {
    case special(String, Int)
    case sequence(String, Int)
  }

  private static func pieces(_ field: JSONField) throws(FormatError) -> [TemplatePiece] {
    var pieces: [TemplatePiece] = []
    for element in try field.elements() {
      let special = try element.optional("SpecialToken")
      let body = if let special { special } else { try element.required("Sequence") }
      let id = try body.required("id").string()
      let type = try body.required("type_id").integer(in: 0...1)
      pieces.append(special == nil ? .sequence(id, type) : .special(id, type))
    }
    return pieces
  }

  /// A template's token by its name: exactly one id.
  private static func token(_ name: String, _ tokens: JSONField) throws(FormatError) -> SpecialToken {
    let field = try tokens.required(name)
    let (ids, texts) = (try field.required("ids").elements(), try field.required("tokens").elements())
    guard ids.count == 1, texts.count == 1 else { throw field.failure("expected one token with one id") }
    return SpecialToken(content: try texts[0].string(), id: Int32(try ids[0].integer(in: 0...Vocabulary.maximumCount)))
  }

  /// BertProcessing's `["[SEP]", 102]`.
  private static func pair(_ field: JSONField) throws(FormatError) -> SpecialToken {
    let elements = try field.elements()
    guard elements.count == 2 else { throw field.failure("expected a token and its id") }
    return SpecialToken(
      content: try elements[0].string(), id: Int32(try elements[1].integer(in: 0...Vocabulary.maximumCount)))
  }
}

extension JSONField {
  /// Throws unless the object's `type` is the given one.
  func requireType(_ type: String) throws(FormatError) {
    let field = try required("type")
    guard try field.string() == type else { throw field.failure("expected \(type), found \(field.found)") }
  }

  /// The object itself, or the only member of a `Sequence`; nil for an empty one.
  func single(of key: String) throws(FormatError) -> JSONField? {
    guard try required("type").string() == "Sequence" else { return self }
    let elements = try required(key).elements()
    guard elements.count <= 1 else { throw failure("expected a sequence of at most one, found \(elements.count)") }
    return elements.first
  }
}
