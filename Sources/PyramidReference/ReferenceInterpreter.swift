// The public face of the interpreter and its loop over the nodes. It runs any verified graph, as lowered or after any
// pass: layouts of weights, memory slots and chosen kernels change where numbers lie and not which they are, so they
// are not looked at. What the verifier can't know (indices, offsets, sizes of weights) is checked here and thrown.

import PyramidIR
import PyramidPolicy

/// A graph with its weights and policies, ready to run batches.
///
/// A fused operation is computed as the operations that it fuses, each rounded to f32: a graph and its fused form give
/// equal bits.
public struct ReferenceInterpreter {
  /// The graph that runs.
  public let graph: Graph
  /// Row-major values of each weight.
  let weights: [[Float]]
  let policies: PolicyPair<PolicyInstance>

  /// An interpreter for `graph`. `weight` is asked once for each weight and returns its values, row-major whatever
  /// layout the weight has in an artefact. Policies are needed where the graph asks one; they must be those that it
  /// names, made for a model of its size, and read nothing that the graph does not supply.
  ///
  /// - Throws: what `weight` throws, or `ReferenceError`.
  public init(
    graph: Graph, weight: @escaping (Weight) throws -> [Float],
    policies: PolicyPair<PolicyInstance> = PolicyPair()
  ) throws {
    self.graph = graph
    self.policies = policies
    weights = try graph.weights.map { declared in
      let values = try weight(declared)
      let wanted = try Self.elements(of: declared)
      guard values.count == wanted else {
        throw ReferenceError("#\(declared.name) has \(values.count) elements, expected \(wanted) for \(declared.type)")
      }
      return values
    }
    for node in graph.nodes { try checkPolicy(of: node) }
  }

  /// Answers each sample of a batch, in the order of the batch. `observer` is shown every value as it is made: its
  /// node, its name without `%`, and the tensor.
  ///
  /// - Throws: `ReferenceError`, with the node at which it was found.
  public func run(
    _ batch: ReferenceBatch, observing observer: (Node, String, ReferenceTensor) -> Void = { _, _, _ in }
  ) throws -> [ReferenceAnswer] {
    var execution = try Execution(self, batch)
    try run(&execution, observing: observer)
    return try execution.finish()
  }

  /// Runs a graph that trains: its losses, and what it added to the gradients of its weights.
  ///
  /// - Throws: `ReferenceError`, with the node at which it was found.
  public func train(
    _ batch: ReferenceBatch, _ inputs: ReferenceTrainingInputs,
    observing observer: (Node, String, ReferenceTensor) -> Void = { _, _, _ in }
  ) throws -> ReferenceGradients {
    var execution = try Execution(self, batch, inputs)
    try run(&execution, observing: observer)
    return try execution.collected()
  }

  private func run(_ execution: inout Execution, observing observer: (Node, String, ReferenceTensor) -> Void) throws {
    for node in graph.nodes {
      do {
        for (value, tensor) in zip(node.results, try execution.evaluate(node)) {
          execution.values[value] = tensor
          observer(node, graph[value].name, tensor)
        }
      } catch {
        let name = node.results.first.map { " %\(graph[$0].name)" } ?? ""
        throw ReferenceError(error.problem, at: node.op.mnemonic + name)
      }
    }
  }

  private static func elements(of weight: Weight) throws(ReferenceError) -> Int {
    var product = 1
    for extent in weight.type.extents {
      guard case .fixed(let count) = extent, count >= 0 else {
        throw ReferenceError("#\(weight.name) is \(weight.type), expected fixed axes")
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: count)
      if overflow { throw ReferenceError("#\(weight.name) is \(weight.type), too large to count") }
      product = next
    }
    return product
  }

  /// A policy that reads an undeclared signal ends the process, so it is refused before it can.
  private func checkPolicy(of node: Node) throws(ReferenceError) {
    if case .decideExit(let name, _, let reads) = node.op {
      // Logits are an operand of every head, so they need not be listed.
      try refuse(checked(name, .exit).exitSignals.subtracting(reads + [.logits]), of: name)
    }
    if case .decidePrune(let name, let boundary, let reads, _, let rest) = node.op {
      let policy = try checked(name, .prune)
      // At the entry a policy is handed what is known there of what it reads.
      guard policy.remainder == rest else {
        throw ReferenceError("@\(name) leaves tokens \(policy.remainder.rawValue), the graph \(rest.rawValue)")
      }
      if boundary != .entry { try refuse(policy.tokenSignals.subtracting(reads), of: name) }
    }
  }

  private func checked(_ name: String, _ kind: PolicyKind) throws(ReferenceError) -> PolicyInstance {
    guard let policy = policies[kind] else {
      throw ReferenceError("the graph asks \(kind) policy @\(name), but none was given")
    }
    guard policy.type.kind == kind, policy.type.name == name else {
      throw ReferenceError(
        "the graph asks \(kind) policy @\(name), but \(policy.type.kind) policy @\(policy.type.name) was given")
    }
    let parts = kind == .exit ? [policy] + policy.others : [policy]
    let wanted = kind == .exit ? graph.shape.answered.map(\.task.classes) : [graph.shape.classes]
    guard parts.map(\.model.classes) == wanted, parts.allSatisfy({ $0.model.layers == graph.shape.layers }) else {
      throw ReferenceError(
        "@\(name) was made for \(policy.model.layers) layers and \(Self.list(parts.map(\.model.classes))) classes, "
          + "the graph has \(graph.shape.layers) and \(Self.list(wanted))")
    }
    return policy
  }

  private static func list(_ numbers: [Int]) -> String { numbers.map { "\($0)" }.joined(separator: " + ") }

  private func refuse(_ missing: Set<some RawRepresentable<String>>, of name: String) throws(ReferenceError) {
    guard let signal = missing.map(\.rawValue).min() else { return }
    throw ReferenceError("@\(name) reads \(signal), which the graph does not supply")
  }
}
