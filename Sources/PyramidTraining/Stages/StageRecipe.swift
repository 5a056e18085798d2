// What a stage trains, towards what, and which tokens it sees: a value from which StageGraph.swift makes graphs. The
// paper's four stages and everything beyond it are settings of it.

import PyramidIR
import PyramidModels
import PyramidPolicy

/// How tokens are pruned while a stage trains.
enum PruningMode: Sendable {
  /// All tokens stay.
  case none
  /// Soft masks after each layer but the last, and their mean punished: `weight` / layers * sum of means (Magic Pyramid,
  /// stage 2; Kim et al. 2022, section 3.3). `temperature` is in units of uniform attention.
  case soft(temperature: Float, weight: Float)
  /// Tokens die as in the compiled model.
  case hard(PolicyInstance)
}

/// What one head is trained towards: the weights of the terms of its loss.
struct LossWeights: Sendable, Equatable {
  /// Of the cross-entropy with what the trainer brings: the label, or what teachers make of it.
  var target: Float
  /// Of the divergence from the last head's probabilities.
  var lastHead: Float
}

/// What a stage trains.
struct StageRecipe: Sendable {
  /// Layers, from 0, that have an exit head which takes part.
  var exits: [Int] = []
  /// Those of them whose head is linear.
  var linearExits: Set<Int> = []
  /// What the exit heads read.
  var headInput = HeadInput.first
  /// Whether embeddings and layers train.
  var trainsTrunk = true
  /// The loss of the last head; nil where it is not trained.
  var last: LossWeights? = LossWeights(target: 1, lastHead: 0)
  /// The loss of each exit head.
  var exit = LossWeights(target: 0, lastHead: 1)
  /// Whether gradients stop where a layer with an exit hands its rows on, so that each block of layers learns from its
  /// own exit only (SWEET, Rotem et al. 2023).
  var separatesBlocks = false
  /// How tokens are pruned.
  var pruning = PruningMode.none

  /// The policy that prunes while the stage trains.
  var prune: PolicyInstance? { if case .hard(let policy) = pruning { policy } else { nil } }

  /// Whether the stage leaves a weight as it is.
  func freezes(_ weight: Weight) -> Bool {
    if weight.name.hasPrefix("exits.") { return false }
    return weight.name.hasPrefix("head.") ? last == nil : !trainsTrunk
  }
}
