// A checkpoint compiled for one instruction set and opened, with the oracle for the same policies beside it: what
// nearly every test of executed models starts from.

import Glibc
import MagicPyramid
import PyramidReference

/// A checkpoint, compiled to an artefact and opened. The artefact's file is gone already: a mapping outlives its name.
public struct CompiledCheckpoint: Sendable {
  /// The checkpoint as the compiler read it.
  public let compiler: ModelCompiler
  /// The open artefact.
  public let model: LoadedModel

  /// The policies that come with the project.
  public static let registry = Result { try PolicyCatalogue.registry() }

  /// Compiles the checkpoint in the folder `path`, policies as the command line spells them, without the self-check.
  public init(
    _ path: String, for target: InstructionSet, exit: String? = nil, prune: String? = nil,
    disabling passes: Set<String> = [], precision: Precision = .f32
  ) throws {
    try self.init(
      ModelCompiler(checkpoint: path), for: target, exit: exit, prune: prune, disabling: passes, precision: precision)
  }

  /// Compiles what was read and lowered already.
  public init(
    _ compiler: ModelCompiler, for target: InstructionSet, exit: String? = nil, prune: String? = nil,
    disabling passes: Set<String> = [], precision: Precision = .f32
  ) throws {
    let folder = try TemporaryFolder()
    let compilation = try Compilation(
      of: compiler,
      policies: PolicyChoice(exit: try exit.map { try PolicySpec($0) }, prune: try prune.map { try PolicySpec($0) }),
      options: CompileOptions(target: target, precision: precision, disabledPasses: passes),
      registry: Self.registry.get())
    _ = try compilation.write(to: folder.path("model.mpc"), skipsCheck: true)
    self.compiler = compiler
    model = try LoadedModel(path: folder.path("model.mpc"))
  }

  /// Writes a small checkpoint and compiles it.
  public init(
    _ recipe: CheckpointRecipe, for target: InstructionSet, exit: String? = nil, prune: String? = nil,
    disabling passes: Set<String> = [], precision: Precision = .f32
  ) throws {
    let folder = try TemporaryFolder()
    try self.init(
      recipe.write(in: folder), for: target, exit: exit, prune: prune, disabling: passes, precision: precision)
  }

  /// The compiled policies, or others in their place.
  public func policies(exit: String? = nil, prune: String? = nil) throws -> ResolvedPolicies {
    try model.policies(
      registry: Self.registry.get(), exit: try exit.map { try PolicySpec($0) },
      prune: try prune.map { try PolicySpec($0) })
  }

  /// An executor that records which tokens are kept.
  public func executor(
    exit: String? = nil, prune: String? = nil, threads: Int = 2, samples: Int? = nil, tokens: Int? = nil,
    tasks: Set<Int>? = nil
  ) throws -> Executor {
    try Executor(
      model: model, policies: policies(exit: exit, prune: prune),
      options: ExecutorOptions(
        graph: model.graph, samples: samples, tokens: tokens, threads: threads, recordsPositions: true,
        tasks: tasks))
  }

  /// The reference interpreter over the compiled graph itself, with every pass in it.
  public func interpreter() throws -> ReferenceInterpreter {
    let (policies, weights) = (try policies(), compiler.weights)
    return try ReferenceInterpreter(
      graph: model.graph, weight: { try weights.values(of: $0) }, policies: policies)
  }

  /// The reference interpreter over the plain graph with the same policies woven in, and nothing fused or planned.
  public func oracle(exit: String? = nil, prune: String? = nil) throws -> ReferenceInterpreter {
    let policies = try policies(exit: exit, prune: prune)
    var graph = compiler.lowered.graph
    graph.placement = model.graph.decisions
    let context = PassContext(compiler.lowered, policies: policies, target: .portable)
    try Pipeline.schedulePolicies(on: &graph, context)
    let weights = compiler.weights
    return try ReferenceInterpreter(
      graph: graph, weight: { try weights.values(of: $0) }, policies: policies)
  }
}

extension PackedBatch {
  /// Samples of token ids, all of the first text unless `typeIDs` says otherwise.
  public init(_ samples: [[Int32]], typeIDs: [[Int32]]? = nil) {
    self.init()
    for (index, ids) in samples.enumerated() {
      append(tokenIDs: ids, typeIDs: typeIDs?[index] ?? [Int32](repeating: 0, count: ids.count))
    }
  }
}

extension [Float] {
  /// Largest difference of an element; infinite when the counts differ or a difference is not a number.
  public func largestDifference(to other: [Float]) -> Float {
    guard count == other.count else { return .infinity }
    return zip(self, other).reduce(0) { largest, pair in
      let difference = abs(pair.0 - pair.1)
      return difference.isNaN ? .infinity : Swift.max(largest, difference)
    }
  }
}
