// A Hugging Face checkpoint folder: which of its files are read, in which order of preference, and that they fit
// together.
//
// Separate because the readers each know one file; what only two files together can show (a vocabulary larger than the
// embedding table, weights only as a pickle) is decided here.

import PyramidFormats
import PyramidText

/// A checkpoint, opened and checked: configuration, tokenizer, and the tensors where they lie.
public struct Checkpoint: Sendable {
  /// The folder's path as it was given.
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
  let family: any ModelFamily.Type
  /// The class of `transformers` that classifies texts with such a checkpoint.
  public var architecture: String { family.architecture }
  /// The key of config.json that says how many layers there are.
  public var layersKey: String { family.keys.layers }
  /// Classes of its classifier; nil when it has none.
  public var classes: Int? { weights.shape(of: family.classifier + ".weight")?.first }

  /// Opens a folder. Throws when a file is missing or malformed, or when they contradict each other.
  public init(path: String) throws(FormatError) {
    let folder = try Folder(path: path)
    let root = try JSONField(path: folder.path(of: "config.json"))
    configuration = try ModelConfiguration(reading: root, name: folder.name)
    family = try ModelFamilies.family(of: root)
    (tokenizer, tokenizerOrigin) = try Tokenizer.read(from: folder, configuration: root)
    try tokenizerOrigin.check(tokenizer.rules, rows: configuration.vocabularySize)
    let (tensors, weightFiles) = try folder.tensors()
    weights = try Weights(tensors)
    files = [root.file] + tokenizerOrigin.files + weightFiles
    self.path = path
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

extension Folder {
  /// The folder's tensors, and the paths of the files that were read for them.
  fileprivate func tensors() throws(FormatError) -> (TensorCollection, files: [String]) {
    let (single, index) = (path(of: "model.safetensors"), path(of: "model.safetensors.index.json"))
    if has("model.safetensors") {
      return (try TensorCollection(files: [SafetensorsFile(path: single)]), [single])
    }
    guard has("model.safetensors.index.json") else { throw missingWeights() }
    let shards = try ShardIndex(JSONField(path: index))
    var opened: [SafetensorsFile] = []
    for shard in shards.shards { opened.append(try SafetensorsFile(path: path(of: shard))) }
    let tensors = try TensorCollection(files: opened)
    try shards.check(opened)
    return (tensors, [index] + opened.map(\.path))
  }

  /// The error for a folder without safetensors, with the command that makes them when there is a pickle.
  private func missingWeights() -> FormatError {
    for name in ["pytorch_model.bin", "pytorch_model.bin.index.json"] where has(name) {
      return FormatError(
        file: self.path(of: name),
        problem: "PyTorch's pickle format can run code and is not read; convert it once with: \(convertCommand)")
    }
    return FormatError(file: path, problem: "has neither model.safetensors nor model.safetensors.index.json")
  }

  /// `weights_only` keeps PyTorch from running what a pickle says; copies separate tensors that share memory.
  private var convertCommand: String {
    "python3 -c \"import glob, sys, torch; from safetensors.torch import save_file; "
      + "w = {}; p = glob.escape(sys.argv[1]); "
      + "[w.update(torch.load(f, map_location='cpu', weights_only=True)) "
      + "for f in glob.glob(p + '/pytorch_model*.bin')]; "
      + "save_file({k: v.clone().contiguous() for k, v in w.items()}, "
      + "sys.argv[1] + '/model.safetensors', {'format': 'pt'})\" \(path.shellQuoted)"
  }
}

extension Checkpoint {
  /// The checkpoint without its upper layers, and without what belongs to them: its head reads what layer `layers` hands
  /// on. Throws when there are fewer layers.
  public func cut(to layers: Int) throws(CheckpointError) -> Checkpoint {
    guard (1...configuration.layers).contains(layers) else {
      throw CheckpointError(description: "\(path): has \(configuration.layers) layers, not \(layers)")
    }
    var cut = self
    cut.configuration.layers = layers
    cut.weights = weights.withoutLayers(from: layers)
    return cut
  }
}
