// The JSON reader and writer: what is read, what is written, and that one undoes the other.
//
// Rejections are in the corpus; here are the limits and the cases at the border of what is allowed.

import PyramidFormats
import Testing

@Suite struct `JSON` {
  @Test(arguments: [
    "null", "true", "[]", "{}", "[1,-0,0.5,1e-12,1E+2,123456789012345678901234567890]", "\"\"",
    "{\"b\":1,\"a\":{\"\":[null,false]}}", "\"é漢😀\"", "{\"\u{E9}\":1,\"e\u{301}\":2}",
  ])
  func `Compact text reads and writes back unchanged`(_ text: String) throws {
    let value = try JSONReader.read(text, file: "test")
    #expect(JSONWriter.string(value).utf8.elementsEqual(text.utf8))
    let pretty = JSONWriter.string(value, style: .pretty)
    #expect(try JSONReader.read(pretty, file: "test") == value)
  }

  @Test func `Every escape stands for its scalar`() throws {
    let text = #""\"\\\/\b\f\n\r\t\u0041\u00e9\u6F22\ud83d\uDE00\u0000""#
    let value = try JSONReader.read(text, file: "test")
    #expect(value == .string("\"\\/\u{8}\u{C}\n\r\tAé漢😀\u{0}"))
  }

  @Test func `Strings with every control character survive a round trip`() throws {
    let scalars = (0...0xFF).compactMap { Unicode.Scalar($0) } + ["\u{2028}", "\u{2029}", "\u{FFFE}", "\u{10FFFF}"]
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    let written = JSONWriter.string(.string(text))
    #expect(written.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
    #expect(try JSONReader.read(written, file: "test") == .string(text))
  }

  @Test(arguments: [
    0, -0.0, 0.1, 1e-12, 1e16, 1e22, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .leastNormalMagnitude, 1 / 3,
    -123456.789,
  ])
  func `Doubles read back with the same bits`(_ number: Double) throws {
    let value = try JSONReader.read(JSONWriter.string(JSONValue(number)), file: "test")
    guard case .number(let read) = value else { return #expect(Bool(false), "not a number") }
    #expect(read.double?.bitPattern == number.bitPattern)
  }

  @Test func `Numbers that JSON cannot say are written as null`() {
    #expect(JSONValue(Double.nan) == .null)
    #expect(JSONValue(-Float.infinity) == .null)
    #expect(JSONNumber(Double.infinity) == nil)
  }

  @Test func `Integers are exact over all 64 bits and never go through a double`() throws {
    for (text, int) in [
      ("9223372036854775807", Int.max), ("-9223372036854775808", .min), ("9007199254740993", 1 << 53 + 1),
    ] {
      #expect(JSONNumber(text: text)?.int == int)
    }
    #expect(JSONNumber(text: "9223372036854775808")?.int == nil)
    #expect(JSONNumber(text: "1.0")?.int == nil)
    #expect(JSONNumber(text: "1e999")?.double == nil)
    #expect(JSONNumber(text: "0x10") == nil)
    #expect(JSONNumber(text: "") == nil)
  }

  @Test func `Keys that differ only in Unicode normalisation are different keys`() throws {
    let value = try JSONReader.read("{\"\u{E9}\":1,\"e\u{301}\":2,\"\u{F900}\":3,\"\u{8C48}\":4}", file: "test")
    #expect(value["\u{E9}"] == 1)
    #expect(value["e\u{301}"] == 2)
    #expect(value["\u{F900}"] == 3)
    #expect(value["\u{8C48}"] == 4)
    #expect(JSONValue.string("\u{E9}") != .string("e\u{301}"))
  }

  @Test func `Objects of any size keep their order and find their keys`() throws {
    var object = JSONObject()
    for index in 0..<100 { object["key\(99 - index)"] = JSONValue(index) }
    object["key50"] = "changed"
    #expect(object.members.map(\.key) == (0..<100).map { "key\(99 - $0)" })
    #expect(object["key50"] == "changed")
    #expect(object["key0"] == 99)
    #expect(object["key100"] == nil)
    let appended = object.append("key7", .null)
    #expect(!appended)
    let read = try JSONReader.read(JSONWriter.string(.object(object)), file: "test")
    #expect(read == .object(object))
  }

  @Test(arguments: [7, 8, 9, 10, 31, 32, 33, 5000])
  func `A key that comes twice is found, however many are between`(count: Int) throws {
    let members = (0..<count).map { "\"k\($0)\": \($0)" }.joined(separator: ", ")
    let sound = try JSONReader.read("{\(members)}", file: "test")
    guard case .object(let object) = sound else { throw FormatError(file: "test", problem: "no object") }
    #expect((0..<count).allSatisfy { object["k\($0)"] == JSONValue($0) } && object["k\(count)"] == nil)
    for twice in [0, count / 2, count - 1] {
      let error = #expect(throws: FormatError.self) {
        try JSONReader.read("{\(members), \"k\(twice)\": 0}", file: "test")
      }
      #expect(error?.problem == "duplicate key \"k\(twice)\"")
      var copy = object
      let appended = copy.append("k\(twice)", .null)
      #expect(!appended && copy == object)
      // After a refusal it grows as ever.
      let grown = copy.append("new", .null)
      #expect(grown && copy["new"] == .null && copy["k\(twice)"] == JSONValue(twice))
    }
  }

  @Test func `Depth is allowed up to the limit`() throws {
    let nested = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    _ = try JSONReader.read(nested(64), file: "test")
    #expect(throws: FormatError.self) { try JSONReader.read(nested(65), file: "test") }
    #expect(throws: FormatError.self) {
      try JSONReader.read(nested(4), file: "test", limits: JSONLimits(maximumDepth: 3))
    }
  }

  @Test func `Length and number of values are limited`() throws {
    let limits = JSONLimits(maximumBytes: 9, maximumValues: 4)
    _ = try JSONReader.read("[1,2,3]", file: "test", limits: limits)
    #expect(throws: FormatError(file: "test", place: "line 1, column 8", problem: "more than 4 values")) {
      try JSONReader.read("[1,2,3,4]", file: "test", limits: limits)
    }
    #expect(throws: FormatError(file: "test", problem: "JSON of 10 bytes, expected at most 9")) {
      try JSONReader.read("[1,2,3,44]", file: "test", limits: limits)
    }
  }

  @Test func `Pretty text has one member per line and plain arrays on one line`() {
    let value: JSONValue = ["name": "a", "shape": [1, 2], "rows": [["x": 0.5], []], "none": [:]]
    #expect(
      JSONWriter.string(value, style: .pretty) == """
        {
          "name": "a",
          "shape": [1, 2],
          "rows": [
            {
              "x": 0.5
            },
            []
          ],
          "none": {}
        }
        """)
  }

  @Test func `Errors stay on one line whatever a file holds`() throws {
    let value = try JSONReader.read(#"{"a\n\u202eb": "c\nd"}"#, file: "f.json")
    let (_, field) = try #require(try JSONField(value, file: "f.json").members().first)
    let error = #expect(throws: FormatError.self) { try field.bool() }
    #expect(error?.description == #"f.json: a\u{a}\u{202e}b: expected true or false, found "c\u{a}d""#)
  }
}

@Suite struct `Numbers for people` {
  /// printf writes `nan`, and `-nan` for those that most CPUs make of 0 / 0.
  @Test(arguments: [Double.nan, -.nan, .signalingNaN, .infinity, -.infinity])
  func `are a dash where there is none`(value: Double) {
    #expect(scientific(value) == "-")
    for decimals in 0...9 { #expect(decimal(value, decimals) == "-") }
  }

  @Test(arguments: [(0, "0.0e+00"), (1.25e-7, "1.2e-07"), (-0.5, "-5.0e-01"), (3e30, "3.0e+30")])
  func `have a power of ten where they are small`(value: Double, text: String) {
    #expect(scientific(value) == text)
  }
}
