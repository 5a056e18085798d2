// What the tools print, word for word: a change of an option, a default or a column shows up in a diff. `MP_BLESS=1` rewrites the
// snapshots in Tests/Snapshots.

import Foundation
import Testing

@Suite struct SnapshotTests {
  static let cases: [(name: String, tool: Tool, arguments: [String])] = [
    ("mp-compile-help", .compile, ["--help"]),
    ("mp-run-help", .run, ["--help"]),
    ("mp-compare-help", .compare, ["--help"]),
    ("mp-train-help", .train, ["--help"]),
    ("mp-run-pretty", .run, ["MODEL", "--quiet", RunTests.river, "An album of 1969."]),
    ("mp-compile-inspect", .compile, ["CHECKPOINT", "--inspect", "--target", "avx2"]),
    ("mp-compile-inspect-albert", .compile, ["ALBERT", "--inspect", "--target", "avx2"]),
    ("mp-compile-inspect-berxit", .compile, ["BERXIT", "--inspect", "--target", "avx2"]),
    (
      "mp-compile-explain", .compile,
      ["CHECKPOINT", "--explain", "--target", "avx512", "--exit", "fixed-layer(layer=1)"]
    ),
    (
      "mp-compile-explain-profile", .compile,
      [
        "CHECKPOINT", "--explain", "--target", "avx512", "--exit", "entropy(threshold=0.1)", "--prune",
        "received-attention", "--profile", "PROFILE",
      ]
    ),
  ]

  @Test(arguments: cases)
  func `A tool prints what its snapshot says`(name: String, tool: Tool, arguments: [String]) throws {
    let model = try Models.pyramid.get()
    let files = [
      "ALBERT": Models.root + "/Tests/Golden/families/albert-groups",
      "BERXIT": Models.root + "/Tests/Golden/families/import-berxit-roberta",
      "MODEL": model, "CHECKPOINT": Models.checkpoint, "PROFILE": Models.root + "/Tests/Snapshots/profile.json",
    ]
    let filled = arguments.map { files[$0] ?? $0 }
    let result = try tool.run(filled, environment: ["COLUMNS": "100"])
    #expect(result.code == 0, "\(result.notes)")
    let path = Models.root + "/Tests/Snapshots/\(name).txt"
    if ProcessInfo.processInfo.environment["MP_BLESS"] == "1" {
      try Data(result.output.utf8).write(to: URL(fileURLWithPath: path))
    }
    #expect(try result.output == String(contentsOfFile: path, encoding: .utf8))
  }

  @Test(arguments: [Tool.compile, .run, .compare, .train, .bench])
  func `A tool says its version and the SDK's`(tool: Tool) throws {
    let result = try tool("--version")
    #expect(result.output == "\(tool.rawValue) 0.3.0 (policy SDK 0.6)\n")
  }

  /// Commands are indented by two, what continues them by four.
  @Test(arguments: [Tool.compile, .run, .compare, .train, .bench])
  func `Commands in a help text can be pasted from a terminal of 80 columns`(tool: Tool) throws {
    let help = try tool.run(["--help"], environment: ["COLUMNS": "80"]).output.split(separator: "\n").map(String.init)
    let examples = help.drop { $0 != "EXAMPLES" }.dropFirst().prefix { !$0.hasPrefix("USAGE") }
    #expect(examples.contains { $0.hasPrefix("  \(tool.rawValue) ") })
    for (line, next) in zip(examples, examples.dropFirst()) {
      #expect(line.hasSuffix(" \\") == next.hasPrefix("    "), "\(line)")
    }
  }
}
