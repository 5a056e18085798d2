// From the script's JSON to checked values. The file may have been edited or merged by hand, so whatever the report
// divides by or pairs is checked here, and an error names the place.

import PyramidFormats

extension BenchmarkResults {
  /// Reads a results file. Throws `FormatError` for one that is malformed, of another version, or holds times that
  /// can't be compared.
  public init(path: String) throws {
    try self.init(JSONField(try JSONReader.read(path: path), file: path))
  }

  /// Checks a results file's value.
  init(_ file: JSONField) throws {
    let format = try file.required("format")
    guard try format.string() == "magic-pyramid-benchmark" else {
      throw format.failure("this is no file of Scripts/bench")
    }
    _ = try file.required("version").integer(in: 1...1)
    command = try file.required("command").string()
    date = try file.required("date").string()
    machine = try Self.texts(file.required("machine"))
    versions = try Self.texts(file.required("versions"))
    notes = try file.required("notes").elements().map { try $0.string() }
    missing = try Self.rows("missing", of: file) {
      (label: try $0.required("runtime").string(), text: try $0.required("reason").string())
    }
    peaks = try Self.rows("peak", of: file) { try Peak($0) }
    latency = try Self.timed("latency", of: file, group: { "\($0.setting.name), \($0.tokens) tokens" }) {
      try Latency($0)
    }
    throughput = try Self.rows("throughput", of: file) { try Throughput($0) }
    startUp = try Self.timed("startup", of: file, group: { $0.setting.name }) { try StartUp($0) }
    pyramid = try Self.rows("pyramid", of: file) { try Pyramid($0) }
  }

  /// An object of texts, in order.
  private static func texts(_ object: JSONField) throws -> [(label: String, text: String)] {
    try object.members().map { (label: $0.key, text: try $0.field.string()) }
  }

  /// A table; a part that was not measured may be left out.
  private static func rows<Row>(_ key: String, of file: JSONField, _ read: (JSONField) throws -> Row) throws -> [Row] {
    try file.optional(key)?.elements().map(read) ?? []
  }

  /// A table of times, in each group of which all rows have the same rounds.
  private static func timed<Row: TimedRow>(
    _ key: String, of file: JSONField, group: (Row) -> String, _ read: (JSONField) throws -> Row
  ) throws -> [Row] {
    var rounds: [String: Int] = [:]
    return try rows(key, of: file) { field in
      let row = try read(field)
      let expected = rounds[group(row), default: row.seconds.count]
      guard row.seconds.count == expected else {
        throw try field.required("seconds").failure(
          "\(row.seconds.count) rounds, but others of \(group(row)) have \(expected)")
      }
      rounds[group(row)] = expected
      return row
    }
  }
}

extension JSONField {
  /// A number above zero.
  fileprivate func positive() throws -> Double {
    let value = try double()
    // Beyond any time in seconds or number of operations, and small enough for ratios of two to be drawn.
    guard (1e-12...1e18).contains(value) else { throw failure("expected a number above 0, found \(found)") }
    return value
  }

  /// At least one number, all above zero.
  fileprivate func positives() throws -> [Double] {
    let values = try elements().map { try $0.positive() }
    guard !values.isEmpty else { throw failure("expected at least one number") }
    return values
  }

  /// A whole number above zero; the bound is beyond any length, team or set.
  fileprivate func count() throws -> Int { try integer(in: 1...(1 << 30)) }

  fileprivate func setting() throws -> BenchmarkResults.Setting {
    BenchmarkResults.Setting(model: try required("model").string(), threads: try required("threads").count())
  }

  fileprivate func runtime() throws -> BenchmarkResults.Runtime {
    BenchmarkResults.Runtime(engine: try required("engine").string(), precision: try required("precision").string())
  }

  /// `[value, low, high]`, all above zero.
  fileprivate func interval() throws -> Interval {
    let values = try positives()
    guard values.count == 3 else { throw failure("expected [value, low, high]") }
    return Interval(value: values[0], low: values[1], high: values[2])
  }
}

extension BenchmarkResults.Peak {
  fileprivate init(_ field: JSONField) throws {
    precision = try field.required("precision").string()
    instruction = try field.required("instruction").string()
    threads = try field.required("threads").count()
    gflops = try field.required("gflops").positive()
  }
}

extension BenchmarkResults.Latency {
  fileprivate init(_ field: JSONField) throws {
    setting = try field.setting()
    runtime = try field.runtime()
    tokens = try field.required("tokens").count()
    operations = try field.required("operations").positive()
    seconds = try field.required("seconds").positives()
  }
}

extension BenchmarkResults.Throughput {
  fileprivate init(_ field: JSONField) throws {
    setting = try field.setting()
    runtime = try field.runtime()
    batching = try field.required("batching").string()
    sequences = try field.required("sequences").count()
    padding = try field.required("padding").positive()
    seconds = try field.required("seconds").positives()
  }
}

extension BenchmarkResults.StartUp {
  fileprivate init(_ field: JSONField) throws {
    setting = try field.setting()
    runtime = try field.runtime()
    seconds = try field.required("seconds").positives()
    peakMiB = try field.required("peak_mib").positives()
  }
}

extension BenchmarkResults.Pyramid {
  fileprivate init(_ field: JSONField) throws {
    setting = try field.setting()
    precision = try field.required("precision").string()
    samples = try field.required("samples").count()
    batch = try field.required("batch").count()
    operations = try field.required("operations").positive()
    latency = try field.required("latency").interval()
    throughput = try field.required("throughput").interval()
  }
}
