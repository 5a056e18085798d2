// How well values rank what belongs together, as answers to one question: the two measures of retrieval that look at the
// first ten. Each group counts alike, however many pairs it has.

import Glibc
import PyramidFormats

/// Texts in groups, each with a relevance.
public struct RankedGroups: Sendable {
  /// Numbers of the texts of each group that has a relevant one, in their order.
  public let groups: [[Int]]
  /// Groups without a relevant text, which no ranking can be good or bad for.
  public let leftOut: Int
  private let relevance: [Double]
  /// The gain of the best ranking of each group.
  private let best: [Double]
  private static let depth = 10

  /// Groups by their names; a relevance of 1 or more is relevant. Throws where one is below 0 or beyond 60, and where
  /// none is relevant.
  init(_ names: [String], relevance: [Double]) throws(UnfitLabels) {
    precondition(names.count == relevance.count, "a relevance for each text")
    if let wrong = relevance.first(where: { !(0...60).contains($0) }) {
      throw UnfitLabels(sentence: "the label \(wrong) is no relevance, which in groups is a number from 0 to 60")
    }
    let all = ExactString.groups(names)
    groups = all.filter { $0.contains { relevance[$0] >= 1 } }
    guard !groups.isEmpty else {
      throw UnfitLabels(sentence: "no group has a relevant text, one with a label of 1 or more")
    }
    leftOut = all.count - groups.count
    self.relevance = relevance
    best = groups.map { group in Self.gain(group.map { relevance[$0] }.sorted(by: >)) }
  }

  /// How well `values`, one for each text, rank each of the groups: higher ones come first, of equal ones the earlier.
  func ranked(_ values: [Double]) -> [(ndcg: Double, reciprocalRank: Double)] {
    zip(groups, best).map { group, best in
      let order = group.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
      let found = order.prefix(Self.depth).map { relevance[$0] }
      let first = found.firstIndex { $0 >= 1 }
      return (Self.gain(found) / best, first.map { 1 / Double($0 + 1) } ?? 0)
    }
  }

  /// The discounted gain of the first of some texts (Burges et al. 2005): (2^relevance - 1) / log2(place + 1).
  private static func gain(_ relevance: [Double]) -> Double {
    relevance.prefix(depth).enumerated().reduce(0) { $0 + (exp2($1.element) - 1) / log2(Double($1.offset + 2)) }
  }
}
