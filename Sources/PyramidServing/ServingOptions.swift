// What the operator decides: how much may wait, how long, how deep, and what requests may change. Requests ask within
// these limits and are refused outside of them.

import MagicPyramid

/// The operator's choices for every model of a server.
public struct ServingOptions: Sendable {
  /// How classifiers run.
  public var classifier = ClassifierOptions()
  /// Most tokens of admitted requests that are not answered yet. A request counts at most half of it, and one of more than
  /// an eighth leaves a quarter to others.
  public var queueTokens = 65_536
  /// Most texts of a request.
  public var maxTexts = 1024
  /// Most bytes of a request's texts, which are cut into tokens before it waits; a query counts with each of its texts.
  public var maxTextBytes = 8 << 20
  /// Most bytes of one text and its second one: a model reads some hundred words, and what is cut is held in memory.
  public var maxOneTextBytes = 1 << 20
  /// Every request ends by then, and may ask for less; nil for no end.
  public var deadline: Duration?
  /// Layers that run at most, 0 where only the head in front of them may answer; requests may ask for less.
  public var maxLayers: Int?
  /// Exit policies that requests may ask for; nil for none but the model's.
  public var exitRange: PolicyRange?
  /// Pruning policies that requests may ask for; nil for none but the model's.
  public var pruneRange: PolicyRange?
  /// Loosens the exit policy from `classifier.policies.exit` towards the certified one as the queue fills.
  public var isAdaptive = false
  /// Share of the texts that are also answered without policies, 0 to 1.
  public var shadow = 0.0

  /// The defaults.
  public init() {}
}

/// Specifications of one policy between two, argument by argument: `entropy(threshold=0)..entropy(threshold=0.2)`.
public struct PolicyRange: Sendable, Equatable, CustomStringConvertible {
  /// The two ends, every argument given in both.
  public let first, last: PolicySpec

  /// A range of one policy. Throws `ServingError` where the ends are of two policies or differ in more than numbers.
  public init(_ first: PolicySpec, _ last: PolicySpec) throws(ServingError) {
    (self.first, self.last) = (first, last)
    guard first.name == last.name, first.arguments.map(\.name) == last.arguments.map(\.name) else {
      throw ServingError(
        .invalid, "'\(first)' and '\(last)' are no range: give one policy with the same arguments at both ends")
    }
    for (from, to) in zip(first.arguments, last.arguments) where from.value != to.value {
      guard Self.numbers(from.value)?.count == Self.numbers(to.value)?.count, Self.numbers(from.value) != nil else {
        throw ServingError(.invalid, "'\(first)' and '\(last)' are no range: '\(from.name)' is not a number in both")
      }
    }
  }

  /// A range as the command line has it: `SPEC..SPEC`, or one `SPEC`. Throws `PolicyError` or `ServingError`.
  public init(_ text: String) throws {
    // A number may hold a dot, and no name ends in one.
    let parts = text.split(separator: ")..", maxSplits: 1)
    let isOne = parts.count < 2
    let first = try PolicySpec(isOne ? text : parts[0] + ")")
    try self.init(first, isOne ? first : PolicySpec(String(parts[1])))
  }

  /// As it is written.
  public var description: String { "\(first)..\(last)" }

  /// Whether a specification lies in the range: of its policy, and each argument between those of the ends. `spec` has all
  /// arguments, as `PolicyInstance.spec` does.
  public func contains(_ spec: PolicySpec) -> Bool {
    guard spec.name == first.name else { return false }
    return first.arguments.allSatisfy { from in
      guard let value = spec[from.name], let to = last[from.name] else { return false }
      if value == from.value || value == to { return true }
      guard let values = Self.numbers(value), let low = Self.numbers(from.value), let high = Self.numbers(to),
        values.count == low.count
      else { return false }
      return values.indices.allSatisfy {
        values[$0] >= min(low[$0], high[$0]) && values[$0] <= max(low[$0], high[$0])
      }
    } && spec.arguments.allSatisfy { first[$0.name] != nil }
  }

  /// The specification at a part of the way from the first to the last, 0 to 1.
  public func interpolated(_ part: Double) -> PolicySpec {
    if part >= 1 { return last }
    let arguments = zip(first.arguments, last.arguments).map { from, to in
      PolicySpec.Argument(name: from.name, value: Self.between(from.value, to.value, part))
    }
    return PolicySpec(name: first.name, arguments: arguments)
  }

  private static func between(_ from: PolicySpec.Value, _ to: PolicySpec.Value, _ part: Double) -> PolicySpec.Value {
    guard from != to, let low = numbers(from), let high = numbers(to) else { return from }
    let values = zip(low, high).map { $0 + ($1 - $0) * part }
    return if case .number = from { .number(values[0]) } else { .numbers(values) }
  }

  /// The numbers of a value; nil where it is none.
  static func numbers(_ value: PolicySpec.Value) -> [Double]? {
    switch value {
    case .number(let number): [number]
    case .numbers(let numbers): numbers
    case .word, .learned: nil
    }
  }
}
