// mp-compare as a user runs it, on the small checkpoint with an entry: files of every kind, sweeps, resuming,
// calibration and what becomes of its certificate.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct CompareTests {
  /// Labelled texts of the golden, `times` over.
  private static func data(_ scratch: Scratch, times: Int = 1) throws -> String {
    let lines = try String(contentsOfFile: Models.entryCheckpoint + "/golden.jsonl", encoding: .utf8).split(
      separator: "\n")
    let texts = try lines.compactMap { line -> String? in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      guard let text = object?["text"] as? String, !text.isEmpty, object?["pair"] is NSNull else { return nil }
      return text.replacing("\t", with: " ").replacing("\n", with: " ")
    }
    let rows = (0..<times).flatMap { _ in texts.enumerated().map { "LABEL_\($0 % 4)\t\($1)\n" } }
    return try scratch.write("data.tsv", rows.joined())
  }

  private static func object(_ path: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
  }

  @Test func `A sweep without timing writes every kind of report, and every answer`() throws {
    let scratch = try Scratch()
    let data = try Self.data(scratch)
    let names = ["r.json", "r.md", "r.csv", "r.html"].map(scratch.path)
    let result = try Tool.compare.run(
      [
        Models.entryCheckpoint, "--data", data, "--answers-only", "--policy", "e: exit=entropy(threshold=0.2...0.9/3)",
        "--baseline", "e threshold=0.2", "--margin", "0.1", "--per-sample", scratch.path("answers.jsonl"),
      ] + names.flatMap { ["--output", $0] })
    #expect(result.code == 0, "\(result.notes)")
    #expect(result.notes.contains("contenders, at most about") && result.notes.contains("show a difference of"))
    let report = try Self.object(names[0])
    let policies = try #require(report["policies"] as? [[String: Any]])
    #expect(policies.map { $0["name"] as? String } == ["e threshold=0.2", "e threshold=0.55", "e threshold=0.9"])
    #expect(policies[0]["difference"] == nil && policies[0]["latency_ms"] == nil)
    let difference = try #require(policies[2]["difference"] as? [String: Any])
    #expect(difference["against"] as? String == "e threshold=0.2" && difference["verdict"] is String)
    #expect((policies[2]["exit_histogram"] as? [Int])?.count == 4 && policies[2]["mcnemar_p_holm"] is Double)
    let nulls = try #require(report["null_models"] as? [[String: Any]])
    #expect(nulls.count == 4 && nulls[0]["name"] as? String == "bag of words")
    #expect((report["notes"] as? [String])?.contains("e: threshold: 3 values from 0.2 to 0.9 in equal steps") == true)
    let samples = try #require(report["samples"] as? Int)
    let lines = try String(contentsOfFile: scratch.path("answers.jsonl"), encoding: .utf8).split(separator: "\n")
    // Dense, three policies, the bag, the bag and then dense in one setting, two cuts.
    #expect(lines.count == samples * 8)
    #expect(try String(contentsOfFile: names[3], encoding: .utf8).contains("Single texts"))
    #expect(try !FileManager.default.contentsOfDirectory(atPath: scratch.folder).contains { $0.hasSuffix(".partial") })
  }

  @Test func `Rankings are compared by groups, and sets of labels as wholes`() throws {
    let (scratch, folder) = (try Scratch(), try TemporaryFolder())
    var recipe = CheckpointRecipe()
    (recipe.classes, recipe.hasExits) = (1, true)
    let ranker = try recipe.write(in: folder, name: "ranker")
    (recipe.classes, recipe.problemType) = (3, "multi_label_classification")
    let tagger = try recipe.write(in: folder, name: "tagger")
    let pairs = (0..<24).map {
      #"{"q": \#($0 / 6), "text": "w\#(5 + $0 / 6)", "text_pair": "w\#(6 + $0)", "label": \#($0 % 3)}"#
    }
    let texts = (0..<24).map { "\($0 % 2 == 0 ? "class 0,class 2" : "")\tw\(5 + $0)\n" }
    let data = try scratch.write("pairs.jsonl", pairs.joined(separator: "\n"))
    let sets = try scratch.write("sets.tsv", texts.joined())
    let output = scratch.path("r.json")
    let ranked = try Tool.compare(
      ranker, "--data", data, "--group-by", "q", "--answers-only", "--policy", "exit=value-change(threshold=0.1...2/3)",
      "--output", output)
    #expect(ranked.code == 0 && !ranked.notes.contains("points"), "\(ranked.notes)")
    let report = try Self.object(output)
    let policies = try #require(report["policies"] as? [[String: Any]])
    #expect(policies.count == 3 && policies.allSatisfy { $0["ndcg_at_10"] is Double && $0["mrr_at_10"] is Double })
    #expect(policies[0]["accuracy"] == nil && policies[0]["mean_absolute_difference"] is Double)
    #expect(
      (report["notes"] as? [String])?.contains("4 groups are ranked; a request, in the latencies, is a group") == true)
    let tagged = try Tool.compare(
      tagger, "--data", sets, "--label-threshold", "0.3", "--answers-only", "--policy", "exit=entropy", "--output",
      output)
    let dense = try #require(Self.object(output)["dense"] as? [String: Any])
    #expect(tagged.code == 0 && dense["subset_accuracy"] is Double && dense["micro_f1"] is Double, "\(tagged.notes)")
    for (arguments, problem) in [
      ([tagger, "--data", sets, "--group-by", "text", "--policy", "exit=entropy"], "groups are for models that rank"),
      (["calibrate", ranker, "--data", data, "--exit", "value-change"], "neither right nor wrong"),
      ([ranker, "--data", data, "--policy", "exit=entropy"], "value-change"),
      ([ranker, "--data", data, "--group-by", "x", "--policy", "exit=value-change"], "x: missing"),
    ] {
      let result = try Tool.compare.run(arguments)
      #expect(result.code == 1 && result.notes.contains(problem), "\(result.notes)")
    }
  }

  /// With one contender each is run by itself, with two they are watched in one pass.
  @Test(arguments: [["entropy"], ["entropy(threshold=0.1)", "entropy(threshold=0.9)"], ["fixed-layer(layer=1)"]])
  func `A text whose answer is not a number ends a comparison and is named`(exits: [String]) throws {
    let (scratch, folder) = (try Scratch(), try TemporaryFolder())
    var recipe = CheckpointRecipe()
    recipe.brokenWord = 9
    let checkpoint = try recipe.write(in: folder)
    let texts = (10..<26).map { "class \($0 % 3)\tw\($0) w\($0 + 1)\n" }
    let whole = try scratch.write("whole.tsv", texts.joined())
    let broken = try scratch.write("broken.tsv", (texts[..<12] + ["class 0\tw11 w9 w12\n"] + texts[12...]).joined())
    let options = ["--answers-only"] + exits.flatMap { ["--policy", "\($0): exit=\($0)"] }
    let report = scratch.path("r.json")
    let refused = try Tool.compare.run([checkpoint, "--data", broken, "--output", report] + options)
    #expect(refused.code == 1, "\(refused.notes)")
    #expect(refused.notes.contains("text 13: the model's answer is not a number"), "\(refused.notes)")
    #expect(!FileManager.default.fileExists(atPath: report))
    let answered = try Tool.compare.run([checkpoint, "--data", whole, "--output", report] + options)
    #expect(answered.code == 0, "\(answered.notes)")
    #expect(try Self.object(report)["samples"] as? Int == texts.count)
  }

  /// One layer of six is faster than six, whatever else the machine does, and dense is to itself as one to one.
  @Test func `Less work is a ratio above one, and dense agrees with itself`() throws {
    let scratch = try Scratch()
    let path = scratch.path("r.json")
    let result = try Tool.compare(
      Models.checkpoint, "--data", Models.checkpoint + "/sample.tsv", "--limit", "24", "--repetitions", "3",
      "--no-null-models",
      "--policy", "first: exit=fixed-layer(layer=1)", "--policy", "same: exit=never-exit", "--output", path)
    #expect(result.code == 0, "\(result.notes)")
    let report = try Self.object(path)
    let policies = try #require(report["policies"] as? [[String: Any]])
    let dense = try #require(report["dense"] as? [String: Any])
    #expect(policies.map { $0["name"] as? String } == ["first", "same"] && report["repetitions"] as? Int == 3)
    let (first, same) = (policies[0], policies[1])
    for key in ["speedup_gflop", "speedup_latency", "speedup_throughput"] {
      let (fewer, equal) = (try #require(first[key] as? Double), try #require(same[key] as? Double))
      #expect(fewer > 1.5 && fewer > equal, "\(key): \(fewer), \(equal)")
    }
    // Heads that nobody leaves at are computed all the same.
    #expect((0.9...1).contains(try #require(same["speedup_gflop"] as? Double)) && same["agreement"] as? Double == 1)
    #expect(same["accuracy"] as? Double == dense["accuracy"] as? Double)
    #expect(dense["agreement"] == nil && dense["speedup_latency"] == nil)
    #expect(try #require(first["agreement"] as? Double) <= 1)
  }

  @Test func `The bag is learned from training texts where there are some`() throws {
    let scratch = try Scratch()
    let result = try Tool.compare(
      Models.checkpoint, "--data", Models.checkpoint + "/sample.tsv", "--limit", "20", "--answers-only", "--train",
      Models.checkpoint + "/sample.tsv", "--policy", "exit=entropy", "--output", scratch.path("r.json"))
    #expect(result.code == 0, "\(result.notes)")
    let report = try Self.object(scratch.path("r.json"))
    let nulls = try #require(report["null_models"] as? [[String: Any]])
    #expect(nulls[0]["name"] as? String == "bag of words" && (nulls[0]["accuracy"] as? Double ?? 0) > 0.6)
    #expect((nulls[0]["exit_histogram"] as? [Int])?.first == 20)
  }

  @Test func `What can't be resumed or compared is said before anything is measured`() throws {
    let scratch = try Scratch()
    let data = try Self.data(scratch)
    let common = [Models.entryCheckpoint, "--data", data, "--answers-only", "--policy", "exit=entropy"]
    for (options, problem) in [
      (["--resume"], "wants the --output"), (["--resume", "--output", scratch.path("r.md")], "nothing to go on with"),
      (["--baseline", "x"], "there is no such contender"), (["--output", "r.txt"], ".md, .json, .csv or .html"),
      (["--margin", "2"], "share between 0 and 1"),
      (["--policy", "exit=entropy(threshold=0...1)", "--seeds", "0"], "1 to 100"),
      (["--train", data, "--no-null-models"], "leave --no-null-models out"),
    ] {
      let result = try Tool.compare.run(common + options)
      #expect(result.code != 0 && result.notes.contains(problem), "\(options): \(result.notes)")
    }
  }

  @Test func `A certificate goes from calibration into the model, and to who runs it`() throws {
    let scratch = try Scratch()
    let data = try Self.data(scratch, times: 12)
    let (certificate, model) = (scratch.path("c.json"), scratch.path("m.mpc"))
    let found = try Tool.compare(
      "calibrate", Models.entryCheckpoint, "--data", data, "--max-drop", "0.4", "--against", "dense", "--exit",
      "entropy(threshold=0.05...0.95/12)", "--output", certificate)
    #expect(found.code == 0 && found.output.contains("Chosen: `entropy(threshold="), "\(found.notes)\(found.output)")
    let object = try Self.object(certificate)
    for key in ["data_sha256", "n", "exit", "max_drop", "confidence", "against", "bounds"] {
      #expect(object[key] != nil, "\(key)")
    }
    #expect(object["against"] as? String == "dense" && object["max_drop"] as? Double == 0.4)
    let bounds = try #require(object["bounds"] as? [[String: Any]])
    #expect((bounds[0]["bound"] as? Double ?? 1) <= 0.4)
    let compiled = try Tool.compile(Models.entryCheckpoint, "-o", model, "--certificate", certificate)
    #expect(compiled.code == 0 && compiled.notes.contains("certificate: at most 40.00%"), "\(compiled.notes)")
    let info = try Tool.run(model, "--info")
    #expect(
      info.code == 0 && info.output.contains("certificate: at most 40.00% of texts answered otherwise than by dense"))
    #expect(try info.output.contains("exit: \(#require(object["exit"] as? String))"))
    let other = try Tool.compile(
      Models.entryCheckpoint, "-o", model, "--certificate", certificate, "--exit", "entropy(threshold=0.999)")
    #expect(other.code == 1 && other.notes.contains("the certificate is for"), "\(other.notes)")
    let none = try Tool.run(Models.entry.get(), "--info")
    #expect(none.output.contains("certificate: none"))
  }

  @Test func `Calibration says how many texts it takes`() throws {
    let scratch = try Scratch()
    let data = try Self.data(scratch)
    let result = try Tool.compare(
      "calibrate", Models.entryCheckpoint, "--data", data, "--max-drop", "0.001", "--against", "dense", "--exit",
      "entropy(threshold=0.001...0.002/2)")
    #expect(result.code == 1 && result.notes.contains("no setting is proven"), "\(result.notes)")
    #expect(result.notes.contains("it takes about"), "\(result.notes)")
    let unknown = try Tool.compare("calibrate", Models.entryCheckpoint, "--data", data, "--miss-class", "nobody")
    #expect(unknown.code == 1 && unknown.notes.contains("--miss-class nobody: the model has LABEL_0"))
  }
}
