// Compiling as the tools do it: policies by name, artefact written under a temporary name, checked against the oracle,
// and only then put where the user wants it.

import Glibc
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
  public let check: SelfCheckResult?
}

extension ModelCompiler {
  /// The instances of chosen policies for this checkpoint. Throws `PolicyError`.
  public func policies(_ choice: PolicyChoice, registry: PolicyRegistry) throws -> PolicyPair<PolicyInstance> {
    try choice.map { kind, spec in
      try registry.type(named: spec.name, kind: kind).make(spec, model: facts, learned: lowered.learned)
    }
  }

  /// Compiles to an artefact at `path`. Unless `skipsCheck`, the file is first run against the reference interpreter,
  /// and refused when it differs by more than `SelfCheck` tolerates at its precision. An existing file is replaced only
  /// by a complete, checked one.
  public func compile(
    to path: String, choice: PolicyChoice, registry: PolicyRegistry, options: CompileOptions, skipsCheck: Bool = false,
    observe: (_ pass: String, _ graph: Graph) throws -> Void = { _, _ in }
  ) throws -> CompiledModel {
    // Refuses a folder, a device or a place that can't be written before the work, not behind it.
    _ = try OutputFile(path: path)
    let graph = try compile(try policies(choice, registry: registry), options: options, observe: observe)
    let temporary = "\(path).tmp-\(getpid())"
    defer { unlink(temporary) }
    var check: SelfCheckResult?
    do {
      try ArtefactWriter(self).write(graph, to: temporary)
      if !skipsCheck && options.target.isAllowed { check = try checked(temporary, registry: registry) }
    } catch let error as FormatError where error.file == temporary {
      throw FormatError(file: path, place: error.place, problem: error.problem)
    } catch let error as OutputError where error.file == temporary {
      throw OutputError(file: path, place: error.place, problem: error.problem)
    }
    guard rename(temporary, path) == 0 else {
      throw OutputError(file: path, problem: String(cString: strerror(errno)))
    }
    return CompiledModel(graph: graph, check: check)
  }

  private func checked(_ path: String, registry: PolicyRegistry) throws -> SelfCheckResult {
    let classifier = try Classifier(path: path, registry: registry)
    let result = try SelfCheck.run(classifier, compiler: self, policies: classifier.policies)
    let precision = classifier.model.graph.precision
    let tolerance = SelfCheck.tolerance(precision)
    guard result.largestDifference <= tolerance, result.agreeing >= SelfCheck.leastAgreeing(precision),
      result.decidedOtherwise <= SelfCheck.allowedDecisions(precision)
    else {
      throw CompileError(
        "self-check failed: against the reference interpreter, probabilities differ by up to "
          + "\(result.largestDifference) (limit \(tolerance)), \(result.agreeing) of \(result.texts) labels agree, and "
          + "\(result.decidedOtherwise) texts left at another layer or kept other tokens")
    }
    return result
  }
}
