// Holds the layout that DESIGN promises: which module may import which, how long a file may grow, and that policies need the SDK only.
// It reads the sources themselves, since running the package manager inside a test would wait for the lock that the test run holds.

import Foundation
import Testing

@Suite struct LayoutTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// Module -> modules of this package that it may import. An arrow that is missing here is a decision to be made, not a detail.
  static let arrows: [String: Set<String>] = [
    "PyramidIR": ["PyramidPolicy"],
    "PyramidPolicy": [],
    "PyramidFormats": [],
    "PyramidText": ["PyramidFormats"],
    "PyramidModels": ["PyramidFormats", "PyramidIR", "PyramidPolicy", "PyramidText"],
    "PyramidPlugins": ["PyramidFormats", "PyramidPolicy"],
    "PyramidReference": ["CPyramidReference", "PyramidIR", "PyramidPolicy"],
    "PyramidKernels": ["CPyramidKernels", "PyramidIR"],
    "PyramidCompiler": ["PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidModels", "PyramidPolicy"],
    "PyramidRuntime": ["PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidPolicy"],
    "PyramidEvaluation": ["PyramidFormats"],
    "MagicPyramid": [
      "BuiltInPolicies", "PyramidCompiler", "PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidModels",
      "PyramidPlugins", "PyramidPolicy", "PyramidReference", "PyramidRuntime", "PyramidText",
    ],
    "PyramidFoundation": ["MagicPyramid", "PyramidIR", "PyramidReference", "PyramidText"],
    "PyramidPolicyTesting": [
      "MagicPyramid", "PyramidCompiler", "PyramidEvaluation", "PyramidFormats", "PyramidIR", "PyramidPolicy",
      "PyramidRuntime",
    ],
    "PyramidTraining": [
      "BuiltInPolicies", "PyramidCompiler", "PyramidEvaluation", "PyramidFormats", "PyramidIR", "PyramidKernels",
      "PyramidModels", "PyramidPolicy", "PyramidRuntime", "PyramidText",
    ],
    "PyramidTools": ["MagicPyramid", "PyramidFormats"],
    "PyramidC": ["MagicPyramid", "PyramidFormats"],
    "PyramidServing": ["MagicPyramid", "PyramidFormats"],
    "mp-compile": [
      "MagicPyramid", "PyramidCompiler", "PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidPolicyTesting",
      "PyramidTools",
    ],
    "mp-run": ["MagicPyramid", "PyramidEvaluation", "PyramidFormats", "PyramidTools"],
    "mp-compare": [
      "MagicPyramid", "PyramidFormats", "PyramidModels", "PyramidPolicyTesting", "PyramidTools", "PyramidTraining",
    ],
    "mp-train": ["MagicPyramid", "PyramidFormats", "PyramidModels", "PyramidTools", "PyramidTraining"],
    "mp-serve": ["MagicPyramid", "PyramidFormats", "PyramidServing", "PyramidTools"],
    "mp-bench": [
      "MagicPyramid", "PyramidEvaluation", "PyramidFormats", "PyramidIR", "PyramidKernels", "PyramidTools",
    ],
  ]
  static let systemModules: Set<String> = [
    "ArgumentParser", "CNettle", "Darwin", "FoundationEssentials", "Glibc", "Musl", "Synchronization",
  ]

  /// What the server alone is built on: see the trait `Server` in Package.swift.
  static let serverModules: Set<String> = [
    "CoreMetrics", "Foundation", "GRPCCore", "GRPCNIOTransportHTTP2", "GRPCProtobuf", "HTTPTypes", "Hummingbird",
    "HummingbirdCore", "HummingbirdTLS", "Logging", "NIOCertificateReloading", "NIOCore", "NIOHPACK", "NIOHTTP1",
    "NIOHTTP2", "NIOHTTPTypes", "NIOSSL", "ServiceLifecycle", "SwiftProtobuf", "UnixSignals",
  ]

  @Test(arguments: arrows.keys.sorted())
  func `A module imports only what its arrows allow`(module: String) throws {
    let files = try Self.files(in: "Sources/\(module)", endings: [".swift"])
    #expect(!files.isEmpty)
    for file in files {
      var foreign = try Self.imports(of: file).subtracting(Self.systemModules).subtracting(Self.arrows[module] ?? [])
      if module == "mp-serve" { foreign.subtract(Self.serverModules) }
      #expect(foreign.isEmpty, "\(file) imports \(foreign.sorted())")
    }
  }

  @Test func `Every folder of Sources is in the table of arrows, or is C`() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.root + "/Sources")
    let cFolders = ["CPyramidKernels", "CPyramidReference", "COpenBLAS", "CNettle"]
    #expect(Set(folders) == Set(Self.arrows.keys).union(cFolders))
  }

  @Test func `Every folder of tests is a target, so that none is left out silently`() throws {
    let manifest = try String(contentsOfFile: Self.root + "/Package.swift", encoding: .utf8)
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.root + "/Tests").filter { folder in
      try Self.files(in: "Tests/\(folder)", endings: [".swift"]).contains {
        try Self.imports(of: $0).contains("Testing")
      }
    }
    #expect(folders.count > 15)
    for folder in folders {
      #expect(
        manifest.contains("\"\(folder)\"") || manifest.contains("\"Tests/\(folder)\""), "\(folder) is in no target")
    }
  }

  @Test func `A policy is one short file with a card, and imports the SDK only`() throws {
    #expect(try Self.imports(of: "Policies/BuiltIn.swift") == ["PyramidPolicy"])
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.root + "/Policies")
    #expect(folders.count >= 9)
    for folder in folders where folder != "BuiltIn.swift" {
      let content = try FileManager.default.contentsOfDirectory(atPath: Self.root + "/Policies/\(folder)").sorted()
      #expect(content.count == 2 && content.contains("CARD.md"), "\(folder): \(content)")
      for file in try Self.files(in: "Policies/\(folder)", endings: [".swift"]) {
        #expect(try Self.imports(of: file) == ["PyramidPolicy"], "\(file)")
        #expect(try Self.lines(of: file).count <= 120, "\(file)")
      }
    }
  }

  /// A signal's case, its property of the view, the argument of the view made by hand and the text of the IR.
  @Test(arguments: [("TokenSignal", "TokenView"), ("ExitSignal", "ExitView")])
  func `A signal has one name, in kebab-case as text`(signal: String, view: String) throws {
    let sdk = Self.root + "/Sources/PyramidPolicy"
    func text(_ file: String) throws -> Substring { try String(contentsOfFile: sdk + file, encoding: .utf8)[...] }
    let signals = try text("/Contract/Signals.swift")
    let start = try #require(signals.range(of: "public enum \(signal)"))
    let end = try #require(signals.range(of: "\n}", range: start.upperBound..<signals.endIndex))
    let cases = signals[start.upperBound..<end.lowerBound].matches(of: /case (\w+) = "([a-z-]+)"/)
    #expect(cases.count >= 5)
    let properties = try text("/Views/\(view).swift")
    let byHand = try #require(try text("/Views/HandMadeViews.swift").split(separator: "extension \(view) {").last)
    for (name, raw) in cases.map({ (String($0.output.1), String($0.output.2)) }) {
      let words = name.replacing(/[A-Z]+/) { "-" + $0.output.lowercased() }
      #expect(words == raw)
      #expect(properties.contains(try Regex("public (var \(name): |func \(name)\\()")), "\(view).\(name)")
      #expect(byHand.contains("\(name): "), "\(view)(\(name):)")
    }
  }

  /// Made by a script, and nobody's style.
  private static func isGenerated(_ file: String) -> Bool { file.contains("/Generated/") }

  @Test func `No source file is longer than 500 lines, and no kernel file longer than 400`() throws {
    for file in try Self.files(in: "Sources", endings: [".swift", ".c", ".h"]) {
      if Self.isGenerated(file) { continue }
      let limit = file.hasSuffix(".swift") ? 500 : 400
      #expect(try Self.lines(of: file).count <= limit, "\(file)")
    }
  }

  @Test func `Every source file starts by saying what it decides`() throws {
    for file in try Self.files(in: "Sources", endings: [".swift", ".c", ".h"]) {
      #expect(try Self.lines(of: file).first?.hasPrefix("//") == true, "\(file)")
    }
  }

  @Test func `The README names no script that does not exist`() throws {
    let text = try String(contentsOfFile: Self.root + "/README.md", encoding: .utf8)
    for match in text.matches(of: /Scripts\/[a-z-]+/) {
      #expect(FileManager.default.isExecutableFile(atPath: Self.root + "/" + match.output), "\(match.output)")
    }
  }

  private static func files(in folder: String, endings: [String]) throws -> [String] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: root + "/" + folder)
    return names.filter { name in endings.contains { name.hasSuffix($0) } }.map { folder + "/" + $0 }.sorted()
  }

  private static func lines(of file: String) throws -> [Substring] {
    try String(contentsOfFile: root + "/" + file, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
  }

  private static func imports(of file: String) throws -> Set<String> {
    let pattern =
      /^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:public |internal |private )?import (?:struct |enum |class |func )?([\w-]+)/
    return Set(try lines(of: file).compactMap { $0.firstMatch(of: pattern).map { String($0.output.1) } })
  }
}
