// What calibration texts prove about a loss: the chance that a setting loses more than it may although it lost as little
// as was seen (Bates et al. 2021), and how far a sequence of settings from safe to risky can be walked without paying for
// the number of steps (Learn then Test, Angelopoulos et al. 2021). Losses are 0 or 1 a text.

import Glibc

/// How many texts of how many were lost.
public struct RiskCount: Sendable, Equatable {
  /// Texts lost.
  public let losses: Int
  /// Texts looked at.
  public let count: Int

  /// A count; losses are at most the count.
  public init(losses: Int, of count: Int) {
    precondition((0...count).contains(losses), "losses of that many texts")
    (self.losses, self.count) = (losses, count)
  }

  /// The share lost; 0 of none.
  public var risk: Double { count == 0 ? 0 : Double(losses) / Double(count) }

  /// The Hoeffding-Bentkus p-value of the hypothesis that the true risk exceeds `limit`: small means that it does not.
  public func probability(above limit: Double) -> Double {
    guard count > 0, limit > 0 else { return 1 }
    if limit >= 1 { return 0 }
    let bentkus = exp(1) * Binomial.cumulative(losses, of: count, limit)
    return min(1, exp(-Double(count) * Self.divergence(min(risk, limit), limit)), bentkus)
  }

  /// The smallest limit that the true risk exceeds with a chance of at most 1 - `confidence`; 1 without texts.
  public func upperBound(confidence: Double) -> Double {
    root(in: risk...1) { 1 - confidence - probability(above: $0) }
  }

  /// About how many texts bound the risk by `limit`, if as large a share of them is lost; nil where none do, because that
  /// share is the limit or more, or where 2^30 are too few.
  public func textsNeeded(limit: Double, confidence: Double) -> Int? {
    guard risk < limit, limit > 0 else { return nil }
    func suffices(_ texts: Int) -> Bool {
      let lost = Int((Double(texts) * risk).rounded(.up))
      return lost <= texts && RiskCount(losses: lost, of: texts).probability(above: limit) <= 1 - confidence
    }
    var high = 1
    while !suffices(high) {
      if high >= 1 << 30 { return nil }
      high *= 2
    }
    var low = high / 2
    while low + 1 < high {
      let middle = (low + high) / 2
      if suffices(middle) { high = middle } else { low = middle }
    }
    return high
  }

  /// The relative entropy of two coins, in nats.
  private static func divergence(_ r: Double, _ a: Double) -> Double {
    let first = r > 0 ? r * log(r / a) : 0
    return first + (r < 1 ? (1 - r) * log((1 - r) / (1 - a)) : 0)
  }
}

/// Learn then Test by fixed-sequence testing over settings in an order that was fixed before the texts were seen, from the
/// safest to the riskiest.
public struct RiskControl: Sendable {
  /// The largest risk that is admitted.
  public let limit: Double
  /// How sure the bound has to be, such as 0.95. Bounds that hold together share 1 - confidence.
  public let confidence: Double

  /// A control; both numbers lie within 0 ..< 1.
  public init(limit: Double, confidence: Double) { (self.limit, self.confidence) = (limit, confidence) }

  /// The confidence of each of `parts` bounds that hold together (Bonferroni).
  public func confidence(of parts: Int) -> Double { 1 - (1 - confidence) / Double(max(parts, 1)) }

  /// The last of the settings whose risks are all bounded; nil for none. `settings[i]` holds the counts of setting i, one
  /// for each part of the texts, as many for every setting: the whole, or those that leave at each exit. The walk of a
  /// part among several starts where so many of its texts are there that a bound would survive one loss, which hangs on
  /// their number alone; the first bound that fails after that ends the walk of all. A part that nobody is in has nothing
  /// to bound.
  public func loosest(_ settings: [[RiskCount]]) -> Int? {
    let level = 1 - confidence(of: settings.first?.count ?? 1)
    var best: Int?
    for (setting, parts) in settings.enumerated() {
      let possible = parts.map { part in
        let losses = min(parts.count > 1 ? 1 : 0, part.count)
        return RiskCount(losses: losses, of: part.count).probability(above: limit) <= level
      }
      let isBounded = zip(parts, possible).map { $1 && $0.probability(above: limit) <= level }
      if zip(possible, isBounded).contains(where: { $0 && !$1 }) { break }
      if zip(parts, isBounded).allSatisfy({ $0.count == 0 || $1 }), parts.contains(where: { $0.count > 0 }) {
        best = setting
      }
    }
    return best
  }
}
