// mp-compile --precision auto as a user sees it: what is chosen, where it is said, and what is refused.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct PrecisionTests {
  private static let scene = Result { try PrecisionScene() }

  @Test func `The precision of each layer is chosen by texts, printed, and kept in the model`() throws {
    let (scene, scratch) = (try Self.scene.get(), try Scratch())
    let path = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      scene.checkpoint, "-o", path, "--precision", "auto", "--data", scene.data, "--max-drop", "0.02", "--explain")
    #expect(compiled.code == 0, "\(compiled.notes)")
    let formats = "int8 (layers 1, 3), bf16 (heads), f32 (layer 2)"
    #expect(compiled.notes.contains("  | layer 2 |       f32 |") && compiled.notes.contains("no clock has a say"))
    #expect(compiled.notes.contains(", \(formats)\n") && compiled.output.contains("; products in \(formats);"))
    let record = "accuracy of \(scene.count) texts (sha256:"
    #expect(compiled.notes.contains(record) && compiled.notes.contains("at most 0.0200 may be lost"))
    let info = try Tool.run(path, "--info")
    #expect(info.code == 0 && info.output.contains(formats), "\(info.output)")
    #expect(info.output.contains("precisions chosen by \(record)"))
    let answers = try Tool.run(path, "--input", scene.data, "--input-format", "tsv", "--format", "jsonl")
    #expect(answers.code == 0 && answers.lines.count == scene.count)
  }

  @Test func `A bar that all int8 keeps needs no table of changes, and the default bar is 0.002`() throws {
    let scene = try Self.scene.get()
    let loose = try Tool.compile(
      scene.checkpoint, "--emit", "ir", "--precision", "auto", "--data", scene.data, "--max-drop", "0.99")
    #expect(loose.code == 0 && loose.notes.contains("| layer 2 |      int8 |"), "\(loose.notes)")
    #expect(loose.output.contains("#l1.intermediate.weight : f32[24, 16]") && loose.output.contains("as int8"))
    let usual = try Tool.compile(scene.checkpoint, "--emit", "ir", "--precision", "auto", "--data", scene.data)
    #expect(usual.code == 0 && usual.notes.contains("at most 0.0020 may be lost"), "\(usual.notes)")
  }

  @Test(arguments: [
    (["--precision", "auto"], "give --data FILE"), (["--data", "dev.tsv"], "are for --precision auto"),
    (["--precision", "int8", "--max-drop", "0.1"], "are for --precision auto"),
    (["--precision", "int8", "--label-column", "2"], "are for --precision auto"),
    (["--precision", "auto", "--data", "dev.tsv", "--max-drop", "1"], "--max-drop is a share"),
    (["--precision", "auto", "--data", "dev.tsv", "--max-drop", "nan"], "--max-drop is a share"),
    (["--precision", "auto", "--data", "-"], "give one, not -"),
    (["--precision", "auto", "--data", "dev.tsv", "--certificate", "c.json", "-o", "m.mpc"], "names one format"),
  ])
  func `Options that don't go together are refused as usage`(options: [String], words: String) throws {
    let result = try Tool.compile.run([Models.checkpoint, "--emit", "ir"] + options)
    #expect(result.code == 64 && result.output.isEmpty && result.notes.contains(words), "\(result.notes)")
  }

  @Test func `Texts without labels are refused with file and line`() throws {
    let scratch = try Scratch()
    let data = scratch.path("texts.tsv")
    try Data("a text alone\n".utf8).write(to: URL(fileURLWithPath: data))
    let result = try Tool.compile(Models.checkpoint, "--emit", "ir", "--precision", "auto", "--data", data)
    #expect(result.code == 1 && result.output.isEmpty, "\(result.notes)")
    #expect(result.notes.contains(data) && result.notes.contains("line 1: has no label"), "\(result.notes)")
  }
}
