// Where the contenders come from: dense first, then a classifier for each policy, then null models. A checkpoint gives
// each policy a graph of its own, and policies that differ in parameters only the same one; a compiled model lends all of
// them the same one, with other policies in place of its own.

import Glibc
import MagicPyramid
import PyramidCompiler
import PyramidEvaluation
import PyramidIR

/// One classifier in the comparison.
public struct Contender: Sendable {
  /// Its name in the report.
  public internal(set) var name: String
  /// The classifier, with its policies in force.
  public let classifier: Classifier
  /// What it is there for.
  public internal(set) var role: ComparisonReport.Role
  /// Whether it is one setting of a null model of which the best one for the comparison gets into the table.
  let isCandidate: Bool
  /// Where it came from.
  let source: ModelSource

  /// The same classifier, whose answers tell which tokens were kept.
  func recordingPositions() throws -> Classifier {
    try source.classifier(classifier.model, classifier.policies.map { $1.spec }, recordsPositions: true)
  }
}

/// A checkpoint folder or a compiled model that contenders are made of.
public struct ModelSource: Sendable {
  /// The path as it was given.
  public let path: String
  /// What a reader of the report should know about how dense was made.
  public let notes: [String]
  /// Number format that a checkpoint is compiled with; a compiled model has its own.
  public let precision: Precision
  private let registry: PolicyRegistry
  private let profiles: [PolicyProfile]
  private let options: ClassifierOptions
  private let origin: Origin

  /// Layers of the model.
  var layers: Int {
    switch origin {
    case .checkpoint(let compiler): compiler.facts.layers
    case .artefact(let model): model.graph.shape.layers
    }
  }

  /// What the model's logits stand for.
  public var task: ModelTask {
    switch origin {
    case .checkpoint(let compiler): compiler.lowered.graph.shape.task
    case .artefact(let model): model.graph.shape.task
    }
  }

  /// The probability from which on a label is among a text's several.
  var labelThreshold: Float { options.labelThreshold }

  /// Whether it is a compiled model.
  var isCompiled: Bool { if case .artefact = origin { true } else { false } }

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
    let own = try [PolicyType(BagThenDense.self), PolicyType(WatchedExits.self)]
    try self.init(path, precision, profiles, PolicyRegistry(registry.all + own), options)
  }

  /// Opens another model as this one was: a checkpoint gets the same precision.
  func sibling(_ path: String) throws -> ModelSource {
    try ModelSource(path, Self.isFolder(path) ? precision : nil, [], registry, options)
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private init(
    _ path: String, _ precision: Precision?, _ profiles: [PolicyProfile], _ registry: PolicyRegistry,
    _ options: ClassifierOptions
  ) throws {
    (self.path, self.profiles, self.registry, self.options) = (path, profiles, registry, options)
    if Self.isFolder(path) {
      self.precision = precision ?? .f32
      let compiler = try ModelCompiler(checkpoint: path)
      guard compiler.lowered.tasks.isEmpty else {
        throw ComparisonError("\(path): answers several tasks, and comparisons are for one: compare a task's own model")
      }
      origin = .checkpoint(compiler)
      notes = []
    } else {
      guard precision == nil, profiles.isEmpty else {
        throw ComparisonError(
          "\(path): precision and profiles are for checkpoint folders; a compiled model has its own")
      }
      let model = try LoadedModel(path: path)
      try model.requireOneTask(for: "comparisons are")
      self.precision = model.graph.precision
      origin = .artefact(model)
      let controls = Self.controls(model.graph).all.map(\.element.name).joined(separator: " and ")
      notes = controls.isEmpty ? [] : ["Dense is the compiled model with \(controls): what these cost is still in it"]
    }
  }

  /// The names of the model's classes.
  public var labels: [String] {
    switch origin {
    case .checkpoint(let compiler): compiler.lowered.labels
    case .artefact(let model): model.header.labels
    }
  }

  /// Dense, then `policies`; for a compiled model without any, its own. `progress` is told what is being compiled.
  /// Throws `ComparisonError` when there is nothing to compare, and when a policy is unknown, or is of a kind that a
  /// compiled model lacks. With `orDenseAlone` there may be none.
  public func contenders(
    _ policies: [PolicyOption], orDenseAlone: Bool = false, progress: (String) -> Void = { _ in }
  ) throws -> [Contender] {
    var models = CompiledModels()
    switch origin {
    case .checkpoint(let compiler):
      guard !policies.isEmpty || orDenseAlone else {
        throw ComparisonError("\(path): nothing to compare: give at least one policy")
      }
      let named = try [("dense", PolicyChoice())] + policies.map { ($0.name, try Self.choice($0)) }
      let compilations = try named.map { name, choice in (name, try compilation(compiler, choice)) }
      for profile in profiles where !compilations.contains(where: { profile.isOf($0.1) }) {
        throw ComparisonError("\(profile.file): is of other policies than those compared")
      }
      return try compilations.enumerated().map { index, named in
        progress("compiling \(named.0) ...")
        return try contender(
          named.0, models.model(named.1, profiles), named.1.choice, role: index == 0 ? .dense : .policy)
      }
    case .artefact(let model):
      let controls = Self.controls(model.graph)
      guard !policies.isEmpty || !model.graph.policies.isEmpty || orDenseAlone else {
        throw ComparisonError("\(path): nothing to compare: it was compiled without policies")
      }
      let choices =
        policies.isEmpty && !orDenseAlone
        ? [("compiled", model.graph.policies)] : try policies.map { ($0.name, try Self.choice($0)) }
      return try [dense(model, controls)]
        + choices.map { name, choice in
          try contender(
            name, model, PolicyChoice(exit: choice.exit ?? controls.exit, prune: choice.prune ?? controls.prune))
        }
    }
  }

  /// What a policy has to beat: the bag of words at the entry alone, and dense for what the bag is not sure of, in several
  /// settings of which the one at the same loss gets into the table; dense cut short after some of the layers with heads.
  /// Those that make no sense for the model's answers are left out, which the notes say.
  public func nullModels(
    progress: (String) -> Void = { _ in }
  ) throws -> (contenders: [Contender], notes: [String]) {
    let heads: Set<Boundary>
    let layers: Int
    switch origin {
    case .checkpoint(let compiler):
      let entry: Set<Boundary> = compiler.lowered.entryHead == nil ? [] : [.entry]
      heads = entry.union(compiler.lowered.exitHeads.map { .after($0) })
      layers = compiler.facts.layers
    case .artefact(let model): (heads, layers) = (model.graph.decisions.exits, model.graph.shape.layers)
    }
    var named: [(name: String, exit: PolicySpec, isCandidate: Bool)] = []
    if heads.contains(.entry) {
      named.append(("bag of words", Self.spec("fixed-layer", "layer", 0), false))
      named += Self.bagThresholds.map {
        ("bag, then dense (\($0))", Self.spec(BagThenDense.name, "threshold", $0), true)
      }
    }
    let cuts = heads.map(\.number).filter { (1..<layers).contains($0) }.sorted()
    // Each is a model of its own on disk while it is measured.
    let step = (cuts.count + Self.mostCuts - 1) / Self.mostCuts
    named += cuts.reversed().enumerated().filter { $0.offset % max(step, 1) == 0 }.map(\.element).reversed().map {
      ("first \($0) of \(layers) layers", Self.spec("fixed-layer", "layer", Double($0)), false)
    }
    let suited = try named.filter {
      try registry.type(named: $0.exit.name, kind: .exit).requires.contains(task.answers)
    }
    let unsuited = Set(named.map(\.exit.name)).subtracting(suited.map(\.exit.name)).sorted()
    var models = CompiledModels()
    let contenders = try suited.map { name, exit, isCandidate in
      progress("compiling \(name) ...")
      let choice = PolicyChoice(exit: exit)
      switch origin {
      case .checkpoint(let compiler):
        let model = try models.model(compilation(compiler, choice), [])
        return try contender(name, model, choice, role: .null, isCandidate: isCandidate)
      case .artefact(let model):
        let whole = PolicyChoice(exit: exit, prune: Self.controls(model.graph).prune)
        return try contender(name, model, whole, role: .null, isCandidate: isCandidate)
      }
    }
    return (contenders, unsuited.map { "No null model \($0): its criterion makes no sense for these answers" })
  }

  /// A classifier that runs `watch` in place of the exit policies of these contenders, which prune and decide alike; nil
  /// where it would decide at other boundaries.
  func watching(_ watch: ExitWatch, in place: Contender) throws -> Classifier? {
    try ExitWatch.$current.withValue(watch) {
      var choice = PolicyChoice(exit: PolicySpec(name: WatchedExits.name))
      choice.prune = place.classifier.policies.prune?.spec
      switch origin {
      case .checkpoint(let compiler):
        let model = try Self.compiled(compilation(compiler, choice))
        guard model.graph.decisions == place.classifier.model.graph.decisions else { return nil }
        return try contender(place.name, model, PolicyChoice()).classifier
      case .artefact(let model): return try contender(place.name, model, choice).classifier
      }
    }
  }

  /// Names policies whose random draws a user left open; see `PolicyParameter` `seed`.
  func drawsAtRandom(_ option: PolicyOption) throws -> PolicyKind? {
    for (kind, spec) in try Self.choice(option).all where spec["seed"] == nil {
      let type = try registry.type(named: spec.name, kind: kind)
      if type.parameters.contains(where: { $0.name == "seed" }) { return kind }
    }
    return nil
  }

  /// The parameters of a policy.
  func parameters(_ spec: PolicySpec, _ kind: PolicyKind) throws -> [PolicyParameter] {
    try registry.type(named: spec.name, kind: kind).parameters
  }

  /// Normalised entropies, in about equal ratios.
  private static let bagThresholds = [0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.45, 0.6, 0.8]
  private static let mostCuts = 6

  private static func spec(_ name: String, _ parameter: String, _ value: Double) -> PolicySpec {
    PolicySpec(name: name, arguments: [.init(name: parameter, value: .number(value))])
  }

  private func compilation(_ compiler: ModelCompiler, _ choice: PolicyChoice) throws -> Compilation {
    try Compilation(of: compiler, policies: choice, options: CompileOptions(precision: precision), registry: registry)
  }

  /// A compiled model without effect of its policies. Policies that decide after some layers only leave no room for
  /// that.
  private func dense(_ model: LoadedModel, _ controls: PolicyChoice) throws -> Contender {
    do {
      return try contender("dense", model, controls, role: .dense)
    } catch let error as RuntimeError {
      throw ComparisonError("\(path): can't run dense, use the checkpoint folder instead (\(error))")
    }
  }

  /// A model in a private folder that is gone again: once mapped, a file needs no name.
  static func compiled(_ compilation: Compilation) throws -> LoadedModel {
    let folder = try ScratchFolder()
    let file = "\(folder.path)/model.mpc"
    _ = try compilation.write(to: file, skipsCheck: true)
    return try withExtendedLifetime(folder) { try LoadedModel(path: file) }
  }

  private func contender(
    _ name: String, _ model: LoadedModel, _ choice: PolicyChoice, role: ComparisonReport.Role = .policy,
    isCandidate: Bool = false
  ) throws -> Contender {
    Contender(
      name: name, classifier: try classifier(model, choice), role: role, isCandidate: isCandidate, source: self)
  }

  fileprivate func classifier(
    _ model: LoadedModel, _ choice: PolicyChoice, recordsPositions: Bool = false
  ) throws -> Classifier {
    var options = options
    options.policies = choice
    options.recordsPositions = recordsPositions
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

/// Models by their graphs: policies that differ in parameters only share one, since parameters can change at run time.
private struct CompiledModels {
  private var models: [String: LoadedModel] = [:]

  mutating func model(_ compilation: Compilation, _ profiles: [PolicyProfile]) throws -> LoadedModel {
    var compilation = compilation
    compilation.options.profile = profiles.first { $0.isOf(compilation) }
    var graph = try compilation.graph()
    graph.policies = graph.policies.map { PolicySpec(name: $1.name) }
    let key = graph.description
    if let model = models[key] { return model }
    let model = try ModelSource.compiled(compilation)
    models[key] = model
    return model
  }
}

extension Compilation {
  /// Its policies as they are given to a model at run time.
  fileprivate var choice: PolicyChoice { policies.map { $1.spec } }
}

extension PolicyProfile {
  /// Whether it was written with the policies of a compilation, of which there is at least one.
  fileprivate func isOf(_ compilation: Compilation) -> Bool {
    let policies = compilation.policies
    return !policies.isEmpty && exit == policies.exit?.spec.description && prune == policies.prune?.spec.description
  }
}
