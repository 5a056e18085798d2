// An artefact, open: mapped, checked against its own integrity record, graph parsed and verified, weights found.
// Nothing is copied.

import PyramidFormats
import PyramidIR
import PyramidKernels
import PyramidPolicy

/// A compiled model, ready to be given to executors. Immutable; share it between them.
public final class LoadedModel: Sendable {
  /// The graph that the executor walks.
  public let graph: Graph
  /// Labels, tokenizer, provenance.
  public let header: ArtefactHeader
  /// Path it was opened from.
  public let path: String
  /// Kernels that the weights are packed for.
  public let instructionSet: InstructionSet
  /// Learned policy parameters and weights by tensor name.
  public let learned: [String: LearnedTensor]
  private let file: SafetensorsFile
  private let guarded = GuardedWeights()

  /// Maps and checks an artefact; with `copying` it is read into memory, where nobody can change it. Throws `FormatError`
  /// when it is malformed, `RuntimeError` when this machine can't run it, `KernelError` when MP_ISA makes no sense.
  public init(path: String, copying: Bool = false) throws {
    self.path = path
    // What is copied is looked at first: a small file may say that it is a large one.
    if copying { _ = try LoadedModel(path: path) }
    let file = try SafetensorsFile(path: path, copying: copying)
    self.file = file
    header = try ArtefactHeader(reading: file)
    let graph: Graph
    do {
      graph = try Graph.parse(header.graph, file: path)
      try graph.verify()
    } catch {
      // The verifier lists everything that it finds, a line each; the first says enough about a file that nobody
      // wrote by hand.
      let first = "\(error)".split(separator: "\n").first ?? ""
      throw FormatError(file: path, place: "graph", problem: String(first))
    }
    self.graph = graph
    try Self.checkClasses(graph, labels: header.labels.count, path)
    guard let set = graph.target else { throw FormatError(file: path, place: "graph", problem: "names no target") }
    instructionSet = set
    try Self.checkMachine(set, path)
    learned = try Self.learned(header.learned, file)
    for weight in graph.weights { _ = try address(of: weight) }
    try checkNames()
  }

  /// Throws where the file holds a tensor that nothing reads, which would only be there to be hashed or copied.
  private func checkNames() throws(FormatError) {
    let known = Set(graph.weights.map(\.name)).union(learned.keys.map { ArtefactHeader.learnedPrefix + $0 })
    guard let other = ArtefactHeader.body(of: file).first(where: { !known.contains($0.name) }) else { return }
    throw FormatError(file: path, place: other.name.printable(limit: 80), problem: "is a tensor that nothing reads")
  }

  /// Reads all of the file and throws `FormatError` unless weights and vocabulary are, bit for bit, what was compiled.
  /// Opening checks the rest.
  public func verify() throws(FormatError) { try ArtefactHeader.checkContent(of: file) }

  /// Throws `FormatError` when somebody has written over the file since it was opened: answers may then be of neither
  /// model. Costs a system call. A file that was replaced by another of its name, as mp-compile does, is not meant.
  public func checkUnchanged() throws(FormatError) {
    guard file.file.isChangedInPlace else { return }
    throw FormatError(
      file: path,
      problem: "was written over while it was in use, so that answers may be wrong; run again, and replace models by "
        + "renaming (mv, not cp), or read them into memory (--copy, in Python copy=True)")
  }

  /// Numbers that all learned tensors together may have: heads and predictors of policies take some for each layer, a
  /// token table one for each token.
  private static let mostLearned = 1 << 26

  private static func learned(_ names: [String], _ file: SafetensorsFile) throws(FormatError) -> [String: LearnedTensor]
  {
    var learned: [String: LearnedTensor] = [:]
    var count = 0
    for name in names where learned[name] == nil {
      guard let entry = file.entry(named: ArtefactHeader.learnedPrefix + name) else {
        throw FormatError(file: file.path, place: name.printable(limit: 80), problem: "learned tensor is missing")
      }
      count += min(entry.elementCount, mostLearned + 1)
      guard count <= mostLearned else {
        throw FormatError(
          file: file.path, place: name.printable(limit: 80),
          problem: "\(entry.elementCount) learned numbers are more than a policy has use for, \(mostLearned) in all")
      }
      learned[name] = LearnedTensor(shape: entry.shape, values: try file.floats(of: entry))
    }
    return learned
  }

  /// Answers are named by label, and signals are sized by the model's classes: every head must have as many.
  private static func checkClasses(_ graph: Graph, labels: Int, _ path: String) throws(FormatError) {
    let classes = graph.shape.classes
    guard labels == classes else {
      throw FormatError(file: path, place: "labels", problem: "\(labels) labels for \(classes) classes")
    }
    for node in graph.nodes {
      guard let columns = node.answered.map({ graph[$0.logits].type.columns }), columns != classes else { continue }
      throw FormatError(file: path, place: "graph", problem: "a head has \(columns) classes, the model \(classes)")
    }
  }

  private static func checkMachine(_ set: InstructionSet, _ path: String) throws {
    let forced = try InstructionSet.native()
    if !set.isSupported {
      throw RuntimeError(
        "\(path): compiled for \(set.rawValue), which this CPU does not run; compile with --target native")
    }
    if set == .portable && !InstructionSet.hasOpenBLAS {
      throw RuntimeError("\(path): the portable kernels need OpenBLAS, which is not installed (libopenblas0)")
    }
    if forced.rank < set.rank {
      throw RuntimeError(
        "\(path): compiled for \(set.rawValue), but MP_ISA allows \(forced.rawValue); "
          + "compile with --target \(forced.rawValue)")
    }
  }

  /// The first element of a weight as it lies in the file. Throws `FormatError` when it is missing, of another size, or
  /// not aligned to 64 bytes.
  func address(of weight: Weight) throws -> UnsafePointer<Float> {
    func problem(_ text: String) -> FormatError { FormatError(file: path, place: weight.name, problem: text) }
    guard let entry = file.entry(named: weight.name) else { throw problem("weight is missing") }
    let wanted = weight.storedCount(instructionSet)
    let type: ElementType = weight.precision == .f32 ? .F32 : .U8
    guard entry.type == type, entry.elementCount == wanted else {
      throw problem("has \(entry.elementCount) \(entry.type.rawValue) elements, expected \(wanted) \(type.rawValue)")
    }
    let bytes = file.bytes(of: entry)
    guard let base = bytes.baseAddress, UInt(bitPattern: base) % 64 == 0 else {
      throw problem("is not aligned to 64 bytes")
    }
    if let guarded { return try guarded.copy(of: weight.name, bytes) }
    return base.assumingMemoryBound(to: Float.self)
  }

  /// The graph's policies, or others in their place; see `ResolvedPolicies`.
  public func policies(registry: PolicyRegistry, exit: PolicySpec? = nil, prune: PolicySpec? = nil) throws
    -> ResolvedPolicies
  {
    try ResolvedPolicies(
      graph: graph, registry: registry, learned: learned, override: PolicyPair(exit: exit, prune: prune))
  }
}
