// The state that `mp-train --resume` goes on from, with its checksum made right again: the position as it stands in the file,
// and names and extents of tensors as text, since bytes that are no safetensors file at all are another target's.

import Glibc
import MagicPyramid
import PyramidTestSupport
import PyramidTraining

extension FuzzTarget {
  /// The position, then a line for each tensor.
  static func readState(_ input: [UInt8]) throws {
    let parts = input.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard parts.count == 2 else { throw FormatError(file: "input", problem: "has no tensors") }
    try stopped.get().resume(parts[0], parts[1].split(separator: "\n"))
  }

  /// States of a training that stopped in its first epoch, in its second, and at its end.
  static let stateSeeds = Result { try stopped.get().states() }

  /// Only `readState` changes anything of it, which nobody calls twice at once.
  nonisolated(unsafe) private static let stopped = Result { try StoppedTraining() }
}

/// A training of a small checkpoint with heads.
private struct StoppedTraining {
  private let home: TemporaryFolder
  private let checkpoint: Checkpoint
  private let data: TrainingData
  private let texts: EncodedTexts
  private let thread: TrainingThread
  private let folder: TrainingFolder

  init() throws {
    home = try TemporaryFolder()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate) = (3, 8, 8)
    (recipe.entry, recipe.addsEntry, recipe.temperatures, recipe.thresholds) = (.pairs(8), true, [1, 2], [0, 1])
    checkpoint = try Checkpoint(path: recipe.write(in: home))
    let rows = (0..<120).map { "\($0 % 3)\tw\(5 + $0 * 7 % 30) w\(5 + $0 * 11 % 35)\n" }
    data = try TrainingData(
      path: home.write("train.tsv", rows.joined()), dev: nil, checkpoint: checkpoint.configuration.labels, seed: 1,
      layout: { _ in TextLayout(.tsv) })
    texts = try EncodedTexts(
      data.train, name: "train", tokenizer: checkpoint.tokenizer, limit: checkpoint.maxTokens,
      vocabulary: checkpoint.configuration.vocabularySize)
    thread = try TrainingThread(threads: 1)
    folder = try TrainingFolder(
      path: home.path("resumed"), .new, arguments: JSONObject(), source: checkpoint.path)
  }

  private func context() throws -> TrainingContext {
    var options = TrainingOptions()
    (options.stages, options.epochs, options.batchTokens) = ([.fineTuning, .exits], [3, 2], 40)
    return try TrainingContext(
      checkpoint: checkpoint, labels: data.labels, options: options, train: texts, dev: texts, thread: thread)
  }

  /// Goes on from such a state, up to the first update.
  func resume(_ position: String, _ tensors: [Substring]) throws {
    try FuzzTarget.put(state(position, tensors), at: folder.file("training-state.safetensors"))
    unlink(folder.logPath)
    let trainer = try Trainer(context(), folder: folder, console: TrainingConsole()) { HaltedStage($0, $1) }
    do { _ = try trainer.run() } catch is HaltedStage.Halt {}
  }

  /// The file, its tensors full of zeros.
  private func state(_ position: String, _ tensors: [Substring]) throws -> [UInt8] {
    var (header, lines, end) = (JSONObject(), [String](), 0)
    for tensor in tensors {
      let words = tensor.split(separator: " ", omittingEmptySubsequences: false)
      let shape = words.dropFirst().map { Int($0) ?? 1 }
      // As much as the file may have in all.
      let most = 1 << 20
      let count = shape.reduce(1) { (0...most).contains($1) && $0 <= most ? $0 * $1 : most + 1 }
      guard end + 4 * count <= 4 * most else { throw FormatError(file: "input", problem: "has too large tensors") }
      header[String(words[0])] = [
        "dtype": "F32", "shape": .array(shape.map { JSONValue($0) }),
        "data_offsets": [JSONValue(end), JSONValue(end + 4 * count)],
      ]
      let sum = [UInt8](repeating: 0, count: 4 * count).withUnsafeBytes { Checksum.sha256(of: $0) }
      lines.append("\(words[0]) \(shape) \(sum)")
      end += 4 * count
    }
    let sum = Checksum.sha256(of: (lines.sorted() + [position, folder.arguments]).joined(separator: "\n"))
    header["__metadata__"] = [
      "position": .string(position), "arguments": .string(folder.arguments), "sha256": .string(sum),
    ]
    let json = Array(JSONWriter.string(.object(header)).utf8)
    return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
      + [UInt8](repeating: 0, count: end)
  }

  /// What stopped trainings left, as inputs.
  func states() throws -> [[UInt8]] {
    try [2, 20, Int.max].map { stop in
      let folder = try TrainingFolder(
        path: home.path("stopped at \(stop)"), .new, arguments: JSONObject(), source: checkpoint.path)
      let trainer = try Trainer(
        context(), folder: folder, saveMinutes: stop == .max ? 5 : 0, console: TrainingConsole()
      ) { name, context in
        let stage = BagStage(name, context)
        stage.disturbance = { $0.number == stop ? .nan : 0 }
        return stage
      }
      do { _ = try trainer.run() } catch is TrainingError {}
      let file = try SafetensorsFile(path: folder.file("training-state.safetensors"))
      guard case .object(var position) = try JSONReader.read(file.metadata["position"] ?? "", file: file.path) else {
        throw FuzzTarget.Broken(description: "\(file.path) has no position")
      }
      // The log is another file.
      position["log_bytes"] = 0
      let tensors = file.tensors.map { ([$0.name] + $0.shape.map(\.description)).joined(separator: " ") }
      return Array("\(JSONWriter.string(.object(position)))\u{1E}\(tensors.joined(separator: "\n"))".utf8)
    }
  }
}

/// A stage that takes what the state holds, and ends the training where it would change it.
private final class HaltedStage: TrainingStage {
  struct Halt: Error {}

  private let stage: BagStage

  init(_ name: StageName, _ context: TrainingContext) { stage = BagStage(name, context) }

  var name: StageName { stage.name }
  var heads: [String] { stage.heads }
  var groups: [ParameterGroup] { stage.groups }
  var epochs: Int { stage.epochs }
  var keepsBest: Bool { stage.keepsBest }

  func prepare() throws { try stage.prepare() }
  func accumulate(_ batch: TrainingBatch) throws -> Double { throw Halt() }
  func predict(_ batch: TrainingBatch) throws -> [[Float]] { throw Halt() }
  func finish() throws { throw Halt() }
}
