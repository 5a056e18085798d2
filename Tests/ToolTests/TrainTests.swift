// mp-train as a user sees it when something is wrong: exit codes, one line that says what to do, and nothing written.

import Foundation
import Testing

@Suite struct TrainTests {
  static let rows = (0..<280).map { "\($0 % 14)\ttext \($0)\n" }.joined()

  @Test(arguments: [
    (["--stages", "1,5"], "'1,5' is invalid for '--stages"), (["--stages", "1,1"], "'1,1' is invalid"),
    (["--epochs", "3,2"], "--epochs: 2 numbers for 4 numbered stages"), (["--epochs", "0"], "'0' is invalid"),
    (["--exits", "0"], "'0' is invalid"), (["--learning-rate", "2"], "--learning-rate must be 0.0 to 1.0"),
    (["--precision", "int8"], "--precision must be f32 or bf16"), (["--warm-up", "nan"], "--warm-up must be"),
    (["--resume", "--overwrite"], "--resume and --overwrite contradict each other"),
    (["--max-tokens", "1"], "--max-tokens must be 3 to 1000000"),
  ])
  func `A choice that makes no sense is a usage error`(words: [String], problem: String) throws {
    let scratch = try Scratch()
    let output = scratch.path("out")
    let result = try Tool.train.run([Models.checkpoint, "--data", "x", "--output", output] + words)
    #expect(result.code == 64)
    #expect(result.notes.contains(problem), "\(result.notes)")
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test(
    arguments: [
      ([:], ["--max-tokens", "1000"], "--max-tokens 1000: the model takes at most 512"),
      ([:], ["--exits", "entry,6"], "--exits entry,6: the model has 6 layers"),
      (["dev.tsv": "Song\ta\n"], [], "dev.tsv: line 1: the model has no label 'Song'"),
      (["train.tsv": "Film\ta\nAlbum\n"], [], "train.tsv: line 2: has no label, expected label<TAB>text"),
      (["train.csv": "a,b\n"], [], "has both train.tsv and train.csv; give --data one file"),
      (["train.tsv": ""], [], "train.tsv: has no rows, expected label<TAB>text"),
    ] as [([String: String], [String], String)])
  func `What is wrong with the data is said before anything is written`(
    files: [String: String], words: [String], problem: String
  ) throws {
    let scratch = try Scratch()
    for (name, text) in ["train.tsv": Self.rows].merging(files, uniquingKeysWith: { $1 }) {
      _ = try scratch.write(name, text)
    }
    let output = scratch.path("out")
    let result = try Tool.train.run([Models.checkpoint, "--data", scratch.folder, "--output", output] + words)
    #expect(result.code == 1)
    #expect(result.notes.contains(problem) && result.notes.hasPrefix("Error: "), "\(result.notes)")
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test func `A classifier for other classes is named, not replaced`() throws {
    let scratch = try Scratch()
    let data = try scratch.write("train.tsv", (0..<40).map { "\(["a", "b"][$0 % 2])\ttext\n" }.joined())
    let result = try Tool.train(Models.checkpoint, "--data", data, "--output", scratch.path("out"))
    #expect(result.code == 1 && result.notes.contains("its classifier has 14 classes, the data 2"), "\(result.notes)")
  }
}
