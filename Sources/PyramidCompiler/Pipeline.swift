// The passes in their order, in groups, and the loop that runs them. Whatever asks what some passes will make of a
// graph gets a group of this list; no pass is listed anywhere else. The verifier runs after every pass.

import PyramidIR
import PyramidPolicy

/// The passes in the order in which they run, less those that are left out.
public struct Pipeline: Sendable {
  /// Make fewer and larger operations of a plain graph.
  let fusions: [any Pass]
  /// Chooses where policies decide, by what `demand` will make of the graph; empty when that is left out.
  let placement: [any Pass]
  /// Weave the policies in and compute only rows that are read.
  let demand: [any Pass]
  /// Choose kernels and memory, and count: for the machine, not for the answer.
  let backend: [any Pass]

  /// All passes of a pipeline in order.
  var passes: [any Pass] { fusions + placement + demand + backend }

  /// All passes that there are.
  public static let passes: [any Pass] = Pipeline(without: []).passes

  /// All passes but those named. Throws `CompileError` for one that is unknown or indispensable.
  public init(disabling disabled: Set<String> = []) throws {
    for name in disabled.sorted() {
      guard let pass = Self.passes.first(where: { $0.name == name }) else {
        let names = Self.passes.map(\.name).joined(separator: ", ")
        throw CompileError("there is no pass '\(name)'; the passes are \(names)")
      }
      guard type(of: pass).isOptional else { throw CompileError("pass '\(name)' can't be left out") }
    }
    self.init(without: disabled)
  }

  private init(without disabled: Set<String>) {
    func enabled(_ passes: [any Pass]) -> [any Pass] { passes.filter { !disabled.contains($0.name) } }
    fusions = enabled([Canonicalise(), FuseQKV(), FuseLinearActivation(), FuseLinearAddNorm()])
    demand = enabled([SchedulePolicies(), Peek(), HoistCompaction(), LastLayerCLS()])
    placement = enabled([PlacePolicies(demand: demand)])
    backend = enabled([ChooseKernels(), PlanMemory(), CountOperations()])
  }

  /// Weave a pruning policy into a plain graph that is to train: operations stay those that have gradients.
  static let pruning: [any Pass] = [SchedulePolicies(), HoistCompaction()]

  /// Weaves a pruning policy into a plain graph, before it becomes one that trains.
  package static func weavePruning(into graph: inout Graph, _ policy: PolicyInstance) throws {
    for pass in pruning {
      try pass.run(on: &graph, PassContext(policies: PolicyPair(prune: policy), target: .portable))
    }
  }

  /// Chooses kernels and memory for a graph that trains and counts its operations: what comes after the gradients.
  static let training: [any Pass] = [ChooseKernels(), PlanMemory(), CountOperations()]

  /// Makes a graph that trains ready to run. `precision` is that of its products; weights stay f32.
  package static func prepareTraining(_ graph: inout Graph, target: InstructionSet, precision: Precision) throws {
    for pass in training {
      try pass.run(on: &graph, PassContext(target: target, precision: precision))
      do { try graph.verify() } catch { throw CompileError("after pass \(pass.name) for training: \(error)") }
    }
  }

  /// Runs the passes, verifying after each; `observe` sees the graph after each pass. Throws whatever a pass throws.
  public func run(
    on graph: inout Graph, _ context: PassContext,
    observe: (_ pass: String, _ graph: Graph) throws -> Void = { _, _ in }
  ) throws {
    for pass in passes {
      try pass.run(on: &graph, context)
      do { try graph.verify() } catch {
        throw CompileError("after pass \(pass.name), which is a bug of mp-compile: \(error)")
      }
      try observe(pass.name, graph)
    }
  }

  /// Weaves the policies into a plain graph, where its placement says if it has one, and does nothing else: what the
  /// reference interpreter checks compiled models against.
  public static func schedulePolicies(on graph: inout Graph, _ context: PassContext) throws {
    try SchedulePolicies().run(on: &graph, context)
  }
}
