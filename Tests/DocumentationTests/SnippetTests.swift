// README and the articles show Swift that people paste. Each block is type-checked against the modules as they were
// just built, so that the documentation can't fall behind the API.

import Foundation
import Testing

@Suite struct SnippetTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// One fenced block of Swift and where it stands.
  struct Snippet: CustomTestStringConvertible, Sendable {
    let file: String
    let line: Int
    let code: String

    var testDescription: String { "\(file):\(line)" }
  }

  /// All blocks but those of a package's manifest, which Tests/ExamplePackage holds.
  static let snippets: [Snippet] = {
    let articles = "Sources/MagicPyramid/Documentation.docc"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: articles).path)) ?? []
    let files = ["README.md"] + names.filter { $0.hasSuffix(".md") }.sorted().map { "\(articles)/\($0)" }
    return files.flatMap { file in
      let text = (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
      return blocks(of: text, in: file).filter { !$0.code.hasPrefix("// Package.swift") }
    }
  }()

  private static func blocks(of text: String, in file: String) -> [Snippet] {
    var found: [Snippet] = []
    var open: (line: Int, code: [Substring])?
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line == "```swift" {
        open = (index + 1, [])
      } else if line == "```", let block = open {
        found.append(Snippet(file: file, line: block.line, code: block.code.joined(separator: "\n") + "\n"))
        open = nil
      } else {
        open?.code.append(line)
      }
    }
    return found
  }

  @Test func `There are snippets to check`() {
    #expect(Self.snippets.count >= 5)
    #expect(Set(Self.snippets.map(\.file)).count >= 3)
  }

  @Test(arguments: snippets)
  func `A snippet compiles as it is written`(snippet: Snippet) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "snippet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // A file of this name may have statements at its top.
    let source = folder.appending(path: "main.swift")
    try snippet.code.write(to: source, atomically: true, encoding: .utf8)
    let build = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    var modules = ["COpenBLAS", "CNettle"].flatMap {
      ["-Xcc", "-I\(Self.root.appending(path: "Sources/\($0)").path)"]
    }
    // The package manager writes the module maps of targets that have none.
    modules += ["CPyramidKernels", "CPyramidReference"].flatMap {
      ["-Xcc", "-fmodule-map-file=\(build.appending(path: "\($0).build/module.modulemap").path)"]
    }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    // A compiler that hangs is a failure, not a test run without end.
    process.arguments =
      [
        "timeout", "-k", "10", "300", "swiftc", "-typecheck", "-swift-version", "6", "-enable-experimental-feature",
        "Lifetimes", "-module-cache-path", build.appending(path: "ModuleCache").path,
        "-I", build.appending(path: "Modules").path,
      ] + modules + [source.path]
    let messages = folder.appending(path: "messages.txt")
    try Data().write(to: messages)
    process.standardOutput = FileHandle(forWritingAtPath: messages.path)
    process.standardError = FileHandle(forWritingAtPath: messages.path)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    let text = try String(contentsOf: messages, encoding: .utf8)
    #expect(process.terminationStatus == 0, "\(snippet.file):\(snippet.line):\n\(text)")
  }
}
