// Reports on benchmarks: what is concluded from a small results file made by hand, and the errors of malformed ones.

import PyramidFormats
import Testing

@testable import PyramidEvaluation

@Suite("Reports on benchmarks")
struct BenchmarkTests {
  private static func row(
    _ engine: String, _ precision: String, _ seconds: [Double], _ more: [(String, JSONValue)], threads: Int = 2
  ) -> JSONValue {
    var object = JSONObject()
    object["model"] = "m"
    object["threads"] = JSONValue(threads)
    object["engine"] = .string(engine)
    object["precision"] = .string(precision)
    object["seconds"] = .array(seconds.map { JSONValue($0) })
    for (key, value) in more { object[key] = value }
    return .object(object)
  }

  private static func latency(_ engine: String, _ precision: String, _ tokens: Int, _ seconds: [Double]) -> JSONValue {
    row(engine, precision, seconds, [("tokens", JSONValue(tokens)), ("operations", 1e9)])
  }

  private static func ragged(
    _ engine: String, _ batching: String, _ seconds: [Double], precision: String = "f32"
  ) -> JSONValue {
    row(engine, precision, seconds, [("batching", .string(batching)), ("sequences", 100), ("padding", 1.25)])
  }

  private static func start(_ engine: String, _ seconds: [Double]) -> JSONValue {
    row(engine, "f32", seconds, [("peak_mib", [50, 60, 55])])
  }

  /// In round 2 the machine was half as fast, which no ratio may show.
  static let file: JSONObject = {
    let value: JSONValue = [
      "format": "magic-pyramid-benchmark", "version": 1, "command": "Scripts/bench --quick", "date": "2026-01-02",
      "machine": ["CPU": "A CPU"], "versions": ["onnxruntime": "9.8"], "notes": ["A note"],
      "missing": [["runtime": "pytorch f32", "reason": "not installed"]],
      "peak": [["precision": "f32", "instruction": "fma", "threads": 2, "gflops": 1000]],
      "latency": [
        latency("magic-pyramid", "f32", 8, [0.002, 0.004, 0.002]),
        latency("onnxruntime", "f32", 8, [0.004, 0.008, 0.005]),
        latency("openvino", "f32", 8, [0.003, 0.006, 0.003]), latency("openvino", "int8", 8, [0.001, 0.002, 0.001]),
        latency("onnxruntime", "int8", 8, [0.0015, 0.003, 0.0015]),
        latency("magic-pyramid", "f32", 256, [0.02, 0.04, 0.02]),
        latency("onnxruntime", "f32", 256, [0.04, 0.08, 0.04]),
        latency("openvino", "f32", 256, [0.04, 0.08, 0.04]),
      ],
      "throughput": [
        ragged("magic-pyramid", "packed 32", [1, 2]), ragged("onnxruntime", "single", [2, 4]),
        ragged("onnxruntime", "sorted 16", [1.6, 3.2]), ragged("onnxruntime", "sorted 32", [0.5]),
        ragged("onnxruntime", "single", [3, 6], precision: "int8"),
        ragged("openvino", "single", [3, 6], precision: "int8"),
      ],
      "startup": [start("magic-pyramid", [0.04, 0.05, 0.03]), start("onnxruntime", [0.8, 1, 0.6])],
      "pyramid": [
        [
          "model": "c", "threads": 2, "precision": "f32", "samples": 64, "batch": 32, "operations": 4,
          "latency": [3.2, 3, 3.4], "throughput": [3.8, 3.5, 4],
        ]
      ],
    ]
    guard case .object(let object) = value else { return JSONObject() }
    return object
  }()

  private static func results(_ file: JSONObject = file) throws -> BenchmarkResults {
    try BenchmarkResults(JSONField(.object(file), file: "results.json"))
  }

  private static func bars(_ start: String, _ file: JSONObject = file) throws -> [BenchmarkBar] {
    BenchmarkBar.all(try results(file)).filter { $0.promise.hasPrefix(start) }
  }

  @Test("The bar at f32 holds against the better of both peers at every length")
  func singlePrecision() throws {
    let bars = try Self.bars("f32, batch 1")
    #expect(bars.count == 1)
    // Five lengths of the promise were not measured.
    #expect(bars.first?.isMet == nil)
    // The square root of 1.5 and 2.
    #expect(bars.first?.finding.hasPrefix("mean 1.73x over lengths 8, 256; lowest 1.50x at 8 tokens") == true)
    #expect(bars.first?.finding.hasSuffix("(f32 against openvino f32)") == true)
  }

  @Test("With all lengths measured the mean decides", arguments: [(1.5, true), (1.1, false), (0.9, false)])
  func allLengths(lead: Double, isMet: Bool) throws {
    var file = Self.file
    file["latency"] = .array(
      [8, 16, 32, 64, 128, 256, 512].flatMap { tokens in
        [("magic-pyramid", 1), ("onnxruntime", lead), ("openvino", lead)].map {
          Self.latency($0, "f32", tokens, [$1])
        }
      })
    #expect(try Self.bars("f32, batch 1", file).map(\.isMet) == [isMet])
  }

  @Test("The bar at the best precision stops at 128 tokens and takes the fastest peer")
  func bestPrecision() throws {
    let bar = try #require(try Self.bars("best precision").first)
    #expect(bar.isMet == false)
    #expect(bar.finding == "mean 0.50x over lengths 8; lowest 0.50x at 8 tokens (f32 against openvino int8)")
  }

  @Test("A peer's best batching is one that was measured in all passes")
  func ragged() throws {
    let bar = try #require(try Self.bars("ragged").first)
    #expect(bar.isMet == true)
    #expect(bar.finding == "1.60x (f32, packed 32, against onnxruntime f32, sorted 16)")
  }

  @Test("Wall-clock is held against operations at both batch sizes, a start against both conditions")
  func others() throws {
    #expect(try Self.bars("Magic Pyramid").map(\.isMet) == [false, true])
    #expect(try Self.bars("cold start").map(\.finding) == ["40.0 ms, 20.0x faster than onnxruntime f32"])
    #expect(try Self.bars("cold start").map(\.isMet) == [true])
  }

  @Test("A bar whose peer is missing is unknown, not met")
  func missingPeer() throws {
    var file = Self.file
    file["latency"] = [Self.latency("magic-pyramid", "f32", 8, [1]), Self.latency("onnxruntime", "f32", 8, [2])]
    #expect(try Self.bars("f32, batch 1", file).map(\.isMet) == [nil])
    #expect(try Self.bars("best precision", file).map(\.isMet) == [nil])
    file["throughput"] = [Self.ragged("magic-pyramid", "packed 32", [1]), Self.ragged("onnxruntime", "single", [9])]
    #expect(try Self.bars("ragged", file).map(\.isMet) == [nil])
    file["startup"] = [Self.start("magic-pyramid", [0.04, 0.04, 0.04])]
    #expect(try Self.bars("cold start", file).map(\.isMet) == [nil])
  }

  @Test("The Markdown says where, what, how and what is missing, and ratios are of the same round")
  func markdown() throws {
    let text = BenchmarkReport(try Self.results(), chartPath: "latency.svg").markdown
    for part in [
      "2026-01-02", "CPU: A CPU", "onnxruntime 9.8", "`Scripts/bench --quick`", "- A note",
      "pytorch f32: not installed",
      "](latency.svg)", "2.00 (2.00)", "2.00 - 2.50", "500 (50 %)", "### m, 2 threads", "| fma", "20.00 [20.00, 20.00]",
      "  - **not met**: c, 2 threads, f32, batch 1: 0.80 (3.20x of 4.00x)",
    ] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test("The chart has a line for each runtime in each panel, ours on top")
  func chart() throws {
    let svg = try #require(BenchmarkChart(try Self.results())).svg
    #expect(svg.hasSuffix("</svg>\n"))
    // A dot for each runtime and length.
    #expect(svg.split(separator: "\n").count { $0.hasPrefix("<circle") } == 8)
    #expect(svg.split(separator: "\n").last { $0.hasPrefix("<circle") }?.contains("#ea580c") == true)
    var file = Self.file
    file["latency"] = [Self.latency("magic-pyramid", "f32", 8, [1])]
    #expect(BenchmarkChart(try Self.results(file)) == nil)
  }

  @Test("Markup and line ends in names stay text")
  func hostileNames() throws {
    var file = Self.file
    file["latency"] = [
      Self.latency("onnxruntime", "f32", 8, [1]), Self.latency("<b>&|\n`", "f32", 8, [1]),
    ]
    #expect(try #require(BenchmarkChart(try Self.results(file))).svg.contains("&lt;b&gt;&amp;|"))
    let rows = BenchmarkReport(try Self.results(file)).markdown.split(separator: "\n").filter { $0.contains("<b>&") }
    #expect(rows.allSatisfy { $0.hasPrefix("| <b>&\\|") || $0.contains("against") })
  }

  @Test(
    "A malformed file is an error that names the place",
    arguments: [
      ("format", "other", "format: this is no file of Scripts/bench"),
      ("version", 2, "version: expected at most 1, found 2"),
      ("machine", ["CPU": 3], "machine.CPU: expected a string, found 3"),
      ("latency", [latency("e", "f32", 0, [1])], "latency.0.tokens: expected a positive integer, found 0"),
      ("latency", [latency("e", "f32", 8, [])], "latency.0.seconds: expected at least one number"),
      ("latency", [latency("e", "f32", 8, [0])], "latency.0.seconds.0: expected a number above 0, found 0.0"),
      (
        "latency", [latency("e", "f32", 8, [1]), latency("f", "f32", 8, [1, 2])],
        "latency.1.seconds: 2 rounds, but others of m, 2 threads, 8 tokens have 1"
      ),
      ("pyramid", [["model": "c"]], "pyramid.0.threads: missing"),
    ] as [(String, JSONValue, String)])
  func malformed(key: String, value: JSONValue, problem: String) {
    var file = Self.file
    file[key] = value
    let error = #expect(throws: FormatError.self) { try Self.results(file) }
    #expect(error?.description == "results.json: " + problem)
  }

  @Test("A file without parts gives a report without tables")
  func empty() throws {
    var file = JSONObject()
    for key in ["format", "version", "command", "date", "machine", "versions", "notes"] { file[key] = Self.file[key] }
    let text = BenchmarkReport(try Self.results(file)).markdown
    #expect(!text.contains("|"))
    #expect(BenchmarkChart(try Self.results(file)) == nil)
  }
}
