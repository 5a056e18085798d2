// The curve that a log tells of: stages one after the other on one axis of updates.

import PyramidEvaluation
import PyramidFormats

/// Reads a log for its curve.
struct TrainingCurve {
  let svg: String

  init(_ events: [JSONValue]) {
    var stages: [(update: Double, title: String)] = []
    var losses: [LearningCurve.Series] = []
    var heads: [String: LearningCurve.Series] = [:]
    // Updates of the stages before, and of this one.
    var (before, done) = (0.0, 0.0)
    // One of no name is a stage, too.
    var stage: String?
    for event in events {
      let name = StageSummary.string(event["stage"])
      if name != stage {
        (stage, before, done) = (name, before + done, 0)
        stages.append((before, StageName(rawValue: name)?.title ?? name))
        losses.append(LearningCurve.Series(name: name, points: []))
      }
      let updates = StageSummary.double(event["update"] ?? event["updates"])
      if updates.isFinite { done = max(done, updates) }
      if event["event"] == "update" {
        losses[losses.count - 1].points.append((before + done, StageSummary.double(event["loss"])))
      }
      for head in StageSummary.heads(event) {
        heads[head.name, default: LearningCurve.Series(name: head.name, points: [])].points
          .append((before + done, head.accuracy))
      }
    }
    let order = heads.keys.sorted { (Int($0) ?? 0) < (Int($1) ?? 0) }
    let named = order.map {
      LearningCurve.Series(name: $0 == "entry" ? $0 : "layer \($0)", points: heads[$0]!.points)
    }
    svg = LearningCurve(losses: losses, accuracies: named, stages: stages).svg
  }
}
