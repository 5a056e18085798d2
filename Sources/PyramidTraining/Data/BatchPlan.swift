// How an epoch is cut into batches. Texts of like length go together, so that attention's work is even, but only within
// pools of a few dozen batches: sorting the whole epoch would show the model all short texts of one kind in a row.

import PyramidEvaluation

/// The batches of one epoch, or of one pass over dev.
struct BatchPlan {
  /// Sample numbers of each batch.
  let batches: [[Int]]

  private static let batchesPerPool = 50

  /// A random plan: shuffle, sort within pools, cut at `budget` tokens or `samples` texts, shuffle the batches. A text of
  /// more tokens than the budget goes alone.
  init(lengths: [Int], budget: Int, samples: Int, random: inout SeededRandom) {
    let order = random.permutation(lengths.count)
    var batches: [[Int]] = []
    var pool: [Int] = []
    var tokens = 0
    for (place, sample) in order.enumerated() {
      pool.append(sample)
      tokens += lengths[sample]
      guard tokens >= budget * Self.batchesPerPool || place == order.count - 1 else { continue }
      batches += Self.cut(pool, lengths, budget, samples)
      (pool, tokens) = ([], 0)
    }
    self.batches = random.permutation(batches.count).map { batches[$0] }
  }

  /// A plan for evaluation: by length alone.
  init(lengths: [Int], budget: Int, samples: Int) {
    batches = Self.cut(Array(lengths.indices), lengths, budget, samples)
  }

  /// Cuts samples into batches by length; of equals the earlier sample comes first.
  private static func cut(_ samples: [Int], _ lengths: [Int], _ budget: Int, _ most: Int) -> [[Int]] {
    var batches: [[Int]] = []
    var tokens = Int.max
    for sample in samples.sorted(by: { (lengths[$0], $0) < (lengths[$1], $1) }) {
      if tokens > budget - lengths[sample] || batches[batches.count - 1].count == most {
        batches.append([])
        tokens = 0
      }
      batches[batches.count - 1].append(sample)
      tokens += lengths[sample]
    }
    return batches
  }
}
