// What mp-compile does with its own output before it replaces a file: it runs the artefact on a few built-in texts and
// compares with the reference interpreter on the graph as it was before any pass fused or planned anything.

import PyramidCompiler
import PyramidIR
import PyramidPolicy
import PyramidReference
import PyramidRuntime

/// The outcome of a self-check.
public struct SelfCheckResult: Sendable {
  /// Largest difference of a probability.
  public let largestDifference: Float
  /// Texts that left at another layer or kept another number of tokens: a score lay at its threshold, and rounding
  /// decided.
  public let decidedOtherwise: Int
  /// Texts that got the label that the reference interpreter gives them.
  public let agreeing: Int
  /// Texts compared.
  public let texts: Int
}

/// Compares a compiled model with the oracle.
public enum SelfCheck {
  /// Largest difference of a probability that passes. Reduced precision moves probabilities by a few hundredths; what is
  /// far beyond that is not rounding.
  public static func tolerance(_ precision: Precision) -> Float { precision == .f32 ? 1e-3 : 0.5 }

  /// Texts that may be decided otherwise. In f32 one can lie at a threshold by chance, not two; in reduced precision
  /// scores reach their thresholds elsewhere, and the answers are what counts.
  public static func allowedDecisions(_ precision: Precision) -> Int { precision == .f32 ? 1 : texts.count }

  /// Texts that must get the label of the reference. In f32 the tolerance says more.
  public static func leastAgreeing(_ precision: Precision) -> Int { precision == .f32 ? 0 : texts.count / 2 }

  /// News, questions, names, other scripts, an empty text: short, so that the slow oracle answers soon.
  public static let texts = [
    "The company reported record profits for the third quarter, sending its shares to an all-time high.",
    "The striker scored twice in the final minutes to win the cup for the home side.",
    "Who wrote the novel that the film was based on?",
    "The Bora River is a tributary of the Lotru River in Romania.",
    "Not a good film: slow, loud and far too long; I walked out after an hour!",
    "Мост через реку был построен в 1932 году. 東京都は日本の首都です。 naïve café, 50 % off",
    "Short.",
    "",
  ]

  /// Runs the built-in texts through both: a classifier that opened what `compiler` compiled, and the oracle.
  public static func run(_ classifier: Classifier, compiler: ModelCompiler) throws -> SelfCheckResult {
    let policies = classifier.policies
    var graph = compiler.lowered.graph
    graph.placement = classifier.model.graph.decisions
    let context = PassContext(
      policies: policies, exitHeads: compiler.lowered.exitHeads,
      target: classifier.model.instructionSet)
    try Pipeline.schedulePolicies(on: &graph, context)
    let oracle = try ReferenceInterpreter(
      graph: graph, weight: { try compiler.weights.values(of: $0) }, policies: policies)
    let encodings = texts.map { classifier.encode($0) }
    let expected = try oracle.run(
      ReferenceBatch(tokenIDs: encodings.map(\.ids), typeIDs: encodings.map(\.typeIDs)))
    let found = try classifier.classify(encodings: encodings)
    var largest: Float = 0
    var (decidedOtherwise, agreeing) = (0, 0)
    for (found, expected) in zip(found, expected) {
      if found.labelIndex == expected.label { agreeing += 1 }
      if found.answer.exitLayer != expected.exitLayer || found.answer.tokensAlive != expected.tokensAlive {
        decidedOtherwise += 1
        if classifier.model.graph.precision == .f32 { continue }
      }
      for (a, b) in zip(found.probabilities, expected.probabilities) {
        largest = (a - b).isNaN ? .infinity : max(largest, abs(a - b))
      }
    }
    return SelfCheckResult(
      largestDifference: largest, decidedOtherwise: decidedOtherwise, agreeing: agreeing,
      texts: texts.count)
  }
}
