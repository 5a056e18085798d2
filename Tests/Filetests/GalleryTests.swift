// Graphs/gallery: one small model as imported and after each pass, with policies and without. Tutorial and golden test at once;
// `MP_BLESS=1` rewrites all but the imported graph.

import Foundation
import MagicPyramid
import PyramidCompiler
import PyramidIR
import Testing

@Suite struct GalleryTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Graphs/gallery")

  @Test(arguments: [
    ("with-policies", "; exit entropy(threshold=0.2)\n; prune received-attention\n; heads 0\n"),
    ("with-entry", "; exit entropy(threshold=0.2)\n; prune salience\n; heads 0\n; entry 9 16\n"),
    ("without-policies", ""),
  ])
  func `Every pass makes of the imported graph what the gallery shows`(name: String, options: String) throws {
    let header = "; test pass\n" + options
    let imported = try String(contentsOf: Self.folder.appending(path: "00-imported.mpir"), encoding: .utf8)
    let file = try Filetest(path: "", name: "gallery", text: header + imported)
    var graph = try file.graph()
    for (index, pass) in Pipeline.passes.enumerated() {
      try file.run([pass.name], on: &graph)
      let number = index < 9 ? "0\(index + 1)" : "\(index + 1)"
      let path = Self.folder.appending(path: "\(name)/\(number)-\(pass.name).mpir")
      if ProcessInfo.processInfo.environment["MP_BLESS"] == "1" {
        try FileManager.default.createDirectory(
          at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try graph.description.write(to: path, atomically: true, encoding: .utf8)
      }
      #expect(try graph.description == String(contentsOf: path, encoding: .utf8), "\(path.lastPathComponent)")
    }
  }

  @Test(arguments: [("dense", [String]()), ("pyramid", ["entropy(threshold=0.1)", "received-attention"])])
  func `The embedded model compiles to the graph beside it`(name: String, policies: [String]) throws {
    let folder = Self.folder.deletingLastPathComponent().appending(path: "dbpedia14")
    let choice = PolicyChoice(
      exit: try policies.first.map { try PolicySpec($0) }, prune: try policies.last.map { try PolicySpec($0) })
    let options = CompileOptions(target: .avx512)
    let graph = try Compilation(checkpoint: folder.path, policies: choice, options: options).graph()
    let path = folder.appending(path: "\(name).mpir")
    if ProcessInfo.processInfo.environment["MP_BLESS"] == "1" {
      try graph.description.write(to: path, atomically: true, encoding: .utf8)
    }
    #expect(try graph.description == String(contentsOf: path, encoding: .utf8))
  }
}
