// What an operator meets when a model is damaged, broken, or replaced while it is used, and when what is downloaded tries
// to write to the terminal: an exit code and a line that says so, never an answer of another model.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct TrustTests {
  @Test func `A tool's environment is what a test asks for, and what any program needs`() {
    let names = [
      "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "MP_GUARD", "MP_PLANTED_FAULT", "ASAN_OPTIONS", "LLVM_PROFILE_FILE",
    ]
    let others = [
      "MP_ISA", "MP_FEATURES", "MP_SDK_PATH", "OMP_NUM_THREADS", "OMP_PROC_BIND", "LANG", "LC_ALL", "MP_BLESS",
    ]
    let all = Dictionary(uniqueKeysWithValues: (names + others).map { ($0, "x") })
    #expect(Set(Tool.allowed(of: all).keys) == Set(names))
  }

  @Test func `A flipped bit of the weights is found by --verify`() throws {
    let scratch = try Scratch()
    var bytes = try Data(contentsOf: URL(fileURLWithPath: Models.entry.get()))
    let whole = try Tool.run(Models.entry.get(), "--verify", "--quiet", "--format", "csv", "A text.")
    #expect(whole.code == 0 && whole.lines.count == 2, "\(whole.notes)")
    // The sign of the first weight, which a tensor's data starts with.
    let header = Int(bytes.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) })
    bytes[8 + header + 3] ^= 0x80
    let path = try scratch.write("flipped.mpc", bytes)
    let verified = try Tool.run(path, "--verify", "A text.")
    #expect(verified.code == 1 && verified.output.isEmpty, "\(verified.output)")
    #expect(verified.notes.split(separator: "\n").count == 1, "\(verified.notes)")
    #expect(verified.notes.contains("flipped.mpc: weights: are not what was compiled"), "\(verified.notes)")
    // Opening a model reads no weights: who does not ask gets an answer.
    #expect(try Tool.run(path, "A text.").code == 0)
  }

  @Test(arguments: ["jsonl", "csv", "pretty"], [nil, "entropy"])
  func `A text whose answer is not a number is an error of its record, and counts nowhere`(
    format: String, exit: String?
  ) throws {
    let (scratch, folder) = (try Scratch(), try TemporaryFolder())
    var recipe = CheckpointRecipe()
    recipe.brokenWord = 9
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile.run(
      [try recipe.write(in: folder), "-o", model] + (exit.map { ["--exit", $0] } ?? []))
    #expect(compiled.code == 0, "\(compiled.notes)")
    func run(_ texts: [String]) throws -> ToolResult {
      let input = Data(texts.map { "class 1\t\($0)\n" }.joined().utf8)
      return try Tool.run(model, "-", "--input-format", "tsv", "--format", format, input: input)
    }
    let whole = try run(["w10 w11", "w12", "w13 w14"])
    let broken = try run(["w10 w11", "w9 w12", "w12", "w13 w14", "w13 w9"])
    #expect(whole.code == 0 && broken.code == 1)
    let accuracy = try #require(whole.notes.firstMatch(of: /accuracy [0-9.]+% of 3 with a label/))
    #expect(broken.notes.contains(accuracy.0), "\(broken.notes)")
    let complaints = broken.notes.split(separator: "\n").filter { $0.contains("the model's answer is not a number") }
    #expect(complaints.count == 2 && complaints[0].contains("line 2") && complaints[1].contains("line 5"))
    #expect(broken.notes.contains("2 bad records left out"), "\(broken.notes)")
    #expect(broken.lines.count == whole.lines.count)
    for text in [broken.output, broken.notes, compiled.notes] { #expect(!text.contains("nan"), "\(text)") }
  }

  /// In place, as `cp` does: what was mapped is then another model's.
  @Test(arguments: [false, true])
  func `A model that is written over between two batches ends the run, unless it was copied`(isCopied: Bool) throws {
    let scratch = try Scratch()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: Models.entry.get()))
    let model = try scratch.write("model.mpc", bytes)
    let expected = try Tool.run(
      model, "-", "--format", "csv", "--quiet", input: Data("One text.\nAnother one.\n".utf8))
    #expect(expected.code == 0 && expected.lines.count == 3)
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = Tool.run.url
    process.arguments = [model, "-", "--format", "csv", "--quiet"] + (isCopied ? ["--copy"] : [])
    let (input, output, notes) = (Pipe(), Pipe(), Pipe())
    (process.standardInput, process.standardOutput, process.standardError) = (input, output, notes)
    try process.runLimited()
    try input.fileHandleForWriting.write(contentsOf: Data("One text.\n".utf8))
    var text = ""
    while !text.contains("\n0,") || text.last != "\n" {
      let piece = output.fileHandleForReading.availableData
      try #require(!piece.isEmpty, "the tool ended after '\(text)'")
      text += String(decoding: piece, as: UTF8.self)
    }
    let file = try #require(FileHandle(forWritingAtPath: model))
    try file.write(contentsOf: Data(count: bytes.count))
    try file.close()
    try input.fileHandleForWriting.write(contentsOf: Data("Another one.\n".utf8))
    try input.fileHandleForWriting.close()
    text += String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    let complaint = String(decoding: try notes.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    if isCopied {
      #expect(process.terminationStatus == 0 && text == expected.output, "\(complaint)")
    } else {
      #expect(
        process.terminationStatus == 1 && complaint.contains("was written over while it was in use"), "\(complaint)")
      #expect(text == expected.lines.prefix(2).joined(separator: "\n") + "\n")
    }
  }

  /// Whether a terminal shows all of a text, and does nothing.
  private func expectPlain(_ text: String) {
    let isPlain = text.unicodeScalars.allSatisfy {
      $0 == "\n" || ($0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0.value != 0x202E)
    }
    #expect(isPlain, "\(text.debugDescription)")
  }

  @Test func `Names of tensors in a downloaded checkpoint reach no terminal raw`() throws {
    let folder = try TemporaryFolder()
    let checkpoint = try CheckpointRecipe().write(in: folder)
    let path = checkpoint + "/model.safetensors"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    // As long as what it replaces: the title of a window, and what makes text run backwards.
    let name = try #require(bytes.range(of: Data("exits.0.dense.weight".utf8)))
    bytes.replaceSubrange(name, with: Data(#"\u001b]0\u0007\u202e"#.utf8))
    try bytes.write(to: URL(fileURLWithPath: path))
    for arguments in [["--emit", "ir"], ["--inspect"], ["--emit", "ir", "--exit", "entropy"]] {
      let result = try Tool.compile.run([checkpoint] + arguments)
      #expect(result.code == 1 && result.notes.contains("]0"), "\(result.notes)")
      expectPlain(result.notes + result.output)
    }
  }

  @Test func `Policies of a downloaded profile reach no terminal raw`() throws {
    let scratch = try Scratch()
    let path = scratch.path("p.json")
    let written = try Tool.run(Models.entry.get(), "--write-profile", path, "--format", "csv", "A text.")
    #expect(written.code == 0, "\(written.notes)")
    let whole = try String(contentsOfFile: path, encoding: .utf8)
    for (kind, policies) in [
      ("exit", ["--exit", "entropy(threshold=0.55)", "--prune", "salience"]),
      ("prune", ["--exit", "entropy(threshold=0.55)", "--prune", "salience"]),
    ] {
      let entry = try #require(whole.firstMatch(of: try Regex("\"\(kind)\": *\"")))
      let forged = whole.replacingCharacters(in: entry.range, with: String(entry.0) + #"\u001b[2J\u009b31m\u202e"#)
      let result = try Tool.compile.run(
        [Models.entryCheckpoint, "--emit", "ir", "--profile", scratch.write("forged.json", forged)] + policies)
      #expect(result.code == 1 && result.notes.contains("\(kind): the profile is of"), "\(result.notes)")
      expectPlain(result.notes + result.output)
    }
  }
}
