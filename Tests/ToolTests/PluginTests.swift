// A user's policy, in a folder of its own, through the tools: compile with it, run with it, turn its knob, and what goes wrong.

import Foundation
import Testing

@Suite(.serialized) struct PluginTests {
  /// One cache for all tests, which run one after the other: the SDK takes ten seconds to compile, a plugin one.
  static let cache = Result { try Scratch() }

  static let lead = """
    import PyramidPolicy

    struct Lead: ExitPolicy {
      static let name = "lead"
      static let parameters: [PolicyParameter] = [
        .number("threshold", default: 0.9, in: 0...1, help: "exit when the lead in probability is larger")
      ]
      let reads: Set<ExitSignal> = [.probabilities]
      let threshold: Float

      init(_ arguments: PolicyArguments) { threshold = arguments.float("threshold") }

      func shouldExit(_ head: borrowing ExitView, _ memory: inout Void) -> Bool {
        var (best, second): (Float, Float) = (0, 0)
        let probabilities = head.probabilities
        for index in probabilities.indices {
          if probabilities[index] > best { (best, second) = (probabilities[index], best) }
          else { second = max(second, probabilities[index]) }
        }
        return best - second > threshold
      }
    }
    """

  private func environment() throws -> [String: String] {
    ["XDG_CACHE_HOME": try Self.cache.get().path("cache"), "SWIFT_BACKTRACE": "enable=no"]
  }

  @Test func `A policy outside the repository is compiled in, run, and tuned`() throws {
    let scratch = try Scratch()
    let plugin = try scratch.write("lead.swift", Self.lead)
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", model, "--plugin", plugin, "--exit", "lead(threshold=0.8)",
      environment: environment())
    #expect(compiled.code == 0 && compiled.notes.contains("exit: lead(threshold=0.8)"), "\(compiled.notes)")
    func exitLayer(_ threshold: String) throws -> Int {
      let result = try Tool.run(
        model, "--plugin", plugin, "--exit", "lead(threshold=\(threshold))", "--format", "csv", RunTests.river,
        environment: environment())
      return try #require(Int(result.lines[1].split(separator: ",")[3]), "\(result.notes)")
    }
    // Standard output is the tool's, whether or not a plugin was loaded since it began to write.
    let printed = try Tool.compile(
      Models.checkpoint, "--emit", "ir", "--plugin", plugin, "--exit", "lead", environment: environment())
    #expect(printed.code == 0 && printed.output.hasPrefix("graph @dbpedia14") && !printed.notes.contains("decide_exit"))
    let (early, late) = (try exitLayer("0"), try exitLayer("1"))
    #expect(early == 0 && late == 6)
    let without = try Tool.run(model, RunTests.river)
    #expect(without.code == 1 && without.notes.contains("lead") && without.notes.contains("entropy"))
  }

  @Test(arguments: [
    ("not-swift.txt", "hello", "not-swift.txt"), ("empty.swift", "import PyramidPolicy\n", "policies"),
    (
      "broken.swift", "import PyramidPolicy\nlet x: Int = \"\"\npublic let policies: [any Policy.Type] = []\n",
      "broken.swift"
    ),
  ])
  func `A file that is not a plugin is refused and named`(name: String, source: String, words: String) throws {
    let scratch = try Scratch()
    let plugin = try scratch.write(name, source)
    let result = try Tool.compile(
      Models.checkpoint, "--emit", "ir", "--plugin", plugin, environment: environment())
    #expect(result.code == 1 && result.output.isEmpty)
    #expect(result.notes.contains(words) && result.notes.contains(name), "\(result.notes)")
  }

  @Test func `A trap in a plugin ends the run with a message that names plugin and policy`() throws {
    let scratch = try Scratch()
    let source =
      Self.lead.replacingOccurrences(
        of: "return best - second > threshold", with: "return [Float]()[head.layer] > best")
      + "\npublic let policies: [any Policy.Type] = [Lead.self]\n"
    let plugin = try scratch.write("trap.swift", source)
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", model, "--plugin", plugin, "--exit", "lead", "--skip-check",
      environment: environment())
    #expect(compiled.code == 0, "\(compiled.notes)")
    let result = try Tool.run(model, "--plugin", plugin, RunTests.river, environment: environment())
    #expect(result.code == 1)
    #expect(result.notes.contains("@lead") && result.notes.contains("trap.swift"), "\(result.notes)")
  }

  /// The policy with a statement in front of what it answers.
  private func source(_ statement: String) -> String {
    "import Glibc\n"
      + Self.lead.replacingOccurrences(of: "var (best, second)", with: "\(statement)\n    var (best, second)")
      + "\npublic let policies: [any Policy.Type] = [Lead.self]\n"
  }

  /// What is checked has no name yet.
  @Test(arguments: [("_ = [Float]()[head.layer]", "ending.swift"), ("exit(0)", "ended the program in shouldExit")])
  func `A policy that ends the self-check of mp-compile leaves no file`(statement: String, words: String) throws {
    let (scratch, output) = (try Scratch(), try Scratch())
    let plugin = try scratch.write("ending.swift", source(statement))
    let result = try Tool.compile(
      Models.checkpoint, "-o", output.path("m.mpc"), "--plugin", plugin, "--exit", "lead", environment: environment())
    #expect(result.code == 1 && result.notes.contains("@lead") && result.notes.contains(words), "\(result.notes)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: output.folder) == [])
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGHUP, SIGKILL])
  func `A signal to mp-compile while it checks leaves no file, and an old one as it was`(signal: Int32) throws {
    let (scratch, output) = (try Scratch(), try Scratch())
    let plugin = try scratch.write("waiting.swift", source(#"write(2, "here\n", 5); sleep(600)"#))
    _ = try output.write("m.mpc", "the old one")
    let process = Process()
    process.environment = try Tool.environment.merging(environment()) { $1 }
    process.executableURL = Tool.compile.url
    process.arguments = [Models.checkpoint, "-o", output.path("m.mpc"), "--plugin", plugin, "--exit", "lead"]
    let notes = Pipe()
    process.standardError = notes
    try process.runUnblocked()
    var text = ""
    while !text.contains("here\n") {
      let piece = notes.fileHandleForReading.availableData
      try #require(!piece.isEmpty, "the tool ended after '\(text)'")
      text += String(decoding: piece, as: UTF8.self)
    }
    kill(process.processIdentifier, signal)
    _ = try notes.fileHandleForReading.readToEnd()
    process.waitUntilExit()
    let isKilled = process.terminationReason == .uncaughtSignal
    #expect(process.terminationStatus == (isKilled ? signal : 128 + signal))
    #expect(try FileManager.default.contentsOfDirectory(atPath: output.folder) == ["m.mpc"])
    #expect(try String(contentsOfFile: output.path("m.mpc"), encoding: .utf8) == "the old one")
  }

  /// A copy of the tool in a package of its own, or in one below a folder, with sources of the SDK that don't compile:
  /// where they are taken, that is said, and where they are passed by, those of this package are.
  @Test(arguments: [
    (0o755, 0o755, false, true), (0o777, 0o755, false, false), (0o755, 0o777, false, false),
    (0o755, 0o755, true, false),
  ])
  func `Sources of the SDK that others may write to, or above the package, are not compiled`(
    folderMode: Int, fileMode: Int, isAbove: Bool, isTaken: Bool
  ) throws {
    let (scratch, files) = (try Scratch(), FileManager.default)
    let plugin = try scratch.write("lead.swift", Self.lead)
    let package = scratch.path(isAbove ? "outer/inner" : "outer")
    let sources = scratch.path("outer/Sources/PyramidPolicy")
    for folder in [package + "/bin", scratch.path("outer/Sources")] {
      try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try "".write(toFile: package + "/Package.swift", atomically: false, encoding: .utf8)
    try files.copyItem(atPath: Models.root + "/Sources/PyramidPolicy", toPath: sources)
    let file = sources + "/Contract/Policy.swift"
    try "#error(\"planted\")\n".write(toFile: file, atomically: false, encoding: .utf8)
    for (mode, path) in [(folderMode, sources), (fileMode, file)] {
      try files.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    let tool = package + "/bin/mp-compile"
    // By a process: a file that this one has open for writing is busy while some other test starts a child.
    let copy = try Tool.compile.run([Tool.compile.url.path, tool], executable: URL(fileURLWithPath: "/bin/cp"))
    #expect(copy.code == 0, "\(copy.notes)")
    let result = try Tool.compile.run(
      [Models.checkpoint, "--emit", "ir", "--plugin", plugin, "--exit", "lead"], environment: environment(),
      executable: URL(fileURLWithPath: tool))
    if isTaken {
      #expect(result.code == 1 && result.notes.contains("planted"), "\(result.notes)")
    } else {
      #expect(result.code == 0 && result.output.contains("decide_exit @lead"), "\(result.notes)")
    }
  }

  @Test func `A plugin that prints, exits, or is not given spoils no answers`() throws {
    let scratch = try Scratch()
    let talking = try scratch.write("talking.swift", source(#"print("I am a plugin")"#))
    let ending = try scratch.write("ending.swift", source("exit(0)"))
    let model = scratch.path("m.mpc")
    let compiled = try Tool.compile(
      Models.checkpoint, "-o", model, "--plugin", talking, "--exit", "lead", "--skip-check", environment: environment())
    #expect(compiled.code == 0, "\(compiled.notes)")
    let said = try Tool.run(model, "--plugin", talking, "--format", "jsonl", RunTests.river, environment: environment())
    #expect(said.code == 0 && said.lines.count == 1 && said.output.hasPrefix("{"), "\(said.output)")
    #expect(said.notes.contains("I am a plugin"))
    let ended = try Tool.run(model, "--plugin", ending, RunTests.river, environment: environment())
    #expect(ended.code == 1 && ended.notes.contains("@lead") && ended.notes.contains("ended the program in shouldExit"))
    let missing = try Tool.run(model, RunTests.river, environment: environment())
    #expect(missing.code == 1 && missing.notes.contains("--plugin FILE"), "\(missing.notes)")
  }
}
