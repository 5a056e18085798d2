// Runs every file under Graphs/filetests, one parameterised test for each folder. `MP_BLESS=1 swift test` rewrites
// expectations in place; what it wrote is then reviewed like any other change.

import Foundation
import PyramidCompiler
import Testing

@Suite struct FiletestTests {
  @Test(arguments: ["verify", "roundtrip", "run"] + Pipeline.passes.map { "passes/\($0.name)" })
  func everyFolderHoldsFiles(folder: String) throws {
    #expect(try !Filetest.all(in: folder).isEmpty)
  }

  @Test(arguments: try Filetest.all(in: "verify"))
  func theVerifierFindsWhatIsWrong(file: Filetest) throws { try file.check() }

  @Test(arguments: try Filetest.all(in: "roundtrip"))
  func printingGivesTheCanonicalText(file: Filetest) throws { try file.check() }

  @Test(arguments: try Filetest.all(in: "passes"))
  func aPassMakesOfAGraphWhatTheFileSays(file: Filetest) throws { try file.check() }

  @Test(arguments: try Filetest.all(in: "run"))
  func theReferenceAnswersAsTheFileSays(file: Filetest) throws { try file.check() }
}

extension Filetest {
  /// Graphs/filetests of this repository.
  private static var root: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Graphs/filetests")
  }

  /// The `*.mpir` files of a folder and the folders in it, by name.
  static func all(in folder: String) throws -> [Filetest] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path)
    return try names.filter { $0.hasSuffix(".mpir") }.sorted().map { name in
      let path = root.appending(path: "\(folder)/\(name)").path
      return try Filetest(
        path: path, name: "\(folder)/\(name)", text: String(contentsOfFile: path, encoding: .utf8))
    }
  }

  /// Runs the file's sub-test and compares, or rewrites the file when `MP_BLESS` is set.
  func check() throws {
    guard let subtest = subtests[command] else {
      throw FiletestFormatError(description: "\(name): no sub-test `\(command)`")
    }
    let outcome = try run(subtest)
    if ProcessInfo.processInfo.environment["MP_BLESS"] == "1" {
      try blessed(with: outcome).write(toFile: path, atomically: true, encoding: .utf8)
    } else {
      #expect(accepts(outcome), "\(name) expects\n\(expected)\nbut gives\n\(outcome)\n(MP_BLESS=1 rewrites the file)")
    }
  }
}

extension Filetest.Outcome: CustomStringConvertible {
  var description: String {
    switch self {
    case .text(let text): text
    case .errors(let diagnostics): diagnostics.description
    }
  }
}
