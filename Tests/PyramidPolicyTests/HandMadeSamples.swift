// Samples written by hand, shown to a policy through the same table as the engine does. Kept apart so that the tests of
// each policy read as: these signals in, this answer out.

import CLSAttentionPolicy
import EntropyPolicy
import FixedLayerPolicy
import KeepAllPolicy
import NeverExitPolicy
import PatiencePolicy
import PyramidPolicy
import RandomPrunePolicy
import ReceivedAttentionPolicy
import Testing
import TopKPolicy

/// The list of each built-in policy file.
let builtInPolicies: [any Policy.Type] =
  EntropyPolicy.policies + PatiencePolicy.policies + FixedLayerPolicy.policies + NeverExitPolicy.policies
  + ReceivedAttentionPolicy.policies + TopKPolicy.policies + CLSAttentionPolicy.policies + KeepAllPolicy.policies
  + RandomPrunePolicy.policies

/// An instance of a built-in policy from its text.
func policy(
  _ text: String, layers: Int = 6, classes: Int = 3, learned: [String: [Float]] = [:]
) throws -> PolicyInstance {
  let spec = try PolicySpec(text)
  let type = try builtInPolicies.map { try PolicyType($0) }.first { $0.name == spec.name }
  return try #require(type).make(spec, model: ModelFacts(layers: layers, classes: classes), learned: learned)
}

extension PolicyInstance {
  /// Shows one sample's heads in order and returns the layers at which the policy answers "exit".
  func exits(probabilities heads: [[Float]] = [], logits: [[Float]] = []) -> [Int] {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: memoryStride, alignment: memoryAlignment)
    initializeMemory(at: memory)
    defer {
      destroyMemory(at: memory)
      memory.deallocate()
    }
    var layers: [Int] = []
    for layer in 1...max(heads.count, logits.count) where isActive(afterLayer: layer) {
      let probabilities = heads.isEmpty ? [] : heads[layer - 1]
      let scores = logits.isEmpty ? [] : logits[layer - 1]
      var view = ExitViewStorage(layer: layer, layers: model.layers, classes: max(probabilities.count, scores.count))
      probabilities.withUnsafeBufferPointer { probabilities in
        scores.withUnsafeBufferPointer { scores in
          view.probabilities = exitSignals.contains(.probabilities) ? probabilities.baseAddress : nil
          view.logits = exitSignals.contains(.logits) ? scores.baseAddress : nil
          if shouldExit(view, memory: memory) { layers.append(layer) }
        }
      }
    }
    return layers
  }

  /// The scores that the policy gives to tokens with these signals.
  func scores(
    received: [Float] = [], fromCLS: [Float] = [], tokens: [Int32] = [], positions: [Int32] = [], layer: Int = 1
  ) -> [Float] {
    let attention = received + fromCLS
    let count = max(attention.count, tokens.count)
    var scores = [Float](repeating: .nan, count: count)
    var view = TokenViewStorage(count: count, layer: layer, layers: model.layers)
    attention.withUnsafeBufferPointer { attention in
      tokens.withUnsafeBufferPointer { tokens in
        positions.withUnsafeBufferPointer { positions in
          view.receivedAttention = tokenSignals.contains(.receivedAttention) ? attention.baseAddress : nil
          view.attentionFromCLS = tokenSignals.contains(.attentionFromCLS) ? attention.baseAddress : nil
          view.tokenIDs = tokenSignals.contains(.tokenID) ? tokens.baseAddress : nil
          view.positions = tokenSignals.contains(.position) ? positions.baseAddress : nil
          scores.withUnsafeMutableBufferPointer { score(view, into: $0.baseAddress!) }
        }
      }
    }
    return scores
  }
}

/// The tokens that stay, by the engine's selection.
func keep(_ scores: [Float], _ retention: Retention) -> [Int32] {
  var kept = [Int32](repeating: -1, count: scores.count + 1)
  var scratch = [UInt64](repeating: 0, count: scores.count + 1)
  let count = TokenSelection.keep(
    scores: scores, count: scores.count, retention: retention, scratch: &scratch, into: &kept)
  return Array(kept.prefix(count))
}
