// What a policy declares of its parameters: enough to refuse a wrong value before the policy is made, to fill in
// defaults, and to print help. Kept apart from the values (PolicySpec, PolicyArguments) because it crosses the plugin
// boundary by itself, before any instance exists.

/// One declared parameter: name, type with range and default, and a line of help.
public struct PolicyParameter: Sendable, Equatable {
  /// What kind of value is taken, in which bounds, and what stands for it when it is left out.
  public enum Kind: Sendable, Equatable {
    /// A finite number.
    case number(default: Double, range: ClosedRange<Double>)
    /// A whole number.
    case integer(default: Int, range: ClosedRange<Int>)
    /// A list of finite numbers; one bare number is a list of one.
    case numbers(default: NumbersDefault, range: ClosedRange<Double>)
    /// One of the listed words.
    case word(default: String, choices: [String])
    /// `true` or `false`.
    case flag(default: Bool)
  }

  /// What stands for a list that is left out.
  public enum NumbersDefault: Sendable, Equatable, ExpressibleByArrayLiteral {
    /// These numbers.
    case values([Double])
    /// The checkpoint's learned values of this name, such as `prune.thresholds`; `orElse` for a checkpoint without.
    case learned(String, orElse: [Double]? = nil)

    /// `[]`, `[0.5]` and so on.
    public init(arrayLiteral elements: Double...) { self = .values(elements) }
  }

  /// Kebab-case name, as in `name=value`.
  public let name: String
  /// Type, range and default.
  public let kind: Kind
  /// One line for `--help`.
  public let help: String

  /// A finite number in `range`.
  public static func number(
    _ name: String, default value: Double, in range: ClosedRange<Double>, help: String
  ) -> Self { PolicyParameter(name: name, kind: .number(default: value, range: range), help: help) }

  /// A whole number in `range`.
  public static func integer(_ name: String, default value: Int, in range: ClosedRange<Int>, help: String) -> Self {
    PolicyParameter(name: name, kind: .integer(default: value, range: range), help: help)
  }

  /// A list of finite numbers, each in `range`; `default: .learned("prune.thresholds")` takes the checkpoint's.
  public static func numbers(
    _ name: String, default value: NumbersDefault, in range: ClosedRange<Double>, help: String
  ) -> Self { PolicyParameter(name: name, kind: .numbers(default: value, range: range), help: help) }

  /// One of the words in `choices`.
  public static func word(_ name: String, default value: String, oneOf choices: [String], help: String) -> Self {
    PolicyParameter(name: name, kind: .word(default: value, choices: choices), help: help)
  }

  /// `true` or `false`.
  public static func flag(_ name: String, default value: Bool = false, help: String) -> Self {
    PolicyParameter(name: name, kind: .flag(default: value), help: help)
  }

  /// What a value must be, for help and error messages: `a number in 0...1`.
  public var expectation: String {
    switch kind {
    case .number(_, let range): "a number in \(format(range))"
    case .integer(_, let range): "a whole number in \(range.lowerBound)...\(range.upperBound)"
    case .numbers(_, let range): "a list of numbers in \(format(range)), as [a, b, c]"
    case .word(_, let choices): "one of \(choices.joined(separator: ", "))"
    case .flag: "true or false"
    }
  }

  /// The value that stands for the parameter when a specification leaves it out.
  public var defaultValue: PolicySpec.Value {
    switch kind {
    case .number(let value, _): .number(value)
    case .integer(let value, _): .number(Double(value))
    case .numbers(.values(let values), _): .numbers(values)
    case .numbers(.learned(let symbol, _), _): .learned(symbol)
    case .word(let value, _): .word(value)
    case .flag(let value): .word(value ? "true" : "false")
    }
  }

  /// What stands for learned values that the checkpoint lacks; nil when the parameter declares nothing.
  func numbers(without symbol: String) -> [Double]? {
    if case .numbers(.learned(symbol, let numbers), _) = kind { numbers } else { nil }
  }

  private func format(_ range: ClosedRange<Double>) -> String {
    "\(canonical(range.lowerBound))...\(canonical(range.upperBound))"
  }
}
