// Exit heads in a graph that is to train. `schedule-policies` builds them where a policy decides; here nobody decides,
// and their logits are wanted for losses.

import PyramidCompiler
import PyramidIR
import PyramidModels

/// Exit heads in a graph.
public struct ExitHeadValues: Sendable {
  /// What each head reads [B, width].
  public var features: [ValueID] = []
  /// Its logits [B, classes].
  public var logits: [ValueID] = []
}

extension Graph {
  /// The graph with an exit head after each of some layers, counted from 0, the last one not among them. A head reads the
  /// [CLS] rows that enter the next layer, and as `input` says the mean of the rows that its own layer attends to; those in `linear` have no dense layer.
  public func addingExitHeads(
    after layers: [Int], reading input: HeadInput = .first, linear: Set<Int> = []
  ) throws -> (graph: Graph, heads: ExitHeadValues) {
    var graph = self
    var heads = ExitHeadValues()
    for layer in layers {
      let (own, next) = (try graph.entering(layer: layer), try graph.entering(layer: layer + 1))
      let end = graph.nodes.lastIndex { $0.section == .layer(layer) }!
      let head = ExitHead(layer: layer, input: input, isLinear: linear.contains(layer))
      let (nodes, made) = try graph.makeNodes(in: .layer(layer)) { builder in
        let first = try builder.add(.firstRows, [next.hidden, next.segments], name: "cls\(layer)")
        let feature = try head.feature(into: &builder, first: first, layerInput: own.hidden, segments: own.segments)
        return (feature, try head.lower(into: &builder, reading: feature))
      }
      graph.nodes.insert(contentsOf: nodes, at: end + 1)
      heads.features.append(made.0)
      heads.logits.append(made.1)
    }
    return (graph, heads)
  }

  /// The graph with a copy of the rows that some layers hand on, read by all later layers; and these copies: where
  /// gradients stop at them, each block of layers learns from its own heads only.
  public func separatingBlocks(after layers: [Int]) throws -> (graph: Graph, copies: Set<ValueID>) {
    var graph = self
    var copies: Set<ValueID> = []
    for layer in layers {
      let rows = try graph.entering(layer: layer + 1).hidden
      let copy = GradientOp.columns(first: 0, count: graph[rows].type.columns)
      let (nodes, made) = try graph.makeNodes(in: .layer(layer)) { builder in
        try builder.add(.gradient(copy), [rows], name: "block\(layer)")
      }
      let end = graph.nodes.lastIndex { $0.section == .layer(layer) }!
      graph.insert(nodes, after: end, replacing: rows, by: made)
      copies.insert(made)
    }
    return (graph, copies)
  }

  /// The rows that a layer reads, and the offsets of its samples.
  func entering(layer: Int) throws -> (hidden: ValueID, segments: ValueID) {
    guard let attention = nodes.first(where: { $0.section == .layer(layer) && $0.op.attentionOfAll != nil }),
      let segments = attention.attendedSegments
    else { throw DifferentiationError(description: "graph @\(name): no attention in layer \(layer)") }
    return (rows(entering: attention), segments)
  }
}
