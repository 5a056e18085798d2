// A checkpoint with the weights of a policy added: everything else is the same, byte for byte, so that nobody has to ask
// whether the model still is the one that was measured.

import Glibc
import PyramidFormats
import PyramidModels
import PyramidPolicy

/// Writes a checkpoint and further tensors.
struct ExtendedCheckpoint {
  let checkpoint: Checkpoint
  /// What the names of the new tensors begin with; tensors of the checkpoint that begin alike are replaced.
  let prefix: String
  /// The new ones, by the ends of their names.
  let tensors: [(name: String, tensor: LearnedTensor)]

  /// Writes the folder, which must be new or empty, and reads it back. What a training wrote beside its result is not
  /// carried over.
  func write(to path: String) throws {
    let source = try Folder(path: checkpoint.path)
    try TrimmedCheckpoint.makeFolder(path)
    let folder = try Folder(path: path)
    for name in TrainingFolder.entries(of: checkpoint.path).sorted() {
      let isOther =
        name.hasSuffix(".safetensors") || name.hasSuffix(".safetensors.index.json") || name.hasPrefix("training")
        || name.hasPrefix(".") || name == "curve.svg"
      guard !isOther, FileKind(at: source.path(of: name)) == .regular else { continue }
      // Weights in other formats lie there as well, and are of any size.
      let isText = [".json", ".txt", ".md"].contains(where: name.hasSuffix) || ["LICENSE", "NOTICE"].contains(name)
      if isText {
        try CopiedFile(path: source.path(of: name)).write(to: folder.path(of: name))
        continue
      }
      let file = try OutputFile(path: folder.path(of: name))
      try MappedFile(path: source.path(of: name)).withBytes { (bytes) throws(OutputError) in try file.write(bytes) }
      try file.commit()
    }
    try writeWeights(to: folder.path(of: "model.safetensors"))
    _ = try Checkpoint(path: path)
  }

  private func writeWeights(to path: String) throws {
    let files = checkpoint.weights.tensors.files
    let old = files.flatMap { file in file.tensors.map { (file: file, entry: $0) } }
      .filter { !Weights.canonical($0.entry.name).hasPrefix(prefix) }
    let declarations =
      old.map { TensorDeclaration($0.entry.name, $0.entry.type, $0.entry.shape) }
      + tensors.map { TensorDeclaration(prefix + $0.name, .F32, $0.tensor.shape) }
    let metadata = files.first?.metadata.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) } ?? []
    var writer = try SafetensorsWriter(path: path, tensors: declarations, metadata: metadata, alignment: 1)
    for (file, entry) in old { try writer.append(file.bytes(of: entry), to: entry.name) }
    for (name, tensor) in tensors { try writer.append(tensor.values, to: prefix + name) }
    try writer.finish()
  }
}

extension Training {
  /// Fits the weights of a policy to the checkpoint as it is and writes it with them to `path`, a new or empty folder; a
  /// line about the fit is returned. Throws `TrainingError` when the policy has no weights that can be fitted, or when the
  /// data's classes are not the checkpoint's, in its order.
  public func fit(policy: String, to path: String) throws -> String {
    guard let fit = PolicyFit.all.first(where: { $0.policy == policy }) else {
      let names = PolicyFit.all.map(\.policy).joined(separator: ", ")
      throw TrainingError("there are no weights to fit for policy '\(policy)'; there are for \(names)")
    }
    try checkClasses()
    // A folder that can't be written is found out before the work.
    let isNew = FileKind(at: path) == .missing
    try TrimmedCheckpoint.makeFolder(path)
    do {
      let (tensors, note) = try fit.fit(context)
      try ExtendedCheckpoint(checkpoint: context.checkpoint, prefix: "policies.\(policy).", tensors: tensors)
        .write(to: path)
      return note
    } catch {
      if isNew { rmdir(path) }
      throw error
    }
  }

  /// Fitting is against the heads that there are: class k of the data has to be theirs.
  private func checkClasses() throws {
    guard let count = context.checkpoint.classes else {
      throw TrainingError("\(context.checkpoint.path): has no classifier that a policy could be fitted to")
    }
    let own = context.checkpoint.configuration.labels
    let classes = own.isEmpty ? (0..<count).map(String.init) : own
    guard context.labels == classes else {
      throw TrainingError(
        "--fit-policy needs data of the checkpoint's own classes, \(classes.joined(separator: ", ")); "
          + "the data has \(context.labels.joined(separator: ", "))")
    }
  }
}
