// Profile-guided compilation as a user does it: profile, compile again, and what is said when the two don't belong
// together.

import Foundation
import Testing

@Suite struct ProfileTests {
  /// Few heads are as certain as this.
  private static let exit = "entropy(threshold=0.0006)"
  private static let policies = ["--exit", exit, "--prune", "received-attention"]

  /// A profile of the embedded model over some of its texts.
  private static let profile = Result {
    let scratch = try Scratch()
    let texts = try String(contentsOfFile: Models.checkpoint + "/sample.tsv", encoding: .utf8)
      .split(separator: "\n").prefix(60).joined(separator: "\n")
    let result = try Tool.run(
      Models.pyramid.get(), "-", "--exit", exit, "--input-format", "tsv", "--format", "csv", "--write-profile",
      scratch.path("profile.json"), input: Data(texts.utf8))
    #expect(result.code == 0 && result.lines.count == 61, "\(result.notes)")
    return scratch
  }

  @Test func `A profiled model is compiled with fewer decisions and checks itself`() throws {
    let scratch = try Scratch()
    let profile = try Self.profile.get().path("profile.json")
    let result = try Tool.compile.run(
      [Models.checkpoint, "-o", scratch.path("m.mpc"), "--emit", "ir", "--profile", profile] + Self.policies)
    #expect(result.code == 0, "\(result.notes)")
    // Few texts are certain at the entry, after layer 1 or after layer 2.
    #expect(["entry.table", "exits.0.", "exits.1."].allSatisfy { !result.output.contains($0) })
    #expect(result.output.contains("exits.2."))
    let before = try Tool.run(Models.pyramid.get(), "--exit", Self.exit, "--format", "csv", RunTests.river)
    let after = try Tool.run(scratch.path("m.mpc"), "--format", "csv", RunTests.river)
    func fields(_ result: ToolResult) -> [Substring] { result.lines[1].split(separator: ",") }
    #expect(fields(after)[1] == fields(before)[1] && fields(after)[3] == "6")
    #expect(try #require(Double(fields(after)[6])) < #require(Double(fields(before)[6])))

    let again = try Tool.run(
      scratch.path("m.mpc"), "--write-profile", scratch.path("p.json"), "--format", "csv", RunTests.river)
    #expect(again.code == 0)
    let refused = try Tool.compile.run(
      [Models.checkpoint, "--emit", "ir", "--profile", scratch.path("p.json")] + Self.policies)
    #expect(refused.code == 1 && refused.notes.contains("does not decide at the entry"), "\(refused.notes)")
    #expect(refused.notes.contains("compile without --profile first"))
  }

  @Test(arguments: [
    (["--exit", "entropy(threshold=0.2)", "--prune", "received-attention"], "exit: the profile is of"),
    (["--exit", Self.exit], "prune: the profile is of"),
  ])
  func `A profile of other policies is refused in one line`(policies: [String], words: String) throws {
    let profile = try Self.profile.get().path("profile.json")
    let result = try Tool.compile.run([Models.checkpoint, "--emit", "ir", "--profile", profile] + policies)
    #expect(result.code == 1 && result.notes.contains(words), "\(result.notes)")
    #expect(result.notes.split(separator: "\n").count == 1)
  }

  @Test(arguments: [
    ("\"checkpoint\": \"sha256:", "\"checkpoint\": \"sha256:0", "is of another checkpoint"),
    ("\"samples\": 60", "\"samples\": 61", "samples_entered: expected 61, found 60"),
    ("{", "{,", "line 1, column 2"),
  ])
  func `A profile of another checkpoint, or a damaged one, is refused`(
    text: String, forged: String, words: String
  ) throws {
    let scratch = try Scratch()
    let whole = try String(contentsOfFile: Self.profile.get().path("profile.json"), encoding: .utf8)
    let range = try #require(whole.range(of: text))
    let path = try scratch.write("p.json", whole.replacingCharacters(in: range, with: forged))
    let result = try Tool.compile.run([Models.checkpoint, "--emit", "ir", "--profile", path] + Self.policies)
    #expect(result.code == 1 && result.notes.contains(words), "\(result.notes)")
    #expect(result.notes.split(separator: "\n").count == 1)
  }

  @Test func `A profile of a model of another depth is refused in one line`() throws {
    let scratch = try Scratch()
    let path = scratch.path("p.json")
    #expect(try Tool.run(Models.entry.get(), "--write-profile", path, "--format", "csv", "A text.").code == 0)
    let result = try Tool.compile.run([Models.checkpoint, "--emit", "ir", "--profile", path] + Self.policies)
    #expect(
      result.code == 1 && result.notes.contains("layers: has 3, the model 6; profile this model"), "\(result.notes)")
    #expect(result.notes.split(separator: "\n").count == 1)
  }

  @Test func `A profile that can't be written is refused before the work`() throws {
    let result = try Tool.run(Models.pyramid.get(), "--write-profile", "/no/such/folder/p.json", RunTests.river)
    #expect(result.code == 1 && result.output.isEmpty && result.notes.contains("/no/such/folder"))
  }
}
