// The compiler from end to end: checkpoint folder -> plain graph -> passes -> artefact. Policies come as instances, so
// this module needs to know neither a registry nor plugins.

import PyramidFormats
import PyramidIR
import PyramidModels
import PyramidPolicy

/// What to compile for.
public struct CompileOptions: Sendable {
  /// Instruction set of kernels and weight layout.
  public var target: InstructionSet
  /// Number format of weights and products.
  public var precision: Precision
  /// Parts of the model that have another one; of `Graph.precisionGroups` all or none of a group.
  public var partPrecisions: [ModelPart: Precision] = [:]
  /// Passes to leave out.
  public var disabledPasses: Set<String>
  /// What `place-policies` decides by; nil leaves every decision in place.
  public var profile: PolicyProfile?

  /// Options.
  public init(
    target: InstructionSet, precision: Precision = .f32, disabledPasses: Set<String> = [], profile: PolicyProfile? = nil
  ) {
    self.target = target
    self.precision = precision
    self.disabledPasses = disabledPasses
    self.profile = profile
  }
}

/// A checkpoint that was read and lowered: policies can now be made for it, and graphs compiled.
public struct ModelCompiler: Sendable {
  /// The checkpoint.
  public let checkpoint: Checkpoint
  /// Its plain graph, exit heads, learned values and labels.
  public let lowered: LoweredModel
  /// What a user should know of the checkpoint before using it, a sentence each.
  public let notes: [String]
  /// Of the weight files, as graphs name their checkpoint. Found once: all of the files is read for it.
  private let checksum: String
  /// The checkpoint's weights.
  public var weights: Weights { checkpoint.weights }

  /// Reads and lowers a checkpoint folder; `problemType` goes before what its config.json says. Throws `FormatError` or
  /// `CheckpointError`.
  public init(checkpoint path: String, problemType: ProblemType? = nil) throws {
    let checkpoint = try Checkpoint(path: path, problemType: problemType)
    let tasks = try checkpoint.ownTasks()
    guard tasks.isEmpty || problemType == nil else {
      throw CompileError("\(path): has several tasks; each says its problem_type in config.json, magic_pyramid.tasks")
    }
    try self.init(checkpoint, tasks: tasks)
  }

  /// Reads a trunk and the checkpoint folders of tasks that have its encoder, and lowers them to one graph that answers all
  /// of them. Throws as the other does, and where an encoder is not the trunk's, bit for bit.
  public init(trunk path: String, tasks: [(name: String, checkpoint: String)]) throws {
    let tasks = try tasks.map { try TaskCheckpoint($0.name, Checkpoint(path: $0.checkpoint)) }
    try self.init(Checkpoint(path: path), tasks: tasks)
  }

  private init(_ checkpoint: Checkpoint, tasks: [TaskCheckpoint]) throws {
    let name = Self.graphName(checkpoint.configuration.name)
    if tasks.isEmpty {
      (self.checkpoint, lowered) = (checkpoint, try LoweredModel(checkpoint, name: name))
    } else {
      lowered = try LoweredModel(trunk: checkpoint, tasks: tasks, name: name)
      self.checkpoint = checkpoint.joined(with: tasks)
    }
    notes =
      try checkpoint.tokenizerOrigin.notes.dropFirst() + checkpoint.notes + lowered.notes
      + lowered.numberNotes(of: self.checkpoint)
    checksum = "sha256:" + Checksum.sha256(ofFiles: self.checkpoint.weights.files)
  }

  /// Sizes that policies are made for.
  public var facts: ModelFacts { lowered.graph.shape.facts }

  /// Runs the pipeline over a copy of the plain graph; `observe` sees the graph after each pass.
  public func compile(
    _ policies: PolicyPair<PolicyInstance>, options: CompileOptions,
    observe: (_ pass: String, _ graph: Graph) throws -> Void = { _, _ in }
  ) throws -> Graph {
    var graph = namedGraph
    try Pipeline(disabling: options.disabledPasses).run(on: &graph, context(policies, options), observe: observe)
    return graph
  }

  /// What each decision would cost and save, and which ones `compile` with the same arguments keeps; text for people.
  public func explainPlacement(_ policies: PolicyPair<PolicyInstance>, options: CompileOptions) throws -> String {
    let pipeline = try Pipeline(disabling: options.disabledPasses)
    let context = context(policies, options)
    var graph = namedGraph
    for pass in pipeline.fusions { try pass.run(on: &graph, context) }
    return try PlacementExplanation(graph, context, pipeline).text
  }

  private func context(_ policies: PolicyPair<PolicyInstance>, _ options: CompileOptions) -> PassContext {
    var context = PassContext(
      lowered, policies: policies, checkpointArgument: checkpoint.path.shellQuoted, target: options.target,
      precision: options.precision, profile: options.profile)
    context.partPrecisions = options.partPrecisions
    return context
  }

  /// The plain graph with the checkpoint that it is of.
  private var namedGraph: Graph {
    var graph = lowered.graph
    graph.checkpoint = checksum
    return graph
  }

  /// The checkpoint's name, as far as a graph's goes, with everything but letters, digits, `-`, `_` and `.` replaced.
  private static func graphName(_ checkpoint: String) -> String {
    let name = String(
      checkpoint.unicodeScalars.map { scalar in
        let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
        return isPlain || "-_.".unicodeScalars.contains(scalar) ? Character(scalar) : "-"
      })
    return String((name.first?.isLetter == true ? name : "model-" + name).prefix(256))
  }
}
