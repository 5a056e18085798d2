// mp-bench as Scripts/bench uses it, a worker that answers requests; and what that script makes of the answers.

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
      {"op":"texts","texts":["\(RunTests.river)","An album of 1969."]}
      {"op":"tokenize","texts":["A river.", ""]}
      {"op":"time","b":1,"s":8,"min_time":1e300,"min_iters":1,"max_iters":2}
      {"op":"quit"}
      {"op":"batches","batches":[[1]]}

      """
    let result = try Tool.bench("worker", Models.dense.get(), "--threads", "1", input: Data(requests.utf8))
    #expect(result.code == 0, "\(result.notes)")
    let answers = try result.lines.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    try #require(answers.count == 9)
    #expect(answers[0]["ready"] as? Bool == true)
    #expect(answers[1].isEmpty)
    #expect((answers[2]["t"] as? [Double])?.count == 3)
    #expect((answers[2]["operations"] as? Int ?? 0) > 0)
    #expect((answers[3]["t"] as? Double ?? 0) > 0)
    #expect(answers[4]["error"] != nil && answers[5]["error"] != nil)
    #expect((answers[8]["error"] as? String)?.contains("min_time: expected 0 to 1e6 seconds") == true)
    #expect((answers[6]["t"] as? [Double])?.count == 2)
    #expect(answers[6]["labels"] as? [String] == ["NaturalPlace", "Album"])
    let ids = answers[7]["ids"] as? [[Int]]
    #expect(ids?.map(\.count) == [5, 2] && ids?[0].first == ids?[1].first)
  }

  @Test func `A worker makes no batches of more tokens than it says, however many a line asks for`() throws {
    func batches(_ count: Int, _ tokens: Int) -> String {
      Array(repeating: "[\(tokens)]", count: count).joined(separator: ",")
    }
    let requests = [batches(263, 4000), batches(1, 1 << 20) + ",[1]"].map { #"{"op":"batches","batches":[\#($0)]}"# }
    let input = Data((requests.joined(separator: "\n") + "\n").utf8)
    let result = try Tool.bench("worker", Models.dense.get(), "--threads", "1", input: input)
    #expect(result.code == 0 && result.lines.count == 3, "\(result.notes)")
    for answer in result.lines.dropFirst() { #expect(answer.contains("expected at most 1048576 batches"), "\(answer)") }
  }

  @Test func `Saved operations and saved time stand beside each other, for texts one by one and together`() throws {
    let data = Models.checkpoint + "/sample.tsv"
    let arguments = ["saved", try Models.dense.get(), try Models.pyramid.get(), "--data", data, "--limit", "40"]
    let more = ["--batches", "1,7", "--repetitions", "2", "--threads", "1"]
    let table = try Tool.bench.run(arguments + more)
    #expect(table.code == 0 && table.lines.count == 4, "\(table.notes)")
    let json = try Tool.bench.run(arguments + more + ["--format", "json"])
    let value = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: [[String: Any]]]
    let rows = try #require(value?["saved"])
    #expect(rows.map { $0["batch"] as? Int } == [1, 7] && rows.allSatisfy { $0["texts"] as? Int == 40 })
    // Operations don't depend on what runs beside each other.
    let operations = rows.compactMap { $0["operations"] as? Double }
    #expect(operations.count == 2 && operations[0] > 1.5 && operations[0] == operations[1])
    let swapped = try Tool.bench("saved", Models.pyramid.get(), Models.dense.get(), "--data", data)
    let same = try Tool.bench("saved", Models.dense.get(), Models.dense.get(), "--data", data)
    #expect(same.code == 1 && same.notes.contains("has no policies that could save anything"), "\(same.notes)")
    #expect(swapped.code == 1 && swapped.notes.contains("has policies: give it first without"), "\(swapped.notes)")
  }

  @Test func `Latency is a row for each length and model, and a length that is none is refused`() throws {
    let model = try Models.entry.get()
    let arguments = ["latency", model, model, "--repetitions", "6", "--threads", "1", "--tokens"]
    let table = try Tool.bench.run(arguments + ["4,9"])
    #expect(table.code == 0, "\(table.notes)")
    #expect(table.lines.first == "| model | tokens | median ms | best ms | GFLOP/s |")
    let rows = table.lines.dropFirst(2).map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    try #require(rows.count == 4 && rows.allSatisfy { $0.count == 5 }, "\(table.output)")
    #expect(rows.map { $0[1] } == ["4", "4", "9", "9"] && Set(rows.map { $0[0] }).count == 1)
    for row in rows {
      let (median, best) = (try #require(Double(row[2])), try #require(Double(row[3])))
      #expect(median >= best && median > 0 && Double(row[4]) != nil, "\(row)")
    }
    let none = try Tool.bench.run(arguments + ["4,0"])
    #expect(none.code == 64 && none.notes.contains("'0' is not a number of tokens"), "\(none.code): \(none.notes)")
  }

  @Test(.enabled(if: python != nil, "no python3 on the PATH"))
  func `The report of a benchmark passes its own tests`() throws {
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = URL(filePath: try #require(Self.python))
    process.arguments = ["-B", Models.root + "/Scripts/benchmark/test_report.py"]
    let notes = Pipe()
    process.standardError = notes
    try process.runLimited()
    let text = String(decoding: notes.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
  }

  /// Where the report's interpreter is; nil when there is none.
  private static let python = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":")
    .map { "\($0)/python3" }.first { FileManager.default.isExecutableFile(atPath: $0) }

  @Test func `Peak rates are a table or JSON`() throws {
    let table = try Tool.bench("peak", "--threads", "1")
    #expect(table.code == 0 && table.lines.first == "| precision | instruction | threads | GFLOP/s |")
    let json = try Tool.bench("peak", "--threads", "1", "--format", "json")
    let value = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: [[String: Any]]]
    #expect(value?["peak"]?.count == table.lines.count - 2)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.activeProcessorCount < 1024, "a machine for 1024 threads"))
  func `Peak rates are those of no more threads than processors`() throws {
    let json = try Tool.bench("peak", "--threads", "1024", "--format", "json")
    let value = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: [[String: Any]]]
    let most = try #require(value?["peak"]?.compactMap { $0["threads"] as? Int }.max())
    #expect(json.code == 0 && most < 1024, "\(json.notes)")
    #expect(json.notes.contains("1024 threads, but \(most) CPUs"), "\(json.notes)")
  }
}
