// What mp-compile does with its own output before it replaces a file: it runs the artefact on a few built-in texts and
// compares with the reference interpreter on the graph as it was before any pass fused or planned anything.

import PyramidCompiler
import PyramidIR
import PyramidPolicy
import PyramidReference
import PyramidRuntime

/// How a compiled model compares with the oracle.
public struct SelfCheck: Sendable {
  /// Largest difference of a score; of a regression's logit relative to it where it is above 1.
  public private(set) var largestDifference: Float = 0
  /// Texts that left at another layer or kept another number of tokens: a score lay at its threshold, and rounding
  /// decided.
  public private(set) var decidedOtherwise = 0
  /// Texts that got the label that the reference interpreter gives them.
  public private(set) var agreeing = 0
  /// Texts compared.
  public let texts: Int
  private let isExact: Bool

  /// Largest difference that passes. Reduced precision moves probabilities by a few hundredths; what
  /// is far beyond that is not rounding.
  var tolerance: Float { isExact ? 1e-3 : 0.5 }

  /// In f32 one text of several can be decided otherwise by chance, since it lies at a threshold, not two. In reduced
  /// precision scores reach their thresholds elsewhere, and the answers are what counts: half must get their label.
  var passes: Bool {
    largestDifference <= tolerance && (isExact ? decidedOtherwise <= min(1, texts / 2) : 2 * agreeing >= texts)
  }

  /// Most tokens of a text: the oracle's time grows with them, and a vocabulary of few words makes many of a sentence.
  private static let mostTokens = 32
  /// Most numbers that a layer makes of all texts: oracle and engine hold several times as many.
  private static let mostNumbers = 32 << 20

  /// News, questions, names, other scripts, an empty text: short, so that the slow oracle answers soon.
  private static let builtIn = [
    "The company reported record profits for the third quarter, sending its shares to an all-time high.",
    "The striker scored twice in the final minutes to win the cup for the home side.",
    "Who wrote the novel that the film was based on?",
    "The Bora River is a tributary of the Lotru River in Romania.",
    "Not a good film: slow, loud and far too long; I walked out after an hour!",
    "Мост через реку был построен в 1932 году. 東京都は日本の首都です。 naïve café, 50 % off",
    "Short.",
    "",
  ]

  /// Which texts of so many tokens are run in a model whose layers are so wide: as many as have room, and one at least.
  static func fitting(_ lengths: [Int], width: Int) -> [Int] {
    var (room, chosen) = (max(mostNumbers / width, lengths.min() ?? 0), [Int]())
    for (index, length) in lengths.enumerated() where length <= room {
      (room, chosen) = (room - length, chosen + [index])
    }
    return chosen
  }

  /// Runs the built-in texts through both: a classifier that opened what `compiler` compiled, and the oracle.
  init(of classifier: Classifier, compiler: ModelCompiler) throws {
    isExact = classifier.model.graph.precision == .f32
    let policies = classifier.policies
    var graph = compiler.lowered.graph
    graph.placement = classifier.model.graph.decisions
    let context = PassContext(compiler.lowered, policies: policies, target: classifier.model.instructionSet)
    try Pipeline.schedulePolicies(on: &graph, context)
    let oracle = try ReferenceInterpreter(
      graph: graph, weight: { try compiler.weights.values(of: $0) }, policies: policies)
    let limit = min(classifier.tokenLimit, Self.mostTokens)
    // Where padding moves positions, a text that holds it is refused; so it is with unknown words if they are padding.
    let configuration = compiler.checkpoint.configuration
    let padding = configuration.firstPosition > 0 ? Int32(configuration.padTokenID) : nil
    let known = Self.builtIn.map { classifier.tokenizer.encode($0, limit: limit) }
      .filter { encoding in padding.map { !encoding.ids.contains($0) } ?? true }
    let encodings = Self.fitting(known.map(\.ids.count), width: configuration.intermediateSize).map { known[$0] }
    texts = encodings.count
    let expected = try oracle.run(ReferenceBatch(tokenIDs: encodings.map(\.ids), typeIDs: encodings.map(\.typeIDs)))
    for (found, expected) in zip(try classifier.answers(to: encodings), expected) {
      let kinds = graph.shape.answered.map(\.task.task)
      let (own, others) = (found.taskScores, expected.scores(of: kinds))
      if own.map(\.label) == others.map(\.label) { agreeing += 1 }
      // A text that meets a broken weight has no answer here as there.
      if found.answer.isBroken && !expected.logits.allSatisfy(\.isFinite) { continue }
      if found.answer.exitLayer != expected.exitLayer || found.answer.tokensAlive != expected.tokensAlive
        || found.tasks.map(\.exitLayer) != expected.tasks.map(\.exitLayer)
      {
        decidedOtherwise += 1
        if isExact { continue }
      }
      for (kind, (found, expected)) in zip(kinds, zip(own, others)) {
        for (a, b) in zip(found.scores, expected.scores) {
          let scale = kind == .regression ? max(abs(b), 1) : 1
          largestDifference = (a - b).isNaN ? .infinity : max(largestDifference, abs(a - b) / scale)
        }
      }
    }
  }
}

extension Classification {
  /// Of each task, or of the only one.
  fileprivate var taskScores: [(label: Int, scores: [Float])] {
    if tasks.isEmpty { return [(labelIndex, scores)] }
    return tasks.map { (label: $0.labelIndex, scores: $0.scores) }
  }
}

extension ReferenceAnswer {
  /// The same of what the oracle answered.
  fileprivate func scores(of kinds: [ModelTask]) -> [(label: Int, scores: [Float])] {
    if tasks.isEmpty { return [(label, probabilities)] }
    return zip(tasks, kinds).map { task, kind in (label: task.label, scores: kind.scores(task.logits)) }
  }
}
