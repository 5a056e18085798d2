// What an artefact (`*.mpc`) carries besides packed weights, and how. The file is a valid safetensors file; this is its
// metadata and the tensor that holds the vocabulary. Compiler and runtime both use this one definition, so a written
// artefact is a readable one.
//
// Integrity: `integrity` is the SHA-256 of everything in the header, tensor directory included, and of the vocabulary;
// one flipped byte there is an error and never another answer. Opening a model does not read its weights, as 60 MB take
// longer than running a text; the last tensor, `content`, is the SHA-256 of all others' bytes, and `checkContent` compares.

/// A tokenizer as an artefact stores it; PyramidText writes and reads both parts.
public struct StoredTokenizer: Sendable {
  /// A JSON object with everything but the vocabulary.
  public let settings: String
  /// The tokens.
  public let vocabulary: [UInt8]

  /// What is to be stored.
  public init(settings: String, vocabulary: [UInt8]) { (self.settings, self.vocabulary) = (settings, vocabulary) }
}

/// The part of an artefact that is not weights.
public struct ArtefactHeader: Sendable {
  /// The compiled graph as IR text.
  public let graph: String
  /// Class names in order.
  public let labels: [String]
  /// The tokenizer.
  public let tokenizer: StoredTokenizer
  /// Texts are cut to this many tokens.
  public let maxTokens: Int
  /// Names of learned policy parameters, such as `prune.thresholds`; each is a tensor with `learnedPrefix` before its
  /// name.
  public let learned: [String]
  /// `sha256:...` of the checkpoint's weight files.
  public let checkpoint: String
  /// What the checkpoint makes `score` by, `identity` for one; nil for what the task says.
  public let scoreFunction: String?
  /// What calibration proved about the exits; nil for a model that was not calibrated.
  public let certificate: Certificate?
  /// What the precisions were chosen by; nil for a model that was compiled as somebody said.
  public let precisionRecord: PrecisionRecord?

  /// Stands before the names of learned tensors, apart from weight symbols.
  public static let learnedPrefix = "learned/"
  private static let format = "magic-pyramid"
  private static let version = "5"
  private static let vocabularyTensor = "vocabulary"
  /// Bytes of a vocabulary: as many as a tokenizer.json may have.
  private static let mostVocabulary = JSONLimits.standard.maximumBytes
  private static let contentTensor = "content"
  private static let integrityKey = "integrity"
  private static let certificateKey = "certificate"
  private static let scoreKey = "score_function"
  private static let precisionKey = "precision"

  /// A header to be written.
  public init(
    graph: String, labels: [String], tokenizer: StoredTokenizer, maxTokens: Int, learned: [String], checkpoint: String,
    scoreFunction: String? = nil, certificate: Certificate? = nil, precisionRecord: PrecisionRecord? = nil
  ) {
    (self.scoreFunction, self.precisionRecord) = (scoreFunction, precisionRecord)
    (self.graph, self.labels, self.tokenizer) = (graph, labels, tokenizer)
    (self.maxTokens, self.learned, self.checkpoint) = (maxTokens, learned, checkpoint)
    self.certificate = certificate
  }

  /// Reads and checks the header of an open file. Throws when it is not an artefact, of another version, or damaged.
  public init(reading file: SafetensorsFile) throws(FormatError) {
    let metadata = file.metadata
    func failure(_ place: String, _ problem: String) -> FormatError {
      FormatError(file: file.path, place: place, problem: problem)
    }
    guard metadata["format"] == Self.format else {
      throw failure("metadata", "is not a compiled model; mp-compile makes one from a checkpoint folder")
    }
    guard metadata["version"] == Self.version else {
      throw failure(
        "version", "is \((metadata["version"] ?? "missing").quoted), expected \(Self.version); compile the model again")
    }
    guard let entry = file.entry(named: Self.vocabularyTensor) else {
      throw failure(Self.vocabularyTensor, "is missing")
    }
    guard entry.byteRange.count <= Self.mostVocabulary else {
      throw failure(
        Self.vocabularyTensor, "has \(entry.byteRange.count) bytes, expected at most \(Self.mostVocabulary)")
    }
    let words = file.bytes(of: entry)
    let declared = file.tensors.map { TensorDeclaration($0.name, $0.type, $0.shape) }
    let digest = Self.digest(metadata: metadata, declared: declared, vocabulary: Checksum.sha256(of: words))
    guard metadata[Self.integrityKey] == digest else {
      throw failure("integrity", "the header was changed or damaged after it was written; compile the model again")
    }
    func text(_ key: String) throws(FormatError) -> String {
      guard let value = metadata[key] else { throw failure(key, "is missing") }
      return value
    }
    func strings(_ key: String) throws(FormatError) -> [String] {
      let field = JSONField(try JSONReader.read(try text(key), file: file.path), file: file.path, place: key)
      var values: [String] = []
      for element in try field.elements() { values.append(try element.string()) }
      return values
    }
    graph = try text("graph")
    labels = try strings("labels")
    learned = try strings("learned")
    checkpoint = try text("checkpoint")
    scoreFunction = metadata[Self.scoreKey]
    func field(_ key: String) throws(FormatError) -> JSONField? {
      guard let text = metadata[key] else { return nil }
      return JSONField(try JSONReader.read(text, file: file.path), file: file.path, place: key)
    }
    certificate = try field(Self.certificateKey).map { field throws(FormatError) in try Certificate(reading: field) }
    precisionRecord = try field(Self.precisionKey).map { field throws(FormatError) in
      try PrecisionRecord(reading: field)
    }
    guard let maxTokens = Int(try text("max_tokens")), maxTokens > 0 else {
      throw failure("max_tokens", "is not a positive number")
    }
    self.maxTokens = maxTokens
    tokenizer = StoredTokenizer(settings: try text("tokenizer"), vocabulary: Array(words))
  }

  /// Writes an artefact: header, vocabulary, then what `body` appends for `tensors`, in their order. Under a temporary
  /// name, renamed when complete and `check` has nothing against what lies at the path that it is handed.
  public func write(
    to path: String, tensors: [TensorDeclaration], checking check: (_ path: String) throws -> Void = { _ in },
    body: (inout SafetensorsWriter) throws -> Void
  ) throws {
    let words = tokenizer.vocabulary
    let declared =
      tensors + [
        TensorDeclaration(Self.vocabularyTensor, .U8, [words.count]), TensorDeclaration(Self.contentTensor, .U8, [64]),
      ]
    var metadata: [(key: String, value: String)] = [
      ("format", Self.format), ("version", Self.version), ("graph", graph), ("labels", Self.list(labels)),
      ("learned", Self.list(learned)), ("checkpoint", checkpoint), ("max_tokens", "\(maxTokens)"),
      ("tokenizer", tokenizer.settings),
    ]
    if let scoreFunction { metadata.append((Self.scoreKey, scoreFunction)) }
    if let precisionRecord { metadata.append((Self.precisionKey, JSONWriter.string(precisionRecord.json))) }
    if let certificate { metadata.append((Self.certificateKey, JSONWriter.string(certificate.json))) }
    let digest = Self.digest(
      metadata: Dictionary(uniqueKeysWithValues: metadata.map { ($0.key, $0.value) }), declared: declared,
      vocabulary: words.withUnsafeBytes { Checksum.sha256(of: $0) })
    metadata.append((Self.integrityKey, digest))
    var writer = try SafetensorsWriter(path: path, tensors: declared, metadata: metadata)
    try body(&writer)
    try words.withUnsafeBytes { try writer.append($0, to: Self.vocabularyTensor) }
    try Array(writer.checksum.utf8).withUnsafeBytes { try writer.append($0, to: Self.contentTensor) }
    try writer.finish(checking: check)
  }

  /// The tensors of an open artefact beside those that this type writes itself.
  public static func body(of file: SafetensorsFile) -> [TensorEntry] {
    file.tensors.filter { ![vocabularyTensor, contentTensor].contains($0.name) }
  }

  /// Reads all of an artefact and compares it with the checksum in it: throws when a bit of the weights is not what was
  /// written. Takes about half a second per GB, and the time to read the file.
  public static func checkContent(of file: SafetensorsFile) throws(FormatError) {
    func failure(_ problem: String) -> FormatError { FormatError(file: file.path, place: "weights", problem: problem) }
    guard let entry = file.entry(named: contentTensor), entry.byteRange.count == 64 else {
      throw failure("can't be verified: the model was compiled without their checksum; compile it again")
    }
    var sum = RunningChecksum()
    for tensor in file.tensors where tensor.name != contentTensor { sum.update(file.bytes(of: tensor)) }
    guard file.bytes(of: entry).elementsEqual(sum.digits.utf8) else {
      throw failure("are not what was compiled: the file is damaged; copy it again, or compile the model again")
    }
  }

  private static func list(_ strings: [String]) -> String { JSONWriter.string(.array(strings.map { .string($0) })) }

  /// Over metadata and tensor directory in an order that does not depend on dictionaries. Offsets follow from shapes.
  private static func digest(metadata: [String: String], declared: [TensorDeclaration], vocabulary: String) -> String {
    var sum = RunningChecksum()
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != integrityKey {
      for part in ["\(key.utf8.count) \(key) \(value.utf8.count) ", value, "\n"] { sum.update(part) }
    }
    for tensor in declared.sorted(by: { $0.name < $1.name }) {
      let shape = tensor.shape.map { String($0) }.joined(separator: ", ")
      sum.update("\(tensor.name.utf8.count) \(tensor.name) \(tensor.type.rawValue) [\(shape)]\n")
    }
    sum.update(vocabulary)
    return sum.digits
  }
}
