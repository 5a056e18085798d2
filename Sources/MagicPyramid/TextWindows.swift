// Long texts read whole: cut into overlapping windows that the model takes, and answered by all of them together.

import PyramidRuntime
import PyramidText

/// Windows over the tokens of a text; of a pair over those of the second text, with the first whole in each.
public struct TextWindows: Sendable {
  /// How the logits of windows become one answer.
  public enum Aggregate: String, Sendable, CaseIterable {
    /// Their mean.
    case mean
    /// The largest of each class.
    case max
  }

  /// Tokens of a window, special ones included; at most the model's limit.
  public let length: Int
  /// Tokens that a window shares with the one before.
  public let overlap: Int
  /// How answers are put together.
  public let aggregation: Aggregate

  /// Windows for the texts of a classifier; nil for its limit, and for a quarter of a window. Throws `RuntimeError` for
  /// windows that are too long, or that don't move on.
  public init(length: Int?, overlap: Int?, aggregation: Aggregate = .mean, for classifier: Classifier) throws {
    self.length = length ?? classifier.tokenLimit
    self.overlap = overlap ?? self.length / 4
    self.aggregation = aggregation
    try classifier.model.requireOneTask(for: "windows are")
    guard self.length <= classifier.tokenLimit else {
      throw RuntimeError("--window \(self.length): the model takes at most \(classifier.tokenLimit) tokens")
    }
    let content = self.length - classifier.tokenizer.encode("", limit: .max).ids.count
    guard content > 0, (0..<content).contains(self.overlap) else {
      throw RuntimeError(
        "--stride \(self.overlap): a window of \(self.length) tokens has room for \(content) of the text, and has to move "
          + "on by one at least")
    }
  }

  /// The windows of a text, one where it fits.
  func encodings(of text: String, pair: String?, _ classifier: Classifier) throws(RuntimeError) -> [Encoding] {
    let windows: [Encoding]?
    do { windows = try classifier.tokenizer.windows(text, pair: pair, length: length, overlap: overlap) } catch {
      throw RuntimeError("has \(error)")
    }
    if let windows { return windows }
    throw RuntimeError("has a first text that leaves no room for the second in a window of \(length) tokens")
  }

  /// One row of logits from those of the windows.
  func aggregate(_ logits: [[Float]]) -> [Float] {
    logits[0].indices.map { index in
      switch aggregation {
      case .mean: Float(logits.reduce(0) { $0 + Double($1[index]) } / Double(logits.count))
      case .max: logits.map { $0[index] }.reduce(-.infinity) { $0 > $1 || $0.isNaN ? $0 : $1 }
      }
    }
  }
}
