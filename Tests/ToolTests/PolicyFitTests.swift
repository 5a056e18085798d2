// Policies' weights as a user meets them: the refusal names the command that fits them, the command writes a checkpoint
// that is the same but for them, and the list of policies says which have any.

import Foundation
import Testing

@Suite struct PolicyFitTests {
  private static let data = Models.checkpoint + "/sample.tsv"

  /// Some rows of each class: what is fitted here is not measured.
  private static func fewRows(_ scratch: Scratch) throws -> String {
    let rows = try String(contentsOfFile: data, encoding: .utf8).split(separator: "\n")
    return try scratch.write("few.tsv", rows.prefix(100).joined(separator: "\n") + "\n")
  }

  @Test(arguments: [
    ("expert-vote", "accuracy of the heads"), ("learned-exit", "answers of 5 heads"), ("prototype", "prototypes of 14"),
    ("learned-skim", "predictors for 5 boundaries"),
  ])
  func `What a policy lacks is fitted by the command that the refusal names`(policy: String, words: String) throws {
    let scratch = try Scratch()
    let option = policy == "learned-skim" ? "--prune" : "--exit"
    let refused = try Tool.compile(Models.checkpoint, "--emit", "ir", option, policy)
    let command = "--data TRAIN.tsv --output DIR --fit-policy \(policy)"
    #expect(refused.code == 1 && refused.notes.contains(command), "\(refused.notes)")
    let output = scratch.path("fitted")
    let data = try Self.fewRows(scratch)
    let fitted = try Tool.train(Models.checkpoint, "--data", data, "--output", output, "--fit-policy", policy)
    #expect(fitted.code == 0 && fitted.notes.contains(words), "\(fitted.notes)")
    for name in ["config.json", "vocab.txt", "tokenizer_config.json", "LICENSE", "sample.tsv"] {
      let same = FileManager.default.contentsEqual(
        atPath: output + "/" + name, andPath: Models.checkpoint + "/" + name)
      #expect(same, "\(name)")
    }
    let (old, new) = (try Self.tensors(Models.checkpoint), try Self.tensors(output))
    #expect(new.starts(with: old) && new.count > old.count)
    let compiled = try Tool.compile(output, "-o", scratch.path("m.mpc"), option, policy)
    #expect(compiled.code == 0, "\(compiled.notes)")
    let answer = try Tool.run(scratch.path("m.mpc"), "--format", "csv", RunTests.river)
    #expect(answer.lines.last?.hasPrefix("0,NaturalPlace,") == true, "\(answer.output)")
    // Fitted again, the old weights are replaced.
    let again = try Tool.train(
      output, "--data", data, "--output", scratch.path("again"), "--fit-policy", policy)
    #expect(again.code == 0, "\(again.notes)")
    #expect(try Self.tensors(scratch.path("again")) == new)
  }

  /// The bytes after the header of a checkpoint's weights.
  private static func tensors(_ folder: String) throws -> Data {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/model.safetensors"))
    let header = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    return bytes.dropFirst(8 + header)
  }

  @Test(arguments: [
    (["--fit-policy", "entropy"], "--fit-policy: nothing is fitted for 'entropy', but for expert-vote"),
    (["--fit-policy", "prototype", "--resume"], "--fit-policy takes a new or empty --output"),
    (["--fit-policy", "prototype", "--layers", "3"], "keeps the whole checkpoint: leave --layers out"),
    (["--fit-policy", "prototype", "--stages", "4"], "leave --stages out"),
    (["--fit-policy", "prototype", "--precision", "bf16"], "leave --precision out"),
    (["--stages", "1", "--head-input", "first+mean"], "--head-input has no effect without stage 4"),
    (["--stages", "entry", "--regularisation", "1"], "--regularisation has no effect without stage 2"),
  ])
  func `A fit that makes no sense is a usage error`(words: [String], problem: String) throws {
    let scratch = try Scratch()
    let result = try Tool.train.run(
      [Models.checkpoint, "--data", Self.data, "--output", scratch.path("out")] + words)
    #expect(result.code == 64 && result.notes.contains(problem), "\(result.notes)")
  }

  @Test func `Classes that are not the checkpoint's, or not in its order, are refused`() throws {
    let scratch = try Scratch()
    let rows = try String(contentsOfFile: Self.data, encoding: .utf8).replacing("Artist\t", with: "Painter\t")
    let data = try scratch.write("train.tsv", rows)
    let result = try Tool.train(
      Models.checkpoint, "--data", data, "--output", scratch.path("out"), "--fit-policy", "prototype")
    #expect(result.code == 1 && result.notes.contains("needs data of the checkpoint's own classes, Artist, "))
    #expect(!FileManager.default.fileExists(atPath: scratch.path("out")))
  }

  @Test func `A folder that holds something is not written into`() throws {
    let scratch = try Scratch()
    _ = try scratch.write("note", "mine")
    let result = try Tool.train(
      Models.checkpoint, "--data", Self.data, "--output", scratch.folder, "--fit-policy", "expert-vote")
    #expect(result.code == 1 && result.notes.contains("is not empty"), "\(result.notes)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["note"])
  }

  @Test func `Policies are listed with what they read, their parameters and weights`() throws {
    let text = try Tool.compile("--list-policies")
    #expect(text.code == 0)
    for line in [
      "  entropy: reads probabilities; for probabilities, labels; at the entry, too",
      "    threshold: a number in 0...1, default 0.1",
      "  received-attention: reads received-attention; after-attention",
      "    temperature: a list of numbers in 0.001...1000, as [a, b, c], default #exits.temperatures, else [1]",
      "    weights policies.prototype.centroids [boundaries, classes, hidden]",
    ] { #expect(text.lines.contains(line), "\(line)") }
    let json = try Tool.compile("--list-policies", "--format", "json")
    let list = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    let saturation = try #require(list.first { $0["name"] as? String == "saturation" })
    #expect(saturation["kind"] as? String == "exit" && saturation["entry"] as? Bool == false)
    #expect(saturation["reads"] as? [String] == ["hidden", "earlier-hidden"] && saturation["moment"] is NSNull)
    let parameters = try #require(saturation["parameters"] as? [[String: Any]])
    #expect(parameters.map { $0["range"] as? [Double] } == [[-1, 1]])
    for policy in list {
      #expect(policy["reads"] is [String] && (policy["kind"] as? String == "prune") == (policy["moment"] is String))
    }
    let none = try Tool.compile.run([])
    #expect(none.code == 64 && none.notes.contains("Missing expected argument '<checkpoint>'"), "\(none.notes)")
  }
}
