// A Hugging Face checkpoint folder: which of its files are read, in which order of preference, and that they fit
// together.
//
// Separate because the readers each know one file; what only two files together can show (a vocabulary larger than the
// embedding table, weights only as a pickle) is decided here.

/// A checkpoint, opened and checked: configuration, tokenizer, and the tensors where they lie.
public struct CheckpointFolder: Sendable {
  /// The folder's path as it was given.
  public let path: String
  /// config.json.
  public let configuration: ModelConfiguration
  /// tokenizer.json, or vocab.txt; with tokenizer_config.json.
  public let tokenizer: TokenizerDescription
  /// model.safetensors, or the shards of model.safetensors.index.json.
  public let tensors: TensorCollection
  /// The paths of all files that were read, in the order of reading.
  public let files: [String]

  /// Opens a folder. Throws when a file is missing or malformed, or when they contradict each other.
  public init(path: String) throws(FormatError) {
    let folder = try Folder(path: path)
    var files: [String] = []
    let configuration = try CheckpointFolder.configuration(folder, &files)
    let tokenizer = try CheckpointFolder.tokenizer(folder, &files)
    guard tokenizer.vocabulary.count <= configuration.vocabularySize else {
      throw FormatError(
        file: files[1],
        problem: "\(tokenizer.vocabulary.count) tokens, but vocab_size in config.json is "
          + "\(configuration.vocabularySize)")
    }
    tensors = try CheckpointFolder.tensors(folder, &files)
    self.path = path
    self.configuration = configuration
    self.tokenizer = tokenizer
    self.files = files
  }

  private static func configuration(
    _ folder: Folder, _ files: inout [String]
  ) throws(FormatError) -> ModelConfiguration {
    let path = folder.path(of: "config.json")
    let configuration = try ModelConfiguration(
      reading: JSONReader.read(path: path), file: path, name: folder.name)
    files.append(path)
    return configuration
  }

  private static func tokenizer(
    _ folder: Folder, _ files: inout [String]
  ) throws(FormatError) -> TokenizerDescription {
    let (json, text) = (folder.path(of: "tokenizer.json"), folder.path(of: "vocab.txt"))
    let settingsPath = folder.path(of: "tokenizer_config.json")
    var settings: (json: JSONValue, file: String)?
    if FileKind(at: settingsPath) != .missing {
      settings = (try JSONReader.read(path: settingsPath), settingsPath)
    }
    let tokenizer: TokenizerDescription
    if FileKind(at: json) != .missing {
      tokenizer = try TokenizerDescription(reading: JSONReader.read(path: json), file: json, settings: settings)
      files.append(json)
    } else if FileKind(at: text) != .missing {
      tokenizer = try MappedFile(path: text).withBytes { (bytes) throws(FormatError) in
        try TokenizerDescription(vocabulary: bytes, file: text, settings: settings)
      }
      files.append(text)
    } else {
      throw FormatError(file: folder.path, problem: "has neither tokenizer.json nor vocab.txt")
    }
    if settings != nil { files.append(settingsPath) }
    return tokenizer
  }

  private static func tensors(_ folder: Folder, _ files: inout [String]) throws(FormatError) -> TensorCollection {
    let single = folder.path(of: "model.safetensors")
    let index = folder.path(of: "model.safetensors.index.json")
    if FileKind(at: single) != .missing {
      files.append(single)
      return try TensorCollection(files: [SafetensorsFile(path: single)])
    }
    guard FileKind(at: index) != .missing else { throw folder.missingWeights() }
    let shards = try ShardIndex(reading: JSONReader.read(path: index), file: index)
    files.append(index)
    var opened: [SafetensorsFile] = []
    for shard in shards.shards {
      let path = folder.path(of: shard)
      opened.append(try SafetensorsFile(path: path))
      files.append(path)
    }
    let tensors = try TensorCollection(files: opened)
    try shards.check(opened)
    return tensors
  }
}

/// A folder that exists.
private struct Folder {
  let path: String

  init(path: String) throws(FormatError) {
    switch FileKind(at: path) {
    case .folder: self.path = path
    case .missing: throw FormatError(file: path.printable(limit: 200), problem: "no such folder")
    case .regular, .other: throw FormatError(file: path, problem: "expected a checkpoint folder, found a file")
    }
  }

  func path(of name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

  /// The folder's last component.
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// The error for a folder without safetensors, with the command that makes them when there is a pickle.
  func missingWeights() -> FormatError {
    for name in ["pytorch_model.bin", "pytorch_model.bin.index.json"]
    where FileKind(at: self.path(of: name)) != .missing {
      return FormatError(
        file: self.path(of: name),
        problem: "PyTorch's pickle format can run code and is not read; convert it once with: \(convertCommand)")
    }
    return FormatError(file: path, problem: "has neither model.safetensors nor model.safetensors.index.json")
  }

  /// `weights_only` keeps PyTorch from running what a pickle says; copies separate tensors that share memory.
  private var convertCommand: String {
    let quoted = path.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    return "python3 -c \"import glob, sys, torch; from safetensors.torch import save_file; "
      + "w = {}; p = glob.escape(sys.argv[1]); "
      + "[w.update(torch.load(f, map_location='cpu', weights_only=True)) "
      + "for f in glob.glob(p + '/pytorch_model*.bin')]; "
      + "save_file({k: v.clone().contiguous() for k, v in w.items()}, "
      + "sys.argv[1] + '/model.safetensors', {'format': 'pt'})\" '\(quoted)'"
  }
}
