// A policy that prunes before the layer: the [CLS] row is computed first, over all tokens that entered; the exit is
// decided on it, tokens die by the attention weight that [CLS] gives them, and only then the layer runs, on the
// survivors. Part of `schedule-policies` and not of a later pass, because which tokens the layer's attention sees is
// what the policy means, not how it is computed.

import PyramidIR
import PyramidPolicy

extension BoundaryBuilder {
  /// Decisions before a layer, after its [CLS] row, whose attention hands out `emits`.
  init(_ graph: Graph, before layer: Int, state: BoundaryState, emits: [Emission]) throws {
    guard let path = FirstRowPath(graph, to: try Self.crossing(graph, layer: layer)), path.segments == state.segments,
      let start = graph.nodes.firstIndex(where: { $0.section == .layer(layer) })
    else {
      throw CompileError("layer \(layer) has a form in which nothing can be decided before it")
    }
    var builder = Self.builder(graph, upTo: start, layer)
    let (rows, emitted) = try path.makeNodes(in: &builder, emits: emits)
    self.init(
      at: .after(layer), state: state, hidden: path.input, input: path.input, builder: builder,
      early: (rows, emitted.first), later: Array(graph.nodes[start...]))
  }
}

extension PolicyInstance {
  /// Signals that are known before a layer.
  private static let early: [TokenSignal] = [.attentionFromCLS, .hiddenNorm, .position, .tokenID, .hidden]

  /// Throws when a pruning policy that decides before the layer reads what only the layer computes, or nothing of what
  /// is computed for it there.
  func checkMoment() throws {
    if remainder != .dropped, moment == .beforeLayer || isActive(afterLayer: 0) {
      throw CompileError("'\(spec)': rows go into others after a layer's attention only, not before it or at the entry")
    }
    guard moment == .beforeLayer else { return }
    let signals = tokenSignals
    let names = Self.early.map(\.rawValue).joined(separator: ", ")
    if let late = signals.subtracting(Self.early).map(\.rawValue).min() {
      throw CompileError("'\(spec)' prunes before the layer, where \(late) is not known; it may read \(names)")
    }
    if !signals.contains(.attentionFromCLS) {
      throw CompileError("'\(spec)' prunes before the layer without reading attention-from-cls, which it is for")
    }
  }
}
