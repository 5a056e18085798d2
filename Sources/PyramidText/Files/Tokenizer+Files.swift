// The two places a tokenizer comes from: a checkpoint folder, whose files are read and weighed as transformers does,
// and a compiled model.

import PyramidFormats

/// Where a tokenizer comes from, and what was decided on the way.
public struct TokenizerOrigin: Sendable, Equatable {
  /// transformers' class whose rules the tokenizer follows.
  public var className: String
  /// The paths of the files that were read.
  public var files: [String]
  /// What a user should know: which file decided what, where files disagree.
  public var notes: [String]
}

extension Tokenizer {
  /// The tokenizer of a checkpoint folder, and where it comes from; `configuration` is the content of its config.json.
  /// Throws when there is none, when a file is malformed, or when it asks for what this tokenizer does not do.
  public static func read(
    from folder: Folder, configuration: JSONField? = nil
  ) throws(FormatError) -> (tokenizer: Tokenizer, origin: TokenizerOrigin) {
    var reader = try FolderReader(folder, configuration)
    let rules = try reader.rules()
    return (try Tokenizer(rules, file: reader.vocabularyFile), reader.origin)
  }

  /// The tokenizer of the artefact `file`. Throws when what is stored contradicts itself.
  public convenience init(_ stored: StoredTokenizer, file: String) throws(FormatError) {
    try self.init(TokenizerRules(stored, file: file), file: file)
  }

  private convenience init(_ rules: TokenizerRules, file: String) throws(FormatError) {
    do { try self.init(rules) } catch { throw FormatError(file: file, problem: error.description) }
  }
}

/// Reads the tokenizer of a folder.
struct FolderReader {
  private let folder: Folder
  private let kind: TokenizerClass
  private let settings: TokenizerSettings
  /// tokenizer.json, where there is one.
  private let tokenizer: JSONField?
  private(set) var origin: TokenizerOrigin
  /// The file that the vocabulary is from.
  private(set) var vocabularyFile = ""

  init(_ folder: Folder, _ configuration: JSONField?) throws(FormatError) {
    self.folder = folder
    func read(_ name: String) throws(FormatError) -> JSONField? {
      folder.has(name) ? try JSONField(path: folder.path(of: name)) : nil
    }
    let root = try read("tokenizer_config.json")
    let (chosen, reason) = try TokenizerClass.choose(configuration: configuration, settings: root)
    tokenizer = try read("tokenizer.json")
    kind = chosen
    let (map, added) = (try read("special_tokens_map.json"), try read("added_tokens.json"))
    settings = try TokenizerSettings(
      configuration: root, specialTokens: map, addedTokens: added, tokenizer: tokenizer)
    origin = TokenizerOrigin(
      className: chosen.rawValue, files: [tokenizer, root, map, added].compactMap { $0?.file },
      notes: ["tokenizer class \(chosen.rawValue): \(reason)"])
    let isUnused = root.map { $0.value["added_tokens_decoder"] != nil } ?? false
    for field in [map, added] where isUnused {
      guard let field else { continue }
      origin.files.removeAll { $0 == field.file }
      origin.notes.append("\(field.file) is not read: tokenizer_config.json has added_tokens_decoder")
    }
  }

  mutating func rules() throws(FormatError) -> TokenizerRules {
    let source = try vocabulary()
    vocabularyFile = source.file
    if !origin.files.contains(source.file) { origin.files.insert(source.file, at: 0) }
    var assembly = TokenizerAssembly(source.tokens, isList: source.scores != nil || kind == .bertJapanese)
    try addTokens(to: &assembly)
    let stated = try statedPipeline()
    let rules = try kind == .general ? generalRules(source, assembly) : classRules(source, assembly, stated)
    assembly.compare(settings.decoder, file: origin.files.last ?? vocabularyFile)
    origin.notes += assembly.notes
    if kind != .general, tokenizer != nil { compare(rules, stated) }
    return rules
  }

  // MARK: - The vocabulary

  private func vocabulary() throws(FormatError) -> VocabularySource {
    if let tokenizer, kind != .bertJapanese { return try VocabularySource(tokenizer: tokenizer) }
    switch kind {
    case .bert, .distilBert, .mpnet, .bertJapanese:
      let path = folder.path(of: "vocab.txt")
      guard folder.has("vocab.txt") else { throw missing("neither tokenizer.json nor vocab.txt") }
      return try list(path).withBytes { (bytes) throws(FormatError) in
        try VocabularySource(lines: bytes, file: path, keepsSpaces: kind == .bertJapanese)
      }
    case .roberta:
      guard folder.has("vocab.json"), folder.has("merges.txt") else {
        throw missing("neither tokenizer.json nor vocab.json with merges.txt")
      }
      let (vocabulary, path) = (try JSONField(path: folder.path(of: "vocab.json")), folder.path(of: "merges.txt"))
      return try list(path).withBytes { (bytes) throws(FormatError) in
        try VocabularySource(vocabulary: vocabulary, merges: bytes, file: path)
      }
    case .albert, .camembert, .xlmRoberta, .debertaV2, .general: throw missing("no tokenizer.json")
    }
  }

  /// A file of lines, within the bounds of a JSON file: a sparse one costs nothing to make.
  private func list(_ path: String) throws(FormatError) -> MappedFile {
    let (file, most) = (try MappedFile(path: path), JSONLimits.standard.maximumBytes)
    guard file.count <= most else {
      throw FormatError(file: path, problem: "has \(file.count) bytes, expected at most \(most)")
    }
    return file
  }

  /// The error for a folder without a vocabulary that is read; SentencePiece's own files are converted once.
  private func missing(_ what: String) -> FormatError {
    for name in ["sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"] where folder.has(name) {
      let path = folder.path.shellQuoted
      return FormatError(
        file: folder.path(of: name),
        problem: "SentencePiece's format is not read; convert it once with: python3 -c \"import sys; "
          + "from transformers import AutoTokenizer; "
          + "AutoTokenizer.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[1])\" \(path)")
    }
    return FormatError(file: folder.path, problem: "has \(what), which a \(kind.rawValue) is read from")
  }

  // MARK: - Added tokens

  private func role(_ name: String) -> StatedToken? {
    var token = settings.role(name, kind.standardRole(name))
    // Two classes let a mask token that is named as plain text take the blank before it.
    if name == "mask_token", kind == .mpnet || kind == .camembert, let content = token?.content,
      token == StatedToken(content: content, special: true)
    {
      token?.stripsLeft = true
    }
    return token
  }

  /// Adds tokens in transformers' order: those of the files by their ids, then roles, then others.
  private func addTokens(to assembly: inout TokenizerAssembly) throws(FormatError) {
    if kind == .general {
      assembly.add(try TokenizerSettings.added(by: tokenizer).map(\.token))
    }
    let roles = TokenizerSettings.roles.compactMap(role)
    var list = settings.decoder.map(\.token)
    var known = Set(list)
    let listed = Set(list.map { ExactString($0.content) })
    // A token that no file lists may come with one role after another; then the last one's flags count.
    func isNew(_ token: StatedToken) -> Bool {
      !assembly.hasAdded(token.content) && !listed.contains(ExactString(token.content)) && known.insert(token).inserted
    }
    let named = roles + settings.furtherRoles
    for token in named where isNew(token) { list.append(token) }
    let extra =
      settings.extra
      ?? (kind == .camembert
        ? ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"].map { StatedToken(content: $0, special: true) } : [])
    for token in extra where isNew(token) { list.append(token) }
    // A token with a role is special whatever its own file says.
    let special = Set(named.map { ExactString($0.content) })
    for index in list.indices where special.contains(ExactString(list[index].content)) { list[index].special = true }
    if kind == .bertJapanese { try checkJapanese(&list, assembly) }
    assembly.add(list)
  }

  /// Tokenizers in Python look for every added token in the raw text, do otherwise with the flags, and take ids as they
  /// are stated.
  private func checkJapanese(_ list: inout [StatedToken], _ assembly: TokenizerAssembly) throws(FormatError) {
    func refuse(_ token: StatedToken, _ what: String) -> FormatError {
      FormatError(
        file: folder.path, problem: "\(token.content.quoted) \(what), which is not supported with \(kind.rawValue)")
    }
    for index in list.indices {
      guard !list[index].singleWord, !list[index].stripsLeft, !list[index].stripsRight else {
        throw refuse(list[index], "asks for single_word, lstrip or rstrip")
      }
      list[index].normalized = false
    }
    var next = assembly.tokens.count
    for (id, token) in settings.decoder {
      if let known = assembly.id(of: token.content) {
        guard Int(known) == id else { throw refuse(token, "has id \(id), but \(known) in the vocabulary") }
      } else {
        guard id == next else { throw refuse(token, "has id \(id) instead of the next one, \(next)") }
        next += 1
      }
    }
  }

  // MARK: - Rules

  private func generalRules(
    _ source: VocabularySource, _ assembly: TokenizerAssembly
  ) throws(FormatError) -> TokenizerRules {
    guard let tokenizer else { throw missing("no tokenizer.json") }
    let (model, unknownID) = try ModelReader.stated(tokenizer.required("model"), source, assembly)
    return try complete(
      assembly, PipelineReader.normaliser(tokenizer.optional("normalizer")),
      PipelineReader.splitter(tokenizer.optional("pre_tokenizer")), model,
      kind.template(
        { _ in nil }, stated: PipelineReader.template(tokenizer.optional("post_processor")), file: tokenizer.file),
      unknownID: unknownID)
  }

  private func classRules(
    _ source: VocabularySource, _ assembly: TokenizerAssembly, _ stated: StatedPipeline
  ) throws(FormatError) -> TokenizerRules {
    let (model, unknownID) = try kind.model(settings, source, assembly)
    // ALBERT's class takes tokenizer.json's template, which therefore must be read.
    let template = kind == .albert ? try PipelineReader.template(tokenizer?.optional("post_processor")) : nil
    return try complete(
      assembly, kind.normaliser(settings, map: statedMap()), kind.splitter(settings), model,
      kind.template(
        { name in role(name).flatMap { assembly.id(of: $0.content) } }, stated: template, file: source.file),
      unknownID: unknownID)
  }

  private func complete(
    _ assembly: TokenizerAssembly, _ normaliser: [NormaliserStep], _ splitter: [SplitterStep], _ model: TokenizerModel,
    _ template: TokenTemplate, unknownID: Int32?
  ) throws(FormatError) -> TokenizerRules {
    let givesTypes = try settings.givesTypes(kind.givesTypes)
    return TokenizerRules(
      vocabulary: assembly.vocabulary, normaliser: normaliser, splitter: splitter, model: model,
      template: givesTypes ? template : template.withoutTypes,
      unknownID: unknownID ?? role("unk_token").flatMap { assembly.id(of: $0.content) },
      padID: role("pad_token").flatMap { assembly.id(of: $0.content) },
      maskID: role("mask_token").flatMap { assembly.id(of: $0.content) }, addedTokens: assembly.addedTokens,
      truncatesLeft: try settings.truncatesLeft(tokenizer),
      pairTruncation: kind == .bertJapanese ? .python : .library, modelMaxLength: try settings.maximumLength())
  }

  // MARK: - What tokenizer.json says and a class does not do

  /// A pipeline of a tokenizer.json that need not be one that is supported: parts that are not are nil.
  private struct StatedPipeline {
    var normaliser: [NormaliserStep]?
    var splitter: [SplitterStep]?
    var template: TokenTemplate?
  }

  private func statedPipeline() throws(FormatError) -> StatedPipeline {
    StatedPipeline(
      normaliser: try? PipelineReader.normaliser(tokenizer?.optional("normalizer")),
      splitter: try? PipelineReader.splitter(tokenizer?.optional("pre_tokenizer")),
      template: try? PipelineReader.template(tokenizer?.optional("post_processor")))
  }

  /// The first compiled map of tokenizer.json's normaliser, which classes take out of it.
  private func statedMap() throws(FormatError) -> [UInt8]? {
    guard let field = try tokenizer?.optional("normalizer"), case .object = field.value else { return nil }
    let isSequence = try field.optional("type")?.string() == "Sequence"
    for step in isSequence ? try field.required("normalizers").elements() : [field] {
      if try step.optional("type")?.string() == "Precompiled", try step.optional("precompiled_charsmap") != nil {
        return try PipelineReader.charactersMap(step)
      }
    }
    return nil
  }

  private mutating func compare(_ rules: TokenizerRules, _ stated: StatedPipeline) {
    func note(_ part: String) {
      origin.notes.append("\(part) in tokenizer.json is not followed: \(kind.rawValue) has its own, as in transformers")
    }
    if stated.normaliser != rules.normaliser { note("normalizer") }
    if stated.splitter != rules.splitter { note("pre_tokenizer") }
    if stated.template?.withoutTypes != rules.template.withoutTypes { note("post_processor") }
  }
}
