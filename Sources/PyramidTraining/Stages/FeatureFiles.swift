// Features in files beside the state, while they are computed and until the training has no more use for them: on long texts
// they are the work of an hour, and a process that is killed shall not lose it.

import Glibc
import PyramidFormats

/// The files of the features of some texts. Each holds those of some batches, and the next one goes on after it.
struct FeatureFiles {
  private static let prefix = "training-features-", suffix = ".safetensors"
  /// Bytes after which a file is due, so that neither writing nor reading one takes much memory.
  private static let size = 64 << 20

  /// Batches, from the first, that files hold or that none will.
  private(set) var batches = 0
  private let output: TrainingOutput
  private let name: String
  /// Of everything that the features depend on.
  private let digest: String
  private var lastWrite = ContinuousClock.now
  private var isRefused = false

  /// The files of texts called `name`; `model` is a checksum of the parameters that features depend on. Nil where no
  /// training runs in a folder.
  init?(_ context: TrainingContext, _ texts: EncodedTexts, _ name: String, model: String) {
    guard let output = context.output else { return nil }
    (self.output, self.name) = (output, name)
    let parts = [output.arguments, context.target.rawValue, model, texts.checksum]
    digest = Checksum.sha256(of: parts.joined(separator: " "))
  }

  /// Removes all files of features from a folder. Returns whether there were any.
  @discardableResult
  static func remove(from folder: String) -> Bool {
    let names = TrainingFolder.entries(of: folder).filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) }
    for name in names { unlink("\(folder)/\(name)") }
    return !names.isEmpty
  }

  private var path: String { "\(output.folder)/\(Self.prefix)\(name)-\(batches)\(Self.suffix)" }

  /// What the next file holds of the samples of `plan`; nil when there is none that fits. One that can't be read, or is
  /// damaged, is written anew, like one that is missing.
  mutating func next(
    of plan: [[Int]], width: Int, classes: Int
  ) -> (samples: [Int], features: FeatureCache.Features)? {
    guard let file = try? SafetensorsFile(path: path), file.metadata["digest"] == digest,
      file.isWhole(with: ["digest", "batches"]), let count = Int(file.metadata["batches"] ?? ""), count > 0,
      count <= plan.count - batches
    else { return nil }
    let samples = plan[batches..<batches + count].flatMap { $0 }
    func floats(_ name: String, _ columns: Int) -> [Float]? {
      guard let entry = file.entry(named: name), entry.shape == [samples.count, columns] else { return nil }
      return try? file.floats(of: entry)
    }
    guard let rows = floats("features", width), let logits = floats("logits", classes) else { return nil }
    batches += count
    return (samples, FeatureCache.Features(rows: rows, lastLogits: logits))
  }

  /// Whether so many bytes that are in no file are enough for one, or have been in none for too long.
  func isDue(bytes: Int) -> Bool {
    bytes >= Self.size || lastWrite.duration(to: ContinuousClock.now) >= output.interval
  }

  /// Writes the next file, of `count` batches. Where that fails, the files go, and the training goes on without them: what
  /// room there is the state needs.
  mutating func write(_ features: FeatureCache.Features, samples: Int, batches count: Int) {
    let path = path
    (batches, lastWrite) = (batches + count, ContinuousClock.now)
    if isRefused { return }
    let tensors = [("features", features.rows), ("logits", features.lastLogits)]
    let declarations = tensors.map { TensorDeclaration($0, .F32, [samples, $1.count / samples]) }
    var sum = ContentSum()
    for (tensor, declared) in zip(tensors, declarations) {
      tensor.1.withUnsafeBytes { sum.add(declared.name, declared.shape, $0) }
    }
    let texts = [digest, String(count)]
    do {
      var writer = try SafetensorsWriter(
        path: path, tensors: declarations,
        metadata: [("digest", texts[0]), ("batches", texts[1]), (ContentSum.key, sum.digits(with: texts))])
      for (name, values) in tensors { try writer.append(values, to: name) }
      try writer.finish()
    } catch {
      isRefused = true
      Self.remove(from: output.folder)
      output.note("features are not kept, so that a stop in this stage costs computing them again: \(error)")
    }
  }
}
