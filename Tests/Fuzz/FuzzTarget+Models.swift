// The targets that need more than one file around the bytes: a tokenizer in its checkpoint's folder, and what an artefact
// says, put into a small artefact whose integrity record is made right again.

import Glibc
import MagicPyramid
import PyramidTestSupport

extension FuzzTarget {
  /// Between the parts of an input of several files.
  static let separator: UInt8 = 0x1E

  /// The files that a tokenizer is read from.
  static let tokenizerFiles = [
    "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "special_tokens_map.json",
    "added_tokens.json",
  ]

  /// One after the other; an empty part is not a file.
  static func readTokenizer(_ input: [UInt8]) throws {
    let folder = try scratch.get()
    let parts = input.split(separator: separator, maxSplits: tokenizerFiles.count - 1, omittingEmptySubsequences: false)
    for (place, name) in tokenizerFiles.enumerated() {
      unlink(folder.path(name))
      if place < parts.count, !parts[place].isEmpty { try put(Array(parts[place]), at: folder.path(name)) }
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

  /// What an input says of an artefact, after the number of the one that it changes; the vocabulary comes last.
  static let artefactParts = ["graph", "labels", "learned", "max_tokens", "tokenizer"]

  static func readArtefact(_ input: [UInt8]) throws {
    let parts = input.split(separator: separator, maxSplits: 6, omittingEmptySubsequences: false)
    guard parts.count == 7 else { throw FormatError(file: "input", problem: "has \(parts.count) parts") }
    let bases = try bases.get()
    var file = bases[Int(parts[0].first ?? 0) % bases.count]
    for (key, part) in zip(artefactParts, parts[1...]) { file[key] = String(decoding: part, as: UTF8.self) }
    guard case .array(let range)? = file.header["vocabulary"]?["data_offsets"],
      case .number(let start) = range[0], let from = start.int
    else { return }
    // A vocabulary of another length would move what lies after it: as much as there is room for.
    for (offset, byte) in parts[6].enumerated() where from + offset < file.data.count {
      file.data[from + offset] = byte
    }
    try MemoryFile(file.sealed).withPath { path in
      let classifier = try Classifier(path: path, registry: CompiledCheckpoint.registry.get())
      let answers = try classifier.classify(["w7 w9 w8 nothing w20", "w1"])
      let labels = answers.flatMap { $0.tasks.isEmpty ? [$0.label] : $0.tasks.map(\.label) }
      guard answers.count == 2, labels.allSatisfy({ classifier.labels.contains($0) }) else {
        throw Broken(description: "\(answers.count) answers to 2 texts")
      }
    }
  }

  private static let bases = Result { try makeBases() }

  /// A small artefact with everything in it, and others with what it lacks: positions that turn, distances with tables,
  /// byte pairs, tokens that are dropped at the entry, merged and fused, weights in bf16 and int8, a second task.
  private static func makeBases() throws -> [ForgedFile] {
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.vocabulary) = (2, 8, 8, 24)
    recipe.thresholds = [0.7]
    var (several, topic) = (recipe, recipe)
    (topic.classes, topic.headSeed) = (4, "topic")
    several.tasks = [("topic", topic)]
    (recipe.entry, recipe.addsEntry) = (.pairs(8), true)
    let folder = try TemporaryFolder()
    func exiting(_ prune: String) throws -> PolicyChoice {
      PolicyChoice(exit: try PolicySpec("entropy"), prune: try PolicySpec(prune))
    }
    let small = try recipe.write(in: folder)
    let tasks = try several.write(in: folder, name: "tasks")
    recipe.salienceThreshold = 0.3
    let salient = try recipe.write(in: folder, name: "salient")
    (recipe.salienceThreshold, recipe.vocabulary) = (nil, 3000)
    let spelling = try recipe.write(in: folder, name: "spelling")
    unlink(spelling + "/vocab.txt")
    try folder.write("spelling/tokenizer.json", read(root + "/Tests/Golden/tokenizer/byte-pairs/tokenizer.json") ?? [])
    try folder.write("spelling/tokenizer_config.json", #"{"tokenizer_class": "RobertaTokenizer"}"#)
    let families = ["modernbert", "deberta-v3"].map { root + "/Tests/Golden/families/" + $0 }
    var models: [(checkpoint: String, policies: PolicyChoice, precision: Precision)] = []
    models.append((small, try exiting("received-attention"), .f32))
    for checkpoint in families + [spelling] { models.append((checkpoint, PolicyChoice(), .f32)) }
    models.append((salient, try exiting("salience"), .f32))
    models.append((small, try exiting("merge(rate=2)"), .bf16))
    models.append((small, try exiting("cls-fused(fraction=0.4)"), .int8))
    models.append((tasks, try exiting("top-k(keep=3)"), .f32))
    return try models.map { model in
      let compilation = try Compilation(
        checkpoint: model.checkpoint, policies: model.policies,
        options: CompileOptions(target: .portable, precision: model.precision))
      _ = try compilation.write(to: folder.path("model.mpc"), skipsCheck: true)
      return try ForgedFile(MappedFile(path: folder.path("model.mpc")).withBytes { Array($0) })
    }
  }

  /// The parts of each of these artefacts, as inputs.
  static func artefactSeeds() throws -> [[UInt8]] {
    try bases.get().enumerated().map { number, file in
      var input = [UInt8(number), separator]
      for key in artefactParts { input += Array(file[key].utf8) + [separator] }
      if case .array(let range)? = file.header["vocabulary"]?["data_offsets"], case .number(let start) = range[0],
        case .number(let end) = range[1], let from = start.int, let to = end.int
      {
        input += file.data[from..<to]
      }
      return input
    }
  }
}
