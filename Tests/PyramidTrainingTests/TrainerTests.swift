// The loop: resumed to the bit, best kept, early stopping, losses that are not finite.

import Glibc
import PyramidEvaluation
import PyramidFormats
import PyramidModels
import PyramidTestSupport
import Testing

@testable import PyramidTraining

/// A small checkpoint and data that a bag of words can learn.
struct TrainingSample {
  let folder: TemporaryFolder
  let checkpoint: String
  let data: String

  init(classes: Int = 3, rows: Int = 120) throws {
    let folder = try TemporaryFolder()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.classes) = (1, 8, 8, classes)
    try self.init(checkpoint: recipe.write(in: folder), classes: classes, rows: rows, folder: folder)
  }

  /// Rows for a checkpoint that is there.
  init(checkpoint: String, classes: Int, rows: Int = 120, folder: TemporaryFolder? = nil) throws {
    let folder = try folder ?? TemporaryFolder()
    (self.folder, self.checkpoint) = (folder, checkpoint)
    var random = SeededRandom(seed: 5, stream: "rows")
    let text = (0..<rows).map { row in
      let label = row % classes
      let words = (0..<(1 + random.integer(below: 6))).map { _ in "w\(5 + label * 5 + random.integer(below: 12))" }
      return "\(label)\t\(words.joined(separator: " "))\n"
    }
    data = try folder.write("train.tsv", text.joined())
  }

  /// Options of two short stages.
  var options: TrainingOptions {
    var options = TrainingOptions()
    (options.stages, options.epochs, options.batchTokens) = ([.fineTuning, .exits], [3, 2], 40)
    return options
  }

  /// Trains into a folder called `name` and returns the bytes of the weights.
  @discardableResult
  func train(
    _ name: String, _ start: TrainingStart = .new, options: TrainingOptions? = nil, saveMinutes: Double = 1,
    console: TrainingConsole = TrainingConsole(),
    make: @escaping (StageName, TrainingContext) throws -> any TrainingStage = { BagStage($0, $1) }
  ) throws -> [UInt8] {
    let training = try training(of: checkpoint, options ?? self.options, progress: console.progress)
    let output = try TrainingFolder(
      path: folder.path(name), start, arguments: training.arguments, source: self.checkpoint)
    _ = try training.run(in: output, saveMinutes: saveMinutes, console: console, make: make)
    return try weights(name)
  }

  /// A training of a checkpoint on the rows, not begun.
  func training(
    of path: String, _ options: TrainingOptions, layout: TextLayout = TextLayout(.tsv),
    progress: @escaping (String) -> Void = { _ in }
  ) throws -> Training {
    let checkpoint = try Checkpoint(path: path)
    let rows = try TrainingData(
      path: data, dev: nil, checkpoint: checkpoint.configuration.labels, seed: 1, layout: { _ in layout })
    return try Training(checkpoint, rows, options, threads: 1, progress: progress)
  }

  func weights(_ name: String) throws -> [UInt8] {
    try MappedFile(path: folder.path("\(name)/model.safetensors")).withBytes { Array($0) }
  }

  /// The events of one kind in a log.
  func events(_ name: String, _ kind: String) throws -> [JSONValue] {
    try TrainingLog(path: folder.path("\(name)/training-log.jsonl"), keeping: nil).events()
      .filter { $0["event"] == .string(kind) }
  }
}

private struct Stop: Error {}

@Suite("Trainer")
struct TrainerTests {
  @Test("The same seed gives the same weights, another seed others, and the bag learns")
  func deterministic() throws {
    let sample = try TrainingSample()
    let weights = try sample.train("one")
    #expect(try sample.train("two") == weights)
    var options = sample.options
    options.seed = 2
    #expect(try sample.train("three", options: options) != weights)
    guard case .array(let heads) = try sample.events("one", "stage")[0]["heads"] else { throw Stop() }
    #expect(StageSummary.double(heads[0]["accuracy"]) > 0.6)
  }

  @Test("A training that stops at any batch goes on to the bit", arguments: [0, 1, 7, 20, 38, 39, 40, 41, 60, 70])
  func resumed(batch: Int) throws {
    let sample = try TrainingSample()
    let expected = try sample.train("whole")
    #expect(throws: Stop.self) {
      try sample.train("parts", saveMinutes: 0) { name, context in
        StoppingStage(BagStage(name, context), at: batch)
      }
    }
    // With the first state there is a curve to look at.
    let curve = sample.folder.path("parts/curve.svg")
    #expect((FileKind(at: curve) == .regular) == (batch > 0))
    #expect(try sample.train("parts", .resuming) == expected)
    #expect(try sample.events("parts", "epoch").count == 5)
    #expect(try sample.events("parts", "update").count == sample.events("whole", "update").count)
    // A second resume finds nothing to do and changes nothing.
    #expect(try sample.train("parts", .resuming) == expected)
  }

  @Test("A stage that is stopped while it finishes is resumed there: no batch is trained again")
  func stoppedInFinish() throws {
    let sample = try TrainingSample()
    let expected = try sample.train("whole")
    #expect(throws: Stop.self) {
      try sample.train("parts", saveMinutes: 60) { FinishingStage(BagStage($0, $1)) { throw Stop() } }
    }
    var batches = 0
    let weights = try sample.train("parts", .resuming, saveMinutes: 60) { name, context in
      let stage = BagStage(name, context)
      stage.disturbance = { _ in
        if name == .fineTuning { batches += 1 }
        return 0
      }
      return stage
    }
    #expect(batches == 0 && weights == expected)
    #expect(try sample.events("parts", "epoch").count == 5)
  }

  @Test("A stage's time is that of all it does, not of its updates alone")
  func time() throws {
    let sample = try TrainingSample()
    try sample.train("out") { SlowStage(BagStage($0, $1)) }
    let seconds = try sample.events("out", "stage").map { StageSummary.double($0["seconds"]) }
    #expect(seconds.count == 2 && seconds.allSatisfy { $0 >= 0.1 }, "\(seconds)")
  }

  @Test(
    "A loss or gradient that is not finite ends the training, and the state before stays",
    arguments: [Double.nan, .infinity])
  func notFinite(loss: Double) throws {
    let sample = try TrainingSample()
    let expected = try sample.train("whole")
    let error = #expect(throws: TrainingError.self) {
      try sample.train("parts", saveMinutes: 0) { name, context in
        let stage = BagStage(name, context)
        stage.disturbance = { $0.number == 9 ? loss : 0 }
        return stage
      }
    }
    let problem = "stage 1, epoch 1, update 10: the loss is not finite; "
    #expect(error?.description == problem + "start anew, with --overwrite and a lower learning rate")
    #expect(try sample.train("parts", .resuming) == expected)
  }

  @Test("The best epoch's parameters are kept, and an epoch without gain too many ends the stage")
  func best() throws {
    let sample = try TrainingSample()
    var options = sample.options
    (options.stages, options.epochs) = ([.fineTuning], [5])
    func stage(_ scores: [Double], keeps: Bool) -> (StageName, TrainingContext) -> any TrainingStage {
      { ScoredStage(BagStage($0, $1), scores: scores, keepsBest: keeps) }
    }
    let two = try sample.train("best", options: options, make: stage([1, 3, 2, 2, 1], keeps: true))
    #expect(try sample.train("last", options: options, make: stage([1, 3, 2, 2, 1], keeps: false)) != two)
    // The same epochs and schedule, stopped by patience: what is kept is the same.
    options.patience = 2
    #expect(try sample.train("patient", options: options, make: stage([1, 3, 2, 2, 1], keeps: true)) == two)
    #expect(try sample.events("patient", "epoch").count == 4)
  }

  @Test("What a stage added, removed or replaced is so after a resume")
  func replacedParameters() throws {
    let sample = try TrainingSample()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.classes) = (1, 8, 8, 3)
    (recipe.entry, recipe.entryTemperature) = (.pairs(8), 2)
    _ = try recipe.write(in: sample.folder)
    func stages(stopping: Bool) -> (StageName, TrainingContext) -> any TrainingStage {
      { name, context in
        if name == .fineTuning {
          context.parameters.remove("exits.entry.temperature")
          context.parameters.remove("exits.entry.bigrams")
          context.parameters.insert("exits.entry.bigrams", [4, 3], [Float](repeating: 0.5, count: 12))
        }
        let stage = BagStage(name, context)
        return stopping && name == .exits ? StoppingStage(stage, at: 60) : stage
      }
    }
    let expected = try sample.train("whole", make: stages(stopping: false))
    #expect(throws: Stop.self) { try sample.train("parts", saveMinutes: 0, make: stages(stopping: true)) }
    #expect(try sample.train("parts", .resuming, make: stages(stopping: false)) == expected)
    let result = try SafetensorsFile(path: sample.folder.path("parts/model.safetensors"))
    #expect(result.entry(named: "exits.entry.bigrams")?.shape == [4, 3])
    #expect(result.entry(named: "exits.entry.temperature") == nil)
  }

  @Test("A training is not resumed with other options or data, and the difference is named")
  func otherArguments() throws {
    let sample = try TrainingSample()
    try sample.train("out")
    var options = sample.options
    (options.learningRate, options.batchTokens) = (1e-3, 50)
    var error = #expect(throws: TrainingError.self) { try sample.train("out", .resuming, options: options) }
    #expect(
      error?.description == "\(sample.folder.path("out")): was started otherwise, so it can't be resumed: "
        + "learning-rate was 5e-05, is 0.001; batch-tokens was 40, is 50")
    let layout = TextLayout(.tsv, text: .number(1), label: .number(1))
    let others = try sample.training(of: sample.checkpoint, sample.options, layout: layout).arguments
    error = #expect(throws: TrainingError.self, "the file is the same, and other columns of it are read") {
      try TrainingFolder(path: sample.folder.path("out"), .resuming, arguments: others, source: sample.checkpoint)
    }
    #expect(error?.description.contains(": texts was [") == true)
    let text = try MappedFile(path: sample.data).withBytes { Array($0) }
    try sample.folder.write("train.tsv", text + Array("0\tw7\n".utf8))
    error = #expect(throws: TrainingError.self) { try sample.train("out", .resuming) }
    #expect(error?.description.contains("data was {\"train\":") == true)
  }

  @Test(
    "A checkpoint of the same weights that means something else is another one, and so is a teacher",
    arguments: ["model", "teacher"])
  func otherMeaning(folder: String) throws {
    let sample = try TrainingSample()
    var recipe = CheckpointRecipe()
    (recipe.layers, recipe.hidden, recipe.intermediate, recipe.classes) = (1, 8, 8, 3)
    var options = sample.options
    options.teachers = [try recipe.write(in: sample.folder, name: "teacher")]
    try sample.train("out", options: options)
    let name = folder == "model" ? "checkpoint" : "teacher \(sample.folder.path("teacher"))"
    func resume(_ file: String) {
      let error = #expect(throws: TrainingError.self) { try sample.train("out", .resuming, options: options) }
      let problem = "was started otherwise, so it can't be resumed: \(name)/\(file) was \""
      #expect(error?.description.contains(problem) == true, "\(String(describing: error))")
    }
    let path = sample.folder.path("\(folder)/config.json")
    let before = try MappedFile(path: path).withBytes { Array($0) }
    var configuration = try JSONField(path: path).object()
    configuration["layer_norm_eps"] = 0.5
    try sample.folder.write("\(folder)/config.json", JSONWriter.string(.object(configuration)))
    resume("config.json")
    try sample.folder.write("\(folder)/config.json", before)
    try sample.train("out", .resuming, options: options)
    // No row has a capital, so that no token changes.
    let settings = #"{"tokenizer_class": "BertTokenizer", "do_lower_case": false}"#
    try sample.folder.write("\(folder)/tokenizer_config.json", settings)
    resume("tokenizer_config.json")
  }

  @Test("A folder that holds something is refused without a word about overwriting, and never emptied")
  func folders() throws {
    let sample = try TrainingSample()
    func problem(_ name: String, _ start: TrainingStart = .new) -> String {
      do {
        try sample.train(name, start)
        return ""
      } catch { return "\(error)".replacing(sample.folder.path, with: "") }
    }
    try sample.folder.makeFolder("empty")
    try sample.folder.makeFolder("full")
    try sample.folder.write("full/notes.txt", "mine")
    try sample.folder.write("file", "mine")
    #expect(problem("empty") == "")
    #expect(problem("empty") == "/empty: holds a training that is finished; --overwrite starts anew")
    #expect(problem("full").hasPrefix("/full: is not empty"))
    #expect(problem("full", .resuming) == "/full: holds no training to resume")
    #expect(problem("none", .resuming) == "/none: no such folder, so nothing to resume")
    #expect(problem("file") == "/file: is a file, expected a folder for the result")
    #expect(problem("model", .overwriting) == "/model: is the checkpoint that is read; give another --output")
    #expect(problem("full", .overwriting) == "" && FileKind(at: sample.folder.path("full/notes.txt")) == .regular)
    #expect(problem("full", .overwriting) == "")
  }

  @Test("While one process trains into a folder another one is refused")
  func locked() throws {
    let sample = try TrainingSample()
    let folder = try TrainingFolder(path: sample.folder.path("out"), .new, arguments: JSONObject(), source: "")
    let error = #expect(throws: TrainingError.self) { try sample.train("out", .overwriting) }
    #expect(error?.description.hasSuffix("another process trains into this folder") == true)
    // Nor while it has not marked the folder yet, or has lost its mark.
    unlink(sample.folder.path("out/training.json"))
    #expect(throws: TrainingError.self) { try sample.train("out") }
    withExtendedLifetime(folder) {}
  }

  @Test("A finished training is not said to be written in another format of weights")
  func finished() throws {
    let sample = try TrainingSample()
    let weights = try sample.train("out")
    var options = sample.options
    options.weights = .f16
    let error = #expect(throws: TrainingError.self) { try sample.train("out", .resuming, options: options) }
    #expect(error?.description.contains("is finished, with weights in f32") == true)
    #expect(try sample.weights("out") == weights)
  }

  @Test("The batches of an update have its number, which goes on through epochs and a resume", arguments: [1, 2])
  func updateNumbers(accumulate: Int) throws {
    let sample = try TrainingSample()
    var options = sample.options
    options.accumulate = accumulate
    func numbers(_ name: String, stoppingAt last: Int? = nil) throws -> [Int] {
      var numbers: [Int] = []
      func make(_ stage: StageName, _ context: TrainingContext) -> any TrainingStage {
        let stage = BagStage(stage, context)
        stage.disturbance = { batch in
          numbers.append(batch.update)
          #expect(accumulate > 1 || batch.update == batch.number)
          return 0
        }
        if let last { return StoppingStage(stage, at: last) }
        return stage
      }
      if last != nil {
        #expect(throws: Stop.self) { try sample.train(name, options: options, saveMinutes: 0, make: make) }
      } else {
        let start = FileKind(at: sample.folder.path(name)) == .missing ? TrainingStart.new : .resuming
        try sample.train(name, start, options: options, make: make)
      }
      return numbers
    }
    let whole = try numbers("whole")
    // But from the first stage to the second.
    #expect(zip(whole, whole.dropFirst()).count { $1 != $0 && $1 != $0 + 1 } <= 1)
    #expect(Dictionary(grouping: whole) { $0 }.values.allSatisfy { $0.count <= accumulate })
    #expect(Set(whole).count < whole.count || accumulate == 1)
    let first = try numbers("parts", stoppingAt: 30)
    let rest = try numbers("parts")
    #expect(Array(whole.suffix(rest.count)) == rest && first.count + rest.count >= whole.count)
  }
}

/// A stage that fails before a batch.
private final class StoppingStage: WrappedStage {
  private let batch: Int

  init(_ stage: BagStage, at batch: Int) {
    self.batch = batch
    super.init(stage)
  }

  override func accumulate(_ batch: TrainingBatch) throws -> Double {
    if batch.number == self.batch { throw Stop() }
    return stage.accumulate(batch)
  }
}

/// A stage that does something when it finishes.
private final class FinishingStage: WrappedStage {
  private let work: () throws -> Void

  init(_ stage: BagStage, _ work: @escaping () throws -> Void) {
    self.work = work
    super.init(stage)
  }

  override func finish() throws { try work() }
}

/// A stage that takes a while before its first epoch.
private final class SlowStage: WrappedStage {
  override func prepare() throws {
    usleep(120_000)
    try super.prepare()
  }
}

/// A stage whose epochs have given scores.
private final class ScoredStage: WrappedStage {
  private var scores: [Double]

  init(_ stage: BagStage, scores: [Double], keepsBest: Bool) {
    self.scores = scores
    stage.keepsBest = keepsBest
    super.init(stage)
  }

  override func score(_ heads: [HeadResult]) -> Double { scores.removeFirst() }
}

private class WrappedStage: TrainingStage {
  let stage: BagStage

  init(_ stage: BagStage) { self.stage = stage }

  var name: StageName { stage.name }
  var heads: [String] { stage.heads }
  var groups: [ParameterGroup] { stage.groups }
  var epochs: Int { stage.epochs }
  var keepsBest: Bool { stage.keepsBest }
  func prepare() throws { try stage.prepare() }
  func accumulate(_ batch: TrainingBatch) throws -> Double { stage.accumulate(batch) }
  func predict(_ batch: TrainingBatch) -> [[Float]] { stage.predict(batch) }
  func score(_ heads: [HeadResult]) -> Double { stage.score(heads) }
  func finish() throws {}
}
