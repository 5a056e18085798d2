// What a stage trains, towards what, and which tokens it sees: a value from which StageGraph.swift makes graphs. The
// paper's four stages and everything beyond it are settings of it.

import PyramidModels
import PyramidPolicy

/// How tokens are pruned while a stage trains.
public enum PruningMode: Sendable {
  /// All tokens stay.
  case none
  /// Each layer's output but the last one's is multiplied by sigmoid((s - threshold) / temperature), s the attention
  /// received relative to uniform, and the mean of the masks is punished: `weight` / layers * sum of means (Kim et al.
  /// 2022; equations of Magic Pyramid in section 3).
  case soft(temperature: Float, weight: Float)
  /// Tokens die as in the compiled model.
  case hard(PolicyInstance)
}

/// What the heads are trained towards, beside each other: weights of the terms of one head's loss.
public struct HeadLoss: Sendable, Equatable {
  /// Of the cross-entropy with the sample's target (its label, or what a teacher makes of it).
  public var target: Float
  /// Of the divergence from the last head's probabilities.
  public var lastHead: Float

  /// A loss.
  public init(target: Float, lastHead: Float) { (self.target, self.lastHead) = (target, lastHead) }
}

/// What a stage trains.
public struct StageRecipe: Sendable {
  /// Layers, from 0, that have an exit head which takes part.
  public var exits: [Int] = []
  /// What the exit heads read.
  public var headInput = HeadInput.first
  /// Whether embeddings and layers train. Otherwise only heads do, and nothing flows back into the layers.
  public var trainsTrunk = true
  /// The loss of the last head; nil where it is not trained.
  public var last: HeadLoss? = HeadLoss(target: 1, lastHead: 0)
  /// The loss of each exit head.
  public var exit = HeadLoss(target: 0, lastHead: 1)
  /// Whether gradients stop where a layer with an exit hands its rows on, so that each block of layers learns from its
  /// own exit only (SWEET, Rotem et al. 2023).
  public var stopsBetweenBlocks = false
  /// How tokens are pruned.
  public var pruning = PruningMode.none

  /// Fine-tuning of trunk and last head.
  public init() {}
}
