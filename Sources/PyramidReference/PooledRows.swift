// Which rows tokens go into where they are not just dropped: written a second time from the rules alone, like the
// selection, so that a comparison with the SDK's pooling can find a mistake in either.

import PyramidPolicy

/// The outcome of a pruning decision, sample after sample.
struct PooledRows {
  /// The packed row that each new one was, ascending within a sample; -1 for one that others were fused to.
  private(set) var keep: [Int] = []
  /// The new row that each packed row goes into, and its part in it.
  private(set) var into: [Int] = []
  private(set) var share: [Double] = []
  /// How many tokens each new row stands for.
  private(set) var sizes: [Double] = []

  /// The tokens `rows` of a sample, of which `kept`, places in it, stay; the others become one row if `fuses`.
  mutating func add(_ rows: Range<Int>, keeping kept: [Int], _ scores: [Float], fuses: Bool) {
    let first = keep.count
    keep += kept.map { rows.lowerBound + $0 }
    let others = rows.indices.map { $0 - rows.lowerBound }.filter { !kept.contains($0) }
    guard fuses else { return }
    let weights = others.map { max(Double(scores[$0]), 0) }
    let sum = weights.reduce(0, +)
    for place in 0..<rows.count {
      if let row = kept.firstIndex(of: place) {
        into.append(first + row)
        share.append(1)
      } else {
        into.append(first + kept.count)
        let weight = weights[others.firstIndex(of: place)!]
        share.append(sum > 0 && sum < .infinity ? weight / sum : 1 / Double(others.count))
      }
    }
    if !others.isEmpty { keep.append(-1) }
  }

  /// The tokens `rows` of a sample, each going into the one that `targets` names if that one stays of itself.
  mutating func add(_ rows: Range<Int>, _ targets: [Int32], sizes before: [Double]?) {
    let first = keep.count
    let places = Array(0..<rows.count)
    let takesIn = places.map { $0 > 0 && Int(targets[$0]) == $0 }
    let goes = places.map { place in
      let target = Int(targets[place])
      return place > 0 && target != place && places.indices.contains(target) && takesIn[target]
    }
    let stays = places.filter { !goes[$0] }
    keep += stays.map { rows.lowerBound + $0 }
    let rowOf = places.map { stays.firstIndex(of: goes[$0] ? Int(targets[$0]) : $0)! }
    var sums = [Double](repeating: 0, count: stays.count)
    for place in places { sums[rowOf[place]] += before?[place] ?? 1 }
    into += rowOf.map { first + $0 }
    share += places.map { (before?[$0] ?? 1) / sums[rowOf[$0]] }
    sizes += sums
  }
}
