// Which tokens stay, given scores and a retention. In the SDK, and not in an engine, because the compiled runtime, the
// reference interpreter and a policy author's tests must select alike to the last tie.

/// The engine's selection of tokens.
public enum TokenSelection {
  /// Writes the indices of the tokens that stay to `kept`, ascending, and returns how many there are.
  ///
  /// Token 0 ([CLS]) always stays. `.above` keeps `!(score < threshold)`. The others keep the best scores, ties going to
  /// the earlier token; NaN ranks above every number, so that it keeps its token. O(n log n) at most, no allocation.
  /// `textLength` is the tokens of the text before anything was pruned. `scores` [count] are not read for `.all`;
  /// `scratch` [count] is overwritten where scores are ranked; `kept` has room for `count` indices.
  public static func keep(
    scores: UnsafePointer<Float>, count: Int, textLength: Int, retention: Retention,
    scratch: UnsafeMutablePointer<UInt64>, into kept: UnsafeMutablePointer<Int32>
  ) -> Int {
    guard count > 0 else { return 0 }
    switch retention {
    case .all: return fill(kept, count) { _ in true }
    case .above(let threshold): return fill(kept, count) { $0 == 0 || !(scores[$0] < threshold) }
    case .fraction, .count, .fractionOfText:
      return keepBest(retention.survivors(of: count, textLength: textLength), scores, count, scratch, kept)
    }
  }

  /// Keeps the `best` highest ranks: a heap of that size finds the lowest rank that stays, a second pass keeps order.
  private static func keepBest(
    _ best: Int, _ scores: UnsafePointer<Float>, _ count: Int, _ heap: UnsafeMutablePointer<UInt64>,
    _ kept: UnsafeMutablePointer<Int32>
  ) -> Int {
    if best >= count { return fill(kept, count) { _ in true } }
    for index in 0..<best { heap[index] = rank(scores, index) }
    for root in stride(from: best / 2 - 1, through: 0, by: -1) { siftDown(heap, root, best) }
    for index in best..<count {
      let candidate = rank(scores, index)
      if candidate > heap[0] {
        heap[0] = candidate
        siftDown(heap, 0, best)
      }
    }
    let lowest = heap[0]
    return fill(kept, count) { rank(scores, $0) >= lowest }
  }

  /// A number that orders tokens: [CLS] first, then NaN, then by score, then the earlier one. No two are equal.
  private static func rank(_ scores: UnsafePointer<Float>, _ index: Int) -> UInt64 {
    if index == 0 { return .max }
    let order: UInt32
    if scores[index].isNaN {
      order = .max
    } else {
      let bits = (scores[index] + 0).bitPattern  // -0 becomes +0, so that they tie
      order = bits >> 31 == 1 ? ~bits : bits | 1 << 31
    }
    return UInt64(order) << 32 | UInt64(UInt32.max - UInt32(truncatingIfNeeded: index))
  }

  private static func siftDown(_ heap: UnsafeMutablePointer<UInt64>, _ root: Int, _ count: Int) {
    var parent = root
    while true {
      var child = 2 * parent + 1
      guard child < count else { return }
      if child + 1 < count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[parent] else { return }
      (heap[parent], heap[child]) = (heap[child], heap[parent])
      parent = child
    }
  }

  private static func fill(_ kept: UnsafeMutablePointer<Int32>, _ count: Int, where stays: (Int) -> Bool) -> Int {
    var written = 0
    for index in 0..<count where stays(index) {
      kept[written] = Int32(truncatingIfNeeded: index)
      written += 1
    }
    return written
  }
}
