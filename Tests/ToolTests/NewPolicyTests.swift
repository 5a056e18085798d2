// mp-compile new-policy: what it refuses, and where it writes. That its packages build is Scripts/check-new-policy.

import Foundation
import Testing

@Suite struct NewPolicyTests {
  @Test(arguments: [
    ("entropy", "is a built-in policy"), ("lead()", "a new policy has a name only"), ("Lead", "expected"),
    ("pyramid", "a type can't be called Pyramid"), ("exit-view", "a type can't be called ExitView"),
    ("../x", "expected"),
  ])
  func `A name that can't be one is refused`(name: String, problem: String) throws {
    let scratch = try Scratch()
    let result = try Tool.compile("new-policy", name, "--kind", "exit", "--output", scratch.path("p"))
    #expect(result.code != 0 && result.notes.contains(problem), "\(result.notes)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder).isEmpty)
  }

  @Test func `An empty folder is filled, whatever its path ends in, and one that holds something is not`() throws {
    let scratch = try Scratch()
    let output = scratch.path("mine")
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: false)
    let made = try Tool.compile("new-policy", "lead", "--kind", "prune", "--output", output + "/")
    #expect(made.code == 0, "\(made.notes)")
    #expect(FileManager.default.fileExists(atPath: output + "/Sources/LeadPolicy/Lead.swift"))
    let again = try Tool.compile("new-policy", "lead", "--kind", "prune", "--output", output)
    #expect(again.code != 0 && again.notes.contains("is there already"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["mine"])
  }

  @Test func `A URL becomes a dependency with the least version`() throws {
    let scratch = try Scratch()
    let url = "https://example.org/pyramid-fork.git"
    let made = try Tool.compile(
      "new-policy", "lead", "--kind", "exit", "--output", scratch.path("p"), "--package", url, "--package-version",
      "0.3.1")
    #expect(made.code == 0, "\(made.notes)")
    let manifest = try String(contentsOfFile: scratch.path("p") + "/Package.swift", encoding: .utf8)
    #expect(manifest.contains(".package(url: \"\(url)\", from: \"0.3.1\")"))
    #expect(manifest.contains("package: \"pyramid-fork\""))
  }
}
