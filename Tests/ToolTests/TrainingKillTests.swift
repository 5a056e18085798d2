// Nothing is lost: a training that is killed at any moment, interrupted or out of disk space goes on where its state is, and ends with the
// weights of one that was left alone.

import Foundation
import PyramidTestSupport
import Testing

@Suite struct TrainingKillTests {
  /// A folder with a small checkpoint and data, and the weights of a training that nothing disturbed.
  static let reference = Result {
    let scratch = try Scratch()
    #expect(try Tool.trainingProbe(scratch.folder, "make").code == 0)
    let whole = try Tool.trainingProbe(scratch.folder, "whole", "new", "5")
    #expect(whole.code == 0 && whole.output.hasSuffix("done\n"), "\(whole.output.suffix(300))")
    return (scratch, try weights(scratch, "whole"), whole.lines.count { $0.hasPrefix("batch") })
  }

  static func weights(_ scratch: Scratch, _ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: scratch.path("\(name)/model.safetensors")))
  }

  /// Starts the probe and sends it a signal once it has printed so many lines; returns its lines, exit code and whether a signal ended it.
  /// With `waits` it stands still at the last of them.
  private func run(
    _ folder: String, _ name: String, _ start: String, minutes: String, signal: Int32, after lines: Int,
    waits: Bool = false
  ) throws -> (lines: [Substring], code: Int32, isKilled: Bool) {
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = Tool.trainingProbe.url
    process.arguments = [folder, name, start, minutes] + (waits ? [String(lines - 1)] : [])
    let output = Pipe()
    process.standardOutput = output
    try process.runLimited()
    var text = Data()
    let newline = UInt8(ascii: "\n")
    while text.count(where: { $0 == newline }) < lines {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { break }
      text += more
    }
    kill(process.processIdentifier, signal)
    text += try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (
      String(decoding: text, as: UTF8.self).split(separator: "\n"), process.terminationStatus,
      process.terminationReason == .uncaughtSignal
    )
  }

  @Test(arguments: 1...4)
  func `A training that is killed again and again ends with the same weights`(round: Int) throws {
    let (scratch, expected, batches) = try Self.reference.get()
    let name = "killed\(round)"
    var generator = SystemRandomNumberGenerator()
    var (start, kills, repeated) = ("new", 0, 0)
    while true {
      // A process has come some batches further when it is killed, often while it writes its state.
      let result = try run(
        scratch.folder, name, start, minutes: "0", signal: SIGKILL,
        after: Int.random(in: 1...batches / 3, using: &generator))
      start = "resume"
      repeated += result.lines.count { $0.hasPrefix("batch") }
      if !result.isKilled {
        #expect(result.code == 0 && result.lines.last == "done", "\(result.lines.suffix(3))")
        break
      }
      kills += 1
      try #require(kills < 200)
    }
    #expect(kills > 0)
    #expect(try Self.weights(scratch, name) == expected)
    // With the state written after every update, a kill costs the batches of one update, and of one that was not written.
    #expect(repeated <= batches + 4 * kills, "\(repeated) batches for \(batches), killed \(kills) times")
    let left = try FileManager.default.contentsOfDirectory(atPath: scratch.path(name)).filter { $0.hasPrefix(".mp-") }
    #expect(left.isEmpty)
  }

  /// Runs mp-train and kills it once it is time to; returns whether that ended it. One that came to its end has to have
  /// gone well.
  private func isKilled(_ arguments: [String], when isTime: () -> Bool) throws -> Bool {
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = Tool.train.url
    process.arguments = arguments
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.runLimited()
    while process.isRunning, !isTime() { usleep(200) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    let isKilled = process.terminationReason == .uncaughtSignal
    #expect(isKilled || process.terminationStatus == 0, "exit code \(process.terminationStatus)")
    return isKilled
  }

  @Test func `Heads are the same after kills while their features are computed and while they are trained`() throws {
    let scratch = try Scratch()
    var recipe = CheckpointRecipe()
    recipe.hasExits = false
    try recipe.write(to: scratch.path("model"))
    let rows = (0..<400).map { row in
      let words = (0...row % 5).map { "w\(5 + (row * 7 + $0 * 11) % 35)" }
      return "\(row % 3)\t\(words.joined(separator: " "))\n"
    }
    // Some 25 batches, each of which has a file of features, and three times as many updates.
    let arguments = [
      scratch.path("model"), "--data", try scratch.write("train.tsv", rows.joined()), "--stages", "4", "--exits", "1,2",
      "--epochs", "3", "--batch-tokens", "80", "--threads", "1", "--quiet",
    ]
    let whole = try Tool.train.run(arguments + ["--output", scratch.path("whole")])
    #expect(whole.code == 0, "\(whole.notes)")

    let output = scratch.path("parts")
    func features() -> Int {
      let names = try? FileManager.default.contentsOfDirectory(atPath: output)
      return names?.count(where: { $0.hasPrefix("training-features-") }) ?? 0
    }
    func lines() -> Int {
      let log = try? Data(contentsOf: URL(fileURLWithPath: output + "/training-log.jsonl"))
      return log?.count(where: { $0 == UInt8(ascii: "\n") }) ?? 0
    }
    var (words, kills) = (arguments + ["--output", output, "--checkpoint-minutes", "0"], 0)
    // Moments among the files of features, then among the lines of the log, which has two before the first update.
    for (number, range) in [1...8, 10...20, 3...20, 25...60].enumerated() {
      let point = Int.random(in: range)
      if try isKilled(words, when: { number < 2 ? features() >= point : lines() >= point }) { kills += 1 }
      if number == 0 { words.append("--resume") }
    }
    #expect(kills > 0)
    let rest = try Tool.train.run(words)
    #expect(rest.code == 0, "\(rest.notes)")
    #expect(try Self.weights(scratch, "parts") == Self.weights(scratch, "whole"))
    #expect(features() == 0)
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func `A training that is interrupted writes its state, and the exit code tells the signal`(signal: Int32) throws {
    let (scratch, expected, batches) = try Self.reference.get()
    let name = "interrupted\(signal)"
    let result = try run(scratch.folder, name, "new", minutes: "60", signal: signal, after: 9, waits: true)
    #expect(result.code == 128 + signal && !result.isKilled)
    let done = result.lines.count { $0.hasPrefix("batch") }
    let rest = try Tool.trainingProbe(scratch.folder, name, "resume", "60")
    #expect(rest.code == 0)
    #expect(done + rest.lines.count { $0.hasPrefix("batch") } == batches)
    #expect(try Self.weights(scratch, name) == expected)
  }

  @Test func `A full disk is an error that says so, and the last good state goes on elsewhere`() throws {
    let (scratch, expected, _) = try Self.reference.get()
    let first = try run(scratch.folder, "full", "new", minutes: "0", signal: SIGINT, after: 11, waits: true)
    #expect(first.code == 130)
    let path = scratch.path("full/training-state.safetensors")
    let state = try Data(contentsOf: URL(fileURLWithPath: path))
    // A limit on the size of files stands for a disk without space; half of the state fits.
    let command = "ulimit -f \(state.count / 2048); exec \"$0\" \"$@\""
    let process = Process()
    process.environment = Tool.environment
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-c", command, Tool.trainingProbe.url.path, scratch.folder, "full", "resume", "0"]
    let output = Pipe()
    process.standardOutput = output
    try process.runLimited()
    let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 1)
    let problem = "error: \(path): cannot be written: File too large; --resume goes on once there is room"
    #expect(text.contains(problem), "\(text.suffix(300))")
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == state)
    #expect(try Tool.trainingProbe(scratch.folder, "full", "resume", "5").code == 0)
    #expect(try Self.weights(scratch, "full") == expected)
  }
}
