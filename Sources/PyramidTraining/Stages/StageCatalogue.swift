// Which type is which stage: the one place that knows them all.

/// Makes the stages of `mp-train`.
public enum StageCatalogue {
  /// The stage of that name. Throws when it can't be trained here.
  public static func make(_ name: StageName, _ context: TrainingContext) throws -> any TrainingStage {
    switch name {
    case .fineTuning: return FineTuning(context)
    case .entry, .softPruning, .hardPruning, .exits:
      throw TrainingError("stage \(name.rawValue) can't be trained yet")
    }
  }
}
