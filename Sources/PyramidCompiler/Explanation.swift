// `--explain`: the compiled graph node by node, with what each costs and why it is there. Text for people; nothing
// reads it back.

import PyramidIR

extension Graph {
  /// One paragraph a section: its executed operations for a text of `tokens` tokens that stays to the end unpruned,
  /// then its nodes.
  public func explanation(tokens: Int) -> String {
    var lines = [
      "; operations for one text of \(tokens) tokens that stays to the end and keeps all of them",
      "; products in \(precisionText); embedding tables and the layers of logits are f32",
    ]
    for nodes in sections {
      let counts = nodes.map { operations(of: $0, tokens: tokens) }
      lines += ["", "\(nodes.first!.section): \(counts.reduce(0, +)) operations"]
      for (node, count) in zip(nodes, counts) {
        lines += ["  \(line(of: node))", "      ; \(count) operations; \(reason(for: node))"]
      }
    }
    return lines.joined(separator: "\n")
  }

  private func operations(of node: Node, tokens: Int) -> Int {
    executedOperations(of: node).reduce(0) { sum, term in
      let count = term.dim.family == .samples ? 1 : tokens
      return sum + term.coefficient * (term.power == 2 ? count * count : count)
    }
  }

  private func reason(for node: Node) -> String {
    let isInLayer = if case .layer = node.section { true } else { false }
    switch node.op {
    case .input: return "brought by the batch"
    case .embed: return "sum of the embedding tables' rows"
    case .linear(let activation):
      if isInLayer, self[node.results[0]].type.rows.dim?.family == .samples {
        return "on the [CLS] rows of the samples alive: what exit head or classifier reads"
      }
      return activation == .none ? "projection" : "projection with \(activation.rawValue) fused in"
    case .linearAddNorm: return "projection, residual and norm in one pass over the rows"
    case .activate, .gate, .rotate, .add, .layerNorm: return "as in the model"
    case .attention(_, let emits), .attentionQKV(_, let emits):
      return emits.isEmpty
        ? "attention within each sample"
        : "attention; hands out \(emits.map(\.rawValue).joined(separator: ", ")) for the pruning policy"
    case .relativeAttention(let relative, let emits): return reason(for: relative, emits)
    case .firstAttention(_, let emits):
      return "attention of the [CLS] tokens alone; keys and values of the others are never formed"
        + (emits.isEmpty ? "" : "; hands out from-first for the pruning policy")
    case .firstRows:
      return "the [CLS] rows, which are all that "
        + (isInLayer ? "exit head or classifier reads of the layer" : "the classifier reads")
    case .segmentMean: return "the mean of each sample's rows of the layer's input, which the exit head reads as well"
    case .concat:
      return shape.tasks.isEmpty ? "what the exit head reads, side by side" : "side by side, for the tasks' heads"
    case .bagLogits: return "the entry's head: rows of a table for the tokens' ids, before anything is embedded"
    case .softmax: return "probabilities, which the exit policy reads"
    case .rowNorm, .headMean: return "a signal of the pruning policy"
    case .decideExit(let policy, _, _):
      let isAfter = nodes.prefix { $0.id != node.id }.contains {
        $0.section == node.section && $0.op.facts.readsPositions
      }
      return "@\(policy) is active here and the checkpoint has a head"
        + (isAfter
          ? "; decided after the layer, since attention that depends on positions needs all keys and values" : "")
    case .decidePrune(let policy, _, _, let afterExit, _):
      return "@\(policy) is active here" + (afterExit ? "; only samples that stay are pruned" : "")
    case .keepSamples: return "no pruning here: all tokens of the samples that stay"
    case .pool: return "rows of tokens that don't stay go into others, after the layer's attention"
    case .compact: return "later layers run on the rows that are left"
    case .compactSegments: return "offsets of what is left"
    case .classify: return "answers the samples that came to the end"
    case .gradient: return node.op.facts.training == .backward ? "a step of the gradients" : "for training only"
    }
  }

  private func reason(for relative: RelativeAttention, _ emits: [Emission]) -> String {
    let hasExits = nodes.contains { if case .decideExit = $0.op { true } else { false } }
    let emitted =
      emits.isEmpty ? "" : "; hands out \(emits.map(\.rawValue).joined(separator: ", ")) for the pruning policy"
    guard relative.form == .first else {
      return "attention within each sample, by positions"
        + (relative.window.map { " up to \($0) tokens away; operations are counted as if all were seen" } ?? "")
        + (hasExits ? "; [CLS] alone would need all keys and values as well, so `peek` leaves the layer whole" : "")
        + emitted
    }
    return "attention of the [CLS] tokens alone; it depends on positions, so keys and values of all tokens are formed"
      + emitted
  }
}
