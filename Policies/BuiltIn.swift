// The list of the policies that come with the project: a new one is a folder beside this file and a line in it. Each
// file beside it imports the SDK alone and has no list of its own, so that it works as a plugin, unchanged, as well.

import PyramidPolicy

/// The policies that come with the project.
public enum BuiltInPolicies {
  /// Exit policies, then pruning policies.
  public static let all: [any Policy.Type] = [
    Entropy.self,
    ExpertVote.self,
    FixedLayer.self,
    LearnedExit.self,
    Margin.self,
    MaxProbability.self,
    NeverExit.self,
    Patience.self,
    PatienceConfidence.self,
    PatienceDivergence.self,
    Prototype.self,
    Ranking.self,
    RawEntropy.self,
    Saturation.self,
    TokenHash.self,
    ValueChange.self,
    Vote.self,
    WindowTrend.self,
    CLSAttention.self,
    CLSFused.self,
    Cascade.self,
    ColumnSum.self,
    Contribution.self,
    CoreSet.self,
    FirstK.self,
    HiddenNorm.self,
    InverseCDF.self,
    KeepAll.self,
    LastK.self,
    LearnedSkim.self,
    Merge.self,
    RandomPrune.self,
    ReceivedAttention.self,
    Salience.self,
    Stride.self,
    TopK.self,
    ValueWeighted.self,
  ]
}
