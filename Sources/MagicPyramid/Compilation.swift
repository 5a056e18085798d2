// Compiling as the tools do it: policies by name, the artefact checked against the oracle before it takes its name.
// What happens to the graph is in PyramidCompiler, which knows neither registries nor this machine.

import PyramidCompiler
import PyramidFormats
import PyramidIR
import PyramidPolicy
import PyramidRuntime

/// What was compiled.
public struct CompiledModel: Sendable {
  /// The compiled graph.
  public let graph: Graph
  /// The self-check's outcome; nil when it was left out.
  public let check: SelfCheck?
}

extension CompileOptions {
  /// Options for the best instruction set that this machine runs, or for that of MP_ISA. Throws when MP_ISA names none.
  public init(precision: Precision = .f32, disabledPasses: Set<String> = [], profile: PolicyProfile? = nil) throws {
    try self.init(target: .native(), precision: precision, disabledPasses: disabledPasses, profile: profile)
  }
}

/// A checkpoint with the policies and options that it is compiled with.
public struct Compilation: Sendable {
  /// The checkpoint, read and lowered.
  public let compiler: ModelCompiler
  /// The policies, if any, made for the checkpoint.
  public let policies: PolicyPair<PolicyInstance>
  /// What to compile for.
  public var options: CompileOptions
  /// What calibration proved about these policies on this checkpoint, to be stored with them; nil for nothing.
  public var certificate: Certificate?
  /// What the precisions were chosen by, to be stored with them; nil where nobody measured.
  public var precisionRecord: PrecisionRecord?
  private let registry: PolicyRegistry

  /// Reads the checkpoint folder at `path` and makes its policies. Without `options` it is compiled in f32 for this
  /// machine; without `registry` policies are the built-in ones. Throws `FormatError`, `CompileError`, `PolicyError`.
  public init(
    checkpoint path: String, policies: PolicyChoice = .init(), options: CompileOptions? = nil,
    registry: PolicyRegistry? = nil
  ) throws {
    try self.init(
      of: ModelCompiler(checkpoint: path), policies: policies, options: options ?? CompileOptions(),
      registry: registry ?? PolicyCatalogue.registry())
  }

  /// One of several compilations of a checkpoint that is read once. Throws `PolicyError`.
  public init(of compiler: ModelCompiler, policies: PolicyChoice, options: CompileOptions, registry: PolicyRegistry)
    throws
  {
    self.policies = try policies.map { kind, spec in
      do {
        return try registry.make(
          spec, kind: kind, shape: compiler.lowered.graph.shape, learned: compiler.lowered.learned)
      } catch let error as PolicyError {
        // Only here is it known which checkpoint lacks learned values, and whether mp-train can fit them.
        throw error.naming(checkpoint: compiler.canFit(kind) ? compiler.checkpoint.path.shellQuoted : nil)
      }
    }
    self.compiler = compiler
    self.options = options
    self.registry = registry
  }

  /// The compiled graph; `observe` sees it after each pass. Throws `CompileError`.
  public func graph(observe: (_ pass: String, _ graph: Graph) throws -> Void = { _, _ in }) throws -> Graph {
    try compiler.compile(policies, options: options, observe: observe)
  }

  /// What each decision costs and saves, and which ones the compiled graph keeps; text for people.
  public func placementExplanation() throws -> String {
    try compiler.explainPlacement(policies, options: options)
  }

  /// Compiles to an artefact at `path`. Unless `skipsCheck`, or where this machine can't run it, the file is first run
  /// against the reference interpreter, and refused when it differs by more than `SelfCheck` tolerates at its
  /// precision. An existing file is replaced only by a complete, checked one.
  public func write(
    to path: String, skipsCheck: Bool = false, observe: (_ pass: String, _ graph: Graph) throws -> Void = { _, _ in }
  ) throws -> CompiledModel {
    // Refuses a folder, a device or a place that can't be written before the work, not after it.
    _ = try OutputFile(path: path)
    let graph = try graph(observe: observe)
    try certificate?.check(
      checkpoint: graph.checkpoint ?? "", precision: options.precision.rawValue,
      exit: policies.exit?.spec.description, prune: policies.prune?.spec.description, file: path)
    var check: SelfCheck?
    try ArtefactWriter(compiler).write(graph, to: path, certificate: certificate, precisionRecord: precisionRecord) {
      unnamed in
      if !skipsCheck && options.target.isAllowed { check = try checked(unnamed) }
    }
    return CompiledModel(graph: graph, check: check)
  }

  private func checked(_ path: String) throws -> SelfCheck {
    let check = try SelfCheck(of: Classifier(path: path, registry: registry), compiler: compiler)
    if check.passes { return check }
    throw CompileError(
      "self-check failed: against the reference interpreter, scores differ by up to "
        + "\(check.largestDifference) (limit \(check.tolerance)), \(check.agreeing) of \(check.texts) labels agree, and "
        + "\(check.decidedOtherwise) texts left at another layer or kept other tokens")
  }
}

extension ModelCompiler {
  /// Whether mp-train fits what a policy of a kind learns: for one label of several, the exits' on heads that are there,
  /// pruning's with layers whose gradients it knows.
  fileprivate func canFit(_ kind: PolicyKind) -> Bool {
    guard lowered.graph.shape.task == .classification, lowered.graph.shape.tasks.isEmpty else { return false }
    return kind == .exit ? !lowered.exitHeads.isEmpty : lowered.graph.nodes.allSatisfy { $0.op.facts.hasGradient }
  }
}
