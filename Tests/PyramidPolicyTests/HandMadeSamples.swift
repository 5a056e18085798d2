// Samples written by hand, shown to a policy through the same table as the engine does. Kept apart so that the tests of
// each policy read as: these signals in, this answer out.

import BuiltInPolicies
import PyramidPolicy
import Testing

/// The built-in policies behind their tables.
enum BuiltInTypes {
  static let all = BuiltInPolicies.all.compactMap { try? PolicyType($0, origin: PolicyType.builtIn) }
}

/// An instance of a built-in policy from its text.
func policy(
  _ text: String, layers: Int = 6, classes: Int = 3, learned: [String: LearnedTensor] = [:]
) throws -> PolicyInstance {
  let spec = try PolicySpec(text)
  let type = BuiltInTypes.all.first { $0.name == spec.name }
  return try #require(type).make(spec, model: ModelFacts(layers: layers, classes: classes), learned: learned)
}

extension PolicyInstance {
  /// Shows one sample's heads in order and returns the layers at which the policy answers "exit".
  func exits(probabilities: [[Float]]? = nil, logits: [[Float]]? = nil) -> [Int] {
    withMemory { memory in
      (1...max(probabilities?.count ?? 0, logits?.count ?? 0)).filter { layer in
        let head = ExitView(
          layer: layer, layers: model.layers, logits: logits?[layer - 1], probabilities: probabilities?[layer - 1])
        return isActive(afterLayer: layer) && shouldExit(head, memory: memory)
      }
    }
  }

  /// The scores that the policy gives to tokens with these signals.
  func scores(
    received: [Float]? = nil, fromOthers: [Float]? = nil, sum: [Float]? = nil, fromCLS: [Float]? = nil,
    values: [Float]? = nil, norms: [Float]? = nil, rows: [[Float]]? = nil, tokens: [Int32]? = nil,
    positions: [Int32]? = nil, count: Int? = nil, layer: Int = 1
  ) -> [Float] {
    scores(
      of: TokenView(
        layer: layer, layers: model.layers, count: count, receivedAttention: received, receivedFromOthers: fromOthers,
        receivedAttentionSum: sum, attentionFromCLS: fromCLS, valueNorm: values, hiddenNorm: norms, position: positions,
        tokenID: tokens, hidden: rows))
  }
}

/// The tokens that stay, by the engine's selection.
func keep(_ scores: [Float], _ retention: Retention, textLength: Int? = nil) -> [Int32] {
  var kept = [Int32](repeating: -1, count: scores.count + 1)
  var scratch = [UInt64](repeating: 0, count: scores.count + 1)
  let count = TokenSelection.keep(
    scores: scores, count: scores.count, textLength: textLength ?? scores.count, retention: retention,
    scratch: &scratch, into: &kept)
  return Array(kept.prefix(count))
}
