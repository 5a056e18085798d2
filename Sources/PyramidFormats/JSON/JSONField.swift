// A JSON value together with the place it came from, so that each reading of a member can fail with a full address.
//
// Separate from the reader because it decides the words of all errors about *content*: `hidden_size: expected a
// positive integer, found -3` reads the same whichever file is being checked.

/// A value in a JSON file and its path there (`model.vocab.the`).
public struct JSONField: Sendable {
  /// The value.
  public let value: JSONValue
  /// The file's path, for errors.
  public let file: String
  private let container: Place
  private let key: String?

  // Put into words when an error needs it: a header has 100,000 fields, and an error one.
  private indirect enum Place: Sendable {
    case whole(String), inside(Place, String)

    var text: String {
      switch self {
      case .whole(let place): return place
      case .inside(let container, let key):
        let place = container.text
        return (place.isEmpty ? "" : place + ".") + key.printable(limit: 80)
      }
    }
  }

  /// The path inside the file, keys and indices joined by dots; empty for the whole.
  public var place: String { here.text }

  private var here: Place { key.map { Place.inside(container, $0) } ?? container }

  /// The whole value of a file, or a part of it.
  public init(_ value: JSONValue, file: String, place: String = "") {
    (self.value, self.file, container, key) = (value, file, Place.whole(place), nil)
  }

  private init(_ value: JSONValue, file: String, key: String, in container: Place) {
    (self.value, self.file, self.container, self.key) = (value, file, container, key)
  }

  /// Maps a file and reads the one value in it.
  public init(path: String, limits: JSONLimits = .standard) throws(FormatError) {
    value = try MappedFile(path: path).withBytes { (bytes) throws(FormatError) in
      try JSONReader.read(bytes, file: path, limits: limits)
    }
    (file, container, key) = (path, Place.whole(""), nil)
  }

  /// An error at this place.
  public func failure(_ problem: String) -> FormatError { FormatError(file: file, place: place, problem: problem) }

  /// The member of that name; nil when it is absent or null. Throws when the value is not an object.
  public func optional(_ key: String) throws(FormatError) -> JSONField? {
    guard let member = try object()[key], member != .null else { return nil }
    return JSONField(member, file: file, key: key, in: here)
  }

  /// The member of that name. Throws when it is absent or null.
  public func required(_ key: String) throws(FormatError) -> JSONField {
    guard let field = try optional(key) else {
      throw FormatError(file: file, place: Place.inside(here, key).text, problem: "missing")
    }
    return field
  }

  /// The value as an object.
  public func object() throws(FormatError) -> JSONObject {
    guard case .object(let object) = value else { throw failure("expected an object, found \(found)") }
    return object
  }

  /// The members of an object, in order, each with its place.
  public func members() throws(FormatError) -> [(key: String, field: JSONField)] {
    let here = here
    return try object().members.map { ($0.key, JSONField($0.value, file: file, key: $0.key, in: here)) }
  }

  /// The elements of an array, each with its place.
  public func elements() throws(FormatError) -> [JSONField] {
    guard case .array(let elements) = value else { throw failure("expected an array, found \(found)") }
    let here = here
    return elements.enumerated().map { JSONField($1, file: file, key: String($0), in: here) }
  }

  /// The value as a string.
  public func string() throws(FormatError) -> String {
    guard case .string(let string) = value else { throw failure("expected a string, found \(found)") }
    return string
  }

  /// The value as true or false.
  public func bool() throws(FormatError) -> Bool {
    guard case .bool(let bool) = value else { throw failure("expected true or false, found \(found)") }
    return bool
  }

  /// The value as an integer within bounds, without going through a floating-point number.
  public func integer(in range: ClosedRange<Int>) throws(FormatError) -> Int {
    guard case .number(let number) = value, number.isInteger else {
      throw failure("expected \(JSONField.kind(of: range)), found \(found)")
    }
    // An integer that does not fit is beyond the bound on its side, whatever the bound is.
    guard number.int ?? (number.text.hasPrefix("-") ? .min : .max) >= range.lowerBound else {
      throw failure("expected \(JSONField.kind(of: range)), found \(found)")
    }
    guard let integer = number.int, integer <= range.upperBound else {
      throw failure("expected at most \(range.upperBound), found \(found)")
    }
    return integer
  }

  private static func kind(of range: ClosedRange<Int>) -> String {
    switch range.lowerBound {
    case .min: "an integer"
    case 1: "a positive integer"
    default: "an integer of at least \(range.lowerBound)"
    }
  }

  /// The value as a finite double.
  public func double() throws(FormatError) -> Double {
    guard case .number(let number) = value, let double = number.double else {
      throw failure("expected a number, found \(found)")
    }
    return double
  }

  /// The value in words for an error: scalars as they stand, containers by kind.
  public var found: String {
    switch value {
    case .null: "null"
    case .bool(let bool): bool ? "true" : "false"
    case .number(let number): number.text.printable(limit: 40)
    case .string(let string): string.quoted
    case .array: "an array"
    case .object: "an object"
    }
  }
}
