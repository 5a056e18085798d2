// The two places a tokenizer comes from: a checkpoint folder, where tokenizer.json goes before vocab.txt and
// tokenizer_config.json completes either, and a compiled model.

import PyramidFormats

extension Tokenizer {
  /// The tokenizer of a checkpoint folder, and the paths of the files that it was read from. Throws when there is none,
  /// when a file is malformed, or when it asks for what this tokenizer does not do.
  public static func read(from folder: Folder) throws(FormatError) -> (tokenizer: Tokenizer, files: [String]) {
    let (json, text) = (folder.path(of: "tokenizer.json"), folder.path(of: "vocab.txt"))
    let settingsPath = folder.path(of: "tokenizer_config.json")
    let settings = folder.has("tokenizer_config.json") ? try JSONField(path: settingsPath) : nil
    let rules: TokenizerRules
    let file: String
    if folder.has("tokenizer.json") {
      file = json
      rules = try TokenizerRules(json: JSONField(path: json), settings: settings)
    } else if folder.has("vocab.txt") {
      file = text
      rules = try MappedFile(path: text).withBytes { (bytes) throws(FormatError) in
        try TokenizerRules(vocabularyFile: bytes, file: text, settings: settings)
      }
    } else {
      throw FormatError(file: folder.path, problem: "has neither tokenizer.json nor vocab.txt")
    }
    return (try Tokenizer(rules, file: file), settings == nil ? [file] : [file, settingsPath])
  }

  /// The tokenizer of the artefact `file`. Throws when what is stored contradicts itself.
  public convenience init(_ stored: StoredTokenizer, file: String) throws(FormatError) {
    try self.init(TokenizerRules(stored, file: file), file: file)
  }

  private convenience init(_ rules: TokenizerRules, file: String) throws(FormatError) {
    do { try self.init(rules) } catch { throw FormatError(file: file, problem: error.description) }
  }
}
