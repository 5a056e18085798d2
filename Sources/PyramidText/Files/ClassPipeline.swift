// What transformers' tokenizer classes build, whatever a tokenizer.json beside them says of it: normaliser, splitter,
// model and template of each, and the special tokens that it has by default.

import PyramidFormats

extension TokenizerClass {
  /// The special token of a role that a class has where the files are silent.
  func standardRole(_ role: String) -> StatedToken? {
    func text(_ content: String) -> StatedToken { StatedToken(content: content, special: true) }
    let isRoberta = [.roberta, .xlmRoberta, .camembert, .mpnet].contains(self)
    switch (self, role) {
    case (.general, _): return nil
    case (.bert, "bos_token"), (.bert, "eos_token"), (.distilBert, "bos_token"), (.distilBert, "eos_token"),
      (.bertJapanese, "bos_token"), (.bertJapanese, "eos_token"):
      return nil
    case (.mpnet, "unk_token"): return text("[UNK]")
    case (.albert, "unk_token"): return text("<unk>")
    case (.albert, "pad_token"): return text("<pad>")
    case (.mpnet, "mask_token"), (.camembert, "mask_token"):
      return StatedToken(content: "<mask>", stripsLeft: true, special: true)
    case (_, "bos_token"), (_, "cls_token"): return text(isRoberta ? "<s>" : "[CLS]")
    case (_, "eos_token"), (_, "sep_token"): return text(isRoberta ? "</s>" : "[SEP]")
    case (_, "unk_token"): return text(isRoberta ? "<unk>" : "[UNK]")
    case (_, "pad_token"): return text(isRoberta ? "<pad>" : "[PAD]")
    case (_, "mask_token"): return text(isRoberta ? "<mask>" : "[MASK]")
    default: return nil
    }
  }

  /// The normaliser; `map` is the compiled map of characters in tokenizer.json's.
  func normaliser(_ settings: TokenizerSettings, map: [UInt8]?) throws(FormatError) -> [NormaliserStep] {
    let precompiled = map.map { [NormaliserStep.precompiled($0)] } ?? []
    let lowercase = try settings.bool("do_lower_case")
    switch self {
    case .bert, .distilBert, .mpnet:
      return [
        .bert(
          BertNormaliser(
            lowercase: lowercase ?? true, stripAccents: try settings.bool("strip_accents"),
            splitCJK: try settings.bool("tokenize_chinese_chars") ?? true))
      ]
    case .roberta, .general: return []
    case .xlmRoberta, .camembert: return precompiled
    case .albert:
      let quotes: [NormaliserStep] = [.replace(.text("``"), with: "\""), .replace(.text("''"), with: "\"")]
      let accents: [NormaliserStep] = try settings.bool("keep_accents") ?? false ? [] : [.form(.nfkd), .stripAccents]
      return quotes + accents + (lowercase ?? true ? [.lowercase] : []) + precompiled
    case .debertaV2:
      return (lowercase ?? false ? [.lowercase] : []) + [
        .replace(.expression("\\s{2,}|[\\n\\r\\t]"), with: " "), .form(.nfc), .strip(left: false, right: true),
      ]
    case .bertJapanese: return [.japanese(lowercase: lowercase ?? false)]
    }
  }

  /// The splitter.
  func splitter(_ settings: TokenizerSettings) throws(FormatError) -> [SplitterStep] {
    let addsPrefix = try settings.bool("add_prefix_space")
    switch self {
    case .bert, .distilBert, .mpnet, .bertJapanese: return [.bert]
    case .general: return []
    case .roberta: return [.byteLevel(addsBlank: addsPrefix ?? false, cuts: true)]
    case .xlmRoberta, .camembert, .albert:
      return [.whitespaceSplit, .metaspace(mark: "\u{2581}", addsPrefix ?? true ? .always : .never, cuts: true)]
    case .debertaV2:
      let punctuation = try settings.bool("split_by_punct") ?? false
      return (punctuation ? [.punctuation(.isolated)] : [])
        + [.metaspace(mark: "\u{2581}", addsPrefix ?? true ? .always : .first, cuts: true)]
    }
  }

  /// The model, and its unknown token's id.
  func model(
    _ settings: TokenizerSettings, _ source: VocabularySource, _ assembly: TokenizerAssembly
  ) throws(FormatError) -> (model: TokenizerModel, unknownID: Int32?) {
    let blame = JSONField(.null, file: source.file)
    let unknown = settings.role("unk_token", standardRole("unk_token"))?.content ?? ""
    switch self {
    case .bert, .distilBert, .mpnet:
      let id = try ModelReader.modelID(of: unknown, assembly, or: blame)
      return (.wordPiece(continuingPrefix: "##", maxWordScalars: 100), id)
    case .bertJapanese:
      let id = try ModelReader.modelID(of: unknown, assembly, or: blame)
      return (try japaneseModel(settings), id)
    case .roberta:
      return (.bytePairs(BytePairRules(merges: try ModelReader.merges(source, assembly, prefix: ""))), nil)
    case .xlmRoberta: return try ModelReader.unigram(source, unknownID: 3)
    case .albert: return try ModelReader.unigram(source, unknownID: 1)
    case .camembert:
      let id = source.tokens.firstIndex { $0?.hasSameBytes(as: unknown) ?? false }
      return try ModelReader.unigram(source, unknownID: Int32(id ?? 0))
    case .debertaV2:
      let id = source.tokens.indices.first {
        source.tokens[$0]?.hasSameBytes(as: unknown) ?? false && source.scores?[$0] == 0
      }
      let stated = try settings.values["unk_id"]?.integer(in: 0...max(0, source.tokens.count - 1))
      return try ModelReader.unigram(source, unknownID: Int32(id ?? stated ?? 1))
    case .general: throw blame.failure("the general tokenizer class has no model of its own")
    }
  }

  private func japaneseModel(_ settings: TokenizerSettings) throws(FormatError) -> TokenizerModel {
    func refuse(_ key: String, _ value: String) -> FormatError {
      (settings.values[key] ?? JSONField(.null, file: settings.source?.file ?? "tokenizer_config.json", place: key))
        .failure("\(value.quoted) is not supported")
    }
    guard case let word = try settings.string("word_tokenizer_type") ?? "basic", word == "basic" else {
      throw refuse("word_tokenizer_type", try settings.string("word_tokenizer_type") ?? "")
    }
    for key in ["do_word_tokenize", "do_subword_tokenize"] where try settings.bool(key) == false {
      throw refuse(key, "false")
    }
    if let field = settings.values["never_split"], field.value != .null, field.value != .array([]) {
      throw field.failure("is not supported")
    }
    switch try settings.string("subword_tokenizer_type") ?? "wordpiece" {
    case "wordpiece": return .wordPiece(continuingPrefix: "##", maxWordScalars: 100)
    case "character": return .characters
    case let type: throw refuse("subword_tokenizer_type", type)
    }
  }

  /// The template; `ids` gives the id of a role's token. `stated` is tokenizer.json's, which ALBERT's class takes.
  func template(
    _ ids: (String) -> Int32?, stated: TokenTemplate?, file: String
  ) throws(FormatError) -> TokenTemplate {
    func id(_ role: String, _ number: Int32? = nil) throws(FormatError) -> Int32 {
      guard let id = ids(role) ?? number else { throw FormatError(file: file, problem: "there is no \(role)") }
      return id
    }
    switch self {
    case .bert, .distilBert:
      return .bert(first: try id("cls_token", 2), separator: try id("sep_token", 3))
    case .debertaV2: return .bert(first: try id("cls_token", 0), separator: try id("sep_token", 0))
    case .bertJapanese: return .bert(first: try id("cls_token"), separator: try id("sep_token"))
    case .mpnet: return .roberta(first: try id("cls_token", 0), separator: try id("sep_token", 2))
    case .roberta: return .roberta(first: try id("cls_token"), separator: try id("sep_token"))
    case .camembert, .xlmRoberta: return .roberta(first: try id("bos_token"), separator: try id("eos_token"))
    case .albert:
      if let stated { return stated }
      return .bert(first: try id("cls_token"), separator: try id("sep_token"))
    case .general:
      guard let stated else {
        throw FormatError(
          file: file, place: "post_processor",
          problem: "adds no special tokens, of which a classifier reads the first; state a TemplateProcessing")
      }
      return stated
    }
  }
}
