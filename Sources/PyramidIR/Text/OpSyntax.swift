// How an operation's payload is spelled between braces. Printer and JSON emitter share this switch, and it is
// exhaustive: an operation whose payload has no spelling does not compile. Reading it back is in Parser+Ops.swift.

/// One `key value...` of an operation.
struct OpAttribute {
  /// What may stand behind a key.
  enum Spelling {
    case number(String)
    case word(String)
    case words([String])
  }

  let key: String
  let spelling: Spelling

  static func number(_ key: String, _ value: Int) -> OpAttribute {
    OpAttribute(key: key, spelling: .number("\(value)"))
  }
  static func word(_ key: String, _ value: String) -> OpAttribute { OpAttribute(key: key, spelling: .word(value)) }

  /// A list that is left out when it is empty.
  static func words<Word: RawRepresentable<String>>(_ key: String, _ values: [Word]) -> [OpAttribute] {
    values.isEmpty ? [] : [OpAttribute(key: key, spelling: .words(values.map(\.rawValue)))]
  }

  /// A set of numbers, ascending, that is left out when it is empty.
  static func integers(_ key: String, _ values: Set<Int>) -> [OpAttribute] {
    values.isEmpty ? [] : [OpAttribute(key: key, spelling: .words(values.sorted().map { "\($0)" }))]
  }

  static func epsilon(_ value: Float) -> [OpAttribute] {
    [OpAttribute(key: "epsilon", spelling: .number(shortest("\(value)")))]
  }
}

/// Swift's shortest round-trip text of a floating-point number, without a trailing `.0`.
func shortest(_ text: String) -> String { text.hasSuffix(".0") ? String(text.dropLast(2)) : text }

extension Op {
  /// The payload as attributes, in the order printed. `activation none` of a linear layer goes without saying.
  var attributes: [OpAttribute] {
    switch self {
    case .input, .embed, .add, .firstRows, .softmax, .keepSamples, .compact, .compactSegments, .classify:
      []
    case .linear(let activation):
      activation == .none ? [] : [.word("activation", activation.rawValue)]
    case .activate(let activation):
      [.word("activation", activation.rawValue)]
    case .linearAddNorm(let epsilon), .layerNorm(let epsilon):
      OpAttribute.epsilon(epsilon)
    case .attention(let heads, let emits), .attentionQKV(let heads, let emits), .firstAttention(let heads, let emits):
      [.number("heads", heads)] + OpAttribute.words("emit", emits)
    case .rowNorm(let first, let count):
      [.number("first", first), .number("count", count)]
    case .decideExit(_, let layer, let reads):
      [.number("layer", layer)] + OpAttribute.words("reads", reads)
    case .decidePrune(_, let layer, let reads, let afterExit):
      [.number("layer", layer)] + OpAttribute.words("reads", reads) + (afterExit ? [.word("after", "exit")] : [])
    }
  }

  /// The policy asked, if the operation asks one.
  public var policy: String? {
    switch self {
    case .decideExit(let policy, _, _), .decidePrune(let policy, _, _, _): policy
    default: nil
    }
  }
}
