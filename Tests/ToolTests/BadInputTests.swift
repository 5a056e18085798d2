// Every kind of bad input has a defined answer: a result, or one line that names file and place.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct BadInputTests {
  @Test(arguments: ["", " ", "[CLS]", "\u{0}", "\u{FFFD}\u{FEFF}", "a\u{0}b", "👩‍👩‍👧‍👦"])
  func `Any text has an answer`(text: String) throws {
    let result = try Tool.run(Models.pyramid.get(), "-", "--format", "jsonl", input: Data((text + "\n").utf8))
    #expect(result.code == 0)
    #expect(result.lines.count == 1)
  }

  @Test(arguments: ["x", "word ", "["])
  func `A text of 100,000 characters is cut, and the answer says so`(piece: String) throws {
    let text = String(repeating: piece, count: 100_000 / piece.count)
    let result = try Tool.run(Models.pyramid.get(), "-", "--format", "jsonl", input: Data(text.utf8))
    #expect(result.code == 0)
    let answer = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    let isOneWord = piece == "x"
    #expect(answer?["truncated"] as? Bool == (isOneWord ? nil : true))
    #expect((answer?["tokens"] as? [Int])?.first == (isOneWord ? 3 : 512))
  }

  @Test func `Invalid UTF-8 is a bad record`() throws {
    let input = Data([0x61, 0xFF, 0x0A]) + Data("good\n".utf8)
    let result = try Tool.run(Models.pyramid.get(), "-", "--format", "jsonl", input: input)
    #expect(result.code == 1)
    #expect(result.lines.count == 1 && result.lines[0].hasPrefix("{\"index\":1,"))
    #expect(result.notes.contains("line 1: is not valid UTF-8"))
  }

  @Test func `An empty input file is not an error and has no answers`() throws {
    let scratch = try Scratch()
    let result = try Tool.run(Models.pyramid.get(), "--input", scratch.write("empty", ""), "--format", "jsonl")
    #expect(result.code == 0 && result.output.isEmpty)
  }

  /// Arguments with MODEL, FOLDER, MISSING and EMPTY filled in, and what the one line of the answer says.
  static let refused: [([String], Int32, String)] = [
    (["MISSING", "text"], 1, "no such file"),
    (["FOLDER", "text"], 1, "folder"),
    (["EMPTY", "text"], 1, "empty"),
    (["MODEL", "--input", "MISSING"], 1, "no such file"),
    (["MODEL", "--input", "FOLDER"], 1, "is a folder"),
    (["MODEL"], 64, "no texts"),
    (["MODEL", "--threads", "0", "text"], 64, "--threads must be 1"),
    (["MODEL", "--batch-tokens", "0", "text"], 64, "at least 1"),
    (["MODEL", "--exit", "entropy(", "text"], 64, "column"),
    (["MODEL", "--exit", "entropy(threshold=2)", "text"], 1, "threshold"),
    (["MODEL", "--exit", "entropy(treshold=0.2)", "text"], 1, "treshold"),
    (["MODEL", "--exit", "nonsense", "text"], 1, "nonsense"),
    (["MODEL", "--prune", "random-prune", "text"], 1, "compile the model again"),
    (["MODEL", "--format", "xml", "text"], 64, "xml"),
    (["MODEL", "--pyramid", "out.png", "text"], 64, ".svg or .html"),
  ]

  @Test(arguments: refused)
  func `mp-run refuses in one line`(arguments: [String], code: Int32, words: String) throws {
    let scratch = try Scratch()
    let empty = try scratch.write("empty", "")
    let (model, folder) = (try Models.pyramid.get(), scratch.folder)
    let filled = arguments.map { word in
      ["MODEL": model, "FOLDER": folder, "MISSING": folder + "/missing", "EMPTY": empty][word] ?? word
    }
    let result = try Tool.run.run(filled)
    #expect(result.code == code)
    let line = result.notes.split(separator: "\n").first.map(String.init) ?? ""
    #expect(line.hasPrefix("Error: ") && line.localizedCaseInsensitiveContains(words), "\(result.notes)")
    if code == 1 { #expect(result.notes.split(separator: "\n").count == 1, "\(result.notes)") }
  }

  @Test func `An error that quotes much is cut in its middle, and help is not`() throws {
    let value = String(repeating: "9", count: 80_000)
    let long = try Tool.run(Models.pyramid.get(), "--threads", value, "text")
    #expect(long.code == 64 && long.notes.utf8.count <= 2000 && long.notes.hasPrefix("Error: "))
    #expect(long.notes.contains("99 ... ") && long.notes.hasSuffix("for more information.\n"))
    let help = try Tool.run.run([])
    #expect(help.code == 64 && help.notes.utf8.count > 4000 && help.notes.contains("--threads"))
  }

  @Test func `A truncated artefact is refused`() throws {
    let scratch = try Scratch()
    let whole = try Data(contentsOf: URL(fileURLWithPath: Models.pyramid.get()))
    for length in [1, 7, 8, 100, 5000, whole.count / 2, whole.count - 1] {
      let path = try scratch.write("cut.mpc", whole.prefix(length))
      let result = try Tool.run(path, "text")
      #expect(result.code == 1 && result.notes.contains("cut.mpc"), "\(length): \(result.notes)")
    }
  }

  @Test func `An artefact with a flipped byte in its header is refused`() throws {
    let scratch = try Scratch()
    let whole = try Data(contentsOf: URL(fileURLWithPath: Models.pyramid.get()))
    let header = Int(whole.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) })
    for position in stride(from: 9, to: header, by: max(header / 12, 1)) {
      var damaged = whole
      damaged[position] ^= 1
      let result = try Tool.run(try scratch.write("flipped.mpc", damaged), "text")
      #expect(result.code == 1 && result.notes.contains("flipped.mpc"), "\(position): \(result.notes)")
    }
  }

  private static let best = InstructionSet.supported.last ?? .portable

  @Test(.enabled(if: best != .portable, "this CPU runs nothing but the portable kernels"))
  func `An artefact is refused where MP_ISA allows only less`() throws {
    let compiled = try Tool.compile(Models.checkpoint, "--emit", "ir")
    #expect(compiled.output.contains("\n  target \(Self.best.rawValue)\n"))
    let result = try Tool.run(Models.pyramid.get(), "text", environment: ["MP_ISA": "portable"])
    #expect(result.code == 1 && result.notes.contains("MP_ISA allows portable"))
    let unknown = try Tool.run(Models.pyramid.get(), "text", environment: ["MP_ISA": "mmx"])
    #expect(unknown.code == 1 && unknown.notes.contains("MP_ISA is 'mmx'"))
  }

  @Test func `MP_FEATURES is honoured or refused, and changes no answer in f32`() throws {
    func run(_ features: String) throws -> ToolResult {
      try Tool.run(
        Models.dense.get(), "--quiet", "--format", "csv", "A text.", environment: ["MP_FEATURES": features])
    }
    let plain = try run("")
    #expect(try plain.code == 0 && run("none").output == plain.output)
    for senseless in ["sse", "vnni,", "none,vnni", "-sse", "VNNI", "-none"] {
      let refused = try run(senseless)
      #expect(refused.code == 1 && refused.notes.contains("MP_FEATURES names"), "\(senseless): \(refused.notes)")
    }
    #expect(try run("vnni,-amx-int8").notes.contains("not both"))
    #if arch(x86_64)
      #expect(try run("i8mm").notes.contains("MP_FEATURES names 'i8mm', which this CPU does not have"))
    #endif
  }

  @Test(arguments: ["99999999999", "0", "-3", "many", "1x", ""])
  func `A senseless OMP_NUM_THREADS changes no answer`(value: String) throws {
    let plain = try Tool.run(Models.dense.get(), "--quiet", "--format", "csv", "A text.")
    let odd = try Tool.run(
      Models.dense.get(), "--quiet", "--format", "csv", "A text.", environment: ["OMP_NUM_THREADS": value])
    #expect(odd.code == 0 && odd.output == plain.output)
  }
}
