// The targets that need more than one file around the bytes: a tokenizer in its checkpoint's folder, and what an artefact
// says, put into a small artefact whose integrity record is made right again.

import Glibc
import MagicPyramid
import PyramidTestSupport

extension FuzzTarget {
  /// Between the parts of an input of several files.
  static let separator: UInt8 = 0x1E

  /// tokenizer.json, tokenizer_config.json, vocab.txt; an empty part is not a file.
  static func readTokenizer(_ input: [UInt8]) throws {
    let folder = try scratch.get()
    let parts = input.split(separator: separator, maxSplits: 2, omittingEmptySubsequences: false)
    for (name, part) in zip(["tokenizer.json", "tokenizer_config.json", "vocab.txt"], parts + [[], []]) {
      unlink(folder.path(name))
      if !part.isEmpty { try folder.write(name, Array(part)) }
    }
    let configuration = JSONField([:], file: "config.json")
    let (tokenizer, _) = try Tokenizer.read(from: Folder(path: folder.path), configuration: configuration)
    for text in texts {
      let encoding = tokenizer.encode(text, limit: 64)
      guard encoding.ids.count == encoding.typeIDs.count, encoding.ids.count <= 64, encoding.ids.allSatisfy({ $0 >= 0 })
      else { throw Broken(description: "\(encoding.ids.count) ids, \(encoding.typeIDs.count) types") }
    }
  }

  private static let texts = [
    "", "w7 hello, World! 12.5%", "naïve café \u{1F469}\u{200D}\u{1F52C} Żółć 東京 \u{0301}",
    "[CLS] <s> ##a \u{0}\t\r\n x",
    String(repeating: "ab", count: 300),
  ]
  private static let scratch = Result { try TemporaryFolder() }

  /// Graph, labels, learned, max_tokens, tokenizer, vocabulary, and the shapes of the tensors.
  static let artefactParts = ["graph", "labels", "learned", "max_tokens", "tokenizer"]

  static func readArtefact(_ input: [UInt8]) throws {
    let parts = input.split(separator: separator, maxSplits: 5, omittingEmptySubsequences: false)
    guard parts.count == 6 else { return }
    var file = try base.get()
    for (key, part) in zip(artefactParts, parts) { file[key] = String(decoding: part, as: UTF8.self) }
    guard case .array(let range)? = file.header["vocabulary"]?["data_offsets"],
      case .number(let start) = range[0], let from = start.int
    else { return }
    // A vocabulary of another length would move what lies after it: as much as there is room for.
    for (offset, byte) in parts[5].enumerated() where from + offset < file.data.count {
      file.data[from + offset] = byte
    }
    try MemoryFile(file.sealed).withPath { path in
      let classifier = try Classifier(path: path, registry: CompiledCheckpoint.registry.get())
      let answers = try classifier.classify(["w7 w9 w8 nothing w20", "w1"])
      guard answers.count == 2, answers.allSatisfy({ classifier.labels.contains($0.label) }) else {
        throw Broken(description: "\(answers.count) answers to 2 texts")
      }
    }
  }

  /// A small artefact with everything in it.
  private static let base = Result {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.vocabulary) = (2, 8, 8, 24)
    recipe.thresholds = [0.7]
    recipe.entry = .pairs(8)
    let folder = try TemporaryFolder()
    let compilation = try Compilation(
      checkpoint: recipe.write(in: folder),
      policies: PolicyChoice(exit: PolicySpec("entropy"), prune: PolicySpec("received-attention")),
      options: CompileOptions(target: .portable))
    _ = try compilation.write(to: folder.path("model.mpc"), skipsCheck: true)
    return try ForgedFile(MappedFile(path: folder.path("model.mpc")).withBytes { Array($0) })
  }

  /// The parts of the small artefact, as an input.
  static func artefactSeed() throws -> [UInt8] {
    let file = try base.get()
    var input: [UInt8] = []
    for key in artefactParts { input += Array(file[key].utf8) + [separator] }
    if case .array(let range)? = file.header["vocabulary"]?["data_offsets"], case .number(let start) = range[0],
      case .number(let end) = range[1], let from = start.int, let to = end.int
    {
      input += file.data[from..<to]
    }
    return input
  }
}
