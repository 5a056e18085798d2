// A policy with arguments as users write it and as the IR prints it: `name(key=value, ...)`. The value and its
// canonical text live here; reading the text is in PolicySpecParser.

/// A policy's name and arguments as text has them; types and ranges are checked against a `PolicyType` later.
///
/// `description` is canonical: parsing it gives an equal value, and equal values print alike.
public struct PolicySpec: Sendable, Equatable, CustomStringConvertible {
  /// What stands after the `=`.
  public enum Value: Sendable, Equatable, CustomStringConvertible {
    /// A finite number.
    case number(Double)
    /// A word, among them `true` and `false`.
    case word(String)
    /// A list of finite numbers.
    case numbers([Double])
    /// Learned values of the checkpoint, written `#prune.thresholds`.
    case learned(String)

    /// Canonical text; numbers print with the fewest digits that read back equal.
    public var description: String {
      switch self {
      case .number(let value): canonical(value)
      case .word(let word): word
      case .numbers(let values): "[\(values.map(canonical).joined(separator: ", "))]"
      case .learned(let symbol): "#\(symbol)"
      }
    }
  }

  /// One `name=value`.
  public struct Argument: Sendable, Equatable {
    /// Kebab-case name of the parameter.
    public let name: String
    /// Its value.
    public let value: Value

    /// An argument `name=value`.
    public init(name: String, value: Value) {
      self.name = name
      self.value = value
    }
  }

  /// Kebab-case name of the policy.
  public let name: String
  /// Arguments in the order given; names are unique.
  public let arguments: [Argument]

  /// A specification from its parts; `arguments` must not name a parameter twice.
  public init(name: String, arguments: [Argument] = []) {
    self.name = name
    self.arguments = arguments
  }

  /// The value given for a parameter, `nil` when it was left out.
  public subscript(parameter: String) -> Value? { arguments.first { $0.name == parameter }?.value }

  /// Canonical text: `entropy(threshold=0.1)`, or the bare name without arguments.
  public var description: String { text(assigning: "=") }

  /// The text with `sign` between names and values: the IR puts blanks around its `=`.
  public func text(assigning sign: String) -> String {
    if arguments.isEmpty { return name }
    return "\(name)(\(arguments.map { "\($0.name)\(sign)\($0.value)" }.joined(separator: ", ")))"
  }
}

/// The shortest decimal text that reads back as `value`, without `.0` on whole numbers.
func canonical(_ value: Double) -> String {
  guard let whole = wholeNumber(value), abs(value) < 1e15, whole != 0 || value.sign == .plus else {
    return value.description
  }
  return String(whole)
}

/// `value` as an integer when it is one, up to 2^53 either way. Not `Int(exactly:)`, which calls libm: a module that
/// imports nothing must not need a library that only an import would link.
func wholeNumber(_ value: Double) -> Int? {
  guard abs(value) <= 0x1p53 else { return nil }
  let whole = Int(value)
  return Double(whole) == value ? whole : nil
}

/// Whether `text` is kebab-case: parts of a-z and 0-9 joined by single hyphens, a letter first, 64 bytes at most.
func isKebabCase(_ text: String) -> Bool {
  var mayHyphen = false
  for (index, byte) in text.utf8.enumerated() {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"): mayHyphen = true
    case UInt8(ascii: "0")...UInt8(ascii: "9") where index > 0: mayHyphen = true
    case UInt8(ascii: "-") where mayHyphen: mayHyphen = false
    default: return false
    }
  }
  return mayHyphen && text.utf8.count <= 64
}
