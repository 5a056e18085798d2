// Where the contenders come from: dense first, then a classifier for each policy. A checkpoint gives each policy a
// graph of its own; a compiled model lends all of them the same one, with other policies in place of its own.

import Glibc
import MagicPyramid
import PyramidCompiler
import PyramidIR

/// One classifier in the comparison.
public struct Contender: Sendable {
  /// Its name in the report.
  public let name: String
  /// The classifier, with its policies in force.
  public let classifier: Classifier
}

/// A checkpoint folder or a compiled model that contenders are made of.
public struct ModelSource: Sendable {
  /// The path as it was given.
  public let path: String
  /// What a reader of the report should know about how dense was made.
  public let notes: [String]
  private let registry: PolicyRegistry
  private let precision: Precision
  private let profiles: [PolicyProfile]
  private let options: ClassifierOptions
  private let origin: Origin

  private enum Origin: Sendable {
    case checkpoint(ModelCompiler)
    case artefact(LoadedModel)
  }

  /// Opens what lies at `path`: a folder is a checkpoint. `precision` (f32 when nil) and `profiles` are for
  /// checkpoints; a profile goes to the contender whose policies it was written with. Throws `ComparisonError` when a
  /// compiled model is given either, and what opening the model throws.
  public init(
    path: String, precision: Precision? = nil, profiles: [PolicyProfile] = [], registry: PolicyRegistry,
    options: ClassifierOptions = .init()
  ) throws {
    self.path = path
    self.profiles = profiles
    self.registry = registry
    self.precision = precision ?? .f32
    self.options = options
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      origin = .checkpoint(try ModelCompiler(checkpoint: path))
      notes = []
    } else {
      guard precision == nil, profiles.isEmpty else {
        throw ComparisonError(
          "\(path): precision and profiles are for checkpoint folders; a compiled model has its own")
      }
      let model = try LoadedModel(path: path)
      origin = .artefact(model)
      let controls = Self.controls(model.graph).all.map(\.element.name).joined(separator: " and ")
      notes = controls.isEmpty ? [] : ["Dense is the compiled model with \(controls): what these cost is still in it"]
    }
  }

  /// Dense, then `policies`; for a compiled model without any, its own. `progress` is told what is being compiled.
  /// Throws `ComparisonError` when there is nothing to compare, and when a policy is unknown, or is of a kind that a
  /// compiled model lacks.
  public func contenders(_ policies: [PolicyOption], progress: (String) -> Void = { _ in }) throws -> [Contender] {
    switch origin {
    case .checkpoint(let compiler):
      guard !policies.isEmpty else {
        throw ComparisonError("\(path): nothing to compare: give at least one policy")
      }
      let options = try CompileOptions(precision: precision)
      let named = try [("dense", PolicyChoice())] + policies.map { ($0.name, try Self.choice($0)) }
      let compilations = try named.map { name, choice in
        (name, try Compilation(of: compiler, policies: choice, options: options, registry: registry))
      }
      for profile in profiles where !compilations.contains(where: { profile.isOf($0.1) }) {
        throw ComparisonError("\(profile.file): is of other policies than those compared")
      }
      return try compilations.map { name, compilation in
        progress("compiling \(name) ...")
        return try contender(name, compiled(compilation), PolicyChoice())
      }
    case .artefact(let model):
      let controls = Self.controls(model.graph)
      guard !policies.isEmpty || !model.graph.policies.isEmpty else {
        throw ComparisonError("\(path): nothing to compare: it was compiled without policies")
      }
      let choices =
        policies.isEmpty ? [("compiled", model.graph.policies)] : try policies.map { ($0.name, try Self.choice($0)) }
      return try [dense(model, controls)]
        + choices.map { name, choice in
          try contender(
            name, model, PolicyChoice(exit: choice.exit ?? controls.exit, prune: choice.prune ?? controls.prune))
        }
    }
  }

  /// A compiled model without effect of its policies. Policies that decide after some layers only leave no room for
  /// that.
  private func dense(_ model: LoadedModel, _ controls: PolicyChoice) throws -> Contender {
    do {
      return try contender("dense", model, controls)
    } catch let error as RuntimeError {
      throw ComparisonError("\(path): can't run dense, use the checkpoint folder instead (\(error))")
    }
  }

  /// A model in a private folder that is gone again: once mapped, a file needs no name.
  private func compiled(_ compilation: Compilation) throws -> LoadedModel {
    var compilation = compilation
    compilation.options.profile = profiles.first { $0.isOf(compilation) }
    let given = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let parent = given.isEmpty ? "/tmp" : given
    var template = Array("\(parent)/magic-pyramid-XXXXXX".utf8CString)
    guard let folder = template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!).map { String(cString: $0) } })
    else { throw ComparisonError("no temporary folder in \(parent): \(String(cString: strerror(errno)))") }
    let file = "\(folder)/model.mpc"
    defer {
      unlink(file)
      rmdir(folder)
    }
    _ = try compilation.write(to: file, skipsCheck: true)
    return try LoadedModel(path: file)
  }

  private func contender(_ name: String, _ model: LoadedModel, _ choice: PolicyChoice) throws -> Contender {
    var options = options
    options.policies = choice
    return Contender(name: name, classifier: try Classifier(model: model, registry: registry, options: options))
  }

  private static func choice(_ option: PolicyOption) throws -> PolicyChoice {
    PolicyChoice(exit: try option.exit.map { try PolicySpec($0) }, prune: try option.prune.map { try PolicySpec($0) })
  }

  /// The controls that stand for "no policy" in a graph with policies.
  private static func controls(_ graph: Graph) -> PolicyChoice {
    graph.policies.map { kind, _ in PolicySpec(name: kind == .exit ? "never-exit" : "keep-all") }
  }
}

extension PolicyProfile {
  /// Whether it was written with the policies of a compilation, of which there is at least one.
  fileprivate func isOf(_ compilation: Compilation) -> Bool {
    let policies = compilation.policies
    return !policies.isEmpty && exit == policies.exit?.spec.description && prune == policies.prune?.spec.description
  }
}
