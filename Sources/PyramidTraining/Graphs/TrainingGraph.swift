// From a graph that classifies to one that trains: the answers go, losses come. Which losses a stage of training has is
// the stage's affair; here is how one is written.

import PyramidCompiler
import PyramidIR

/// A loss on the logits of one head.
public struct HeadLoss: Sendable {
  /// What a head is trained towards.
  public enum Targets: Sendable {
    /// The rows that the trainer brings.
    case given
    /// The softmax of another head's logits, through which no gradient flows: distillation.
    case probabilities(of: ValueID)
  }

  /// Logits of the head, f32[B0, C].
  public var logits: ValueID
  /// What they should become.
  public var targets: Targets
  /// What the loss is multiplied by.
  public var scale: Float

  /// A cross entropy.
  public init(_ logits: ValueID, towards targets: Targets = .given, scale: Float = 1) {
    (self.logits, self.targets, self.scale) = (logits, targets, scale)
  }
}

extension Graph {
  /// The logits that `classify` answers with, f32[B, C]; nil in a graph without it.
  public var answeredLogits: ValueID? { nodes.last { $0.op == .classify }?.inputs[1] }

  /// The graph that trains with these losses; without any, with one on the logits that it answers with. What no loss
  /// depends on is dropped.
  public func trainingGraph(losses: [HeadLoss]? = nil) throws -> Graph {
    let losses = losses ?? answeredLogits.map { [HeadLoss($0)] } ?? []
    var builder = GraphBuilder(self)
    builder.graph.purpose = .train
    builder.graph.nodes.removeAll { $0.op == .classify }
    builder.section = .output
    var given = builder.graph.nodes.first { if case .gradient(.targets) = $0.op { true } else { false } }?.results[0]
    var taught: [ValueID: ValueID] = [:]
    for loss in losses {
      let targets: ValueID
      switch loss.targets {
      case .given:
        targets =
          try given ?? builder.add(.gradient(.targets(width: self[loss.logits].type.columns)), [], name: "targets")
        given = targets
      case .probabilities(let teacher):
        targets = try taught[teacher] ?? builder.add(.softmax, [teacher], name: "teacher")
        taught[teacher] = targets
      }
      try builder.add(.gradient(.crossEntropy(scale: loss.scale)), [loss.logits, targets], name: "loss")
    }
    builder.graph.removeDeadNodes()
    try builder.graph.verify()
    return builder.graph
  }

  /// Puts nodes after the one at an index, and makes the nodes after them read `new` where they read
  /// `old`.
  mutating func insert(_ inserted: [Node], after index: Int, replacing old: ValueID, by new: ValueID) {
    let head = Array(nodes[...index])
    nodes = Array(nodes[(index + 1)...])
    replaceUses(of: old, by: new)
    nodes = head + inserted + nodes
  }
}
