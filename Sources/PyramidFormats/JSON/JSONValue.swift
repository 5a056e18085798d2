// JSON as a value: what the reader returns and the writer takes.
//
// Numbers keep their text, because an offset near 2^63 must not pass through a double, and objects keep their order,
// because a file that is read and written again should differ only where it was changed.

/// Any JSON value. Strings compare byte by byte, objects compare in order.
public indirect enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// A whole number.
  public init(_ value: Int) { self = .number(JSONNumber(value)) }
  /// A number that reads back as the same one; null when it is infinite or not a number, which JSON cannot say.
  public init(_ value: some BinaryFloatingPoint & LosslessStringConvertible) {
    self = JSONNumber(value).map(JSONValue.number) ?? .null
  }
  /// A string.
  public init(_ value: String) { self = .string(value) }

  /// The member of that name, when the value is an object that has it.
  public subscript(key: String) -> JSONValue? { if case .object(let object) = self { object[key] } else { nil } }
}

extension JSONValue: Equatable {
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.string(let left), .string(let right)): left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): left == right
    case (.object(let left), .object(let right)): left == right
    default: false
    }
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByFloatLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self.init(value) }
  public init(floatLiteral value: Double) { self.init(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// An object in the order written; a repeated key is a programmer's error and traps.
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    var object = JSONObject()
    for (key, value) in elements { precondition(object.append(key, value), "duplicate key in an object literal") }
    self = .object(object)
  }
}

/// A JSON object: members in the order of the file, each key once.
public struct JSONObject: Sendable, Equatable {
  /// One key with its value.
  public struct Member: Sendable, Equatable {
    /// The key, unescaped.
    public let key: String
    /// The value.
    public fileprivate(set) var value: JSONValue

    public static func == (left: Member, right: Member) -> Bool {
      left.key.hasSameBytes(as: right.key) && left.value == right.value
    }
  }

  /// The members in order.
  public private(set) var members: [Member] = []
  // Empty while the object is small: most are, and a short scan beats building a table.
  private var table = KeyTable()
  private static let scanned = 8

  /// An object without members.
  public init() {}

  public static func == (left: JSONObject, right: JSONObject) -> Bool { left.members == right.members }

  /// The number of members.
  public var count: Int { members.count }

  /// The value of a key. Setting a new key appends it; setting an existing one keeps its position; nil is ignored.
  public subscript(key: String) -> JSONValue? {
    get { position(of: key).map { members[$0].value } }
    set {
      guard let newValue else { return }
      if let position = position(of: key) { members[position].value = newValue } else { append(key, newValue) }
    }
  }

  /// Adds a member at the end; false, and no change, when the key is there already.
  @discardableResult
  public mutating func append(_ key: String, _ value: JSONValue) -> Bool {
    if members.count < JSONObject.scanned {
      if position(of: key) != nil { return false }
      members.append(Member(key: key, value: value))
      return true
    }
    if members.count == JSONObject.scanned {
      for member in members { table.append(hash: KeyTable.hash(of: member.key)) }
    }
    let hash = KeyTable.hash(of: key)
    if table.place(hash: hash, where: { members[$0].key.hasSameBytes(as: key) }) != nil {
      // Small again: the table is made when the object grows.
      if members.count == JSONObject.scanned { table = KeyTable() }
      return false
    }
    members.append(Member(key: key, value: value))
    table.append(hash: hash)
    return true
  }

  private func position(of key: String) -> Int? {
    if members.count > JSONObject.scanned {
      return table.place(hash: KeyTable.hash(of: key)) { members[$0].key.hasSameBytes(as: key) }
    }
    return members.firstIndex { $0.key.hasSameBytes(as: key) }
  }
}
