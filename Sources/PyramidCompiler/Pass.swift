// What a pass is, what it may know, and the pipeline: one array literal. A pass reads no clock, environment or CPU;
// kernel choice gets the instruction set as a value. The verifier runs after every pass.

import PyramidFormats
import PyramidIR
import PyramidPolicy

/// What passes know besides the graph.
public struct PassContext: Sendable {
  /// The policies to weave in.
  public var policies: PolicyPair<PolicyInstance>
  /// Layers, from 0, that have an exit head.
  public var exitHeads: Set<Int>
  /// Instruction set to choose kernels for.
  public var target: InstructionSet
  /// Number format of the products.
  public var precision: Precision
  /// How often each head fires and how many tokens each layer keeps, if that is known.
  public var profile: PolicyProfile?
  /// Passes that are left out, for passes that ask what later ones will make of the graph.
  public var disabled: Set<String> = []

  /// A context; without policies the compiled graph equals the plain one.
  public init(
    policies: PolicyPair<PolicyInstance> = PolicyPair(), exitHeads: Set<Int> = [], target: InstructionSet,
    precision: Precision = .f32, profile: PolicyProfile? = nil
  ) {
    self.policies = policies
    self.exitHeads = exitHeads
    self.target = target
    self.precision = precision
    self.profile = profile
  }
}

/// One rewriting of the graph.
public protocol Pass: Sendable {
  /// Kebab-case name, also of its filetest folder.
  static var name: String { get }
  /// Whether `--disable-pass` may leave it out.
  static var isOptional: Bool { get }
  /// Rewrites the graph; throws when the graph can't be compiled as asked.
  func run(on graph: inout Graph, _ context: PassContext) throws
}

extension Pass {
  /// Passes may be left out unless they say otherwise.
  public static var isOptional: Bool { true }
  /// The name of the pass's type.
  public var name: String { Self.name }
}

/// The passes in the order in which they run.
public enum Pipeline {
  /// All of them.
  public static let passes: [any Pass] = [
    Canonicalise(),
    FuseQKV(),
    FuseLinearActivation(),
    FuseLinearAddNorm(),
    PlacePolicies(),
    SchedulePolicies(),
    Peek(),
    HoistCompaction(),
    LastLayerCLS(),
    ChooseKernels(),
    PlanMemory(),
    CountOperations(),
  ]

  /// Runs all passes but the disabled ones, verifying after each; `observe` sees the graph after each pass that ran.
  /// Throws `CompileError` for a disabled pass that is unknown or indispensable, and whatever a pass throws.
  public static func run(
    on graph: inout Graph, _ context: PassContext, disabling disabled: Set<String> = [],
    observe: (_ pass: String, _ graph: Graph) throws -> Void = { _, _ in }
  ) throws {
    for name in disabled.sorted() {
      guard let pass = passes.first(where: { $0.name == name }) else {
        let names = passes.map(\.name).joined(separator: ", ")
        throw CompileError("there is no pass '\(name)'; the passes are \(names)")
      }
      guard type(of: pass).isOptional else { throw CompileError("pass '\(name)' can't be left out") }
    }
    var context = context
    context.disabled = disabled
    for pass in passes where !disabled.contains(pass.name) {
      try pass.run(on: &graph, context)
      do { try graph.verify() } catch {
        throw CompileError("after pass \(pass.name), which is a bug of mp-compile: \(error)")
      }
      try observe(pass.name, graph)
    }
  }
}

extension Pipeline {
  /// Weaves the policies into a plain graph, where its placement says if it has one, and does nothing else: what the
  /// reference interpreter checks compiled models against.
  public static func schedulePolicies(on graph: inout Graph, _ context: PassContext) throws {
    try SchedulePolicies().run(on: &graph, context)
  }
}
