// Classes that nobody trained: a model of natural language inference is asked, for each candidate label, whether the text
// entails that it is about it (Yin et al. 2019), as Hugging Face's zero-shot-classification pipeline does.

import PyramidIR
import PyramidRuntime
import PyramidText

/// A question with candidate labels.
public struct ZeroShot: Sendable {
  /// The labels that are asked about.
  public let candidates: [String]
  /// Whether each label is asked for itself; else one of them is true.
  public let isMulti: Bool
  let hypotheses: [String]
  private let entailment: Int
  private let contradiction: Int
  private let threshold: Float

  /// A question of a classifier: `{}` in the hypothesis stands for the label. One label alone is asked for itself. Throws
  /// `RuntimeError` for a model that is not one of inference, and for a hypothesis without a place.
  public init(
    _ candidates: [String], hypothesis: String = "This example is {}.", isMulti: Bool = false, threshold: Float = 0.5,
    for classifier: Classifier
  ) throws {
    guard !candidates.isEmpty else { throw RuntimeError("--zero-shot: give at least one label") }
    let parts = hypothesis.unicodeScalars.split(separator: "{", omittingEmptySubsequences: false)
    guard parts.contains(where: { $0.first == "}" }) else {
      throw RuntimeError("--hypothesis '\(hypothesis)' has no {} for the label")
    }
    try classifier.model.requireOneTask(for: "candidate labels are")
    guard classifier.task == .classification, classifier.acceptsPairs,
      let entailment = classifier.labels.firstIndex(where: { $0.lowercased().hasPrefix("entail") })
    else {
      let names = classifier.labels.prefix(8).joined(separator: ", ")
      throw RuntimeError(
        "zero-shot labels need a model of natural language inference, which takes pairs and has a class 'entailment'; this "
          + "one has \(names)")
    }
    self.candidates = candidates
    self.isMulti = isMulti || candidates.count == 1
    self.threshold = threshold
    self.entailment = entailment
    contradiction = entailment == 0 ? classifier.labels.count - 1 : 0
    hypotheses = candidates.map { label in
      parts.dropFirst().reduce(String(parts[0])) { text, part in
        part.first == "}" ? text + label + String(part.dropFirst()) : text + "{" + String(part)
      }
    }
  }

  func classification(_ answers: [Answer], of encodings: [Encoding], by classifier: Classifier) -> Classification {
    let logits = answers.map { $0.logits[entailment] }
    let task = ModelTask.classification
    let scores =
      isMulti
      ? answers.map { task.scores([$0.logits[contradiction], $0.logits[entailment]])[1] } : task.scores(logits)
    var joined = Answer(joining: answers, logits: logits)
    // A label is asked of pairs that may be broken alone.
    if answers.contains(where: \.isBroken) { joined.logits[0] = .nan }
    let best = scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
    let likely = isMulti ? candidates.indices.filter { scores[$0] >= threshold } : nil
    return Classification(
      label: candidates[best], labelIndex: best, labels: likely?.map { candidates[$0] }, labelIndices: likely,
      candidates: candidates, score: scores[best], scores: scores, probabilities: scores,
      fullLength: encodings.map(\.fullLength).max() ?? 0, isTruncated: encodings.contains { $0.isTruncated },
      windows: nil, layers: classifier.model.graph.shape.layers, answer: joined)
  }
}
