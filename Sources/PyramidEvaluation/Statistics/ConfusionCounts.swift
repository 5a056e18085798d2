// Quality over classes of unequal size, where accuracy flatters whoever answers the largest one.

/// How often each class was answered for each class.
public struct ConfusionCounts: Sendable, Equatable {
  /// Samples of each class that was expected, [classes].
  public let expected: [Int]
  /// Samples that each class was answered for, [classes].
  public let answered: [Int]
  /// Right answers of each class, [classes].
  public let right: [Int]

  /// Counts labels; both lists have the same count, at least 1.
  public init(_ answers: [Int], expected labels: [Int]) {
    precondition(answers.count == labels.count && !labels.isEmpty, "one answer for each sample")
    var counts = Array(repeating: (expected: 0, answered: 0, right: 0), count: max(answers.max()!, labels.max()!) + 1)
    for (answer, label) in zip(answers, labels) {
      counts[label].expected += 1
      counts[answer].answered += 1
      if answer == label { counts[label].right += 1 }
    }
    (expected, answered, right) = (counts.map(\.expected), counts.map(\.answered), counts.map(\.right))
  }

  /// Counts sets of labels out of `classes`.
  public init(_ answers: [[Int]], expected labels: [[Int]], of classes: Int) {
    precondition(answers.count == labels.count, "one answer for each sample")
    func counts(_ sets: [[Int]]) -> [Int] {
      sets.joined().reduce(into: Array(repeating: 0, count: classes)) { $0[$1] += 1 }
    }
    (expected, answered) = (counts(labels), counts(answers))
    right = counts(zip(answers, labels).map { answer, label in answer.filter(label.contains) })
  }

  /// The mean over classes of F1 = 2 right / (expected + answered); classes that occur nowhere are left out, as
  /// scikit-learn does.
  public var macroF1: Double {
    expected.indices.filter { expected[$0] + answered[$0] > 0 }.map(f1).mean
  }

  /// The mean over labels of F1, 0 for one that occurs nowhere: scikit-learn's for sets of labels with `zero_division=0`.
  public var labelF1: Double { expected.indices.map(f1).mean }

  /// F1 of all labels together; 0 where there are none.
  public var microF1: Double {
    2 * Double(right.reduce(0, +)) / Double(max(expected.reduce(0, +) + answered.reduce(0, +), 1))
  }

  private func f1(_ label: Int) -> Double {
    2 * Double(right[label]) / Double(max(expected[label] + answered[label], 1))
  }

  /// The correlation coefficient of Matthews for any number of classes (Gorodkin 2004): 1 for all right, 0 for chance,
  /// and for an answer that never changes.
  public var matthews: Double {
    func dot(_ a: [Int], _ b: [Int]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    let (count, right) = (Double(expected.reduce(0, +)), Double(right.reduce(0, +)))
    let variance = (count * count - dot(answered, answered)) * (count * count - dot(expected, expected))
    return variance > 0 ? (right * count - dot(answered, expected)) / variance.squareRoot() : 0
  }
}
