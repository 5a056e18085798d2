// mp-train as a user sees it when something is wrong: exit codes, one line that says what to do, and nothing written.

import Foundation
import PyramidFormats
import PyramidTraining
import Testing

@Suite struct TrainTests {
  static let named = (0..<280).map { "class \($0 % 14)\ttext \($0)\n" }.joined()
  static let swapped = (0..<280).map { "text \($0)\t\($0 % 14)\n" }.joined()
  static let rows = (0..<280).map { "\($0 % 14)\ttext \($0)\n" }.joined()

  @Test(arguments: [
    (["--stages", "1,5"], "'1,5' is invalid for '--stages"), (["--stages", "1,1"], "'1,1' is invalid"),
    (["--epochs", "3,2"], "--epochs: 2 numbers for 4 numbered stages"), (["--epochs", "0"], "'0' is invalid"),
    (["--exits", "0"], "'0' is invalid"), (["--learning-rate", "2"], "--learning-rate must be 0.0 to 1.0"),
    (["--warm-up", "nan"], "--warm-up must be"), (["--precision", "int8"], "'int8' is invalid for '--precision"),
    (["--resume", "--overwrite"], "--resume and --overwrite contradict each other"),
    (["--max-tokens", "1"], "--max-tokens must be 3 to 1000000"),
    (["--stages", "1", "--exits", "entry"], "--exits has no effect without stage 4"),
    (["--stages", "1,2", "--prune", "top-k"], "--prune has no effect without stage 3 or 4"),
    (["--stages", "4", "--learning-rate", "0.01"], "--learning-rate has no effect without stage 1, 2 or 3"),
    (["--stages", "4", "--precision", "bf16"], "--precision has no effect without stage 1, 2 or 3"),
    (["--stages", "entry", "--exits-training", "joint"], "--exits-training has no effect without stage 1, 2, 3 or 4"),
    (["--stages", "entry", "--epochs", "2"], "--epochs has no effect without stage 1, 2, 3 or 4"),
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
      (["train.tsv": named], ["--stages", "entry"], "which is which?"),
      (["train.tsv": swapped], [], "--label-column and --text-column say which column is which"),
      ([:], ["--batch-tokens", "9000"], "--batch-tokens 9000: at most 8192"),
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

  /// A folder with a small checkpoint, `model`, and data, `train.tsv`.
  private func sample() throws -> (scratch: Scratch, arguments: [String]) {
    let scratch = try Scratch()
    try #require(Tool.trainingProbe(scratch.folder, "make").code == 0)
    let words = ["--data", scratch.path("train.tsv"), "--stages", "1", "--epochs", "6", "--batch-tokens", "60"]
    return (scratch, [scratch.path("model")] + words + ["--learning-rate", "0.01", "--checkpoint-minutes", "0"])
  }

  @Test(arguments: [nil, "none"])
  func `Without --precision layers learn in what the processor, or the features allowed of it, multiply fastest`(
    features: String?
  ) throws {
    let (scratch, arguments) = try sample()
    let environment = features.map { ["MP_FEATURES": $0] } ?? [:]
    let result = try Tool.train.run(arguments + ["--output", scratch.path("out")], environment: environment)
    #expect(result.code == 0, "\(result.notes)")
    let precision = features == nil ? TrainingPrecision.fastest : .f32
    let report = try JSONField(path: scratch.path("out/training-report.json"))
    #expect(try report.required("arguments").required("precision").string() == precision.rawValue)
    #expect(result.notes.contains("products in bf16") == (precision == .bf16))
  }

  @Test(arguments: ["f32", "bf16"])
  func `A trained checkpoint compiles and answers, and its weights do not depend on the threads`(
    precision: String
  ) throws {
    let (scratch, arguments) = try sample()
    var weights: [Data] = []
    for threads in ["1", "2"] {
      let output = scratch.path("out" + threads)
      let result = try Tool.train.run(
        arguments + ["--output", output, "--threads", threads, "--precision", precision])
      #expect(result.code == 0, "\(result.notes)")
      #expect(result.output.contains("| 1 fine-tuning |") && result.output.contains("| layer 1 |"), "\(result.output)")
      #expect(result.notes.contains("1 fine-tuning, epoch 6: dev accuracy 1: "))
      weights.append(try Data(contentsOf: URL(fileURLWithPath: output + "/model.safetensors")))
    }
    #expect(weights[0] == weights[1])
    // What is resumed goes on in the precision that it was begun in, whatever the machine would choose.
    #expect(try Tool.train.run(arguments + ["--output", scratch.path("out1"), "--resume"]).code == 0)
    let model = scratch.path("model.mpc")
    #expect(try Tool.compile(scratch.path("out1"), "-o", model, "--quiet").code == 0)
    let answers = try Tool.run(model, "--input", scratch.path("train.tsv"), "--format", "csv")
    #expect(answers.code == 0 && answers.lines.count == 301)
    let accuracy = try #require(answers.notes.firstMatch(of: /accuracy ([0-9.]+)%/))
    #expect(try #require(Double(accuracy.1)) > 60, "\(answers.notes)")
  }

  @Test func `An interrupted training says how to go on, and ends with the same weights`() throws {
    let (scratch, arguments) = try sample()
    #expect(try Tool.train.run(arguments + ["--output", scratch.path("whole"), "--quiet"]).code == 0)
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = Tool.train.url
    process.arguments = arguments + ["--output", scratch.path("parts"), "--overwrite"]
    let notes = Pipe()
    (process.standardError, process.standardOutput) = (notes, FileHandle.nullDevice)
    try process.runLimited()
    var text = ""
    while !text.contains("epoch 1"), case let more = notes.fileHandleForReading.availableData, !more.isEmpty {
      text += String(decoding: more, as: UTF8.self)
    }
    process.interrupt()
    text += String(decoding: try notes.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let stopped = "stopped; the same command with --resume goes on: mp-train "
    let command = try #require(text.range(of: stopped), "\(text)")
    let words = text[command.upperBound...].prefix { $0 != "\n" }.split(separator: " ").map(String.init)
    let again = try Tool.train.run(arguments + ["--output", scratch.path("parts")])
    #expect(again.code == 1 && again.notes.contains("holds a training that is unfinished; --resume goes on with it"))
    let rest = try Tool.train.run(words)
    #expect(rest.code == 0, "\(words) \(rest.notes)")
    func weights(_ name: String) throws -> Data {
      try Data(contentsOf: URL(fileURLWithPath: scratch.path(name + "/model.safetensors")))
    }
    #expect(try weights("parts") == weights("whole"))
  }

  @Test func `A vocabulary is trimmed to what texts use, and the result can be trained`() throws {
    let (scratch, _) = try sample()
    let trim = ["trim-vocabulary", scratch.path("model"), "--data", scratch.path("train.tsv"), "--size", "200"]
    let result = try Tool.train.run(trim + ["--output", scratch.path("small")])
    #expect(result.code == 0, "\(result.notes)")
    #expect(result.notes.contains("kept 200 of 4000 tokens after 300 texts"))
    let words = ["--data", scratch.path("train.tsv"), "--stages", "entry", "--output", scratch.path("out")]
    #expect(try Tool.train.run([scratch.path("small")] + words).code == 0)
    let missing = try Tool.train.run(["trim-vocabulary", scratch.path("model"), "--size", "200"])
    #expect(missing.code == 64)
    let empty = try Tool.train.run(trim + ["--data", "/dev/null", "--output", scratch.path("none")])
    #expect(empty.code == 1 && empty.notes.contains("/dev/null: has no rows"), "\(empty.notes)")
    let help = try Tool.train("trim-vocabulary", "--help")
    #expect(help.code == 0 && help.output.contains("--size"))
  }

  @Test func `Without standard input and error no file takes their places, and notes go nowhere`() throws {
    let (scratch, arguments) = try sample()
    let words = ["-c", #"exec "$0" "$@" <&- 2>&-"#, Tool.train.url.path] + arguments
    let bash = URL(fileURLWithPath: "/bin/bash")
    let result = try Tool.train.run(words + ["--output", scratch.path("out")], executable: bash)
    #expect(result.code == 0 && result.notes.isEmpty)
    let log = try String(contentsOfFile: scratch.path("out/training-log.jsonl"), encoding: .utf8)
    #expect(!log.isEmpty && log.split(separator: "\n").allSatisfy { $0.hasPrefix("{") }, "\(log)")
  }
}
