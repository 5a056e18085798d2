// A model with an entry as a user has it: compiled with one command, and told apart in answers, profiles, pictures and
// comparisons.

import Foundation
import Testing

@Suite struct EntryTests {
  private static let checkpoint = Models.entryCheckpoint
  private static let policies = ["--exit", "entropy(threshold=0.55)", "--prune", "salience"]

  private struct Line: Decodable {
    let exitLayer: Int
    let layers: Int
    let tokens: [Int]
    let gflop: Double
    let gflopPaper: Double
    let gflopDense: Double
  }

  private func texts() throws -> [String] {
    let golden = try String(contentsOfFile: Self.checkpoint + "/golden.jsonl", encoding: .utf8)
    let lines = try golden.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    return lines.filter { $0["pair"] is NSNull }.compactMap { $0["text"] as? String }
  }

  @Test func `Answers of the entry have exit layer 0, one number of tokens and no layer's operations`() throws {
    let texts = try texts()
    let result = try Tool.run.run([Models.entry.get(), "--format", "jsonl"] + texts)
    #expect(result.code == 0, "\(result.notes)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let lines = try result.lines.map { try decoder.decode(Line.self, from: Data($0.utf8)) }
    #expect(Set(lines.map(\.exitLayer)).isSuperset(of: [0, 1, 3]))
    for line in lines {
      #expect(line.tokens.count == max(line.exitLayer, 1) && line.layers == 3)
      if line.exitLayer == 0 { #expect(line.gflopPaper == 0 && line.gflop < line.gflopDense / 10) }
    }
    let index = try #require(lines.firstIndex { $0.exitLayer == 0 })
    let pretty = try Tool.run(Models.entry.get(), texts[index])
    #expect(pretty.lines.last?.contains(" entry ") == true, "\(pretty.output)")
    let scratch = try Scratch()
    let picture = try Tool.run(Models.entry.get(), "--pyramid", scratch.path("p.svg"), texts[index])
    #expect(picture.code == 0)
    #expect(try String(contentsOfFile: scratch.path("p.svg"), encoding: .utf8).contains("left at the entry"))
  }

  @Test func `A profile counts the entry, and the model is compiled by it`() throws {
    let scratch = try Scratch()
    let path = scratch.path("p.json")
    let run = try Tool.run.run([Models.entry.get(), "--write-profile", path] + texts())
    #expect(run.code == 0, "\(run.notes)")
    #expect(try String(contentsOfFile: path, encoding: .utf8).contains("\"entry\": {"))
    let result = try Tool.compile.run([Self.checkpoint, "--profile", path, "--explain"] + Self.policies)
    #expect(result.code == 0 && result.output.contains("at the entry     head "), "\(result.notes)\(result.output)")
    #expect(result.output.contains("entry: ") && result.output.contains("bag_logits"))
    let other = try Tool.compile.run([Self.checkpoint, "--profile", path, "--emit", "ir", "--exit", "entropy"])
    #expect(other.code == 1 && other.notes.contains("the profile is of"))
  }

  @Test func `A comparison counts who leaves at the entry`() throws {
    let scratch = try Scratch()
    let rows = try texts().filter { !$0.isEmpty }.enumerated().map { "LABEL_\($0 % 4)\t\($1)\n" }.joined()
    let data = try scratch.write("data.tsv", rows)
    let report = scratch.path("report.json")
    let result = try Tool.compare.run([
      Self.checkpoint, "--data", data, "--repetitions", "1", "--policy", "entry: exit=fixed-layer(layer=0)",
      "--policy", "both: exit=entropy(threshold=0.55) prune=salience(attention=1)", "--output", report, "--output",
      scratch.path("report.md"),
    ])
    #expect(result.code == 0, "\(result.notes)")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: report))) as? [String: Any])
    let policies = try #require(object["policies"] as? [[String: Any]])
    let count = rows.split(separator: "\n").count
    #expect(policies[0]["exit_histogram"] as? [Int] == [count, 0, 0, 0])
    #expect(policies[0]["mean_exit_layer"] as? Double == 0 && policies[0]["tokens_alive"] as? [Double] == [0, 0, 0])
    #expect((policies[1]["exit_histogram"] as? [Int])?.reduce(0, +) == count)
    #expect(try String(contentsOfFile: scratch.path("report.md"), encoding: .utf8).contains("| entry |"))
  }

  @Test func `A policy that asks for what is not there is told what to run`() throws {
    let checkpoint = Models.root + "/Tests/Golden/first-and-mean"
    let lacking = try Tool.compile(checkpoint, "--emit", "ir", "--prune", "salience")
    #expect(
      lacking.code == 1 && lacking.notes.contains("prune.entry.salience") && lacking.notes.contains("--stages entry"))
    let none = try Tool.compile(checkpoint, "--emit", "ir", "--exit", "fixed-layer(layer=0)")
    #expect(
      none.code == 1 && none.notes.contains("at the entry") && none.notes.contains("--stages entry"), "\(none.notes)")
  }
}
