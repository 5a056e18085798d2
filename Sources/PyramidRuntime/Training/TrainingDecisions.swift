// Pruning while a model trains: the policy scores, the tokens that stay are listed, and nothing is recorded of it. No
// sample leaves a training graph.

import PyramidIR
import PyramidPolicy

/// The pruning policy of a training graph and its choices.
final class TrainingDecisions {
  private let chooser: TokenChooser?

  /// Throws `RuntimeError` when the graph has decisions and `prune` is nil or another policy.
  init(_ program: Program, _ graph: Graph, prune: PolicyInstance?, tokens: Int) throws {
    guard program.steps.contains(where: { $0.prune != nil }) else {
      chooser = nil
      return
    }
    guard let prune else { throw RuntimeError("graph @\(graph.name) prunes, but there is no policy for it") }
    guard prune.remainder == .dropped else {
      throw RuntimeError("'\(prune.spec)' makes rows go into others, which has no gradient")
    }
    chooser = try TokenChooser(prune, layers: graph.shape.layers, tokens: tokens)
  }

  /// Takes the decision of a step that is not a kernel's.
  func decide(_ step: Step, _ runner: StepRunner) {
    if let decision = step.prune, let chooser {
      choose(step, decision, chooser, runner)
    } else if step.op == .compactSegments {
      compactSegments(step, runner)
    }
  }

  private func choose(_ step: Step, _ decision: PruneDecision<Operand>, _ chooser: TokenChooser, _ runner: StepRunner) {
    let offsets = runner.integers(decision.segments)
    let texts = runner.integers(Location.input(.segments))
    let keep = runner.integers(step.results[0])
    var kept = 0
    for sample in 0..<(runner.rows(decision.segments.rows) - 1) {
      let first = Int(offsets[sample])
      let count = chooser.choose(
        decision, runner, first: first, count: Int(offsets[sample + 1]) - first,
        textLength: Int(texts[sample + 1] - texts[sample]))
      for index in 0..<count { keep[kept + index] = Int32(first) + chooser.chosen[index] }
      kept += count
    }
    runner.define(step.results[0], rows: kept)
  }

  /// Offsets of the samples in the tokens kept, whose places rise.
  private func compactSegments(_ step: Step, _ runner: StepRunner) {
    let (offsets, keep) = (runner.integers(step.inputs[0]), runner.integers(step.inputs[1]))
    let kept = runner.rows(step.inputs[1].rows)
    let result = runner.integers(step.results[0])
    var next = 0
    result[0] = 0
    for sample in 0..<(runner.rows(step.results[0].rows) - 1) {
      while next < kept, keep[next] < offsets[sample + 1] { next += 1 }
      result[sample + 1] = Int32(next)
    }
  }
}
