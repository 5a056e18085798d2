// Where the contenders come from: dense first, then a classifier for each policy. A checkpoint gives each policy a
// graph of its own; a compiled model lends all of them the same one, with other policies in place of its own.

import Glibc
import MagicPyramid
import PyramidEvaluation

/// One classifier in the comparison.
struct Contender {
  /// Its name in the report.
  let name: String
  /// The classifier, with its policies in force.
  let classifier: Classifier
}

/// A checkpoint folder or a compiled model.
struct ModelSource {
  /// The path as it was given.
  let path: String
  /// What a reader of the report should know about how dense was made.
  let notes: [String]
  private let registry: PolicyRegistry
  private let precision: Precision
  private let profiles: [PolicyProfile]
  private let options: ClassifierOptions
  private let terminal: Terminal
  private let origin: Origin

  private enum Origin {
    case checkpoint(ModelCompiler)
    case artefact(LoadedModel)
  }

  /// Opens what lies at `path`: a folder is a checkpoint.
  init(
    path: String, precision: Precision?, profiles: [PolicyProfile], registry: PolicyRegistry,
    options: ClassifierOptions, terminal: Terminal
  ) throws {
    self.path = path
    self.profiles = profiles
    self.registry = registry
    self.precision = precision ?? .f32
    self.options = options
    self.terminal = terminal
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      origin = .checkpoint(try ModelCompiler(checkpoint: path))
      notes = []
    } else {
      guard precision == nil, profiles.isEmpty else {
        throw OutputError(
          file: path, problem: "--precision and --profile are for checkpoint folders; a compiled model has its own")
      }
      let model = try LoadedModel(path: path)
      origin = .artefact(model)
      notes =
        model.graph.policies.isEmpty
        ? []
        : ["Dense is the compiled model with \(Self.controls(model.graph).phrase): what these cost is still in it"]
    }
  }

  /// Dense, then `policies`. Throws when a policy is unknown, or is of a kind that a compiled model lacks.
  func contenders(_ policies: [PolicyOption]) throws -> [Contender] {
    switch origin {
    case .checkpoint(let compiler):
      guard !policies.isEmpty else {
        throw OutputError(file: path, problem: "nothing to compare: give at least one --policy")
      }
      let choices = try policies.map { try Self.choice($0) }
      for profile in profiles where try !choices.contains(where: { try isProfile(profile, of: $0, compiler) }) {
        throw OutputError(file: profile.file, problem: "is of other policies than those compared")
      }
      return try [compiled("dense", PolicyChoice(), compiler)]
        + policies.map { try compiled($0.name, Self.choice($0), compiler) }
    case .artefact(let model):
      let controls = Self.controls(model.graph)
      guard !policies.isEmpty || !model.graph.policies.isEmpty else {
        throw OutputError(file: path, problem: "nothing to compare: it was compiled without policies")
      }
      let choices =
        policies.isEmpty ? [("compiled", model.graph.policies)] : try policies.map { ($0.name, try Self.choice($0)) }
      return try [dense(model, controls)]
        + choices.map { name, choice in
          let choice = PolicyChoice(exit: choice.exit ?? controls.exit, prune: choice.prune ?? controls.prune)
          return try Contender(name: name, classifier: classifier(model, choice))
        }
    }
  }

  /// A compiled model without effect of its policies. Policies that decide behind some layers only leave no room for
  /// that.
  private func dense(_ model: LoadedModel, _ controls: PolicyChoice) throws -> Contender {
    do {
      return try Contender(name: "dense", classifier: classifier(model, controls))
    } catch let error as RuntimeError {
      throw OutputError(file: path, problem: "can't run dense, use the checkpoint folder instead (\(error))")
    }
  }

  private func compiled(_ name: String, _ choice: PolicyChoice, _ compiler: ModelCompiler) throws -> Contender {
    terminal.progress("compiling \(name) ...")
    defer { terminal.endProgress() }
    var target = CompileOptions(target: try InstructionSet.native(), precision: precision)
    target.profile = try profiles.first { try isProfile($0, of: choice, compiler) }
    // Once mapped, the file needs no name: nothing is left behind, however the tool ends.
    let model = try TemporaryFolder.with { folder in
      let file = "\(folder)/model.mpc"
      _ = try compiler.compile(to: file, choice: choice, registry: registry, options: target, skipsCheck: true)
      return try LoadedModel(path: file)
    }
    return try Contender(name: name, classifier: classifier(model, PolicyChoice()))
  }

  /// Whether a profile was written with these policies.
  private func isProfile(_ profile: PolicyProfile, of choice: PolicyChoice, _ compiler: ModelCompiler) throws -> Bool {
    let policies = try compiler.policies(choice, registry: registry)
    return !choice.isEmpty && profile.exit == policies.exit?.spec.description
      && profile.prune == policies.prune?.spec.description
  }

  private func classifier(_ model: LoadedModel, _ choice: PolicyChoice) throws -> Classifier {
    var options = options
    options.policies = choice
    return try Classifier(model: model, registry: registry, options: options)
  }

  private static func choice(_ option: PolicyOption) throws -> PolicyChoice {
    PolicyChoice(exit: try option.exit.map { try PolicySpec($0) }, prune: try option.prune.map { try PolicySpec($0) })
  }

  /// The controls that stand for "no policy" in a graph with policies.
  private static func controls(_ graph: Graph) -> PolicyChoice {
    graph.policies.map { kind, _ in PolicySpec(name: kind == .exit ? "never-exit" : "keep-all") }
  }
}

extension PolicyChoice {
  fileprivate var phrase: String { all.map(\.element.name).joined(separator: " and ") }
}
