// How a pruning policy says what stays, and where any policy says that it is active. Both are plain values because they
// cross the plugin boundary and are read by the compiler before a sample exists.

/// Which of the tokens alive stay at a boundary; [CLS] always does.
public enum Retention: Sendable, Equatable {
  /// Every token stays and nothing is scored.
  case all
  /// The tokens with `!(score < threshold)` stay.
  case above(Float)
  /// The best `max(1, ceil(f * n))` of the n tokens alive stay, [CLS] included; the product is rounded to `Float`.
  case fraction(Float)
  /// The best `max(1, min(c, n))` of the n tokens alive stay, [CLS] included.
  case count(Int)
  /// The best `max(1, ceil(f * m))` stay, or all, [CLS] included, where m is the tokens of the text before anything was
  /// pruned; the product is rounded to `Float`.
  case fractionOfText(Float)

  /// The most tokens that stay of `count` alive, at least 1, in a text that began with `textLength`.
  public func survivors(of count: Int, textLength: Int) -> Int {
    let wanted: Float
    switch self {
    case .all, .above: return count
    case .count(let number): return max(1, min(number, count))
    case .fraction(let fraction): wanted = fraction * Float(count)
    case .fractionOfText(let fraction): wanted = fraction * Float(textLength)
    }
    // The product is rounded to `Float` so that 0.7 of 10 is 7 and not 8.
    if wanted.isNaN || wanted >= Float(count) { return count }
    if wanted <= 1 { return min(1, count) }
    return Float(Int(wanted)) < wanted ? Int(wanted) + 1 : Int(wanted)
  }
}

/// A set of layers, counted from 1: `contains(k)` means "after layer k". 0 is the entry, before layer 1. The last layer is
/// not a boundary and is ignored.
public struct LayerSet: Sendable, Equatable {
  private enum Members: Equatable {
    case everywhere
    case range(ClosedRange<Int>)
    case listed(Set<Int>)
  }

  private let members: Members

  /// Every boundary at which the policy can decide: after each layer, and at the entry an exit policy that does not read
  /// `hidden`. A pruning policy lists the entry, where little is known of a token, if it means it: `LayerSet(0...3)`.
  public static let all = LayerSet(.everywhere)

  /// No boundary at all.
  public static let none = LayerSet([])

  private init(_ members: Members) { self.members = members }

  /// The boundaries after the layers of `range`.
  public init(_ range: ClosedRange<Int>) { members = .range(range) }

  /// The boundaries after the listed layers; layers that the model lacks are ignored.
  public init(_ layers: Set<Int>) { members = .listed(layers) }

  /// The boundary after one layer.
  public static func only(_ layer: Int) -> LayerSet { LayerSet([layer]) }

  /// The boundaries after `layer` and every later layer.
  public static func from(_ layer: Int) -> LayerSet { LayerSet(layer...Int.max) }

  /// Whether the boundary after `layer` is in the set.
  public func contains(_ layer: Int) -> Bool {
    switch members {
    case .everywhere: layer >= 0
    case .range(let range): range.contains(layer)
    case .listed(let layers): layers.contains(layer)
    }
  }
}
