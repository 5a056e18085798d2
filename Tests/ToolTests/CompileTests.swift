// mp-compile as a user sees it: self-check, emitted graphs, refusals, and outputs that appear whole or not at all.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct CompileTests {
  @Test func `Compiling checks itself and prints the largest difference`() throws {
    let scratch = try Scratch()
    let result = try Tool.compile(Models.checkpoint, "-o", scratch.path("m.mpc"))
    #expect(result.code == 0 && result.output.isEmpty)
    #expect(result.notes.contains("8 texts against the reference interpreter, largest difference of a score"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["m.mpc"])
  }

  @Test(arguments: ["portable", "avx2", "avx512"])
  func `Each target compiles and, where the CPU runs it, answers alike`(target: String) throws {
    let scratch = try Scratch()
    let path = scratch.path("m.mpc")
    let compiled = try Tool.compile(Models.checkpoint, "-o", path, "--target", target, "--exit", "entropy")
    #expect(compiled.code == 0)
    // The tool's own words don't decide what is tested: the CPU does.
    let isRun = try #require(InstructionSet(rawValue: target)).isSupported
    #expect(compiled.notes.contains("largest difference") == isRun, "\(compiled.notes)")
    if !isRun {
      let refused = try Tool.run(path, RunTests.river)
      #expect(refused.code == 1 && refused.notes.contains("compiled for \(target), which this CPU does not run"))
      return
    }
    let result = try Tool.run(path, "--format", "csv", RunTests.river)
    #expect(result.lines.last?.hasPrefix("0,NaturalPlace,") == true)
  }

  @Test(arguments: ["bf16", "int8"])
  func `Each precision says how far it is from the reference, and answers alike`(precision: String) throws {
    let scratch = try Scratch()
    let path = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", path, "--precision", precision, "--exit", "entropy", "--prune", "received-attention")
    #expect(compiled.code == 0 && compiled.notes.contains(", \(precision)\n"), "\(compiled.notes)")
    // In int8 one of the texts has a score at its threshold.
    let agreeing = precision == "int8" ? 7...8 : 8...8
    #expect(agreeing.contains { compiled.notes.contains("\($0) of 8 labels agree") }, "\(compiled.notes)")
    let result = try Tool.run(path, "--format", "csv", RunTests.river)
    #expect(result.lines.last?.hasPrefix("0,NaturalPlace,") == true)
    let compared = try Tool.compare(path, "--data", Models.checkpoint + "/sample.tsv", "--precision", precision)
    #expect(compared.code == 1 && compared.notes.contains("are for checkpoint folders"), "\(compared.notes)")
  }

  private static let golden = Models.root + "/Tests/Golden"

  @Test func `The control that never exits needs no heads`() throws {
    let scratch = try Scratch()
    let (path, checkpoint) = (scratch.path("m.mpc"), Self.golden + "/gradients/bert-plain")
    let compiled = try Tool.compile(checkpoint, "-o", path, "--exit", "never-exit")
    #expect(compiled.code == 0, "\(compiled.notes)")
    let plain = try Tool.run(path, "--format", "csv", "--quiet", "a text")
    let never = try Tool.run(path, "--format", "csv", "--quiet", "--exit", "never-exit", "a text")
    #expect(plain.code == 0 && never.code == 0 && plain.output == never.output, "\(never.notes)")
    #expect(try Tool.compile(checkpoint, "-o", path, "--exit", "entropy").notes.contains("needs exit heads"))
  }

  @Test
  func
    `Notes on a checkpoint go to standard error, unless it is to be quiet; --inspect prints them and writes nothing`()
    throws
  {
    let scratch = try Scratch()
    let checkpoint = Self.golden + "/families/import-berxit-roberta"
    let words = "encoder.lte_classifier is left unread"
    let path = scratch.path("m.mpc")
    #expect(try Tool.compile(checkpoint, "-o", path).notes.hasPrefix("note: \(words)"))
    #expect(try Tool.compile(checkpoint, "-o", path, "--quiet").notes == "")
    let inspected = try Tool.compile(checkpoint, "--inspect")
    #expect(inspected.code == 0 && inspected.notes == "" && inspected.output.contains("note        \(words)"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder) == ["m.mpc"])
    let both = try Tool.compile(checkpoint, "--inspect", "-o", scratch.path("n.mpc"))
    #expect(both.code == 64 && both.notes.contains("--inspect compiles nothing"))
    for option in [["--exit", "entropy"], ["--precision", "int8"], ["--skip-check"], ["--disable-pass", "peek"]] {
      let refused = try Tool.compile.run([checkpoint, "--inspect"] + option)
      #expect(refused.code == 64 && refused.notes.contains("leave policies, --precision"), "\(option)")
    }
  }

  @Test func `The graph can be printed as IR, DOT and JSON`() throws {
    let ir = try Tool.compile(Models.checkpoint, "--emit", "ir", "--prune", "top-k")
    #expect(ir.output.hasPrefix("graph @dbpedia14 version 1 {") && ir.output.contains("decide_prune @top-k"))
    #expect(try Tool.compile(Models.checkpoint, "--emit", "dot").output.hasPrefix("digraph"))
    let json = try Tool.compile(Models.checkpoint, "--emit", "json")
    #expect(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) is [String: Any])
  }

  @Test func `The graph can be printed after each pass`() throws {
    let result = try Tool.compile(Models.checkpoint, "--print-after", "all")
    for pass in ["canonicalise", "fuse-qkv", "schedule-policies", "plan-memory", "choose-kernels", "count-operations"] {
      #expect(result.output.contains("; after \(pass)\n"))
    }
    let one = try Tool.compile(Models.checkpoint, "--print-after", "fuse-qkv")
    #expect(one.output.components(separatedBy: "; after ").count == 2)
  }

  @Test func `Optional passes can be left out, and the rest still agrees with the reference`() throws {
    let scratch = try Scratch()
    let result = try Tool.compile(
      Models.checkpoint, "-o", scratch.path("m.mpc"), "--disable-pass", "fuse-qkv", "--disable-pass",
      "fuse-linear-activation",
      "--disable-pass", "fuse-linear-add-norm", "--disable-pass", "canonicalise", "--exit", "entropy", "--prune",
      "received-attention")
    #expect(result.code == 0, "\(result.notes)")
    let needed = try Tool.compile(Models.checkpoint, "--emit", "ir", "--disable-pass", "plan-memory")
    #expect(needed.code == 1 && needed.notes.contains("can't be left out"))
  }

  @Test(arguments: [
    (["--exit", "fixed-layer(layer=9)"], "fixed-layer"), (["--exit", "received-attention"], "received-attention"),
    (["--disable-pass", "nothing"], "there is no pass 'nothing'"),
    (["--plugin", "/nonexistent.swift"], "/nonexistent.swift"),
  ])
  func `A choice that can't be compiled is refused in one line`(options: [String], words: String) throws {
    let result = try Tool.compile.run([Models.checkpoint, "--emit", "ir"] + options)
    #expect(result.code == 1 && result.output.isEmpty)
    #expect(result.notes.split(separator: "\n").count == 1 && result.notes.contains(words), "\(result.notes)")
  }

  @Test func `An exit policy without heads names the command that fits them`() throws {
    let scratch = try Scratch()
    for file in ["config.json", "vocab.txt", "tokenizer_config.json"] {
      try FileManager.default.copyItem(atPath: Models.checkpoint + "/" + file, toPath: scratch.path(file))
    }
    let whole = try Data(contentsOf: URL(fileURLWithPath: Models.checkpoint + "/model.safetensors"))
    try withoutHeads(whole).write(to: URL(fileURLWithPath: scratch.path("model.safetensors")))
    let result = try Tool.compile(scratch.folder, "--emit", "ir", "--exit", "entropy")
    let words = "fit them with: mp-train "
    #expect(result.code == 1 && result.notes.contains("\(words)'\(scratch.folder)' "), "\(result.notes)")
    #expect(try Tool.compile(scratch.folder, "--emit", "ir").code == 0)
    // As a user would: the command as it is named, with files for its capitals (and fewer epochs).
    let named = try #require(result.notes.components(separatedBy: words).last)
    let command = named.trimmingCharacters(in: .whitespacesAndNewlines).replacingOccurrences(of: "'", with: "")
      .replacingOccurrences(of: "TRAIN.tsv", with: Models.checkpoint + "/sample.tsv")
      .replacingOccurrences(of: "DIR", with: scratch.path("exits")).components(separatedBy: " ")
    let trained = try Tool.train.run(command + ["--epochs", "4", "--quiet"])
    try #require(trained.code == 0, "\(trained.notes)")
    let model = scratch.path("m.mpc")
    #expect(try Tool.compile(scratch.path("exits"), "-o", model, "--exit", "entropy(threshold=0.5)").code == 0)
    let answer = try Tool.run(model, "--format", "jsonl", RunTests.river)
    #expect(!answer.output.isEmpty && !answer.output.contains("\"exit_layer\":6"), "\(answer.output)")
  }

  /// The same safetensors file with the exit heads renamed to a buffer's name, which loaders ignore, would still be unknown: so the
  /// heads are cut out and the rest is moved together.
  private func withoutHeads(_ file: Data) throws -> Data {
    let length = Int(file.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) })
    let header = try JSONSerialization.jsonObject(with: file[8..<(8 + length)]) as! [String: [String: Any]]
    var kept: [String: [String: Any]] = [:]
    var data = Data()
    for (name, entry) in header where name != "__metadata__" && !name.hasPrefix("exits.") {
      let offsets = entry["data_offsets"] as! [Int]
      kept[name] = [
        "dtype": entry["dtype"]!, "shape": entry["shape"]!,
        "data_offsets": [data.count, data.count + offsets[1] - offsets[0]],
      ]
      data += file[(8 + length + offsets[0])..<(8 + length + offsets[1])]
    }
    let text = try JSONSerialization.data(withJSONObject: kept)
    return Data((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }) + text + data
  }

  @Test func `Missing and unknown tensors are listed together`() throws {
    let scratch = try Scratch()
    for file in ["vocab.txt", "tokenizer_config.json", "model.safetensors"] {
      try FileManager.default.copyItem(atPath: Models.checkpoint + "/" + file, toPath: scratch.path(file))
    }
    let config = try String(contentsOfFile: Models.checkpoint + "/config.json", encoding: .utf8)
    _ = try scratch.write(
      "config.json", config.replacingOccurrences(of: "\"num_hidden_layers\": 6", with: "\"num_hidden_layers\": 7"))
    let more = try Tool.compile(scratch.folder, "--emit", "ir")
    #expect(more.code == 1 && more.notes.contains("missing (16): encoder.layer.6."))
    _ = try scratch.write(
      "config.json", config.replacingOccurrences(of: "\"num_hidden_layers\": 6", with: "\"num_hidden_layers\": 5"))
    let fewer = try Tool.compile(scratch.folder, "--emit", "ir")
    #expect(fewer.code == 1 && fewer.notes.contains("unknown (20)"), "\(fewer.notes)")
  }

  @Test func `An output that can't be written is refused and leaves nothing there`() throws {
    let scratch = try Scratch()
    let result = try Tool.compile(Models.checkpoint, "-o", scratch.path("no/such/folder/m.mpc"))
    #expect(result.code == 1 && result.notes.contains("no/such/folder"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder).isEmpty)
    let folder = try Tool.compile(Models.checkpoint, "-o", scratch.folder)
    #expect(folder.code == 1 && folder.notes.contains("is a folder, expected a file"))
    let device = try Tool.compile(Models.checkpoint, "-o", "/dev/null")
    #expect(device.code == 1 && device.notes.contains("/dev/null: is not a regular file"))
  }
}
