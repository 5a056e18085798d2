// A state that is damaged, or that could not be of the training: an error that names it, whoever wrote its checksum.

import Glibc
import PyramidFormats
import PyramidTestSupport
import Testing

@testable import PyramidTraining

/// A training that stopped in its second epoch, and its state taken apart.
private struct StoppedTraining {
  let sample: TrainingSample
  var position: JSONObject
  var tensors: [(name: String, shape: [Int], values: [Float])]
  private let arguments: String
  private let sum: String
  private let path: String
  private let options: TrainingOptions

  init() throws {
    let sample = try TrainingSample()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.classes) = (3, 8, 8, 3)
    (recipe.entry, recipe.addsEntry, recipe.temperatures, recipe.thresholds) = (.pairs(8), true, [1, 2], [0, 1])
    _ = try recipe.write(in: sample.folder)
    var options = sample.options
    options.batchTokens = 150
    let error = #expect(throws: TrainingError.self) {
      try sample.train("out", options: options, saveMinutes: 0) { name, context in
        let stage = BagStage(name, context)
        stage.disturbance = { $0.number == 6 ? .nan : 0 }
        return stage
      }
    }
    #expect(error?.description.hasPrefix("stage 1, epoch 2, update 7: ") == true)
    let path = sample.folder.path("out/training-state.safetensors")
    (self.sample, self.options, self.path) = (sample, options, path)
    let file = try SafetensorsFile(path: path)
    tensors = try file.tensors.map { ($0.name, $0.shape, try file.floats(of: $0)) }
    position = try JSONField(
      JSONReader.read(#require(file.metadata["position"]), file: path), file: path
    ).object()
    (arguments, sum) = (try #require(file.metadata["arguments"]), try #require(file.metadata[ContentSum.key]))
  }

  /// Writes the state as it is now; `sealed` with the checksum of what it says.
  func write(sealed: Bool = true) throws {
    var own = ContentSum()
    for (name, shape, values) in tensors { values.withUnsafeBytes { own.add(name, shape, $0) } }
    let text = JSONWriter.string(.object(position))
    var writer = try SafetensorsWriter(
      path: path, tensors: tensors.map { TensorDeclaration($0.name, .F32, $0.shape) },
      metadata: [
        ("position", text), ("arguments", arguments),
        (ContentSum.key, sealed ? own.digits(with: [text, arguments]) : sum),
      ])
    for (name, _, values) in tensors { try writer.append(values, to: name) }
    try writer.finish()
  }

  /// What is said of the state where it is gone on from; nothing where that ends well.
  func problem() -> String {
    do { try resume() } catch { return "\(error)".replacing(path + ": ", with: "") }
    return ""
  }

  @discardableResult
  func resume(_ name: String = "out", _ start: TrainingStart = .resuming) throws -> [UInt8] {
    try sample.train(name, start, options: options)
  }

  /// The same with a tensor of another shape, added or in its place; nil takes it out.
  func changing(_ name: String, _ shape: [Int]?) -> StoppedTraining {
    var other = self
    other.tensors.removeAll { $0.name == name }
    if let shape { other.tensors.append((name, shape, [Float](repeating: 1, count: shape.reduce(1, *)))) }
    return other
  }
}

@Suite("States") struct StateTests {
  private static let remedy = "; --overwrite starts anew"

  @Test("A bit that flipped in tensors or position is found, and the state as it was written is gone on from")
  func damaged() throws {
    let state = try StoppedTraining()
    for (place, tensor) in state.tensors.enumerated() where tensor.values.count > 0 {
      guard ["value/classifier.weight", "first/bag1.bias", "best/bag1.weight"].contains(tensor.name) else { continue }
      var other = state
      other.tensors[place].values[0] = Float(bitPattern: tensor.values[0].bitPattern ^ 1 << 20)
      try other.write(sealed: false)
      #expect(other.problem().hasPrefix("is damaged: "), "\(tensor.name)")
    }
    var other = state
    other.position["tokens"] = 1
    try other.write(sealed: false)
    let problem = other.problem()
    #expect(problem.hasPrefix("is damaged: ") && problem.hasSuffix(Self.remedy), "\(problem)")
    try state.write(sealed: false)
    let expected = try state.resume("whole", .new)
    #expect(try state.resume() == expected)
  }

  @Test("A log of which something is gone is refused, and what is in it stays")
  func shorterLog() throws {
    let state = try StoppedTraining()
    let path = state.sample.folder.path("out/training-log.jsonl")
    let whole = try MappedFile(path: path).withBytes { Array($0) }
    let kept = try #require(whole.firstIndex(of: UInt8(ascii: "\n"))) + 1
    try state.sample.folder.write("out/training-log.jsonl", Array(whole[..<kept]))
    let problem = "\(path): has \(kept) bytes of the \(whole.count) that the state goes on from"
    #expect(state.problem() == problem + Self.remedy)
    #expect(try MappedFile(path: path).count == kept)
    try state.sample.folder.write("out/training-log.jsonl", whole)
    #expect(state.problem() == "")
  }

  @Test("A line of the log that is no event is refused before anything is trained, and an event of no stage is drawn")
  func foreignLog() throws {
    let state = try StoppedTraining()
    let path = state.sample.folder.path("out/training-log.jsonl")
    let size = try MappedFile(path: path).count
    func replace(_ line: String) throws {
      let rest = String(repeating: " ", count: size - line.utf8.count - 1)
      try state.sample.folder.write("out/training-log.jsonl", line + rest + "\n")
    }
    for line in [#"{"event":"update""#, "1"] {
      try replace(line)
      #expect(state.problem() == "\(path): line 1: is no event of a log" + Self.remedy)
      #expect(try MappedFile(path: path).count == size)
    }
    try replace(#"{"event":"update","loss":1}"#)
    #expect(state.problem() == "")
  }

  @Test("A full disk says that --resume goes on, once there is a state to go on from", arguments: [false, true])
  func fullDisk(isLate: Bool) throws {
    let sample = try TrainingSample()
    var options = sample.options
    // Of 200 updates and more not each one is logged: the state comes first.
    if isLate { options.epochs = [20, 1] }
    let training = try sample.training(of: sample.checkpoint, options)
    let path = sample.folder.path("out")
    let folder = try TrainingFolder(path: path, .new, arguments: training.arguments, source: sample.checkpoint)
    let error = #expect(throws: OutputError.self) {
      try training.run(in: folder, saveMinutes: 0, console: TrainingConsole()) { name, context in
        try Self.fill(folder.logPath)
        return BagStage(name, context)
      }
    }
    let problem = "\(folder.logPath): cannot be written: No space left on device"
    #expect(folder.hasState == isLate)
    #expect(error?.description == problem + (isLate ? "; --resume goes on once there is room" : ""))
  }

  /// Lets what is written to a file that this process holds open go to a full disk.
  private static func fill(_ path: String) throws {
    var (file, other) = (stat(), stat())
    let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
    defer { close(full) }
    try #require(full >= 0 && stat(path, &file) == 0)
    for descriptor in Int32(3)..<4096 where fstat(descriptor, &other) == 0 {
      guard other.st_ino == file.st_ino, other.st_dev == file.st_dev else { continue }
      try #require(dup2(full, descriptor) == descriptor)
    }
  }

  @Test("A log that is a link or a pipe is refused: no file outside the folder is cut, and nothing is waited for")
  func logElsewhere() throws {
    let state = try StoppedTraining()
    let path = state.sample.folder.path("out/training-log.jsonl")
    let victim = state.sample.folder.path("victim")
    try #require(rename(path, victim) == 0 && symlink(victim, path) == 0)
    let before = try MappedFile(path: victim).withBytes { Array($0) } + Array("mine".utf8)
    try state.sample.folder.write("victim", before)
    #expect(state.problem() == "\(path): is not a regular file")
    #expect(try MappedFile(path: victim).withBytes { Array($0) } == before)
    try #require(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
    #expect(state.problem() == "\(path): is not a regular file")
  }

  @Test("Places that no training is at are refused, though the checksum is right")
  func positions() throws {
    let state = try StoppedTraining()
    let (far, large): (JSONValue, JSONValue) = (549_755_813_888, JSONValue(Int.max))
    for (key, value, problem) in [
      ("stage", 40, "position.stage: 40 stages are done, of 2"), ("stage", large, "position.stage: expected"),
      ("epoch", far, "position: epoch"), ("epoch", 3, "position: epoch 3, step"),
      ("step", far, "position: epoch"), ("step", 0, "position: epoch"),
      ("updates", large, "position.updates: expected"), ("updates", 1, "position: epoch"),
      ("batches", large, "position.batches: expected"), ("batches", 1, "position: epoch"),
      ("stale", 9, "position: epoch"), ("tokens", large, "position.tokens: expected"),
      ("samples", large, "position.samples: expected"), ("log_bytes", large, "position.log_bytes: expected"),
    ] as [(String, JSONValue, String)] {
      var other = state
      other.position[key] = value
      try other.write()
      let said = other.problem()
      #expect(said.hasPrefix(problem) && said.hasSuffix(Self.remedy), "\(key) \(value): \(said)")
    }
  }

  @Test("Tensors that are missing, misshapen or unknown are refused, though the checksum is right")
  func tensors() throws {
    let state = try StoppedTraining()
    let bias = "value/encoder.layer.2.attention.self.query.bias"
    for (name, shape, problem) in [
      (bias, nil, "is missing"),
      ("value/encoder.layer.0.attention.self.value.weight", [1, 8, 8], "has shape [1, 8, 8]"),
      ("value/exits.entry.bigrams", [3, 3], "has shape [3, 3]"), ("value/exits.entry.table", [3], "has shape [3]"),
      ("value/exits.entry.table", nil, "is missing"), ("value/exits.temperatures", [1], "has shape [1], expected [2]"),
      ("value/exits.0.classifier.bias", nil, "is missing"), ("value/exits.1.dense.weight", [8, 16], "has shape"),
      ("value/exits.0.entry.bias", [2], "has shape [2], expected [3]"), ("value/prune.thresholds", [3], "has shape"),
      ("value/exits.2.dense.bias", [8], "is no tensor"), ("value/policies.x.weight", [1], "is no tensor"),
      ("first/bag1.bias", [1, 3], "is missing or misshapen"), ("best/bag1.weight", [1], "is missing or misshapen"),
      ("best/bag1.bias", nil, "is missing or misshapen"),
    ] as [(String, [Int]?, String)] {
      let other = state.changing(name, shape)
      try other.write()
      let said = other.problem()
      #expect(said.hasPrefix("\(name): \(problem)") && said.hasSuffix(Self.remedy), "\(name): \(said)")
    }
    // What stages may leave: a table of pairs of another size, and no thresholds.
    let left: [(String, [Int]?)] = [("value/exits.entry.bigrams", [16, 3]), ("value/prune.thresholds", nil)]
    for (name, shape) in left {
      let other = state.changing(name, shape)
      try other.write()
      #expect(other.problem() == "", "\(name)")
    }
  }
}
