// Runs the built tools as a user does: a process with arguments, input and environment; its output, notes and exit code. Foundation is
// fine here: tests do not start up in front of traffic.

import Foundation

/// What a tool answered.
struct ToolResult {
  let output: String
  let notes: String
  let code: Int32

  /// The lines of standard output.
  var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// One of the tools, beside the test binary.
enum Tool: String {
  case compile = "mp-compile"
  case run = "mp-run"
  case compare = "mp-compare"
  case train = "mp-train"
  case bench = "mp-bench"
  /// Not a tool but a process to be looked at from outside: Tests/EngineProbe.
  case probe = "engine-probe"
  /// A training to be killed: Tests/TrainingProbe.
  case trainingProbe = "training-probe"

  /// Runs the tool to its end. `input` goes to standard input.
  func callAsFunction(
    _ arguments: String..., input: Data = Data(), environment: [String: String] = [:]
  ) throws -> ToolResult {
    try run(arguments, input: input, environment: environment)
  }

  /// The same with the arguments in an array, and of a copy of the tool where `executable` says so.
  func run(
    _ arguments: [String], input: Data = Data(), environment: [String: String] = [:], executable: URL? = nil
  ) throws -> ToolResult {
    let process = Process()
    process.executableURL = executable ?? url
    process.arguments = arguments
    process.environment = Self.environment.merging(environment) { $1 }
    let scratch = try Scratch()
    let (inputFile, outputFile, notesFile) = (scratch.path("input"), scratch.path("output"), scratch.path("notes"))
    for file in [outputFile, notesFile] { try Data().write(to: URL(fileURLWithPath: file)) }
    try input.write(to: URL(fileURLWithPath: inputFile))
    process.standardInput = FileHandle(forReadingAtPath: inputFile)
    process.standardOutput = FileHandle(forWritingAtPath: outputFile)
    process.standardError = FileHandle(forWritingAtPath: notesFile)
    try process.runLimited()
    process.waitUntilExit()
    func text(_ path: String) throws -> String {
      String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }
    return ToolResult(output: try text(outputFile), notes: try text(notesFile), code: process.terminationStatus)
  }

  /// What a tool's process has of this one's environment. A developer's MP_ISA, MP_FEATURES, MP_SDK_PATH, OMP_NUM_THREADS
  /// or LANG must turn no test red, and none green: a test that means one says so.
  static let environment = allowed(of: ProcessInfo.processInfo.environment)

  /// The part of an environment that tools get: also what Scripts/plant-faults plants is planted in them.
  static func allowed(of environment: [String: String]) -> [String: String] {
    let names = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "MP_GUARD", "MP_PLANTED_FAULT"]
    return environment.filter { name, _ in names.contains(name) || sanitizers.contains(where: name.hasPrefix) }
  }

  /// What Scripts/sanitize and a measurement of coverage tell the processes that they look at.
  private static let sanitizers = ["ASAN_", "LSAN_", "TSAN_", "UBSAN_", "LLVM_PROFILE_"]

  /// Seconds after which a tool is ended: trainings and builds of plugins take a minute on a busy machine.
  static let limit = 600

  /// The executable, beside the test binary.
  var url: URL { Self.folder.appendingPathComponent(rawValue) }

  private static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent()
}

extension Process {
  /// Starts the process with no signal blocked: the threads that tests run on block all, and a child has what they have.
  func runUnblocked() throws {
    var (none, old) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &old)
    defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
    try runLimited()
  }

  /// Runs, and is killed when it has not ended after `Tool.limit`: a child that hangs is a failure, not a test run without
  /// end.
  func runLimited() throws {
    try run()
    let deadline = DispatchWorkItem { [weak self] in
      if let self, isRunning { kill(processIdentifier, SIGKILL) }
    }
    DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(Tool.limit), execute: deadline)
  }
}

/// A temporary folder that goes when the value does.
final class Scratch: Sendable {
  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "mp-tools-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// A path in the folder.
  func path(_ name: String) -> String { folder + "/" + name }

  /// Writes a file and returns its path.
  func write(_ name: String, _ text: String) throws -> String { try write(name, Data(text.utf8)) }

  /// Writes a file and returns its path.
  func write(_ name: String, _ bytes: Data) throws -> String {
    try bytes.write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }
}

/// The embedded model, compiled once for all tests of this target.
enum Models {
  /// The repository's root.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let checkpoint = root + "/Graphs/dbpedia14"
  static let scratch = Result { try Scratch() }
  /// Without policies.
  static let dense = Result { try compiled("dense.mpc", []) }
  /// With entropy exit and learned pruning.
  static let pyramid = Result {
    try compiled("pyramid.mpc", ["--exit", "entropy(threshold=0.1)", "--prune", "received-attention"])
  }

  /// A small checkpoint with a head and a token table at the entry.
  static let entryCheckpoint = root + "/Tests/Golden/entry"
  /// That one with both in use.
  static let entry = Result {
    try compiled("entry.mpc", ["--exit", "entropy(threshold=0.55)", "--prune", "salience"], of: entryCheckpoint)
  }

  private static func compiled(_ name: String, _ options: [String], of checkpoint: String = checkpoint) throws -> String
  {
    let path = try scratch.get().path(name)
    let result = try Tool.compile.run([checkpoint, "-o", path, "--quiet"] + options)
    struct Failed: Error { let notes: String }
    guard result.code == 0 else { throw Failed(notes: result.notes) }
    return path
  }
}
