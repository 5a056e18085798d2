// mp-bench as Scripts/bench uses it: a worker that answers requests, and reports from files.

import Foundation
import Testing

@Suite struct BenchTests {
  @Test func `A worker answers each request with a line, bad ones with an error`() throws {
    let requests = """
      {"op":"warm","shapes":[[1,8],[2,4]]}
      {"op":"time","b":1,"s":8,"min_time":0,"min_iters":3,"max_iters":3}
      {"op":"batches","batches":[[3,5],[2]]}
      {"op":"time","b":1,"s":100000,"min_time":0,"min_iters":1,"max_iters":1}
      nonsense
      {"op":"quit"}
      {"op":"batches","batches":[[1]]}

      """
    let result = try Tool.bench("worker", Models.dense.get(), "--threads", "1", input: Data(requests.utf8))
    #expect(result.code == 0, "\(result.notes)")
    let answers = try result.lines.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    try #require(answers.count == 6)
    #expect(answers[0]["ready"] as? Bool == true)
    #expect(answers[1].isEmpty)
    #expect((answers[2]["t"] as? [Double])?.count == 3)
    #expect((answers[2]["operations"] as? Int ?? 0) > 0)
    #expect((answers[3]["t"] as? Double ?? 0) > 0)
    #expect(answers[4]["error"] != nil && answers[5]["error"] != nil)
  }

  @Test func `A results file becomes a report, and a chart only when there is something to draw`() throws {
    let scratch = try Scratch()
    let results = try scratch.write(
      "results.json",
      """
      {"format": "magic-pyramid-benchmark", "version": 1, "command": "c", "date": "d", "machine": {"CPU": "A CPU"},
       "versions": {}, "notes": []}
      """)
    let (report, chart) = (scratch.path("report.md"), scratch.path("chart.svg"))
    let result = try Tool.bench("report", results, "--output", report, "--output", chart)
    #expect(result.code == 0, "\(result.notes)")
    #expect(try String(contentsOfFile: report, encoding: .utf8).contains("A CPU"))
    #expect(!FileManager.default.fileExists(atPath: chart))
    #expect(result.notes.contains("not written"))
    #expect(try Tool.bench("report", results).output.contains("A CPU"))
  }

  @Test(arguments: [("{", "line 1, column 2"), ("{}", "format: missing"), ("[]", "expected an object")])
  func `A malformed results file is refused in one line`(text: String, words: String) throws {
    let scratch = try Scratch()
    let result = try Tool.bench("report", scratch.write("results.json", text))
    #expect(result.code == 1 && result.output.isEmpty)
    #expect(result.notes.split(separator: "\n").count == 1 && result.notes.contains(words), "\(result.notes)")
  }

  @Test func `Peak rates are a table or JSON`() throws {
    let table = try Tool.bench("peak", "--threads", "1")
    #expect(table.code == 0 && table.lines.first == "| precision | instruction | threads | GFLOP/s |")
    let json = try Tool.bench("peak", "--threads", "1", "--format", "json")
    let value = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: [[String: Any]]]
    #expect(value?["peak"]?.count == table.lines.count - 2)
  }
}
