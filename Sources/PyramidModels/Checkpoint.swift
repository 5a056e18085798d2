// A Hugging Face checkpoint folder: which of its files are read, in which order of preference, and that they fit
// together.
//
// Separate because the readers each know one file; what only two files together can show (a vocabulary larger than the
// embedding table) is decided here. Which files hold the weights is in CheckpointFolder.swift.

import PyramidFormats
import PyramidText

/// A checkpoint, opened and checked: configuration, tokenizer, and the tensors where they lie.
public struct Checkpoint: Sendable {
  /// The folder's path as it was given; for a model's folder in the hub's cache, that of the snapshot in it.
  public let path: String
  /// config.json.
  public private(set) var configuration: ModelConfiguration
  /// The tokenizer of the folder's files.
  public let tokenizer: Tokenizer
  /// Which files the tokenizer is from, and what was decided where they disagree.
  public private(set) var tokenizerOrigin: TokenizerOrigin
  /// model.safetensors, or the shards of model.safetensors.index.json.
  public private(set) var weights: Weights
  /// The paths of all files that were read, in the order of reading.
  public let files: [String]
  /// What its user should know before using it, a sentence each, beside what the tokenizer's origin says.
  public let notes: [String]
  let family: any ModelFamily.Type
  /// Whose early-exit code the heads' names are of; nil for this project's own, or no heads.
  public let importedHeads: String?
  /// LTP's thresholds as `prune.thresholds`, which no tensor holds; nil where the checkpoint has none.
  public private(set) var importedThresholds: [Float]?
  /// The class of `transformers` that classifies texts with such a checkpoint.
  public var architecture: String { family.architecture }
  /// The key of config.json that says how many layers there are.
  public var layersKey: String { family.keys.layers }
  /// The longest text in tokens: the tokenizer's limit or the number of positions, whichever is less.
  public var maxTokens: Int { min(tokenizer.rules.modelMaxLength ?? .max, configuration.maxPositions) }
  /// Classes of its classifier; nil when it has none.
  public var classes: Int? { weights.shape(of: family.classifier + ".weight")?.first }

  /// Opens a folder, which may be a model's in the hub's cache; `problemType` goes before what config.json says. Throws when a
  /// file is missing or malformed, or when they contradict each other.
  public init(path: String, problemType: ProblemType? = nil) throws(FormatError) {
    let folder = try Folder(path: path).snapshot()
    try folder.refuseAdapter()
    let root = try JSONField(path: folder.path(of: "config.json"))
    configuration = try ModelConfiguration(reading: root, name: folder.name)
    if let problemType { configuration.problemType = problemType }
    family = try ModelFamilies.family(of: root)
    (tokenizer, tokenizerOrigin) = try Tokenizer.read(from: folder, configuration: root)
    try tokenizerOrigin.check(tokenizer.rules, rows: configuration.vocabularySize)
    let (tensors, weightFiles) = try folder.tensors()
    let imported = try ImportedExits(Weights(tensors), configuration, family, root)
    (weights, importedHeads, importedThresholds) = (imported.weights, imported.heads, imported.thresholds)
    files = [root.file] + tokenizerOrigin.files + weightFiles
    notes = imported.notes
    self.path = folder.path
    // A tensor without columns takes no bytes, however many rows it says it has.
    if let classes, classes > ModelConfiguration.Bound.labels {
      throw FormatError(
        file: self.path,
        problem:
          "\(family.classifier).weight has \(classes) rows; at most \(ModelConfiguration.Bound.labels) classes are read"
      )
    }
  }
}

extension TokenizerOrigin {
  /// Every text has the template's tokens, so these must have rows in the word table; a text that meets another token
  /// without one can't be answered, but others can.
  fileprivate mutating func check(_ rules: TokenizerRules, rows: Int) throws(FormatError) {
    let tokens = rules.vocabulary.count
    guard tokens > rows else { return }
    if let id = rules.template.ids.first(where: { Int($0) >= rows }) {
      throw FormatError(
        file: files[0],
        problem: "special token \(rules.vocabulary[Int(id)].quoted) has id \(id), but vocab_size in config.json is "
          + "\(rows)")
    }
    notes.append(
      "the tokenizer has \(tokens) tokens, but vocab_size in config.json is \(rows); a text with a token beyond "
        + "can't be answered")
  }
}

extension Checkpoint {
  /// The trunk with the tensors of its tasks beside its own. A trunk's own `activation_fn` is not the tasks'.
  public func joined(with tasks: [TaskCheckpoint]) -> Checkpoint {
    var configuration = configuration
    configuration.scoreFunction = nil
    return with(weights.joined(with: tasks.map { ($0.name, $0.checkpoint.weights) }), configuration)
  }

  /// The checkpoint with other tensors and another configuration.
  func with(_ weights: Weights, _ configuration: ModelConfiguration) -> Checkpoint {
    var other = self
    (other.weights, other.configuration) = (weights, configuration)
    return other
  }

  /// The checkpoint without its upper layers, and without what belongs to them: its head reads what layer `layers` hands
  /// on. Throws when there are fewer layers.
  public func cut(to layers: Int) throws(CheckpointError) -> Checkpoint {
    guard (1...configuration.layers).contains(layers) else {
      throw CheckpointError(description: "\(path): has \(configuration.layers) layers, not \(layers)")
    }
    if layers == configuration.layers { return self }
    // With fewer layers, others would take the groups' turns.
    if let sharing = configuration.sharing, sharing.groups > 1 || sharing.inner > 1 {
      throw CheckpointError(description: "\(path): its layers share weights in several groups; it can't be cut")
    }
    var cut = self
    cut.configuration.layers = layers
    cut.weights = weights.withoutLayers(from: layers, of: configuration.layers)
    cut.importedThresholds = nil
    return cut
  }
}
