// What the number formats of a compiled model were chosen by: `mp-compile --precision auto` measures it and stores it in
// the artefact, and whoever runs the model can read it there. The formats themselves stand in the graph.

/// How good a model's answers to some texts are in f32, as it was compiled, and all in int8.
public struct PrecisionRecord: Sendable, Equatable {
  /// The measure's name in JSON, such as `accuracy`.
  public var measure: String
  /// SHA-256 of the texts' file, and how many texts there were.
  public var dataChecksum: String, count: Int
  /// The most that the measure may lose against f32.
  public var maxDrop: Double
  /// The measure in f32, as chosen, and with every part in int8.
  public var f32, chosen, int8: Double

  private static let format = "magic-pyramid-precision"

  /// A record from its parts.
  public init(
    measure: String, dataChecksum: String, count: Int, maxDrop: Double, f32: Double, chosen: Double, int8: Double
  ) {
    (self.measure, self.dataChecksum, self.count, self.maxDrop) = (measure, dataChecksum, count, maxDrop)
    (self.f32, self.chosen, self.int8) = (f32, chosen, int8)
  }

  /// Checks a record that was read. Throws when it is none.
  public init(reading field: JSONField) throws(FormatError) {
    guard try field.object()["format"] == .string(Self.format) else {
      throw field.failure("is not what mp-compile --precision auto stores")
    }
    _ = try field.required("version").integer(in: 1...1)
    func number(_ key: String) throws(FormatError) -> Double {
      let field = try field.required(key)
      let value = try field.double()
      guard abs(value) <= 1 else { throw field.failure("expected -1 to 1, found \(value)") }
      return value
    }
    measure = try field.required("measure").string()
    dataChecksum = try field.required("data_sha256").string()
    count = try field.required("n").integer(in: 1...(1 << 40))
    (maxDrop, f32) = (try number("max_drop"), try number("f32"))
    (chosen, int8) = (try number("chosen"), try number("int8"))
  }

  /// The record as a JSON value.
  public var json: JSONValue {
    [
      "format": JSONValue(Self.format), "version": 1, "measure": JSONValue(measure),
      "data_sha256": JSONValue(dataChecksum), "n": JSONValue(count), "max_drop": JSONValue(maxDrop),
      "f32": JSONValue(f32), "chosen": JSONValue(chosen), "int8": JSONValue(int8),
    ]
  }

  /// The record for people, in a line.
  public var line: String {
    func loss(_ value: Double) -> String {
      "\(decimal(value, 4)) (\(decimal(abs(f32 - value), 4)) \(value > f32 ? "gained" : "lost"))"
    }
    return "\(measure) of \(count) texts (sha256:\(dataChecksum.prefix(12))): f32 \(decimal(f32, 4)), as chosen "
      + "\(loss(chosen)), all in int8 \(loss(int8)); at most \(decimal(maxDrop, 4)) may be lost"
  }
}
