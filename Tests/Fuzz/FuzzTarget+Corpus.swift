// The inputs that fuzzing starts from: what the repository has of each kind, sound and malformed, and the inputs that once
// broke something, which lie in Tests/Corpus/fuzz/TARGET.

import Glibc
import MagicPyramid
import PyramidTestSupport

extension FuzzTarget {
  /// The repository's root.
  public static let root = String(#filePath.dropLast("/Tests/Fuzz/FuzzTarget+Corpus.swift".count))

  /// The inputs to start from; never empty.
  public func corpus() throws -> [[UInt8]] {
    let tests = Self.root + "/Tests"
    let inputs: [[UInt8]] =
      switch self {
      case .safetensors:
        Self.files(tests + "/Corpus/safetensors") + Self.files(tests + "/Golden/families", ".safetensors")
      case .json: Self.files(tests + "/Corpus/json") + Self.files(tests + "/Corpus/checkpoints", ".json")
      case .config:
        Self.files(tests + "/Corpus/checkpoints", "config.json") + Self.files(tests + "/Golden", "config.json")
      case .graph: Self.files(Self.root + "/Graphs", ".mpir") + (try Self.artefactGraphs())
      case .artefact: try Self.artefactSeeds()
      case .tokenizer: Self.tokenizers()
      case .spec: Self.specs
      case .profile: Self.files(tests + "/Snapshots", "profile.json")
      case .certificate: [Array(Self.certificateText.utf8)]
      case .records: Self.recordTexts
      case .state: try Self.stateSeeds.get()
      case .http: Self.requests
      }
    return inputs.filter { $0.count < 1 << 17 } + regressions().map(\.bytes)
  }

  /// What once broke something.
  public func regressions() -> [(name: String, bytes: [UInt8])] {
    let folder = "\(Self.root)/Tests/Corpus/fuzz/\(rawValue)"
    return Self.names(in: folder).compactMap { name in Self.read("\(folder)/\(name)").map { (name, $0) } }
  }

  private static func artefactGraphs() throws -> [[UInt8]] {
    try artefactSeeds().map { Array($0.split(separator: separator)[1]) }
  }

  private static func tokenizers() -> [[UInt8]] {
    // Those that are sound come first.
    let folders = ["/Tests/Golden/tokenizer", "/Tests/Golden/families", "/Tests/Corpus/checkpoints"].flatMap { folder in
      names(in: root + folder).map { "\(root)\(folder)/\($0)" }
    }
    let found: [[UInt8]] = folders.compactMap { folder in
      let parts = tokenizerFiles.map { read("\(folder)/\($0)") ?? [] }
      return parts.allSatisfy(\.isEmpty) ? nil : Array(parts.joined(separator: [separator]))
    }
    return spelledTokenizers.map { Array($0.joined(separator: "\u{1E}").utf8) } + found
  }

  /// What the repository has no sound folder of: pieces that are merged, and tokens that are added in files of their own.
  private static let spelledTokenizers: [[String]] = [
    [
      "", #"{"tokenizer_class": "RobertaTokenizer"}"#, "",
      #"{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6, "abab": 7, "Ġ": 8, "w": 9, "<mask>": 10}"#,
      "#version: 0.2\na b\nab ab\n",
    ],
    [
      "", #"{"tokenizer_class": "BertTokenizer"}"#, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nw7\n", "", "",
      #"{"extra_special_tokens": ["[LINK]"], "mask_token": {"content": "[MASK]", "lstrip": true}}"#,
      #"{"[USER]": 8, "[LINK]": 9}"#,
    ],
  ]

  private static let specs = [
    "entropy(threshold=0.1)", "received-attention(thresholds=[0.5, 1e-3], scale=2)", "top-k(keep=4)", "never-exit",
    "salience(threshold=0.2, attention=#prune.thresholds)", "column-sum(schedule=5)", "merge(rate=2)", "patience()",
    "fixed-layer(layer=1)", "cascade(start=1, final=0.3)", "x(a=\"b\\\"c\", d=[ ], e=-1, f=word)",
  ].map { Array($0.utf8) }

  private static let certificateText = JSONWriter.string(
    Certificate(
      checkpoint: "sha256:00", precision: "f32", exit: "entropy(threshold=0.1)", prune: nil,
      dataChecksum: String(repeating: "0a", count: 32), count: 1000, maxDrop: 0.005, confidence: 0.95, against: "dense",
      missClass: nil,
      bounds: [
        .init(exit: nil, count: 1000, losses: 2, bound: 0.005), .init(exit: 1, count: 400, losses: 1, bound: 0.005),
        .init(exit: 2, count: 0, losses: 0, bound: nil),
      ]
    ).json)

  /// The first byte chooses the format.
  private static let recordTexts: [[UInt8]] = [
    "label\tone text\nother\ta second\tits pair\n", "1,\"quoted, \"\"text\"\"\nover lines\",x\r\n",
    "{\"text\": \"a\", \"text_pair\": \"b\", \"label\": 1, \"id\": [1, {\"x\": null}]}\n\n", "plain lines\nof text\n",
    "text,label,group\nwords,2,7\n", "\u{FEFF}text\tlabel\nä\t1\n", "{\"text\": 1}\n[]\n{\"label\": \"x\"}\n",
  ].flatMap { text in [0, 1, 2, 3, 64, 65, 130, 195].map { [UInt8($0)] + Array(text.utf8) } }

  /// All files below a folder whose names end so.
  private static func files(_ folder: String, _ ending: String = "") -> [[UInt8]] {
    names(in: folder).flatMap { name -> [[UInt8]] in
      let path = "\(folder)/\(name)"
      if FileKind(at: path) == .folder { return files(path, ending) }
      return path.hasSuffix(ending) ? read(path).map { [$0] } ?? [] : []
    }
  }

  private static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  static func read(_ path: String) -> [UInt8]? { try? MappedFile(path: path).withBytes { Array($0) } }
}
